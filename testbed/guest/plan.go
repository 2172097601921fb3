package guest

// A Plan is what the guest runs. Its init finds it as JSON in PlanFile.
type Plan struct {
	// Controllers are enabled in the root control group: "+cpu +memory". A guest
	// without any counts no group.
	Controllers string
	// Programs are started in their order. Where all are jobs, the machine is
	// switched off when the last has ended.
	Programs []Program
}

// A Program of the guest. What it prints goes to the console.
type Program struct {
	Args []string
	Env  []string // beside PATH
	// Cgroup is a group of its own, below the root: "web". "" is the root.
	Cgroup string
	// Weight is the group's share of the CPU where others want it too: its
	// cpu.weight; 0 leaves it at 100.
	Weight int
	// Job says that it ends by itself, and that the next waits for it.
	Job bool
}

// What this package and the guest's init have to agree on.
const (
	PlanFile = "/plan.json"
	// Address is the guest's.
	Address = "10.0.2.15"
	// failed begins a line of init about something that went wrong.
	failed = "guest failed: "
)

// Failed is how init tells of something that went wrong.
func Failed(problem error) string { return failed + problem.Error() }
