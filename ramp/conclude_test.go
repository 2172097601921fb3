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
