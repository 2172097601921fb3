package testbed

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
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

// TestQuickEngines runs a real server, whose bottleneck is its workers, with the
// engine that TestQuick does not use.
func TestQuickEngines(t *testing.T) {
	tell(t, "SATURATE_STACKS", "a quick run with the fast engine")
	program, file := saturate(t), withEngine(t, "php-fpm", "fast")
	r, _ := measure(t, program, file, "--precision", "quick")
	for try := 1; try < 3 && spoilt(r); try++ {
		r, _ = measure(t, program, file, "--precision", "quick")
	}
	if r.Ending != record.Found {
		t.Fatalf("ended %s", r.Ending)
	}
	repeat := r.Targets[0].Repeats[0]
	if repeat.Bottleneck.Name != "workers" || r.Load.Engine != "fast" {
		t.Errorf("stopped by %s, with engine %s", repeat.Bottleneck.Name, r.Load.Engine)
	}
	if share := float64(repeat.Failed) / float64(repeat.Done); share > .001 {
		t.Errorf("%d of %d requests failed", repeat.Failed, repeat.Done)
	}
}

// TestShowsEngines measures servers with both engines in turn: the same rate,
// within the interval that a run states, and the same bottleneck.
// SATURATE_ROUNDS makes it shorter or longer than three rounds.
func TestShowsEngines(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "both engines on the same servers")
	program := saturate(t)
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("SATURATE_ROUNDS")); err == nil {
		rounds = n
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\tvegeta, at limit\tfast, at limit\tdifference %\tinterval %\t")
	for _, s := range []struct{ scenario, bottleneck string }{
		{"django-cpu", "cpu"}, {"php-fpm", "workers"}, {"demo-cpu", "cpu"}, {"demo-workers", "workers"},
	} {
		found := map[string]*engineRuns{"vegeta": {}, "fast": {}}
		for round := range rounds {
			order := []string{"vegeta", "fast"}
			if round%2 == 1 {
				order[0], order[1] = order[1], order[0]
			}
			for _, engine := range order {
				t.Run(fmt.Sprintf("%s/%s/%d", s.scenario, engine, round+1), func(t *testing.T) {
					r, _ := measure(t, program, withEngine(t, s.scenario, engine), "--precision", "quick")
					found[engine].add(t, r, s.bottleneck)
				})
			}
		}
		old, fast := found["vegeta"], found["fast"]
		if len(old.limits) == 0 || len(fast.limits) == 0 {
			t.Errorf("%s: found %d times with vegeta, %d with fast", s.scenario, len(old.limits), len(fast.limits))
			continue
		}
		off := median(fast.limits)/median(old.limits) - 1
		within := math.Hypot(median(old.halves), median(fast.halves))
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%+.1f\t%.1f\t\n", s.scenario, median(old.limits), median(fast.limits), 100*off, 100*within)
		if math.Abs(off) > within {
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

func (e *engineRuns) add(t *testing.T, r *record.Record, bottleneck string) {
	if spoilt(r) {
		return
	}
	repeat := r.Targets[0].Repeats[0]
	if r.Ending != record.Found || repeat.Bottleneck.Name != bottleneck {
		t.Errorf("ended %s by %s, want %s", r.Ending, repeat.Bottleneck.Name, bottleneck)
		return
	}
	s := repeat.Sustained
	e.limits = append(e.limits, s.AtLimit)
	e.halves = append(e.halves, (s.Interval.Hi-s.Interval.Lo)/2/s.AtLimit)
}
