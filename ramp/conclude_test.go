package ramp_test

import (
	"testing"
	"time"

	"saturate/ramp"
	"saturate/stress"
)

// Windows that a neighbour spoilt did not count for the answer; its bottleneck
// must not be called after them, unless they are why there is none.
func TestConcludeLeavesVoidWindowsOut(t *testing.T) {
	var windows []ramp.Window
	for i := range 20 {
		at := time.Duration(i) * time.Second
		o := stress.Observation{
			Window: stress.Window{Start: at, End: at + time.Second}, Asked: 100, Sent: 100, Done: 100,
			Signals: map[stress.Signal]float64{stress.CPU: .88}, Pressure: map[stress.Signal]float64{stress.CPU: .98},
		}
		if i%4 == 1 {
			o.Void, o.Pressure[stress.CPU] = stress.ContendedHost, .4
		}
		windows = append(windows, ramp.Window{Phase: ramp.Hold, Seen: o})
	}
	limits := map[stress.Signal]float64{stress.CPU: .90}
	r := ramp.Result{Ending: ramp.Found, From: 6, To: 20}
	if v := ramp.Conclude(r, windows, limits).Verdict; v.Name != stress.CPUBound || v.Pressure < .979 {
		t.Errorf("found: %q at %.2f, want cpu at .98", v.Name, v.Pressure)
	}
	r.Ending = ramp.Inconclusive
	if v := ramp.Conclude(r, windows, limits).Verdict; v.Name != stress.ContendedCPU {
		t.Errorf("inconclusive: %q, want contended host", v.Name)
	}
}

// A level that was cut while its windows still settled shows nothing, however
// well they look: what it was to carry may have waited in line.
func TestConcludeOfALevelThatWasCut(t *testing.T) {
	window := func(phase ramp.Phase, level float64, settling bool) ramp.Window {
		return ramp.Window{Phase: phase, Settling: settling, Seen: stress.Observation{
			Window: stress.Window{End: time.Second}, Asked: level, Sent: 100, Done: 100,
			Signals: map[stress.Signal]float64{stress.CPU: .1}, Pressure: map[stress.Signal]float64{stress.CPU: .11},
		}}
	}
	limits := map[stress.Signal]float64{stress.CPU: .90}
	for _, c := range []struct {
		name     string
		settling bool
		next     ramp.Phase
		want     stress.Outcome
	}{
		{"cut before it had settled", true, ramp.Recover, stress.OutcomeInconclusive},
		{"cut after", false, ramp.Recover, stress.OutcomeSustained},
		{"left for the hold", true, ramp.Hold, stress.OutcomeSustained},
	} {
		windows := []ramp.Window{window(ramp.Approach, 20000, c.settling), window(c.next, 100, false)}
		steps := ramp.Conclude(ramp.Result{Ending: ramp.Inconclusive}, windows, limits).Steps
		if len(steps) != 2 || steps[0].Outcome != c.want {
			t.Errorf("%s: %+v, want %s", c.name, steps, c.want)
		}
	}
}
