package ramp

import (
	"math"
	"math/rand/v2"
	"testing"

	"saturate/stress"
)

// TestHAC: an AR(1) series' mean has the standard error
// sd sqrt((1+phi)/(1-phi)/n), which white noise's formula misses by far.
func TestHAC(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, phi := range []float64{0, .5, .8} {
		const n = 20000
		e := make([]float64, n)
		for i := 1; i < n; i++ {
			e[i] = phi*e[i-1] + rng.NormFloat64()
		}
		want := math.Sqrt(1/(1-phi*phi)) * math.Sqrt((1+phi)/(1-phi)/n)
		if got := hac(e, 30); math.Abs(got/want-1) > .15 {
			t.Errorf("phi %.1f: %.5f, want %.5f", phi, got, want)
		}
	}
	if got := hac([]float64{1, 2}, 0); !math.IsInf(got, 1) {
		t.Errorf("two values: %v, want +Inf", got)
	}
}

// TestCrossing: the curve through a low level and a hold is the server's own,
// here T(x) = a/(1-x/xs) with known a and xs.
func TestCrossing(t *testing.T) {
	for _, tt := range []struct {
		name      string
		signal    stress.Signal
		p0, a, xs float64
	}{
		{"a straight line", stress.CPU, 0, .002, math.Inf(1)},
		{"a line above an idle base", stress.CPU, .1, .002, math.Inf(1)},
		{"workers that queue", stress.Workers, 0, .001, 900},
		{"memory near a knee", stress.Memory, .4, .0003, 600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := func(x float64) float64 { return tt.p0 + x*tt.a/(1-x/tt.xs) }
			want := (1 - tt.p0) / (tt.a + (1-tt.p0)/tt.xs)
			s := NewSearch(SearchConfig{})
			s.log.names = []stress.Signal{tt.signal}
			add := func(phase Phase, n int, x float64) {
				rows := readings(n, x, p(x))
				for i := range rows {
					rows[i].phase, rows[i].end = phase, s.log.now()+float64(i)+1
				}
				s.log.rows = append(s.log.rows, rows...)
			}
			add(Idle, 3, 0)
			add(Approach, 20, .5*want)
			add(Hold, 60, .96*want)
			s.near = .96 * want
			e, ok := s.estimate(s.pool)
			if !ok || math.Abs(e.level/want-1) > .005 {
				t.Errorf("level %.2f, want %.2f (%+v)", e.level, want, e)
			}
			if !(e.lo <= e.level && e.level <= e.hi) {
				t.Errorf("interval %.2f..%.2f around %.2f", e.lo, e.hi, e.level)
			}
		})
	}
}

// TestBelieve: what was seen is believed the more the surer it is, and a
// little that may be nothing is nothing.
func TestBelieve(t *testing.T) {
	for _, tt := range []struct{ seen, se, lo, hi float64 }{
		{.20, .01, .19, .205},
		{.20, .05, .10, .20},
		{.00, .01, 0, .005},
		{-.05, .02, 0, .005},
		{.03, .03, 0, .03},
		{.9, .01, .5, .9},
	} {
		mean, dev := believe(tt.seen, tt.se, 1)
		if mean < tt.lo || mean > tt.hi || math.IsNaN(dev) || dev < 0 {
			t.Errorf("believe(%v, %v) = %.4f +- %.4f, want a mean in [%v, %v]", tt.seen, tt.se, mean, dev, tt.lo, tt.hi)
		}
	}
}

// TestHangover: a hold after a saturation that costs a fifth more than the calm
// levels has two capacities.
func TestHangover(t *testing.T) {
	s := NewSearch(SearchConfig{})
	s.log.names = []stress.Signal{stress.CPU}
	add := func(phase Phase, n int, x, cost float64, tainted bool) {
		rows := readings(n, x, x*cost)
		for i := range rows {
			rows[i].phase, rows[i].end, rows[i].tainted = phase, s.log.now()+float64(i)+1, tainted
			rows[i].work = x * cost * (1 + .02*float64(i%3-1))
		}
		s.log.rows = append(s.log.rows, rows...)
	}
	add(Idle, 3, 0, 0, false)
	add(Approach, 40, 60, .01, false)
	add(Hold, 80, 80, .012, true)
	s.near = 80
	e, ok := s.estimate(s.pool)
	if !ok || math.Abs(e.level/100-1) > .02 || math.Abs(e.hangover/(100/1.2)-1) > .02 {
		t.Errorf("calm %.1f, hung %.1f; want 100 and 83.3 (%+v)", e.level, e.hangover, e)
	}
}
