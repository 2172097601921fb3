package agent

import (
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
	"saturate/stress/probe"
	"saturate/stress/probe/pmu"
)

// instructions is the source that counts them.
const instructions = "instructions"

// A counter counts the machine's instructions for as long as the agent lives,
// whatever becomes of its target, and what the agent itself spends, so that it can
// be taken off.
type counter struct {
	scope string // host or host/user; "" where the machine's are not counted
	named bool   // somebody asked for them: every run is to be told where they cannot be

	mu      sync.Mutex
	machine meter // nil where it cannot be counted
	own     meter
	last    pmu.Totals
	at      time.Time // when it was read last
	err     error     // why it was not
}

// A meter is a *pmu.Meter.
type meter interface {
	Read() (pmu.Totals, error)
	Close() error
}

// newCounter begins to count, where that is possible.
func newCounter(scope string, named bool) *counter {
	c := &counter{scope: scope, named: named}
	user := strings.HasSuffix(scope, "/user")
	if scope != "" {
		m, err := pmu.Open(pmu.Config{Scope: pmu.Host, User: user})
		if err != nil {
			c.err = err
			return c
		}
		c.machine = m
		m, err = pmu.Open(pmu.Config{Scope: pmu.Processes, User: user, PIDs: func() []int { return []int{os.Getpid()} }})
		if err == nil {
			c.own = m
		}
	}
	return c
}

// fill adds to a sample the machine's instructions, where it has none of its
// target's, and the agent's own part of what is the whole machine's.
func (c *counter) fill(s stress.Sample, scopes map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if scopes["cpu_seconds"] == string(probe.ScopeHost) {
		if v, ok := cpuSeconds(); ok {
			s.Counters[stress.AgentCPUSeconds] = v
		}
	}
	if _, has := scopes[instructions]; has || c.machine == nil {
		return
	}
	scopes[instructions] = c.scope
	if c.last, c.err = c.machine.Read(); c.err != nil {
		return
	}
	c.at = time.Now()
	s.Counters[stress.Instructions] = c.last.Instructions
	if c.last.HasUser {
		s.Counters[stress.UserInstructions] = c.last.UserInstructions
	}
	if c.last.HasCycles {
		s.Counters[stress.Cycles] = c.last.Cycles
	}
	if own, ok := c.spent(); ok {
		s.Counters[stress.AgentInstructions] = own
	}
}

// cpuSeconds is the agent's CPU time, user and kernel.
func cpuSeconds() (float64, bool) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, true
}

// spent is what the agent itself retired since it began to count.
func (c *counter) spent() (float64, bool) {
	if c.own == nil {
		return 0, false
	}
	t, err := c.own.Read()
	return t.Instructions, err == nil
}

// instructions is the same, for who does not hold the lock.
func (c *counter) instructions() (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent()
}

// source is how the counting is doing, with the last reading; ok is false where
// the machine's instructions are not asked for.
func (c *counter) source() (src probe.Source, last pmu.Totals, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	src = probe.Source{Name: instructions, Age: -1}
	if !c.at.IsZero() {
		src.Age = time.Since(c.at)
	}
	if c.err != nil {
		src.Err = uncounted(c.err, c.named)
	}
	return src, c.last, c.scope != ""
}

// doubt is why the machine's instructions are not counted, with the remedy.
func (c *counter) doubt() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return uncounted(c.err, true)
}

// uncounted says why instructions are not counted, with the remedy where that is
// wanted: nobody is to be told at every run that his machine has no counters.
func uncounted(err error, advise bool) error {
	e := &probe.Error{Source: instructions, Err: err}
	var known *probe.Error
	var hinting interface{ Hint() string }
	if errors.As(err, &hinting) {
		e.Remedy = hinting.Hint()
	}
	if errors.As(err, &known) {
		e.Err = known.Err
	}
	if !advise {
		e.Remedy = ""
	}
	return e
}

// Close ends the counting.
func (c *counter) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []meter{c.machine, c.own} {
		if m != nil {
			m.Close()
		}
	}
	c.machine, c.own = nil, nil
}
