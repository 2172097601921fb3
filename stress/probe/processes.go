package probe

import (
	"math"
	"strconv"

	"saturate/stress"
)

// processes reads a tree of processes: CPU time, anonymous memory, delay, and
// what its root may use.
type processes struct {
	fs     rootFS
	tree   *tree
	limits *limits
	may    *affinity
	group  *group   // of the root; nil where it cannot be found
	by     groupDir // sets the quota
	detail map[int]*detail
	delay  float64 // seconds runnable but not running; never falls
	ticks  int
}

// A detail is what is read of one process beside its CPU time.
type detail struct {
	start uint64
	anon  float64
	delay float64
}

func openProcesses(fs rootFS, c Config, pid int) *processes {
	p := &processes{fs: fs, tree: newTree(procFS{fs}, pid), limits: newLimits(fs, c), may: newAffinity(fs), detail: make(map[int]*detail)}
	p.group, _ = groupOf(fs, pid)
	return p
}

func (p *processes) pids() []int  { return p.tree.pids() }
func (p *processes) cpus() cpuSet { return p.limits.cpus }

func (p *processes) read(s *stress.Sample) error {
	if err := p.tree.update(); err != nil {
		return err
	}
	p.look()
	if p.ticks%seldom == 0 {
		if err := p.bound(); err != nil {
			return err
		}
	}
	p.ticks++
	s.Counters[stress.CPUSeconds] = p.tree.cpu
	s.Counters[stress.MajorFaults] = p.tree.faults
	s.Counters[stress.RunDelaySeconds] = p.delay
	s.Gauges[stress.Processes] = float64(len(p.detail))
	p.readMemory(s)
	p.limits.fill(s)
	if !math.IsInf(p.limits.quota, 1) {
		p.by.readThrottling(s)
	}
	p.readOOM(s)
	return nil
}

// look reads the details of the processes; of many only a part at a time, so
// that each is read once a second at least.
func (p *processes) look() {
	stride := min(seldom, 1+len(p.tree.members)/16)
	for pid, m := range p.tree.members {
		d := p.detail[pid]
		switch {
		case m.dead():
			delete(p.detail, pid)
			continue
		case d == nil || d.start != m.start:
			d = &detail{start: m.start}
			p.detail[pid] = d
		case (p.ticks+pid)%stride != 0:
			continue
		}
		p.readDetail(pid, m, d)
	}
	for pid := range p.detail {
		if p.tree.members[pid] == nil {
			delete(p.detail, pid)
		}
	}
}

func (p *processes) readDetail(pid int, m *member, d *detail) {
	name := strconv.Itoa(pid)
	if text, err := p.fs.read("proc", name, "status"); err == nil {
		d.anon, _, _ = parseStatus(text)
	}
	// The file counts the first thread alone; for servers of many threads the
	// delay is that of the ones that lead.
	if text, err := p.fs.read("proc", name, "schedstat"); err == nil {
		if delay, ok := parseSchedstat(text); ok {
			p.delay += max(0, delay-d.delay)
			d.delay = max(d.delay, delay)
		}
	}
}

// bound reads what the tree may use: its affinity, and the control group that
// its root is in.
func (p *processes) bound() error {
	var groups cpuSet
	if p.group != nil {
		p.limits.quota, p.by = p.group.bandwidth()
		p.limits.memory = p.group.memoryLimit()
		groups = p.group.cpus()
	}
	return p.limits.update(p.may.cpus(p.pids()), groups)
}

// readMemory sums the processes' anonymous memory; pages that forked workers
// still share count in each. A control group knows better: where it is that
// which limits the tree, its sum is what matters.
func (p *processes) readMemory(s *stress.Sample) {
	if !math.IsInf(p.limits.memory, 1) {
		if anon, _, err := p.group.anonymous(); err == nil {
			s.Gauges[stress.MemoryBytes] = anon
			return
		}
	}
	anon := 0.0
	for _, d := range p.detail {
		anon += d.anon
	}
	s.Gauges[stress.MemoryBytes] = anon
}

// readOOM counts the kills in the root's group, or of the machine where that
// is the group of everybody.
func (p *processes) readOOM(s *stress.Sample) {
	if p.group != nil && !p.group.memory.none() && p.group.memory.path != p.group.memory.mount {
		p.group.readOOM(s)
	}
	if _, known := s.Counters[stress.OOMKills]; !known {
		readHostOOM(p.fs, s)
	}
}
