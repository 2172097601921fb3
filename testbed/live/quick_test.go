package live

import (
	"testing"
	"time"

	"saturate/ramp"
	"saturate/record"
)

// TestQuick squeezes one server of HAProxy's with the traffic of the crowd, and
// breaks a squeeze in the three ways that matter most.
func TestQuick(t *testing.T) {
	tell(t, "SATURATE_STACKS", "a quick squeeze of one real server behind HAProxy")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	p.still, p.stopped = 2*time.Second, 4*time.Second
	time.Sleep(3 * time.Second)
	wantShares(t, p.wantWell(t, 0), 1./Count)
	t.Run("squeeze", p.quickSqueeze)
	for _, f := range faults {
		switch f.name {
		case "controller killed", "controller stopped, and continued", "watchdog and controller killed":
			t.Run(f.name, func(t *testing.T) { p.try(t, f, new(tally)) })
		}
	}
}

func (p *production) quickSqueeze(t *testing.T) {
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
	run.wantExit(t, time.Second, 0)
	wantLive(t, r, 1)
	repeat := r.Targets[0].Repeats[0]
	if repeat.Ending != ramp.Found || repeat.Bottleneck.Name != "workers" {
		t.Errorf("ended %s (%s), bottleneck %s", repeat.Ending, repeat.Why, repeat.Bottleneck.Name)
	}
}
