package agent

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"saturate/stress"
	"saturate/stress/probe/pmu"
)

// An own knows what the agent itself spends, so that it can be taken off what
// its host does.
type own struct {
	user  bool // user space only
	mu    sync.Mutex
	meter *pmu.Meter // nil where instructions cannot be counted
}

// countOwn begins to count the agent's own instructions, where that is possible.
func countOwn(user bool) *own {
	m, err := pmu.Open(pmu.Config{Scope: pmu.Processes, User: user, PIDs: func() []int { return []int{os.Getpid()} }})
	if err != nil {
		return &own{}
	}
	return &own{user: user, meter: m}
}

// cpuSeconds is the agent's CPU time, user and kernel.
func (o *own) cpuSeconds() (float64, bool) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, true
}

// instructions are the agent's own since it began to count.
func (o *own) instructions() (float64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.meter == nil {
		return 0, false
	}
	t, err := o.meter.Read()
	return t.Instructions, err == nil
}

// fill adds the agent's own part of what the sample counts, where it is a part
// of it: that of the whole machine.
func (o *own) fill(s stress.Sample, scopes map[string]string) {
	if scopes["cpu_seconds"] == "host" {
		if v, ok := o.cpuSeconds(); ok {
			s.Counters[stress.AgentCPUSeconds] = v
		}
	}
	scope, user := strings.CutSuffix(scopes["instructions"], "/user")
	if scope == "host" && user == o.user {
		if v, ok := o.instructions(); ok {
			s.Counters[stress.AgentInstructions] = v
		}
	}
}

// Close ends the counting.
func (o *own) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.meter != nil {
		o.meter.Close()
		o.meter = nil
	}
}
