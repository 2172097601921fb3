package testbed

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"saturate/record"
)

// tries is what the rounds found of one scenario.
type tries struct {
	rates, limits      []float64
	void, wrong, trips int
	done, failed       uint64
	worst              float64 // share of failures of one run
}

// TestShows measures every stack ten times, in turn with the others, and then
// holds each at its answer, where it must be sustained, and 15 % above, where it
// must not. It prints a table. SATURATE_ROUNDS and SATURATE_ONLY make it shorter.
func TestShows(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "the long proofs with real servers")
	program := saturate(t)
	n := rounds(10)
	found := make(map[string]*tries)
	for round := range n {
		for _, s := range chosen(bottlenecks...) {
			t.Run(fmt.Sprintf("%s/%d", s.scenario, round+1), func(t *testing.T) {
				r, _ := measure(t, program, s.scenario)
				if found[s.scenario] == nil {
					found[s.scenario] = new(tries)
				}
				found[s.scenario].add(r, s.bottleneck)
			})
		}
	}
	table(t, found)
	for _, s := range chosen(bottlenecks...) {
		f := found[s.scenario]
		if f == nil || len(f.rates) == 0 {
			continue
		}
		if sd := robust(f.limits); sd > .02 {
			t.Errorf("%s: robust standard deviation %.1f %%", s.scenario, 100*sd)
		}
		if valid := n - f.void; f.wrong*10 > valid {
			t.Errorf("%s: the wrong bottleneck %d times of %d", s.scenario, f.wrong, valid)
		}
		if f.worst > .001 {
			t.Errorf("%s: %.2f %% of a run's requests failed", s.scenario, 100*f.worst)
		}
		hold(t, program, s.scenario, "at its answer", median(f.rates), 0)
		hold(t, program, s.scenario, "15 % above", 1.15*median(f.limits), 3)
	}
}

// hold checks a level for three minutes.
func hold(t *testing.T, program, scenario, what string, level float64, want int) {
	t.Run(scenario+"/"+what, func(t *testing.T) {
		r, exit := measure(t, program, scenario, "--at", fmt.Sprintf("%.4g", level), "--for", "3m")
		if exit != want {
			t.Errorf("%.4g req/s ended %s, exit code %d, want %d", level, r.Ending, exit, want)
		}
	})
}

func (f *tries) add(r *record.Record, bottleneck string) {
	repeat := r.Targets[0].Repeats[0]
	f.trips += len(repeat.Trips)
	f.done += repeat.Done
	f.failed += repeat.Failed
	if repeat.Done > 0 {
		f.worst = max(f.worst, float64(repeat.Failed)/float64(repeat.Done))
	}
	if r.Ending != record.Found {
		f.void++
		return
	}
	if repeat.Bottleneck.Name != bottleneck {
		f.wrong++
	}
	f.rates = append(f.rates, repeat.Sustained.Rate)
	f.limits = append(f.limits, repeat.Sustained.AtLimit)
}

func table(t *testing.T, found map[string]*tries) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\tfound\tvoid\twrong\tat limit\trobust sd %\tsustained\tfailed %\ttrips\t")
	for _, s := range chosen(bottlenecks...) {
		if f := found[s.scenario]; f != nil {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f\t%.2f\t%.1f\t%.3f\t%d\t\n", s.scenario, len(f.rates), f.void, f.wrong,
				median(f.limits), 100*robust(f.limits), median(f.rates), 100*float64(f.failed)/float64(max(f.done, 1)), f.trips)
		}
	}
	w.Flush()
	t.Logf("\n%s", &b)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.SortedFunc(slices.Values(v), cmp.Compare[float64])
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// robust is a standard deviation that a stray run does not move: 1.4826 times
// the median distance from the median, as a share of it.
func robust(v []float64) float64 {
	m := median(v)
	away := make([]float64, len(v))
	for i := range v {
		away[i] = math.Abs(v[i] - m)
	}
	return 1.4826 * median(away) / m
}
