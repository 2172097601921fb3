package record

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// TestCurve: of the steps, those with load that was sustained are points of the
// curve, at their level, or on live traffic at the rate that came; what was cut,
// recovered from or too short is not.
func TestCurve(t *testing.T) {
	step := func(phase ramp.Phase, verdict stress.Outcome, level, done, work float64) Step {
		return Step{Phase: phase, Verdict: verdict, Level: level, Seconds: 10, Work: map[string]float64{"cpu_seconds": work, "requests": done}, CostSE: map[string]float64{"cpu_seconds": .01}}
	}
	short := step(ramp.Approach, stress.OutcomeSustained, 40, 40, .2)
	short.CostSE = nil
	r := Repeat{Steps: []Step{
		step(ramp.Idle, stress.OutcomeSustained, 0, 0, .01),
		step(ramp.Approach, stress.OutcomeSustained, 20, 22, .11),  // more came than the level says
		step(ramp.Approach, stress.OutcomeSustained, 120, 90, .45), // far less came, of live traffic
		short,
		step(ramp.Approach, stress.OutcomeStressed, 90, 80, .9),
		step(ramp.Approach, stress.OutcomeInconclusive, 60, 60, .5),
		step(ramp.Recover, stress.OutcomeSustained, 10, 10, .4),
		step(ramp.Hold, stress.OutcomeSustained, 80, 80, .32),
		step(ramp.Reference, stress.OutcomeSustained, 50, 50, .22),
	}}
	want := []appweight.CostPoint{{PerSecond: .1, Rate: 20, SE: .01}, {PerSecond: .45, Rate: 90, SE: .01}, {PerSecond: .32, Rate: 80, SE: .01}, {PerSecond: .22, Rate: 50, SE: .01}}
	if diff := cmp.Diff(want, r.Curve("cpu_seconds")); diff != "" {
		t.Error(diff)
	}
	if got := r.Curve("instructions"); got != nil {
		t.Errorf("a curve of what was not counted: %+v", got)
	}
}

// By hand: windows of 4 and 6 per 1000 requests are off their mean by 1 each: the
// error is sqrt(2 * 2 / 1) / 10.
func TestCostErrors(t *testing.T) {
	window := func(work float64) stress.Observation {
		return stress.Observation{Window: stress.Window{End: time.Second}, Done: 1000, Work: map[string]float64{"cpu_seconds": work}}
	}
	if got := costErrors([]stress.Observation{window(4), window(6)}); got["cpu_seconds"] != .2 {
		t.Errorf("%v", got)
	}
	if got := costErrors([]stress.Observation{window(4)}); got != nil {
		t.Errorf("an error from one window: %v", got)
	}
	unread := window(5)
	unread.Work = nil
	if got := costErrors([]stress.Observation{window(4), unread, window(6)}); got != nil {
		t.Errorf("an error although a window was not read: %v", got)
	}
	// Slow waves do not cancel: twenty windows up and twenty down are two, not forty.
	var wave, even []stress.Observation
	for i := range 40 {
		wave, even = append(wave, window(4+2*float64(i/20))), append(even, window(4+2*float64(i%2)))
	}
	if slow, fast := costErrors(wave)["cpu_seconds"], costErrors(even)["cpu_seconds"]; slow < .06 || fast > .001 {
		t.Errorf("a slow wave is off by %v, a fast one by %v", slow, fast)
	}
}

// A server whose requests cost more as it fills up: the score is too high.
func TestScoreTooHigh(t *testing.T) {
	r := newRecord()
	repeat := NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})
	for i := range repeat.Steps {
		if s := &repeat.Steps[i]; s.Phase == ramp.Approach {
			s.Work["cpu_seconds"] *= .9
		}
	}
	r.Targets = []Target{{Name: "a", Repeats: []Repeat{repeat}}}
	r.Conclude(fleets(), nil)
	if text := strings.Join(r.Warnings, "\n"); !strings.Contains(text, "more cpu_seconds in the hold than at the fleet's load: the score is too high by about that") {
		t.Errorf("%q", text)
	}
	if s := r.AppWeight[0]; s.LoadAdjusted != 0 {
		t.Errorf("%+v", s)
	}
}
