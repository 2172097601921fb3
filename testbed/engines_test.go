package testbed

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"saturate/record"
)

// withEngine is a scenario that asks for an engine, of which the one that ships
// leaves the choice to saturate.
func withEngine(t *testing.T, scenario, engine string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "scenarios", scenario+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	asked := strings.Replace(string(text), "\ntraffic:\n", "\ntraffic:\n  engine: "+engine+"\n", 1)
	if asked == string(text) {
		t.Fatalf("%s has no traffic section as expected", scenario)
	}
	file := filepath.Join(t.TempDir(), scenario+".yaml")
	if err := os.WriteFile(file, []byte(asked), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestShowsEngines measures every server with both engines in turn, three times: all
// that TestQuick wants of each run, and the same rate within the interval that a run states.
// SATURATE_ROUNDS and SATURATE_ONLY make it shorter.
func TestShowsEngines(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "both engines on the same servers")
	program, n := saturate(t), rounds(3)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\truns\tvegeta, at limit\tfast, at limit\tdifference %\tinterval %\t")
	demos := []built{{"demo-cpu", "cpu"}, {"demo-workers", "workers"}, {"demo-memory", "memory"}}
	for _, s := range chosen(slices.Concat(bottlenecks, demos)...) {
		found := map[string]*engineRuns{"vegeta": {}, "fast": {}}
		for round := range n {
			order := []string{"vegeta", "fast"}
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, engine := range order {
				t.Run(fmt.Sprintf("%s/%s/%d", s.scenario, engine, round+1), func(t *testing.T) {
					r, _ := measureAgain(t, program, withEngine(t, s.scenario, engine), "--precision", "quick")
					wantFound(t, r, s.bottleneck)
					if r.Load.Engine != engine {
						t.Errorf("with engine %s", r.Load.Engine)
					}
					found[engine].add(r)
				})
			}
		}
		old, fast := found["vegeta"], found["fast"]
		off := median(fast.limits)/median(old.limits) - 1
		within := math.Hypot(median(old.halves), median(fast.halves))
		fmt.Fprintf(w, "%s\t%d, %d\t%.1f\t%.1f\t%+.1f\t%.1f\t\n", s.scenario, len(old.limits), len(fast.limits),
			median(old.limits), median(fast.limits), 100*off, 100*within)
		if !(math.Abs(off) <= within) { // also where an engine found nothing
			t.Errorf("%s: %+.1f %% apart, the interval is %.1f %%", s.scenario, 100*off, 100*within)
		}
	}
	w.Flush()
	t.Logf("\n%s", &b)
}

// engineRuns are those of one engine on one scenario.
type engineRuns struct {
	limits []float64
	halves []float64 // of the runs' intervals, as shares
}

func (e *engineRuns) add(r *record.Record) {
	s := r.Targets[0].Repeats[0].Sustained
	e.limits = append(e.limits, s.AtLimit)
	e.halves = append(e.halves, (s.Interval.Hi-s.Interval.Lo)/2/s.AtLimit)
}
