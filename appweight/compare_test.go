package appweight

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func terms() Terms {
	return Terms{Ending: "found", Unit: Instructions, Scope: "host", ISA: "amd64", CPU: "a", LoadUnit: "req/s", Engine: "fast", Arrivals: "poisson",
		Mix: map[string]float64{"feed": .7, "inbox": .3}, Limits: map[string]float64{"cpu": .9, "memory": .9}}
}

// side of servers prefix-0, prefix-1, ... with these figures.
func side(prefix string, servers ...[]float64) Side {
	s := Side{Name: prefix, Terms: terms()}
	for i, values := range servers {
		s.Servers = append(s.Servers, Server{Name: fmt.Sprint(prefix, "-", i), Values: values})
	}
	return s
}

func exps(logs ...float64) []float64 {
	var out []float64
	for _, v := range logs {
		out = append(out, math.Exp(v))
	}
	return out
}

// Welch's test by hand: variances 1/3 and 2/2, so se^2 = 4/3 and df = (16/9) /
// (1/18 + 1).
func TestCompareWelch(t *testing.T) {
	d, err := Compare(side("a", exps(0), exps(1), exps(2)), side("b", exps(5), exps(7)), .95)
	if err != nil {
		t.Fatal(err)
	}
	if !near(d.Ratio, math.Exp(5), 1e-12) || !near(d.SE, math.Sqrt(4./3), 1e-12) || !near(d.Interval.DF, 16./9/(1./18+1), 1e-12) || d.Interval.Basis != Servers {
		t.Errorf("%+v", d)
	}
	half := quantile(.95, d.Interval.DF) * d.SE
	if !near(d.Interval.Lo, math.Exp(5-half), 1e-9) || !near(d.Interval.Hi, math.Exp(5+half), 1e-9) {
		t.Errorf("interval %+v", d.Interval)
	}
	// The interval and p agree: what just touches the interval has p = .05.
	if p := 2 * upperTail(half/d.SE, d.Interval.DF); !near(p, .05, 1e-6) {
		t.Errorf("p at the interval's end is %g", p)
	}
}

// With one restart a side the additive model is the paired t test.
func TestCompareSameServers(t *testing.T) {
	d, err := Compare(side("a", exps(0), exps(10), exps(20)), side("a", exps(1), exps(12), exps(23)), .95)
	if err != nil {
		t.Fatal(err)
	}
	if !near(d.Ratio, math.Exp(2), 1e-9) || !near(d.SE, 1/math.Sqrt(3), 1e-9) || d.Interval.DF != 2 || d.Interval.Basis != SameServers {
		t.Errorf("%+v", d)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "run --against") {
		t.Errorf("warnings %q", d.Warnings)
	}
	// In another order they are still the same servers.
	swapped := side("a", exps(1), exps(12), exps(23))
	swapped.Servers[0], swapped.Servers[2] = swapped.Servers[2], swapped.Servers[0]
	if e, err := Compare(side("a", exps(0), exps(10), exps(20)), swapped, .95); err != nil || !near(e.SE, d.SE, 1e-9) || !near(e.Ratio, d.Ratio, 1e-9) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestCompareFew(t *testing.T) {
	d, err := Compare(side("a", exps(0)), side("b", exps(.1)), .95)
	if !errors.Is(err, ErrTooFew) || !near(d.Ratio, math.Exp(.1), 1e-9) || d.Interval.Basis != "" || !math.IsNaN(d.P) || d.Real() {
		t.Errorf("%+v, %v", d, err)
	}
	// What restarts usually differ by, and the holds' own errors, make an interval.
	d = d.Assume(.95, .003, .004)
	se := math.Sqrt(2*RestartSD*RestartSD + .005*.005)
	if !near(d.SE, se, 1e-12) || !near(d.Interval.Lo, math.Exp(.1-1.959964*se), 1e-6) || d.Interval.Basis != Assumed || !math.IsNaN(d.P) || !d.Real() || d.Need != nil {
		t.Errorf("%+v", d)
	}
	if !near(math.Log1p(d.Detectable), (1.959964+.841621)*se, 1e-3) {
		t.Errorf("it would have seen %g", d.Detectable)
	}
	d.Ratio = 1.02
	if d = d.Assume(.95); d.Real() || d.Need == nil || d.Need.Servers != 1 || d.Need.Restarts < 5 || d.Need.Restarts > 9 {
		t.Errorf("%+v, need %+v", d, d.Need)
	}
	d, err = Compare(side("a", exps(0, .01, .02)), side("b", exps(.1, .11, .12)), .95)
	if err != nil || d.Interval.Basis != Restarts || !d.Real() || !near(d.Interval.DF, 4, 1e-9) {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = Compare(side("a", exps(0), exps(.02), exps(.04)), side("b", exps(.1)), .95)
	if err != nil || d.Interval.DF != 2 || !near(d.SE, .02*math.Sqrt(4./3), 1e-9) || len(d.Warnings) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err = Compare(side("a", []float64{0}), side("b", exps(.1)), .95); !errors.Is(err, ErrUndefined) {
		t.Errorf("%v", err)
	}
	if _, err = Compare(side("a"), side("b", exps(.1)), .95); !errors.Is(err, ErrUndefined) {
		t.Errorf("%v", err)
	}
}

// A difference that is not seen comes with what it takes to see it.
func TestCompareSaysWhatItNeeds(t *testing.T) {
	d, err := Compare(side("a", exps(0), exps(.02), exps(.04)), side("b", exps(.01), exps(.03), exps(.05)), .95)
	if err != nil || d.Real() || d.Need == nil || d.Need.Servers < 50 || d.Need.Detectable > math.Expm1(.01) {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Detectable < .05 || d.Detectable > .08 { // (2.78 + .94) * .0163
		t.Errorf("detectable %g", d.Detectable)
	}
}

func TestTermsDiffer(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*Terms)
		want   string
	}{
		{"ending", func(t *Terms) { t.Ending = "at_least" }, "found against at_least"},
		{"unit", func(t *Terms) { t.Unit = Requests }, "units of work differ: instructions against requests"},
		{"scope", func(t *Terms) { t.Scope = "cgroup" }, "scopes differ: host against cgroup"},
		{"isa", func(t *Terms) { t.ISA = "arm64" }, "instruction sets differ: amd64 against arm64"},
		{"load unit", func(t *Terms) { t.LoadUnit = "" }, "req/s against (not known)"},
		{"engine", func(t *Terms) { t.Engine = "vegeta" }, "engines differ"},
		{"arrivals", func(t *Terms) { t.Arrivals = "even" }, "arrivals differ"},
		{"mix", func(t *Terms) { t.Mix = map[string]float64{"feed": .7, "post": .3} }, "inbox 0.3, no post against no inbox, post 0.3"},
		{"limits", func(t *Terms) { t.Limits = map[string]float64{"cpu": .95, "memory": .9} }, "limits differ: cpu 0.9 against cpu 0.95"},
	} {
		other := terms()
		c.change(&other)
		err := terms().Differ(other)
		var differ *DifferError
		if !errors.As(err, &differ) || differ.What != c.what || !strings.Contains(err.Error(), c.want) || differ.Hint() == "" {
			t.Errorf("%s: %v", c.what, err)
		}
		if _, err := Compare(side("a", exps(0, 1)), Side{Terms: other}, .95); !errors.As(err, &differ) {
			t.Errorf("%s: compared with error %v", c.what, err)
		}
	}
	if err := terms().Differ(terms()); err != nil {
		t.Error(err)
	}
	// CPU seconds of two CPUs do not compare, requests of two instruction sets do.
	a, b := terms(), terms()
	a.Unit, b.Unit, b.CPU = CPUSeconds, CPUSeconds, "b"
	if err := a.Differ(b); err == nil || !strings.Contains(err.Error(), "whose seconds are not the same") {
		t.Error(err)
	}
	a.Unit, b.Unit, b.ISA, b.Scope = Requests, Requests, "arm64", "cgroup"
	if err := a.Differ(b); err != nil {
		t.Error(err)
	}
}

func TestPer(t *testing.T) {
	d := Difference{Ratio: 2, Interval: Interval{Lo: 1.9, Hi: 2.1}}
	got := Per(d, Hardware{Cores: 16, Watts: 200}, Hardware{Cores: 32, Watts: 250, Price: 7})
	if len(got) != 2 || got[0].Of != "core" || !near(got[0].Ratio, 1, 1e-12) || got[1].Of != "watt" || !near(got[1].Ratio, 1.6, 1e-12) || !near(got[1].Interval.Hi, 1.68, 1e-12) {
		t.Errorf("%+v", got)
	}
}

// work rises by 2 a request above 10.
func line(rates ...float64) []CostPoint {
	var out []CostPoint
	for _, r := range rates {
		out = append(out, CostPoint{Rate: r, PerSecond: 10 + 2*r})
	}
	return out
}

func TestCostAtEqualLoad(t *testing.T) {
	a, b := line(10, 50, 100), line(20, 80)
	rate, ok := EqualLoad(a, b)
	if !ok || rate != 80 {
		t.Fatalf("equal load %g, %v", rate, ok)
	}
	for _, r := range []float64{10, 20, 80, 100} {
		if cost, ok := CostAtRate(a, r); !ok || !near(cost, 10/r+2, 1e-12) {
			t.Errorf("cost at %g is %g, %v", r, cost, ok)
		}
	}
	for _, r := range []float64{9, 101} {
		if cost, ok := CostAtRate(a, r); ok {
			t.Errorf("cost at %g is %g", r, cost)
		}
	}
	if _, ok := EqualLoad(line(10, 20), line(30, 40)); ok {
		t.Error("curves that do not meet have a load in common")
	}
	if _, ok := EqualLoad(line(10), nil); ok {
		t.Error("no curve has a load")
	}
}

// A build that costs a tenth more makes the score a tenth less, by as much more
// doubt as there is about the tenth.
func TestRescore(t *testing.T) {
	f := Fleet{Unit: CPUSeconds, Scope: "host", PerSecond: 100, ActiveUsers: 1000, SE: .003, DF: 2, Generations: []Generation{{PerSecond: 100}}}
	g := Rescore(f, Difference{Ratio: 1.1, SE: .004, Interval: Interval{DF: 4}})
	if !near(g.PerSecond, 110, 1e-12) || !near(g.SE, .005, 1e-12) || g.Generations[0].PerSecond != g.PerSecond || f.Generations[0].PerSecond != 100 {
		t.Errorf("%+v", g)
	}
	if want := math.Pow(.005, 4) / (math.Pow(.003, 4)/2 + math.Pow(.004, 4)/4); !near(g.DF, want, 1e-9) {
		t.Errorf("df %g, want %g", g.DF, want)
	}
}

// TestShowCompare compares equals, and sides that differ by what the comparison
// says that it would have seen.
func TestShowCompare(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []int
		same bool
	}{
		{"3 and 3 servers", []int{1, 1, 1}, []int{1, 1, 1}, false},
		{"3 and 8 servers", []int{2, 2, 2}, []int{1, 1, 1, 1, 1, 1, 1, 1}, false},
		{"8 and 8 servers, 2 restarts", []int{2, 2, 2, 2, 2, 2, 2, 2}, []int{2, 2, 2, 2, 2, 2, 2, 2}, false},
		{"1 and 5 servers", []int{2}, []int{2, 2, 2, 2, 2}, false},
		{"same 3 servers", []int{1, 1, 1}, []int{1, 1, 1}, true},
		{"same 3 servers, 3 and 2 restarts", []int{3, 3, 3}, []int{2, 2, 2}, true},
		{"same 8 servers, 2 restarts", []int{2, 2, 2, 2, 2, 2, 2, 2}, []int{2, 2, 2, 2, 2, 2, 2, 2}, true},
	} {
		n := trials(300, 20_000)
		rng := rand.New(rand.NewPCG(1, 1))
		// With 1.2 % between restarts, .8 % of a hold and 2 % between servers.
		s := spreadOf(.02, math.Hypot(.012, .008))
		change := math.Log1p(s.Detectable(Design{len(c.a), c.a[0], c.same}))
		wolf, seen := 0, 0
		for range n {
			a := drawn(rng, 0, c.a...)
			b := drawn(rng, 0, c.b...)
			if c.same { // b on a's servers: their levels are a's
				b = nil
				for i, values := range a {
					var own []float64
					level := .02 * rng.NormFloat64()
					for j := range values {
						a[i][j] = math.Exp(level + math.Hypot(.012, .008)*rng.NormFloat64())
					}
					for range c.b[i] {
						own = append(own, math.Exp(level+math.Hypot(.012, .008)*rng.NormFloat64()))
					}
					b = append(b, own)
				}
			}
			name := "b"
			if c.same {
				name = "a"
			}
			if d, err := Compare(side("a", a...), side(name, b...), .95); err != nil {
				t.Fatal(err)
			} else if d.Real() {
				wolf++
			}
			for i := range b {
				for j := range b[i] {
					b[i][j] *= math.Exp(change)
				}
			}
			if d, _ := Compare(side("a", a...), side(name, b...), .95); d.Real() && d.Ratio > 1 {
				seen++
			}
		}
		t.Logf("%-34s equals called different %.1f%%; a change of %.1f%% seen %.0f%%", c.name, percent(wolf, n), 100*math.Expm1(change), percent(seen, n))
		if got := float64(wolf) / float64(n); got > .06+slack(.05, n) {
			t.Errorf("%s: equals are called different in %.3f", c.name, got)
		}
		if balanced := len(c.a) == len(c.b) && c.a[0] == c.b[0]; balanced && (percent(seen, n) < 70 || percent(seen, n) > 88) {
			t.Errorf("%s: a change of the size it says it sees is seen in %.0f%%", c.name, percent(seen, n))
		}
	}
}
