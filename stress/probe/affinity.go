package probe

import "strconv"

// fewPIDs is how many processes of a scope are asked for their affinity.
const fewPIDs = 64

// affinity tells on which CPUs a target's processes may run. A master that only
// watches its pinned workers may run anywhere and never does: once the target
// has worked, who had no part in it does not count.
type affinity struct {
	table processTable
	fs    rootFS
	first map[int]procStat // as first seen
}

func newAffinity(fs rootFS) *affinity {
	return &affinity{table: procFS{fs}, fs: fs, first: make(map[int]procStat)}
}

// cpus is the union over the processes that have used the CPU.
func (a *affinity) cpus(pids []int) cpuSet {
	const (
		worked = .1 // seconds that tell enough of who works
		part   = .01
	)
	pids = pids[:min(len(pids), fewPIDs)]
	used, total := make(map[int]float64), 0.0
	known := make(map[int]procStat)
	for _, pid := range pids {
		p, ok := a.table.stat(pid)
		if !ok {
			continue
		}
		known[pid] = p
		if was, seen := a.first[pid]; seen && was.start == p.start {
			known[pid] = was
		}
		used[pid] = max(0, p.own-known[pid].own)
		total += used[pid]
	}
	a.first = known

	var all cpuSet
	for _, pid := range pids {
		if total >= worked && used[pid] < part*total {
			continue
		}
		if text, err := a.fs.read("proc", strconv.Itoa(pid), "status"); err == nil {
			_, cpus, _ := parseStatus(text)
			all = all.or(cpus)
		}
	}
	return all
}
