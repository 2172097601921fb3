package loadgen

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// slowest and fastest bound a level, so that no arithmetic overflows.
	slowest, fastest = 1e-3, 1e6
)

// A schedule says when hits are intended. It is pure: it has no clock, and all
// times count from the start of the attack.
//
// A change of rate takes effect at once: what is left of the gap to the next
// hit is stretched by old/new rate. For Poisson arrivals that is exact (the
// time change of an inhomogeneous process), for even ones it keeps the phase;
// neither ever bursts or drifts.
type schedule struct {
	gap   func() float64 // the next gap, in units of the mean gap
	phase float64        // the first gap after silence, in units of gap
	rate  float64        // hits per second; 0 is silence
	next  time.Duration  // the next hit; meaningless in silence
	until time.Duration  // the end of the lease
}

func newSchedule(arrivals string, seed uint64) schedule {
	if arrivals == "even" {
		return schedule{gap: func() float64 { return 1 }, phase: 1}
	}
	return schedule{gap: rand.New(rand.NewPCG(seed, 0)).ExpFloat64, phase: 1}
}

// part is schedule i of n that together are one of n times the rate: even hits
// take turns, and Poisson processes add up by themselves.
func part(arrivals string, seed uint64, i, n int) schedule {
	s := newSchedule(arrivals, seed+uint64(i))
	if arrivals == "even" {
		s.phase = float64(i+1) / float64(n)
	}
	return s
}

// turn changes the rate from now on. Hits before now must have been taken.
func (s *schedule) turn(now time.Duration, rate float64, lease time.Duration) {
	rate = clampRate(rate)
	switch {
	case rate == 0 || lease <= 0:
		s.rate = 0
		return
	case s.silent(now):
		s.next = now + span(s.gap()*s.phase, rate)
	case rate != s.rate:
		s.next = now + time.Duration(float64(s.next-now)*s.rate/rate)
	}
	s.rate, s.until = rate, now+lease
	if s.until < now { // a lease of years
		s.until = math.MaxInt64
	}
}

// silent reports whether nothing is intended now or later.
func (s *schedule) silent(now time.Duration) bool { return s.rate == 0 || now >= s.until }

// take returns the next hit that was intended at or before now, within the lease.
func (s *schedule) take(now time.Duration) (time.Duration, bool) {
	if s.rate == 0 || s.next > now || s.next >= s.until {
		return 0, false
	}
	at := s.next
	s.next += span(s.gap(), s.rate)
	return at, true
}

// event is when take has to be asked again: the next hit, or the lease's end.
func (s *schedule) event() (time.Duration, bool) {
	if s.rate == 0 {
		return 0, false
	}
	return min(s.next, s.until), true
}

func clampRate(rate float64) float64 {
	if !(rate > 0) { // also NaN
		return 0
	}
	return min(max(rate, slowest), fastest)
}

// span is n mean gaps at rate.
func span(n, rate float64) time.Duration {
	return time.Duration(math.Round(n / rate * float64(time.Second)))
}
