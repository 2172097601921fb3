package testbed

import (
	"slices"
	"testing"

	"saturate/record"
)

// TestQuick measures each kind of real server once, Django also out of memory,
// at the precision that is called quick: the answer must be found, with the right
// bottleneck and next to no failures. A run that a neighbour on the machine has
// spoilt says so itself and is made again.
func TestQuick(t *testing.T) {
	tell(t, "SATURATE_STACKS", "quick runs of the real servers")
	program := saturate(t)
	// The quickstart is TestQuickReadme's. Three more ways to run the same Django are
	// measured by the long proofs, and are started and stopped by TestQuickStarts.
	elsewhere := []string{"quickstart", "django-workers", "django-mixed", "gunicorn"}
	for _, want := range bottlenecks {
		if slices.Contains(elsewhere, want.scenario) {
			continue
		}
		t.Run(want.scenario, func(t *testing.T) {
			r, exit := measureAgain(t, program, want.scenario, "--precision", "quick")
			if r.Ending != record.Found || exit != 0 {
				t.Fatalf("ended %s with exit code %d", r.Ending, exit)
			}
			repeat := r.Targets[0].Repeats[0]
			if repeat.Bottleneck.Name != want.bottleneck {
				t.Errorf("the bottleneck is %s, want %s", repeat.Bottleneck.Name, want.bottleneck)
			}
			if share := float64(repeat.Failed) / float64(repeat.Done); share > .001 {
				t.Errorf("%d of %d requests failed", repeat.Failed, repeat.Done)
			}
			if s := repeat.Sustained; s.Rate <= 0 || s.AtLimit < s.Rate*.9 || s.Interval.Lo >= s.Interval.Hi {
				t.Errorf("sustained %+v", s)
			}
			if r.Fleet != nil && len(r.AppWeight) != 1 {
				t.Errorf("%d scores", len(r.AppWeight))
			}
		})
	}
}
