package agent

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"saturate/stress"
	"saturate/stress/probe"
	"saturate/stress/probe/pmu"
)

// A fakeMeter reads what a test wants.
type fakeMeter struct {
	pmu.Totals
	err    error
	closed bool
}

func (f *fakeMeter) Read() (pmu.Totals, error) { return f.Totals, f.err }
func (f *fakeMeter) Close() error              { f.closed = true; return nil }

func emptySample() stress.Sample {
	return stress.Sample{Counters: map[stress.Counter]float64{}, Gauges: map[stress.Gauge]float64{}}
}

// The machine's instructions go into every sample that has none of its target's,
// with what of them the agent's own are.
func TestCounterFills(t *testing.T) {
	machine := &fakeMeter{Totals: pmu.Totals{Instructions: 100, UserInstructions: 60, HasUser: true, Running: 1, Counters: 2}}
	own := &fakeMeter{Totals: pmu.Totals{Instructions: 7}}
	c := &counter{scope: "host", machine: machine, own: own}
	host, s := map[string]string{"cpu_seconds": "host"}, emptySample()
	c.fill(s, host)
	if host[instructions] != "host" || s.Counters[stress.Instructions] != 100 || s.Counters[stress.UserInstructions] != 60 || s.Counters[stress.AgentInstructions] != 7 {
		t.Errorf("%v %v", host, s.Counters)
	}
	if _, has := s.Counters[stress.Cycles]; has {
		t.Error("cycles that were not counted")
	}
	if _, has := s.Counters[stress.AgentCPUSeconds]; !has {
		t.Error("the agent's CPU time is a part of the machine's")
	}
	if src, last, ok := c.source(); !ok || src.Err != nil || src.Age < 0 || last.Counters != 2 {
		t.Errorf("%+v %+v %v", src, last, ok)
	}

	group, s := map[string]string{"cpu_seconds": "cgroup", instructions: "cgroup"}, emptySample()
	c.fill(s, group)
	if group[instructions] != "cgroup" || len(s.Counters) > 0 {
		t.Errorf("a target that counts its own: %v %v", group, s.Counters)
	}

	mixed, s := map[string]string{"cpu_seconds": "processes"}, emptySample()
	c.fill(s, mixed)
	if _, has := s.Counters[stress.AgentCPUSeconds]; has || s.Counters[stress.Instructions] != 100 || s.Counters[stress.AgentInstructions] != 7 {
		t.Errorf("a target beside the machine's count: %v %v", mixed, s.Counters)
	}

	machine.err = &probe.Error{Source: "CPU 1", Err: unix.EBUSY, Remedy: "end the others"}
	s = emptySample()
	c.fill(s, map[string]string{})
	if _, has := s.Counters[stress.Instructions]; has {
		t.Error("totals that miss something were told")
	}
	if src, _, _ := c.source(); !errors.Is(src.Err, unix.EBUSY) || hintOf(src.Err) != "" {
		t.Errorf("%v: what nobody asked for gets no remedy in a run", src.Err)
	}
	c.named = true
	if src, _, _ := c.source(); hintOf(src.Err) == "" {
		t.Errorf("%v: what was asked for gets one", src.Err)
	}
	c.Close()
	c.Close()
	if !machine.closed || !own.closed {
		t.Error("left open")
	}
}

// The machine's instructions go on whatever becomes of the target.
func TestCounterOutlivesTheTarget(t *testing.T) {
	a := serving(t, Config{Probes: probe.Config{Pidfile: t.TempDir() + "/none"}})
	machine := &fakeMeter{Totals: pmu.Totals{Instructions: 100, Running: .5, Counters: 2}}
	*a.counter = counter{scope: "host", machine: machine, own: &fakeMeter{Totals: pmu.Totals{Instructions: 7}}}
	text := scrape(t, a, nil)
	for _, line := range []string{`saturate_source_up{source="target"} 0`, `saturate_source_up{source="instructions"} 1`,
		`saturate_instructions_total{scope="host"} 100`, `saturate_instructions_running_ratio{scope="host"} 0.5`,
		`saturate_instructions_counters{scope="host"} 2`, "saturate_agent_instructions_total 7"} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%s is not on the page", line)
		}
	}
}
