package appweight

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A drop of 3 % at night 60 is found within days of it, and its level and its
// place are right.
func TestFindChanges(t *testing.T) {
	x := leaning(.01, .2)(rand.New(rand.NewPCG(3, 1)), 90)
	for i := 60; i < 90; i++ {
		x[i] += math.Log(.97)
	}
	trend := mustFind(t, history(x))
	if len(trend.Changes) != 1 {
		t.Fatalf("%+v", trend.Changes)
	}
	c := trend.Changes[0]
	if c.Since < 58 || c.Since > 62 || c.Found < 61 || c.Found > 67 || !c.Drop() || !near(c.Ratio, .97, .01) ||
		!(c.Interval.Lo < .97 && .97 < c.Interval.Hi) || c.P >= 1e-4 || !near(c.Before, 1000, .01) || !near(c.After, 970, .01) {
		t.Errorf("%+v", c)
	}
	if trend.Watch != nil || trend.Needs != 0 || !near(trend.SD, .01, .3) {
		t.Errorf("%+v", trend)
	}
}

// A single night far below is watched, and never pages; a second one does.
func TestOneNightIsWatched(t *testing.T) {
	x := leaning(.01, .2)(rand.New(rand.NewPCG(4, 1)), 41)
	x[40] -= .15
	trend := mustFind(t, history(x))
	if len(trend.Changes) > 0 || trend.Watch == nil || trend.Watch.Since != 40 || trend.Rerun == nil {
		t.Fatalf("changes %+v, watch %+v", trend.Changes, trend.Watch)
	}
	if r := *trend.Rerun; r.Old != 39 || r.New != 40 || r.SD != usualPairSD || r.Pairs < 3 || r.Pairs > 5 {
		t.Errorf("rerun %+v", r)
	}
	x = append(x, x[40])
	if trend = mustFind(t, history(x)); len(trend.Changes) != 1 || trend.Changes[0].Since != 40 || trend.Changes[0].Found != 41 {
		t.Errorf("%+v", trend.Changes)
	}
	// It was an outlier: nothing is left of it.
	x[41] += .15
	if trend = mustFind(t, history(x)); len(trend.Changes) > 0 || trend.Watch != nil {
		t.Errorf("changes %+v, watch %+v", trend.Changes, trend.Watch)
	}
}

func TestFewNights(t *testing.T) {
	x := leaning(.01, .2)(rand.New(rand.NewPCG(1, 1)), 14)
	for n := range 14 {
		trend := mustFind(t, history(x[:n]))
		if trend.Needs != 14-n || len(trend.Changes) > 0 || len(trend.Values) != n {
			t.Errorf("%d nights: %+v", n, trend)
		}
		if v, ok := trend.Smallest(7); ok {
			t.Errorf("%d nights can find a drop of %g", n, v)
		}
	}
	if trend := mustFind(t, history(x)); trend.Needs != 0 {
		t.Errorf("needs %d", trend.Needs)
	}
	// After a change the spread is known, and fewer do.
	for i := range 30 {
		x = append(x, .01*float64(i%3)-.2)
	}
	if trend := mustFind(t, history(x[:18])); len(trend.Changes) != 1 || trend.Needs != 6 {
		t.Errorf("%+v", trend)
	}
}

func TestNightsRefuse(t *testing.T) {
	good := history([]float64{0, 0, 0})
	for name, change := range map[string]func([]Night){
		"no figure":    func(n []Night) { n[1].Servers = nil },
		"0 for web-1":  func(n []Night) { n[1].Servers = map[string]float64{"web-1": 0} },
		"out of order": func(n []Night) { n[1].At = n[0].At.AddDate(0, 0, -1) },
	} {
		nights := append([]Night(nil), good...)
		change(nights)
		if _, err := FindChanges(nights, DefaultNights); !errors.Is(err, ErrUndefined) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNightConfigValidate(t *testing.T) {
	var mistake *Mistake
	for _, c := range []NightConfig{{}, {PageP: 1e-3, WatchP: 1e-4}, {PageP: 1e-4, WatchP: 1}, {PageP: 1e-4, WatchP: 1e-3, Scenarios: -1}} {
		if _, err := FindChanges(nil, c); !errors.As(err, &mistake) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Nights that have other servers each are as if they had the same.
func TestServerEffectsAreTakenAway(t *testing.T) {
	own := []float64{-.2, -.1, 0, .1, .2}
	var nights []Night
	for i := range 40 {
		servers := map[string]float64{}
		for j := range 3 {
			s := (i + j*(1+i%2)) % len(own)
			servers[fmt.Sprint(s)] = math.Exp(own[s] + .01*float64(i))
		}
		nights = append(nights, night(i, servers))
	}
	x, residual := levels(nights)
	for i := range x {
		if got := x[i] - x[0]; math.Abs(got-.01*float64(i)) > .006 {
			t.Errorf("night %d is %.4f above the first, want %.4f", i, got, .01*float64(i))
		}
	}
	if residual > .005 {
		t.Errorf("residual %g", residual)
	}
}

// Servers that run once each take nothing away from their nights.
func TestServersOfOneNight(t *testing.T) {
	var nights []Night
	for i := range 20 {
		nights = append(nights, night(i, map[string]float64{fmt.Sprint(i, "a"): math.Exp(float64(i)), fmt.Sprint(i, "b"): math.Exp(float64(i) + .2)}))
	}
	x, _ := levels(nights)
	for i := range x {
		if math.Abs(x[i]-float64(i)-.1) > 1e-6 {
			t.Errorf("night %d is at %g", i, x[i])
		}
	}
}

// The unit of the figures changes nothing.
func TestTrendHasNoUnit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		x := leaning(.01, .2)(rng, 60)
		for i := 30; i < 60; i++ {
			x[i] -= .02
		}
		nights, scaled := history(x), history(x)
		for i := range scaled {
			scaled[i].Servers = map[string]float64{"web-1": 1e9 * nights[i].Servers["web-1"]}
		}
		a, b := mustFind(t, nights), mustFind(t, scaled)
		if len(a.Changes) != len(b.Changes) || len(a.Changes) == 0 {
			t.Fatalf("%+v and %+v", a.Changes, b.Changes)
		}
		for i := range a.Changes {
			if a.Changes[i].Since != b.Changes[i].Since || !near(a.Changes[i].Ratio, b.Changes[i].Ratio, 1e-6) {
				t.Errorf("%+v and %+v", a.Changes[i], b.Changes[i])
			}
		}
	}
}

// Whatever the figures are, what is said of them is in order: figures that never
// vary call nothing, and no figure is infinite.
func TestTrendIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.), rapid.Float64Range(-.1, .1), rapid.Float64Range(-20, 20)), 0, 50).Draw(t, "x")
		trend, err := FindChanges(history(x), DefaultNights)
		if err != nil || len(trend.Values) != len(x) {
			t.Fatalf("%+v, %v", trend, err)
		}
		all := trend.Changes
		if trend.Watch != nil {
			all = append(all, *trend.Watch)
			if trend.Rerun.Old < 0 || trend.Rerun.New != len(x)-1 || trend.Rerun.Pairs < DefaultPairTest.MinPairs {
				t.Errorf("rerun %+v", *trend.Rerun)
			}
		}
		since := 0
		for _, c := range all {
			if c.Since <= since || c.Found < c.Since || c.Found >= len(x) || !positive(c.Ratio) || !(c.P >= 0 && c.P < trend.WatchP) ||
				!(c.Interval.Lo <= c.Ratio && c.Ratio <= c.Interval.Hi) || !positive(c.Interval.Hi) {
				t.Errorf("%+v after night %d of %d", c, since, len(x))
			}
			since = c.Since
		}
		if drop, ok := trend.Smallest(7); ok && !(drop > 0 && drop < 1) {
			t.Errorf("smallest drop %g", drop)
		}
	})
	still := mustFind(t, history(make([]float64, 60)))
	if len(still.Changes) > 0 || still.Watch != nil {
		t.Errorf("%+v", still)
	}
}

func TestThresholds(t *testing.T) {
	for scenarios, want := range map[int]float64{0: 1e-4, 1: 1e-4, 4: 1e-4, 200: 2e-6} {
		c := DefaultNights
		c.Scenarios = scenarios
		if page, watch := c.Thresholds(); !near(page, want, 1e-9) || !near(watch, 10*want, 1e-9) {
			t.Errorf("%d scenarios: page %g, watch %g", scenarios, page, watch)
		}
	}
}

// The smallest drop that a history says it would see is seen four times in five.
func TestShowSmallest(t *testing.T) {
	for _, lean := range []float64{0, .2, .4} {
		for _, within := range []int{7, 14} {
			n := trials(150, 2000)
			rng := rand.New(rand.NewPCG(1, 1))
			found, mean := 0, 0.0
			for range n {
				x := leaning(.01, lean)(rng, quietNights+within)
				trend := mustFind(t, history(x[:quietNights]))
				drop, ok := trend.Smallest(within)
				if !ok || len(trend.Changes) > 0 {
					continue // another history than the one meant
				}
				mean += drop / float64(n)
				for i := quietNights; i < len(x); i++ {
					x[i] += math.Log1p(-drop)
				}
				if pages(t, history(x), DefaultNights, quietNights) >= 0 {
					found++
				}
			}
			t.Logf("lean %.1f, within %2d nights: the smallest drop is %.2f%% in the mean, and is found in %.0f%%", lean, within, 100*mean, percent(found, n))
			least := 70.
			if lean > usualLean { // how much nights lean is not known well after forty
				least = 58
			}
			if got := percent(found, n); got < least || got > 95 {
				t.Errorf("lean %g, within %d nights: the smallest drop is found in %.0f%%", lean, within, got)
			}
		}
	}
}

// BenchmarkFindChanges is a year of nights of 200 scenarios.
func BenchmarkFindChanges(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	nights := fleetOf(rng, leaning(.01, .2)(rng, 365), 3, 3)
	for b.Loop() {
		for range 200 {
			if _, err := FindChanges(nights, DefaultNights); err != nil {
				b.Fatal(err)
			}
		}
	}
}
