package appweight

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// measured is the curve of a slow server of 31.25 M instructions/s: 963, 806,
// 635 and 315 k instructions per request at 5, 20, 40 and 99 requests per second.
func slow() []CostPoint {
	return []CostPoint{{PerSecond: 5 * 963e3, Rate: 5, SE: .02}, {PerSecond: 20 * 806e3, Rate: 20, SE: .01}, {PerSecond: 40 * 635e3, Rate: 40, SE: .01}}
}

func TestCostAtWork(t *testing.T) {
	hold := CostPoint{PerSecond: 99 * 315e3, Rate: 99, SE: .005}
	curve := append(slow(), hold)
	for _, c := range []struct {
		name       string
		at         float64
		cost, se   float64 // 0: no answer
		tolerances float64
	}{
		{"a point", 20 * 806e3, 806e3, .01 * 806 / ((20*806 - 5*963) / 15.), 1e-9}, // by how a request more costs less
		{"the first point", 5 * 963e3, 963e3, .02 * 963 / ((20*806 - 5*963) / 15.), 1e-9},
		{"the last point", 99 * 315e3, 315e3, .005 * 315 / ((99*315 - 40*635) / 59.), 1e-9},
		{"between", (20*806e3 + 40*635e3) / 2, (20*806e3 + 40*635e3) / 2 / 30, 0, 1e-9},
		{"below all", 4e6, 0, 0, 0},
		{"above all", 32e6, 0, 0, 0},
		{"no number", math.NaN(), 0, 0, 0},
	} {
		cost, se, ok := CostAtWork(curve, c.at)
		if ok != (c.cost > 0) || ok && (!near(cost, c.cost, c.tolerances) || c.se > 0 && !near(se, c.se, 1e-6)) {
			t.Errorf("%s: %v +- %v, %v; want %v +- %v", c.name, cost, se, ok, c.cost, c.se)
		}
	}
	if _, _, ok := CostAtWork(nil, 1); ok {
		t.Error("a cost from no points")
	}
	// What bends much is known less.
	_, straight, _ := CostAtWork(curve, 18e6)
	_, bent, _ := CostAtWork(curve, 28e6)
	if bent < 3*straight {
		t.Errorf("error %v where the curve bends, %v where it hardly does", bent, straight)
	}
}

// Where more load is no more work, work does not tell the load.
func TestCostAtWorkOfAPlateau(t *testing.T) {
	a := CostPoint{PerSecond: 31.1e6, Rate: 80, SE: .005}
	if _, _, ok := CostAtWork([]CostPoint{a, {PerSecond: 31.2e6, Rate: 79}}, 31.15e6); ok {
		t.Error("a cost although work falls as the load rises")
	}
	if _, se, ok := CostAtWork([]CostPoint{a, {PerSecond: 31.2e6, Rate: 99, SE: .005}}, 31.15e6); !ok || se < .1 {
		t.Errorf("error %v where the work hardly rises", se)
	}
}

// A server that spends a on itself and b for each request: requests rise in a
// line with the work, so that two points tell all.
func TestCostAtWorkOfALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0, 100).Draw(t, "a"), rapid.Float64Range(.1, 10).Draw(t, "b")
		at := func(rate float64) CostPoint { return CostPoint{PerSecond: a + b*rate, Rate: rate} }
		rate := rapid.Float64Range(1, 100).Draw(t, "rate")
		cost, _, ok := CostAtWork([]CostPoint{at(100), at(1)}, a+b*rate)
		if !ok || !near(cost, a/rate+b, 1e-6) {
			t.Fatalf("%v, want %v", cost, a/rate+b)
		}
	})
}

// TestAdjustTruth: two guests of a 2:1 speed and a fleet of one each at 60 and 72 %
// of the CPU. The definition missed the users that they really sustained by -18
// and -8 %. With requests spread so that the fleet's cost of a request is c, the
// score of a server is its sustained rate times c(hold)/c: the curve has to give
// that back.
func TestAdjustTruth(t *testing.T) {
	for _, c := range []struct {
		name         string
		low          float64 // of the unadjusted score
		fleet, holds float64 // instructions per request
		load         float64 // of the hold's work
	}{{"60 %", -.18, 4.9e6, 4.02e6, .60}, {"72 %", -.08, 4.37e6, 4.02e6, .72}} {
		const hold = 31.07e6
		at := c.load * hold
		curve := []CostPoint{
			{PerSecond: at * .7, Rate: at * .7 / (c.fleet * 1.08), SE: .01},
			{PerSecond: at, Rate: at / c.fleet, SE: .005}, // the reference
			{PerSecond: .93 * hold, Rate: .93 * hold / (c.holds * 1.02), SE: .005},
		}
		a, ok := Adjust(curve, CostPoint{PerSecond: hold, Rate: hold / c.holds, SE: .005}, at)
		if !ok || !a.Falls() || a.Rises() {
			t.Errorf("%s: %+v, %v", c.name, a, ok)
		}
		if left := (1+c.low)*a.Factor - 1; math.Abs(left) > .01 {
			t.Errorf("%s: adjusted the score is still off by %.1f %%", c.name, 100*left)
		}
		if want := math.Hypot(.005, .005); !near(a.SE, want, .1) {
			t.Errorf("%s: error %v, want the two points' %v", c.name, a.SE, want)
		}
	}
}

func TestAdjustmentMatters(t *testing.T) {
	for _, c := range []struct {
		a            Adjustment
		falls, rises bool
	}{
		{Adjustment{1.2, .01}, true, false}, {Adjustment{1.2, .1}, false, false}, {Adjustment{1.005, 0}, false, false},
		{Adjustment{.9, .01}, false, true}, {Adjustment{.9, .06}, false, false}, {Adjustment{1, 0}, false, false},
	} {
		if c.a.Falls() != c.falls || c.a.Rises() != c.rises {
			t.Errorf("%+v falls %v, rises %v", c.a, c.a.Falls(), c.a.Rises())
		}
	}
}

func TestPoolAdjustments(t *testing.T) {
	if _, ok := PoolAdjustments(nil); ok {
		t.Error("an adjustment of nothing")
	}
	alike, _ := PoolAdjustments([]Adjustment{{1.1, .02}, {1.1, .02}})
	if !near(alike.Factor, 1.1, 1e-9) || !near(alike.SE, .02/math.Sqrt2, 1e-9) {
		t.Errorf("%+v", alike)
	}
	apart, _ := PoolAdjustments([]Adjustment{{1, .001}, {1.21, .001}})
	if !near(apart.Factor, 1.1, 1e-9) || !near(apart.SE, math.Log(1.1), 1e-9) {
		t.Errorf("%+v", apart)
	}
}

// 30 of work that costs half of it at the hold and 10 that costs the same are 40
// and 25: the factor is 1.6, and the first part is .6 of what is left.
func TestCombineAdjustments(t *testing.T) {
	got := CombineAdjustments([]float64{30, 10}, []Adjustment{{2, .05}, {1, .1}})
	if !near(got.Factor, 1.6, 1e-9) || !near(got.SE, math.Hypot(.6*.05, .4*.1), 1e-9) {
		t.Errorf("%+v", got)
	}
}

func TestCombineAlike(t *testing.T) {
	got := CombineAdjustments([]float64{30, 10}, []Adjustment{{1.1, .05}, {1.1, .05}})
	if !near(got.Factor, 1.1, 1e-9) || !near(got.SE, .05, 1e-9) {
		t.Errorf("%+v", got)
	}
}

func TestApply(t *testing.T) {
	a := Adjustment{Factor: 1.1, SE: .02}
	iv := Interval{Lo: 100 * math.Exp(-.03), Hi: 100 * math.Exp(.04), Level: .95, Basis: Restarts}
	score, got := a.Apply(100, iv)
	own := 1.96 * .02
	if !near(score, 110, 1e-9) || !near(got.Lo, 110*math.Exp(-math.Hypot(.03, own)), 1e-5) || !near(got.Hi, 110*math.Exp(math.Hypot(.04, own)), 1e-5) || got.Basis != Restarts {
		t.Errorf("%v %+v", score, got)
	}
	if _, got := a.Apply(100, Interval{}); got != (Interval{}) {
		t.Errorf("an interval from none: %+v", got)
	}
}
