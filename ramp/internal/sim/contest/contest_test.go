package contest

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/stress"
)

// carry lets a search run on a server without noise whose CPU is at its limit
// at 100 req/s, and whose requests fail beyond.
func carry(t *testing.T, s ramp.Searcher) (ramp.Result, []float64) {
	t.Helper()
	var levels []float64
	for i := range Longest {
		if s.Done() {
			return s.Result(), levels
		}
		level := s.Next().Level
		levels = append(levels, level)
		failed := max(0, level-105)
		s.Observe(stress.Observation{
			Window: stress.Window{Start: time.Duration(i) * time.Second, End: time.Duration(i+1) * time.Second},
			Asked:  level, Sent: uint64(level), Done: uint64(level), Failed: uint64(failed),
			Pressure: map[stress.Signal]float64{stress.CPU: math.Min(level/100, 1.11), stress.Memory: .2},
		})
	}
	t.Fatalf("not finished after %d s", Longest)
	return ramp.Result{}, nil
}

func TestRivalsFindAPlainLimit(t *testing.T) {
	truth := sim.Truth{Rate: 100, Signal: stress.CPU, Slope: 1, Start: 7, Max: 230}
	server := sim.New(sim.Wide, 1)
	within := map[string]float64{"levels": .06, "ramp20": .015, "bound60": .01, "bound150": .01, "bound400": .01}
	for _, e := range Rivals() {
		r, levels := carry(t, e.New(server, truth))
		if r.Ending != ramp.Found {
			t.Errorf("%s: %s", e.Name, r.Ending)
			continue
		}
		most := .01
		if w, ok := within[e.Name]; ok {
			most = w
		}
		if got := r.Sustained.AtLimit; math.Abs(got/100-1) > most {
			t.Errorf("%s: %.4g after %v", e.Name, got, levels)
		}
		if !strings.HasPrefix(e.Name, "bound") && (r.Sustained.Interval.Lo > 100.5 || r.Sustained.Interval.Hi < 99.5) {
			t.Errorf("%s: %v does not hold 100", e.Name, r.Sustained.Interval)
		}
		if r.Bottleneck != stress.CPU {
			t.Errorf("%s: %s is the bottleneck", e.Name, r.Bottleneck)
		}
	}
}

func TestRivalsSayWhenTheMaximumComesFirst(t *testing.T) {
	truth := sim.Truth{Rate: 100, Signal: stress.CPU, Slope: 1, Start: 7, Max: 80}
	for _, e := range Rivals() {
		if e.Warm || e.Name == "nighthawk" { // which has no maximum
			continue
		}
		if r, _ := carry(t, e.New(nil, truth)); r.Ending != ramp.AtLeast {
			t.Errorf("%s: %s", e.Name, r.Ending)
		}
	}
}

func TestMLRStartsAtTheMaximumAndEndsNarrow(t *testing.T) {
	r, levels := carry(t, newMLR(7, 230))
	if levels[0] != 230 {
		t.Errorf("the first trial is at %v", levels[0])
	}
	if i := r.Sustained.Interval; i.Hi/i.Lo-1 > .005+1e-9 {
		t.Errorf("the bracket is %v", i)
	}
	at := map[float64]int{}
	for _, l := range levels {
		at[l]++
	}
	// Half of the duration sum decides when the trials agree.
	if n := at[r.Sustained.AtLimit]; n < 11 {
		t.Errorf("%d trials of 1 s at the answer", n)
	}
}

func TestSum(t *testing.T) {
	truth := sim.Truth{Rate: 100, Signal: stress.CPU, Failed: .002}
	trials := []Trial{
		{Truth: truth, Answered: true, Error: -.03, Lo: .9, Hi: .99, Seconds: 10, Failed: .01, Result: ramp.Result{Bottleneck: stress.CPU}},
		{Truth: truth, Answered: true, Error: .01, Lo: .95, Hi: 1.05, Seconds: 30, Above: 4, Result: ramp.Result{Bottleneck: stress.Memory}},
		{Truth: truth, Answered: true, Error: .02, Lo: .99, Hi: 1.01, Seconds: 20, Bound: .01},
		{Truth: truth, Seconds: Longest},
	}
	s := Sum(trials)
	want := Score{
		Runs: 4, NoAnswer: 1, Med: .02, P95: .03, Max: .03, Bias: .01, T50: 20, T95: Longest,
		Above95: 4, Failed95: .01, Width: s.Width, Coverage: 2. / 3, Right: 1. / 3, TruthFailed95: .002,
		BoundMed: s.BoundMed, BoundP95: s.BoundP95,
	}
	if s != want {
		t.Errorf("%+v\nwant %+v", s, want)
	}
	// A normal error's median is .6745 and its 95th percentile 1.96 standard errors.
	if math.Abs(s.Width-.09) > 1e-9 || math.Abs(s.BoundMed-.006745) > 1e-5 || math.Abs(s.BoundP95-.0196) > 1e-4 {
		t.Errorf("width %v, bound %v and %v", s.Width, s.BoundMed, s.BoundP95)
	}
}

func TestCarryKeepsOrderAndPrints(t *testing.T) {
	truths := &sim.Truths{}
	p := Plan{Stratum: sim.OneCoreLow, First: 40, Servers: 3, Runs: 2}
	for i := range uint64(3) {
		truths.Know(sim.New(p.Stratum, 40+i), sim.Truth{Rate: 20, Signal: stress.CPU, Start: 2, Max: 50})
	}
	who := Rivals()[:2]
	trials := p.Carry(truths, who)
	if len(trials) != 2 || len(trials[0]) != 6 {
		t.Fatalf("%d entrants, %d trials", len(trials), len(trials[0]))
	}
	for i, trial := range trials[0] {
		if trial.Server != 40+uint64(i/2) || trial.Run != uint64(i%2) {
			t.Errorf("trial %d is server %d's run %d", i, trial.Server, trial.Run)
		}
	}
	again := Try(sim.New(p.Stratum, 42), truths.Of(sim.New(p.Stratum, 42)), who[1], 1)
	if got := trials[1][5]; got.Error != again.Error || got.Seconds != again.Seconds {
		t.Errorf("%v and %v from the same server and run", got.Error, again.Error)
	}
	var b bytes.Buffer
	Header(&b)
	ByKind(&b, "ramp", trials[0], true)
	Worst(&b, trials[0], 2)
	if n := strings.Count(b.String(), "\n"); n < 6 {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}
