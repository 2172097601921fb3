package appweight

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func holds(logs ...float64) []Hold {
	var out []Hold
	for _, v := range logs {
		out = append(out, Hold{Value: math.Exp(v)})
	}
	return out
}

// The analysis of variance by hand: within the servers the mean square is 2,
// their means spread by 8, and 8 - 2/2 is the servers' own.
func TestSplitVariance(t *testing.T) {
	s := SplitVariance([][]Hold{holds(0, 2), holds(4, 6)}, FleetNoise{Work: .5})
	want := []Part{
		{"servers", math.Sqrt(7), math.Sqrt(3.5), 3.5 / 4.25},
		{"restarts", math.Sqrt2, math.Sqrt(.5), .5 / 4.25},
		{"fleet", .5, .5, .25 / 4.25},
	}
	if len(s.Parts) != len(want) || !near(s.SE, math.Sqrt(4.25), 1e-12) || s.Servers != 2 || s.Holds != 4 {
		t.Fatalf("%+v", s)
	}
	for i, w := range want {
		p := s.Parts[i]
		if p.Source != w.Source || !near(p.SD, w.SD, 1e-9) || !near(p.SE, w.SE, 1e-9) || !near(p.Share, w.Share, 1e-9) {
			t.Errorf("part %+v, want %+v", p, w)
		}
	}
	if len(s.Unknown) > 0 {
		t.Errorf("unknown: %q", s.Unknown)
	}
}

func TestIntervalTells(t *testing.T) {
	_, iv, err := Pool([][]float64{{1}, {math.E}, {math.E * math.E}}, .95)
	if err != nil || !near(iv.SE(), 1/math.Sqrt(3), 1e-9) || iv.Covers() != "over servers and their restarts" {
		t.Errorf("%+v, %v: se %g, %q", iv, err, iv.SE(), iv.Covers())
	}
	if _, iv, _ = Pool([][]float64{{1}, {2}}, .95); !strings.Contains(iv.Covers(), "over two servers") {
		t.Errorf("%q", iv.Covers())
	}
	if (Interval{}).SE() != 0 || (Interval{}).Covers() != "" {
		t.Error("no interval tells something")
	}
	for _, basis := range []string{WithinHold, Restarts, SameServers, Pairs, Nights} {
		if (Interval{Basis: basis}).Covers() == "" {
			t.Errorf("%s says nothing of what it covers", basis)
		}
	}
}

func TestSplitVarianceTellsWhatItCannot(t *testing.T) {
	noisy := []Hold{{1, .01}}
	for _, c := range []struct {
		name    string
		servers [][]Hold
		sources string
		unknown string
	}{
		{"one hold", [][]Hold{noisy}, "hold", "how servers differ: measure three|how restarts differ: repeat it three"},
		{"one server", [][]Hold{holds(0, .1, .2)}, "restarts", "how servers differ"},
		{"once each", [][]Hold{holds(0), holds(.1), holds(.2)}, "servers and restarts", "cannot be told apart"},
		{"nothing", nil, "", ""},
	} {
		s := SplitVariance(c.servers, FleetNoise{})
		var sources []string
		for _, p := range s.Parts {
			sources = append(sources, p.Source)
		}
		if got := strings.Join(sources, ", "); got != c.sources {
			t.Errorf("%s: parts %q, want %q", c.name, got, c.sources)
		}
		all := strings.Join(s.Unknown, "; ")
		for _, want := range strings.Split(c.unknown, "|") {
			if !strings.Contains(all, want) {
				t.Errorf("%s: unknown %q, want %q", c.name, all, want)
			}
		}
	}
}

// drawn are servers whose logarithms differ by 2 %, and by 1.2 % from restart to
// restart, of holds that are good to .8 %.
func drawn(rng *rand.Rand, mean float64, restarts ...int) [][]float64 {
	var out [][]float64
	for _, n := range restarts {
		server := mean + .02*rng.NormFloat64()
		var own []float64
		for range n {
			own = append(own, math.Exp(server+.012*rng.NormFloat64()+.008*rng.NormFloat64()))
		}
		out = append(out, own)
	}
	return out
}

// The parts are unbiased enough to plan with: in the mean over many runs they
// are what the runs were drawn from.
func TestSplitVarianceFindsWhatWasDrawn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 2000
	sum := map[string]float64{}
	for range n {
		var servers [][]Hold
		for _, values := range drawn(rng, 0, 3, 3, 3, 3, 3, 3, 3, 3) {
			var own []Hold
			for _, v := range values {
				own = append(own, Hold{v, .008})
			}
			servers = append(servers, own)
		}
		for _, p := range SplitVariance(servers, FleetNoise{}).Parts {
			sum[p.Source] += p.SD * p.SD / n
		}
	}
	for source, sd := range map[string]float64{"servers": .02, "restarts": .012, "hold": .008} {
		if got := math.Sqrt(sum[source]); !near(got, sd, .06) {
			t.Errorf("%s: sd %.4f, want %.4f", source, got, sd)
		}
	}
}

func abs(i int) int { return max(i, -i) }

func spreadOf(between, within float64) Spread {
	return Spread{Servers: 5, parts: components{between: between * between, within: within * within, dfBetween: 4, dfWithin: 5}}
}

// The table of the research that the design rests on, from simulation: server
// 2 %, restart 1.2 % and hold .8 %.
func TestDetectable(t *testing.T) {
	s := spreadOf(.02, math.Hypot(.012, .008))
	for _, c := range []struct {
		d    Design
		want float64
	}{
		{Design{5, 1, false}, .050}, {Design{8, 1, false}, .037}, {Design{20, 1, false}, .022}, {Design{20, 3, false}, .020},
		{Design{5, 2, true}, .020}, {Design{5, 3, true}, .016}, {Design{8, 2, true}, .015}, {Design{12, 2, true}, .012},
	} {
		if got := s.Detectable(c.d); math.Abs(got-c.want) > .003 {
			t.Errorf("%+v: %.4f, want %.4f", c.d, got, c.want)
		}
	}
	if v := s.Detectable(Design{1, 1, false}); !math.IsNaN(v) {
		t.Errorf("one hold detects %g", v)
	}
}

func TestNeeded(t *testing.T) {
	s := spreadOf(.02, .0144)
	for _, c := range []struct {
		change float64
		same   bool
		about  int
	}{{.05, false, 6}, {.02, false, 26}, {.02, true, 11}} {
		p, err := s.Needed(c.change, c.same)
		fewer := p.Design
		fewer.Servers--
		if err != nil || p.Restarts != 1 || p.Same != c.same || p.Detectable > c.change || s.Detectable(fewer) <= c.change || abs(p.Servers-c.about) > 1 {
			t.Errorf("%g: %+v, %v, want about %d servers", c.change, p, err, c.about)
		}
	}
	one := SplitVariance([][]Hold{holds(0, .012, .024)}, FleetNoise{})
	if p, err := one.Needed(.03, false); err != nil || p.Servers != 1 || p.Restarts < 3 || p.Restarts > 6 {
		t.Errorf("one server: %+v, %v", p, err)
	}
	var unreachable *UnreachableError
	if _, err := s.Needed(1e-6, false); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "more than 1000 holds") {
		t.Errorf("%v", err)
	}
	if _, err := SplitVariance([][]Hold{holds(0)}, FleetNoise{}).Needed(.03, false); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "nothing was repeated") {
		t.Errorf("%v", err)
	}
}

// TestShowIntervals holds the interval of a score against the truth, the fleet
// being read with an error of its own that three batches tell of.
func TestShowIntervals(t *testing.T) {
	for _, c := range []struct {
		restarts []int
		fleetSD  float64
		least    float64
		most     float64
	}{
		{[]int{1, 1}, 0, .93, .97},
		{[]int{1, 1, 1}, 0, .93, .97},
		{[]int{2, 2, 2}, 0, .93, .97},
		{[]int{1, 2, 5}, 0, .93, .97},
		{[]int{1, 1, 1, 1, 1}, .004, .93, .97},
		{[]int{3, 3, 3, 3, 3}, .004, .93, .97},
		{[]int{2, 2, 2, 2, 2, 2, 2, 2}, .004, .93, .97},
		{[]int{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, .008, .93, .97},
	} {
		n := trials(800, 20_000)
		rng := rand.New(rand.NewPCG(1, 1))
		covered, width := 0, 0.0
		for range n {
			value, iv, err := Pool(drawn(rng, 0, c.restarts...), .95)
			if err != nil {
				t.Fatal(err)
			}
			f := Fleet{Unit: CPUSeconds, PerSecond: 1, ActiveUsers: 1, Scope: "host"}
			if c.fleetSD > 0 {
				var batches []float64
				for range 3 {
					batches = append(batches, c.fleetSD*math.Sqrt(3)*rng.NormFloat64())
				}
				mean, variance := meanVariance(batches)
				f.PerSecond, f.SE, f.DF = math.Exp(mean), math.Sqrt(variance/3), 2
			}
			score, err := Compute(Work{Unit: CPUSeconds, Scope: "host", PerSecond: value}, f, iv)
			if err != nil {
				t.Fatal(err)
			}
			if score.Interval.Lo <= 1 && 1 <= score.Interval.Hi {
				covered++
			}
			width += math.Log(score.Interval.Hi/score.Interval.Lo) / float64(n)
		}
		got := float64(covered) / float64(n)
		t.Logf("%-28s fleet %.1f%%: the interval covers %.1f%%, mean width %.1f%%", fmt.Sprint("restarts ", c.restarts), 100*c.fleetSD, 100*got, 100*width)
		if got < c.least-slack(.05, n) || got > c.most+slack(.05, n) {
			t.Errorf("restarts %v: the interval covers %.3f", c.restarts, got)
		}
	}
}
