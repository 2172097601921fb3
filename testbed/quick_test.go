package testbed

import (
	"slices"
	"testing"
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
			scenario, engine := want.scenario, "fast" // as auto has it
			if want.scenario == "php-fpm" {           // there is time for one run of each; TestShowsEngines has both engines on all
				engine = "vegeta"
				scenario = withEngine(t, want.scenario, engine)
			}
			r, exit := measureAgain(t, program, scenario, "--precision", "quick")
			wantFound(t, r, want.bottleneck)
			if r.Load.Engine != engine {
				t.Errorf("with engine %s, want %s", r.Load.Engine, engine)
			}
			if exit != 0 {
				t.Errorf("exit code %d", exit)
			}
			if r.Fleet != nil && len(r.AppWeight) != 1 {
				t.Errorf("%d scores", len(r.AppWeight))
			}
		})
	}
}
