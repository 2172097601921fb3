package probe

import (
	"math"

	"saturate/stress"
)

// A Scope is whose CPU time and memory the samples tell.
type Scope string

// The scopes.
const (
	ScopeCgroup    Scope = "cgroup"
	ScopeProcesses Scope = "processes"
	ScopeHost      Scope = "host"
	ScopeNone      Scope = "none" // nothing of the target's own can be read
)

// seldom is how many samples share one reading of what hardly changes: limits,
// affinity, lists of processes. It is a second.
const seldom = 5

// limits are what the target may use.
type limits struct {
	fs     rootFS
	config Config
	cpus   cpuSet  // that it may run on
	quota  float64 // CPUs; +Inf none
	memory float64 // bytes; +Inf none
	total  float64 // of the machine's memory
}

func newLimits(fs rootFS, c Config) *limits {
	return &limits{fs: fs, config: c, quota: math.Inf(1), memory: math.Inf(1)}
}

// update reads the machine's limits anew and narrows them to allowed, where
// that is not empty.
func (l *limits) update(allowed ...cpuSet) error {
	text, err := l.fs.read("sys/devices/system/cpu/online")
	if err != nil {
		return err
	}
	online, err := parseCPUs(text)
	if err != nil {
		return err
	}
	for _, set := range allowed {
		if both := online.and(set); len(both) > 0 {
			online = both
		}
	}
	l.cpus = online
	if l.total == 0 {
		text, err = l.fs.read("proc/meminfo")
		l.total = parseKeyed(text, "MemTotal")["MemTotal"] * 1024
	}
	return err
}

// fill writes the limits into a sample.
func (l *limits) fill(s *stress.Sample) {
	cpus := min(float64(len(l.cpus)), l.quota)
	if l.config.CPUs > 0 {
		cpus = min(cpus, l.config.CPUs)
	}
	if cpus > 0 {
		s.Gauges[stress.CPULimit] = cpus
	}
	memory := min(l.total, l.memory)
	if l.config.MemoryLimit > 0 {
		memory = min(memory, float64(l.config.MemoryLimit))
	}
	if memory > 0 {
		s.Gauges[stress.MemoryLimit] = memory
	}
}
