package pmu

import (
	"os"

	"golang.org/x/sys/unix"
)

// A Diagnosis is whether a scope can be counted.
type Diagnosis struct {
	// Scope is host, processes or cgroup; with "/user" for user space alone.
	Scope string
	// Err is why not, an *Error; nil where it can.
	Err error
	// User and Cycles are what is counted beside the instructions.
	User, Cycles bool
}

// Diagnose tries every scope: the machine, ourselves, and the control group of
// the given directory, unless that is empty. Nothing is left open.
func Diagnose(cgroup string) []Diagnosis { return diagnose(newMachine(), cgroup) }

func diagnose(m *machine, cgroup string) []Diagnosis {
	self := func() []int { return []int{os.Getpid()} }
	tried := []Config{{Scope: Host}, {Scope: Processes, PIDs: self}}
	if cgroup != "" {
		tried = append(tried, Config{Scope: Cgroup, Cgroup: cgroup})
	}
	var all []Diagnosis
	for _, c := range tried {
		for _, c.User = range []bool{false, true} {
			all = append(all, try(m, c))
		}
	}
	return all
}

func try(m *machine, c Config) Diagnosis {
	d := Diagnosis{Scope: string(c.Scope)}
	if c.User {
		d.Scope += "/user"
	}
	meter, err := open(m, c)
	if err != nil {
		d.Err = err
		return d
	}
	now := meter.tally.totals(0)
	d.User, d.Cycles = now.HasUser, now.HasCycles
	meter.Close()
	return d
}

// openEvent opens a single event of our own, in user space.
func openEvent(k kernel, kind uint32, config uint64) (event, error) {
	attr := unix.PerfEventAttr{Type: kind, Config: config, Size: attrSize, Bits: userOnly | unix.PerfBitDisabled}
	const us, anyCPU = 0, -1
	return k.open(&attr, us, anyCPU, nil, 0)
}
