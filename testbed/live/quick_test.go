package live

import (
	"testing"
	"time"

	"saturate/ramp"
	"saturate/record"
)

// TestQuickSqueeze squeezes one server of HAProxy's with the traffic of the crowd.
func TestQuickSqueeze(t *testing.T) {
	tell(t, "SATURATE_STACKS", "a quick squeeze of one real server behind HAProxy")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	var run *process
	var squeezed *Figures
	var r *record.Record
	for range 3 { // a machine that is busy otherwise voids a run, which says so
		run = p.squeeze(t, squeeze{}).start(t)
		<-run.ended
		ended := time.Now()
		squeezed = p.wantWell(t, 0)
		p.wantAsFound(t, ended)
		if r = run.record(t); r != nil && r.Ending != ramp.Inconclusive {
			break
		}
	}
	t.Logf("%s\n%s\n%s", &run.err, &run.out, squeezed)
	run.wantExit(t, 0, 0)
	wantLive(t, r, 1)
	repeat := r.Targets[0].Repeats[0]
	if repeat.Ending != ramp.Found || repeat.Bottleneck.Name != "workers" {
		t.Errorf("ended %s (%s), bottleneck %s", repeat.Ending, repeat.Why, repeat.Bottleneck.Name)
	}
}

// TestQuickFaults are the three that matter most.
func TestQuickFaults(t *testing.T) {
	tell(t, "SATURATE_STACKS", "a controller and a watchdog killed in the middle of a squeeze")
	p := produce(t, Config{Redispatch: true}, ThirtyPercent(sustained))
	for _, f := range faults {
		switch f.name {
		case "controller killed", "controller stopped for 10 s", "watchdog and controller killed":
			t.Run(f.name, func(t *testing.T) { p.try(t, f, new(tally)) })
		}
	}
}
