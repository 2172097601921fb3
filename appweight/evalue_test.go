package appweight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The closed form against its definition, integrated by brute force: the
// likelihood of the data under a mean of N(0, g sd^2), over that under none, both
// with the prior 1/sd.
func TestEvalueIsTheLikelihoodRatio(t *testing.T) {
	data := []float64{.5, 2, -.3, 1.1, .9}
	n := float64(len(data))
	marginal := func(effects func(yield func(effect, weight float64))) float64 {
		var sum float64
		for logSD := -4.0; logSD < 5; logSD += .01 {
			sd := math.Exp(logSD)
			effects(func(effect, weight float64) {
				l := weight
				for _, x := range data {
					z := (x - effect*sd) / sd
					l *= math.Exp(-z*z/2) / sd
				}
				sum += l
			})
		}
		return sum
	}
	const step = .02
	prior := math.Sqrt(effectVariance)
	alternative := marginal(func(yield func(effect, weight float64)) {
		for e := -9.0; e < 9; e += step {
			yield(e, step*math.Exp(-e*e/2/prior/prior)/prior/math.Sqrt(2*math.Pi))
		}
	})
	null := marginal(func(yield func(effect, weight float64)) { yield(0, 1) })
	mean, variance := meanVariance(data)
	if got, want := evalue(n, mean*mean/variance*n), alternative/null; !near(got, want, 1e-4) {
		t.Errorf("evalue %.6g, by integration %.6g", got, want)
	}
}

// The interval is exactly what the e-value does not refute.
func TestBoundInvertsEvalue(t *testing.T) {
	for _, n := range []float64{4, 5, 8, 20, 100} {
		if b := bound(n, 20); !near(evalue(n, b*b), 20, 1e-9) {
			t.Errorf("at the bound of %g pairs, %g, the e-value is %g", n, b, evalue(n, b*b))
		}
	}
	if b := bound(3, 20); !math.IsInf(b, 1) {
		t.Errorf("three pairs refute with t = %g", b)
	}
}

func repeat(n int, pattern ...float64) []float64 {
	var out []float64
	for i := range n {
		out = append(out, pattern[i%len(pattern)])
	}
	return out
}

func TestJudgePairs(t *testing.T) {
	c := DefaultPairTest
	for _, x := range []struct {
		name     string
		pairs    []float64
		outcome  PairOutcome
		interval bool
	}{
		{"none", nil, Open, false},
		{"one", []float64{.1}, Open, false},
		{"three", []float64{.1, .11, .12}, Open, false},
		{"plain", []float64{.1, .11, .12, .1, .11}, Different, true},
		{"all the same", repeat(4, -.02), Different, true},
		{"all zero", repeat(4, 0), Same, true},
		{"close to equal", repeat(28, .004, -.004), Same, true},
		{"noise", repeat(12, .02, -.02), Open, true},
		{"noise to the end", repeat(30, .04, -.04), Unsettled, true},
	} {
		v := c.Judge(x.pairs)
		if v.Outcome != x.outcome || (v.Interval.Hi > 0) != x.interval || math.IsNaN(v.E) || math.IsInf(v.Interval.Hi, 0) {
			t.Errorf("%s: %+v, want %s", x.name, v, x.outcome)
		}
		if v.Outcome == Different && v.Interval.Lo <= 1 && 1 <= v.Interval.Hi {
			t.Errorf("%s: different, and the interval holds 1: %+v", x.name, v)
		}
		if stop, why := c.Stop(x.pairs); stop != (x.outcome != Open) || stop != (why != "") {
			t.Errorf("%s: stop %v, %q", x.name, stop, why)
		}
	}
	v := c.Judge(append(repeat(6, .03, -.01), .01))
	if v.Outcome != Open || v.More < 5 || v.More > 100 {
		t.Errorf("a small change: %+v", v)
	}
	if got := c.Judge(repeat(5, -.0202, -.0204)).String(); got != "-2.01% (-2.04% to -1.98%) after 5 pairs" {
		t.Errorf("%q", got)
	}
}

func TestPairTestValidate(t *testing.T) {
	if err := DefaultPairTest.Validate(); err != nil {
		t.Error(err)
	}
	bad := PairTest{Alpha: 1, Margin: -1, MinPairs: 1, MaxPairs: 0}
	err := bad.Validate()
	if err == nil || len(err.(interface{ Unwrap() []error }).Unwrap()) != 4 {
		t.Errorf("%v", err)
	}
}

func TestABBA(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, servers := range []int{1, 2, 3, 4} {
		for _, n := range []int{0, 1, 2, 7, 30} {
			order := ABBA(n, servers, func() bool { return rng.IntN(2) == 0 })
			if len(order) != n {
				t.Fatalf("%d pairs for %d", len(order), n)
			}
			var ahead int
			for i, base := range order {
				if round := i / servers; round%2 == 1 && order[i-servers] == base {
					t.Errorf("%d servers: pairs %d and %d are on the same one and have the same order", servers, i-servers, i)
				}
				if ahead--; base {
					ahead += 2
				}
				if ahead < -2 || ahead > 2 {
					t.Errorf("%d servers: after %d pairs one side was first %d times more", servers, i+1, ahead)
				}
			}
		}
	}
}

// watched adds pairs until the rule stops.
func watched(c PairTest, pair func(i int) float64) PairVerdict {
	var logs []float64
	for {
		logs = append(logs, pair(len(logs)))
		if v := c.Judge(logs); v.Outcome != Open {
			return v
		}
	}
}

func TestShowPairs(t *testing.T) {
	c := DefaultPairTest
	for _, s := range []struct {
		name   string
		change float64
		noise  func(rng *rand.Rand, i int) float64
		max    int
		wrong  float64 // at most this share called different, where there is no change
		median int     // at most so many pairs, where there is one
	}{
		{"equals, 30 pairs", 0, normal, 30, .03, 0},
		{"equals, 1000 pairs", 0, normal, 1000, .05, 0},
		{"equals, heavy tails", 0, heavyPair, 30, .03, 0},
		{"equals, in pairs that drift 1 % a hold", 0, drifting, 30, .03, 0},
		{"2 %", .02, normal, 30, 0, 14},
		{"2 %, heavy tails", .02, heavyPair, 30, 0, 14},
		{"2 %, drifting", .02, drifting, 30, 0, 30},
		{"1 %, 300 pairs", .01, normal, 300, 0, 46},
		{"3 %", .03, normal, 30, 0, 9},
		{"6 %", .06, normal, 30, 0, 6},
		{"15 %", .15, normal, 30, 0, 5},
	} {
		n := trials(500, 20_000)
		c.MaxPairs, c.Margin = s.max, 0
		if s.max > 30 {
			n /= 10 // these take long
		}
		rng := rand.New(rand.NewPCG(1, 1))
		var taken []int
		different, covered := 0, 0
		for range n {
			v := watched(c, func(i int) float64 { return math.Log1p(s.change) + s.noise(rng, i) })
			if v.Outcome == Different {
				different++
			}
			if v.Interval.Lo <= 1+s.change && 1+s.change <= v.Interval.Hi {
				covered++
			}
			taken = append(taken, v.Pairs)
		}
		slices.Sort(taken)
		t.Logf("%-38s called different %.2f%%, median %d pairs, 90%% within %d; interval at the stop covers %.1f%%",
			s.name, percent(different, n), taken[n/2], taken[n*9/10], percent(covered, n))
		got := float64(different) / float64(n)
		switch {
		case s.change == 0 && got > s.wrong+slack(s.wrong, n):
			t.Errorf("%s: called different in %.4f", s.name, got)
		case s.change != 0 && (taken[n/2] > s.median || s.median < 30 && got < .95):
			t.Errorf("%s: median %d pairs, seen %.3f", s.name, taken[n/2], got)
		}
		if got := float64(covered) / float64(n); got < .95-slack(.05, n) {
			t.Errorf("%s: the interval covers %.3f", s.name, got)
		}
	}
	for _, s := range []struct{ change, margin, most float64 }{{0, .02, 1}, {.02, .02, .03}} {
		n := trials(500, 20_000)
		c.MaxPairs, c.Margin = 30, s.margin
		rng := rand.New(rand.NewPCG(2, 1))
		same := 0
		var taken []int
		for range n {
			v := watched(c, func(i int) float64 { return math.Log1p(s.change) + normal(rng, i) })
			if v.Outcome == Same {
				same++
			}
			taken = append(taken, v.Pairs)
		}
		slices.Sort(taken)
		t.Logf("%g%%, within %g%% is the same: called the same %.2f%%, median %d pairs", 100*s.change, 100*s.margin, percent(same, n), taken[n/2])
		if got := float64(same) / float64(n); got > s.most+slack(s.most, n) || s.change == 0 && got < .85 {
			t.Errorf("a change of %g is called the same within %g in %.3f", s.change, s.margin, got)
		}
	}
	// What is foretold is what happens.
	if got := DefaultPairTest.PairsFor(.02, .02); got < 11 || got > 13 {
		t.Errorf("foretold %d pairs for a change of 2 %%", got)
	}
}

// Pairs differ by 2 %.
func normal(rng *rand.Rand, _ int) float64 { return .02 * rng.NormFloat64() }

func heavyPair(rng *rand.Rand, _ int) float64 {
	return distuv.StudentsT{Sigma: .02 / math.Sqrt(3), Nu: 3, Src: rng}.Rand()
}

// drifting pairs are of a server that slows by 1 % from hold to hold: AB reads it
// as a drop, BA as a rise.
func drifting(rng *rand.Rand, i int) float64 {
	if i%2 == 0 {
		return normal(rng, i) - .01
	}
	return normal(rng, i) + .01
}

func ExamplePairTest_PairsFor() {
	for _, change := range []float64{.01, .02, .06} {
		fmt.Printf("%g%% takes %d pairs\n", 100*change, DefaultPairTest.PairsFor(change, .02))
	}
	// Output:
	// 1% takes 41 pairs
	// 2% takes 12 pairs
	// 6% takes 5 pairs
}
