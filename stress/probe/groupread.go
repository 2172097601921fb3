package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"saturate/stress"
)

// readUsage reads the CPU time that the group has used.
func (g *group) readUsage(s *stress.Sample) error {
	if !g.usage.v2 {
		ns, err := readNumber(g.usage.file("cpuacct.usage"))
		if err == nil {
			s.Counters[stress.CPUSeconds] = ns / 1e9
		}
		return err
	}
	text, err := readFile(g.usage.file("cpu.stat"))
	if err != nil {
		return err
	}
	us, found := parseKeyed(text)["usage_usec"]
	if !found {
		return fmt.Errorf("%s has no usage_usec", g.usage.file("cpu.stat"))
	}
	s.Counters[stress.CPUSeconds] = us / 1e6
	return nil
}

// bandwidth is the smallest quota of the group and its ancestors in CPUs, +Inf
// without any, and the group that sets it.
func (g *group) bandwidth() (cpus float64, by groupDir) {
	cpus = math.Inf(1)
	for _, d := range g.quota.lineage() {
		if q := d.quotaCPUs(); q < cpus {
			cpus, by = q, d
		}
	}
	return cpus, by
}

func (d groupDir) quotaCPUs() float64 {
	if d.v2 {
		text, _ := readFile(d.file("cpu.max"))
		return parseCPUMax(text)
	}
	quota, err1 := readNumber(d.file("cpu.cfs_quota_us")) // -1, no number of ours, is none
	period, err2 := readNumber(d.file("cpu.cfs_period_us"))
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return math.Inf(1)
	}
	return quota / period
}

// parseCPUMax reads "quota period" of cpu.max in CPUs; +Inf for "max".
func parseCPUMax(text string) float64 {
	quota, period, _ := strings.Cut(strings.TrimSpace(text), " ")
	q, err1 := parseNumber(quota)
	p, err2 := parseNumber(period)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return q / p
}

// readThrottling reads how often the group that sets the quota was throttled.
func (d groupDir) readThrottling(s *stress.Sample) {
	text, err := readFile(d.file("cpu.stat"))
	if err != nil {
		return
	}
	for key, v := range parseKeyed(text) {
		switch key {
		case "nr_periods":
			s.Counters[stress.Periods] = v
		case "nr_throttled":
			s.Counters[stress.ThrottledPeriods] = v
		case "throttled_usec":
			s.Counters[stress.ThrottledSeconds] = v / 1e6
		case "throttled_time":
			s.Counters[stress.ThrottledSeconds] = v / 1e9
		}
	}
}

// cpus is the set that the group may run on; nil where no cpuset says.
func (g *group) cpus() cpuSet {
	for _, d := range g.cpuset.lineage() {
		name := "cpuset.effective_cpus"
		if d.v2 {
			name = "cpuset.cpus.effective"
		}
		if text, err := readFile(d.file(name)); err == nil {
			if set, err := parseCPUs(text); err == nil && len(set) > 0 {
				return set
			}
		}
	}
	return nil
}

// readMemory reads anonymous memory, major faults and OOM kills.
func (g *group) readMemory(s *stress.Sample) error {
	anon, stat, err := g.anonymous()
	if err != nil {
		return err
	}
	s.Gauges[stress.MemoryBytes] = anon
	faults := "total_pgmajfault"
	if g.memory.v2 {
		faults = "pgmajfault"
	}
	if v, found := stat[faults]; found {
		s.Counters[stress.MajorFaults] = v
	}
	g.readOOM(s)
	return nil
}

// anonymous is the group's anonymous memory in bytes, and the file it is from.
func (g *group) anonymous() (anon float64, stat map[string]float64, err error) {
	if g.memory.none() {
		return 0, nil, hinted("create it in the memory hierarchy too and move the target's processes there",
			"the group is not in the memory hierarchy")
	}
	text, err := readFile(g.memory.file("memory.stat"))
	if errors.Is(err, fs.ErrNotExist) && isDir(g.memory.path) {
		return 0, nil, hinted("echo +memory > "+path.Join(path.Dir(g.memory.path), "cgroup.subtree_control"),
			"the memory controller is not enabled for the group")
	}
	if err != nil {
		return 0, nil, err
	}
	name := "total_rss"
	if g.memory.v2 {
		name = "anon"
	}
	stat = parseKeyed(text)
	anon, found := stat[name]
	if !found {
		return 0, nil, fmt.Errorf("%s has no %s", g.memory.file("memory.stat"), name)
	}
	return anon, stat, nil
}

// readOOM reads how many processes of the group the kernel has killed. In v1
// the file is there since Linux 4.13 and counts the group alone.
func (g *group) readOOM(s *stress.Sample) {
	name := "memory.oom_control"
	if g.memory.v2 {
		name = "memory.events"
	}
	text, _ := readFile(g.memory.file(name))
	if v, found := parseKeyed(text)["oom_kill"]; found {
		s.Counters[stress.OOMKills] = v
	}
}

// memoryLimit is the smallest limit of the group and its ancestors, +Inf
// without any. memory.high is one: above it every allocation is slowed down.
func (g *group) memoryLimit() float64 {
	limit := math.Inf(1)
	if g.memory.none() {
		return limit
	}
	if !g.memory.v2 {
		text, _ := readFile(g.memory.file("memory.stat"))
		// Unlimited is written as the largest number of pages, about 2^63.
		if v, found := parseKeyed(text)["hierarchical_memory_limit"]; found && v < 1<<60 {
			limit = v
		}
		return limit
	}
	for _, d := range g.memory.lineage() {
		for _, name := range []string{"memory.max", "memory.high"} {
			if v, err := readNumber(d.file(name)); err == nil {
				limit = min(limit, v)
			}
		}
	}
	return limit
}

// readPressure reads the v2 tree's stall times of the group.
func (g *group) readPressure(s *stress.Sample) error {
	if g.pressure.none() {
		return hinted("mount the v2 tree and put the target's processes in a group of the same path there",
			"no such group in the v2 tree, which alone counts stalls")
	}
	if text, err := readFile(g.pressure.file("cgroup.events")); err == nil && parseKeyed(text)["populated"] == 0 {
		return hinted("write the target's processes to "+g.pressure.file("cgroup.procs"),
			"the group of the v2 tree has no process")
	}
	return readPSI(s, func(resource string) (string, error) { return readFile(g.pressure.file(resource + ".pressure")) })
}
