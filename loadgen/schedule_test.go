package loadgen

import (
	"math"
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drain takes every hit up to end, looking every step and at the end.
func drain(s *schedule, from, end, step time.Duration) (hits []time.Duration) {
	for now := from; now < end+step; now += step {
		now = min(now, end)
		for at, ok := s.take(now); ok; at, ok = s.take(now) {
			hits = append(hits, at)
		}
	}
	return hits
}

// TestPoissonArrivals holds the gaps against the exponential distribution
// (Kolmogorov-Smirnov, 1 % point 1.63/sqrt(n)), and counts per second against
// Poisson's index of dispersion, 1.
func TestPoissonArrivals(t *testing.T) {
	const rate, seconds = 500.0, 200
	s := newSchedule("poisson", 1)
	s.turn(0, rate, time.Hour)
	hits := drain(&s, 0, seconds*time.Second, 7*time.Millisecond)

	gaps, last := make([]float64, len(hits)), time.Duration(0)
	counts := make([]float64, seconds)
	for i, at := range hits {
		gaps[i], last = (at-last).Seconds()*rate, at
		counts[min(seconds-1, int(at/time.Second))]++
	}
	sort.Float64s(gaps)
	var d float64
	for i, g := range gaps {
		f, n := 1-math.Exp(-g), float64(len(gaps))
		d = max(d, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	if limit := 1.63 / math.Sqrt(float64(len(gaps))); d > limit {
		t.Errorf("gaps are not exponential: D = %.4f, limit %.4f", d, limit)
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	mean := sum / seconds
	if dispersion := (squares/seconds - mean*mean) / mean; dispersion < .75 || dispersion > 1.25 {
		t.Errorf("variance of the counts is %.2f times their mean, want 1", dispersion)
	}
	if math.Abs(mean-rate) > 4*math.Sqrt(rate/seconds) {
		t.Errorf("mean rate %.1f, want %.0f", mean, rate)
	}
}

func TestEvenArrivals(t *testing.T) {
	s := newSchedule("even", 1)
	s.turn(0, 1000, time.Hour)
	hits := drain(&s, 0, time.Second, 3*time.Millisecond)
	if len(hits) != 1000 {
		t.Fatalf("%d hits in a second, want 1000", len(hits))
	}
	for i, at := range hits {
		if want := time.Duration(i+1) * time.Millisecond; at != want {
			t.Fatalf("hit %d at %v, want %v", i, at, want)
		}
	}
}

func TestSameSeedSameSchedule(t *testing.T) {
	run := func(seed uint64) []time.Duration {
		s := newSchedule("poisson", seed)
		s.turn(0, 300, time.Hour)
		return drain(&s, 0, time.Second, time.Millisecond)
	}
	if a, b := run(7), run(7); !equal(a, b) {
		t.Error("one seed gave two schedules")
	}
	if a, b := run(7), run(8); equal(a, b) {
		t.Error("two seeds gave one schedule")
	}
}

func equal(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestRateTurns turns an even schedule and counts: the new rate from the very
// first gap, no burst, no drift.
func TestRateTurns(t *testing.T) {
	s := newSchedule("even", 1)
	for i, rate := range []float64{100, 300, 50, 1000, 20} {
		from := time.Duration(i) * time.Second
		s.turn(from, rate, time.Hour)
		hits := drain(&s, from, from+time.Second-1, time.Millisecond)
		if n := float64(len(hits)); math.Abs(n-rate) > 1 {
			t.Errorf("%v hits in the second at %v/s", n, rate)
		}
		for j := 1; j < len(hits); j++ {
			if gap := (hits[j] - hits[j-1]).Seconds() * rate; math.Abs(gap-1) > 1e-3 {
				t.Errorf("at %v/s a gap of %.3f mean gaps", rate, gap)
			}
		}
	}
}

// TestTurnIsLive: a rate of one hit in a hundred seconds does not delay the next one.
func TestTurnIsLive(t *testing.T) {
	for _, arrivals := range []string{"even", "poisson"} {
		s := newSchedule(arrivals, 3)
		s.turn(0, .01, time.Hour)
		s.turn(time.Second, 1000, time.Hour)
		if n := len(drain(&s, time.Second, 2*time.Second, time.Millisecond)); n < 850 || n > 1150 {
			t.Errorf("%s: %d hits in the first second at 1000/s", arrivals, n)
		}
	}
}

// TestTurnsDoNotDisturb: renewing a lease five times a second at the same rate
// changes nothing, whatever the rate.
func TestTurnsDoNotDisturb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(.5, 2000).Draw(t, "rate")
		seed := rapid.Uint64().Draw(t, "seed")
		calm, renewed := newSchedule("poisson", seed), newSchedule("poisson", seed)
		calm.turn(0, rate, time.Hour)
		var a, b []time.Duration
		for now := time.Duration(0); now < 3*time.Second; now += 200 * time.Millisecond {
			renewed.turn(now, rate, 500*time.Millisecond)
			a = append(a, drain(&calm, now, now+200*time.Millisecond-1, 50*time.Millisecond)...)
			b = append(b, drain(&renewed, now, now+200*time.Millisecond-1, 50*time.Millisecond)...)
		}
		if !equal(a, b) {
			t.Fatalf("%d hits with one lease, %d with renewed ones, or at other times", len(a), len(b))
		}
	})
}

// TestTurnsAreFair: rates that change all the time give as many hits as their
// integral asks for.
func TestTurnsAreFair(t *testing.T) {
	for _, arrivals := range []string{"even", "poisson"} {
		s, want, got := newSchedule(arrivals, 5), 0.0, 0
		for i := range 2000 {
			from, rate := time.Duration(i)*37*time.Millisecond, 50+400*math.Abs(math.Sin(float64(i)))
			s.turn(from, rate, time.Second)
			got += len(drain(&s, from, from+37*time.Millisecond-1, time.Millisecond))
			want += rate * .037
		}
		tolerance := 1.0
		if arrivals == "poisson" {
			tolerance = 4 * math.Sqrt(want)
		}
		if math.Abs(float64(got)-want) > tolerance {
			t.Errorf("%s: %d hits, want %.1f +- %.0f", arrivals, got, want, tolerance)
		}
	}
}

// TestLease: hits end with the lease, and begin anew without a burst.
func TestLease(t *testing.T) {
	s := newSchedule("even", 1)
	s.turn(0, 100, 500*time.Millisecond)
	if n := len(drain(&s, 0, 10*time.Second, 10*time.Millisecond)); n != 49 {
		t.Errorf("%d hits in a lease of 500 ms at 100/s, want 49 (one each 10 ms, the end excluded)", n)
	}
	if !s.silent(time.Second) {
		t.Error("not silent after the lease")
	}
	s.turn(10*time.Second, 100, 500*time.Millisecond)
	hits := drain(&s, 10*time.Second, 11*time.Second, time.Millisecond)
	if len(hits) == 0 || hits[0] != 10*time.Second+10*time.Millisecond {
		t.Errorf("after a new lease the first hits are %v", hits[:min(3, len(hits))])
	}
}

// TestOddLevels: nothing that a caller can ask for panics or spins.
func TestOddLevels(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e-300, .01, 1e6, 1e300, 2e9} {
		for _, lease := range []time.Duration{0, -1, 1, time.Second, math.MaxInt64} {
			for _, arrivals := range []string{"even", "poisson"} {
				s := newSchedule(arrivals, 1)
				s.turn(time.Second, rate, lease)
				hits := drain(&s, time.Second, time.Second+time.Millisecond, time.Millisecond)
				if len(hits) > 1500 {
					t.Errorf("%v/s for %v: %d hits in a millisecond", rate, lease, len(hits))
				}
				if at, ok := s.event(); ok && at < 0 {
					t.Errorf("%v/s for %v: next event at %v", rate, lease, at)
				}
			}
		}
	}
}
