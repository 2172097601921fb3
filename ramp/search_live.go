package ramp

import (
	"fmt"
	"math"

	"saturate/stress"
)

// Live traffic differs from generated load in three ways. It never ends: level 0
// is the rate as found, and nothing is known of the target below it. It is not
// ours: it moves by itself, and less may be had than is asked. And it comes in
// steps of a weight, rounded down, so that a level may be had only in part. The
// search asks as it does of a generator, and reckons with what it was given.

const (
	// foundTime is how long the traffic as found is measured, seconds: it stands
	// for both idle and the first level.
	foundTime = 8.0
	// usualInFlight is by how much the requests in flight may have grown since the
	// run began for a target to count as calm, in seconds of the traffic as found.
	usualInFlight = .1
	// drainAfter is how long a target may be pressed with the traffic as found,
	// after an instant event, before even that is taken from it.
	drainAfter = 10.0
	// farther is by how much a level must lie above the one found for a line
	// through both to tell of no load.
	farther = 1.15
	// liveStep is the most that users' traffic is raised by at once: a knee that no
	// signal shows is passed by no more.
	liveStep = 1.2
	// stepBounded is how far a hold may move up that has less than it asks for:
	// it is the bound, not the level, that the load then follows.
	stepBounded = .3
	// nearEnough is the pressure from which an estimate is a reading of the limit
	// although the rate is farther below it than it should be: where a signal
	// bends steeply, say.
	nearEnough = .85
)

// live reports whether the load is live traffic.
func (s *Search) live() bool { return s.cfg.Floor > 0 }

// found measures the traffic as found, and takes the first step from there.
func (s *Search) found() {
	if a := s.tripped(s.from, approachLines); a != nil {
		s.end(Result{Ending: AtMost, Break: s.cfg.Floor, Why: "the traffic as found is too much already: " + a.why})
		return
	}
	at := s.here()
	if at.dt < foundTime-.05 { // void windows are no reading of it
		return
	}
	for k, name := range s.log.names {
		if p := at.p[k]; p >= 1 {
			s.end(Result{Ending: AtMost, Break: at.rate(), Bottleneck: name,
				Why: fmt.Sprintf("%s is at %.2f of its limit with the traffic as found", name, p)})
			return
		}
	}
	s.level = s.cfg.Floor
	pm := s.pressed(at)
	s.rise(at, pm, rungAt(pm))
}

// climbing reports whether a reading is of a level on the way up, which live
// traffic as found is the first of.
func (s *Search) climbing(r *reading) bool {
	return r.phase == Approach || r.phase == Idle && s.live()
}

// intercept is what a signal's pressure would be without load: where the line
// through the traffic as found and the low levels meets none, not below 0. A
// signal that bends upwards makes it too low, and a step from it too careful.
func (s *Search) intercept(k int) float64 {
	at := s.log.sum(func(r *reading) bool { return r.phase == Idle && !r.void })
	x, p := at.rate(), at.p[k]
	if !(x > 0) || !(p > 0) {
		return 0
	}
	highest := math.Inf(1)
	if !linear(s.log.names[k]) {
		highest = .75 * s.level
	}
	up := s.log.sum(func(r *reading) bool {
		return (r.phase == Approach || r.phase == Hold) && !r.settling && !r.void && !r.tainted && !r.dropped && r.level < highest
	})
	if !(up.rate() > farther*x) || !(up.p[k] > p) {
		return 0
	}
	slope := (up.p[k] - p) / (up.rate() - x)
	return math.Max(0, p-slope*x)
}

// overshot is 1, or less where more was had than asked.
func (s *Search) overshot(here sum) float64 {
	if x := here.rate(); s.live() && s.level > 0 && x > s.level*(1+2/math.Sqrt(math.Max(here.sent, 1))) {
		return s.level / x
	}
	return 1
}

// bounded reports whether less was had than asked for most of the time.
func (s *Search) bounded(at sum) bool { return s.live() && at.capped > at.dt/2 }

// tooFar reports whether the estimate is no reading of the limit.
func (s *Search) tooFar(e estimate, at sum) bool {
	return s.live() && e.level > reach*at.rate() && (s.bounded(at) || at.most() < nearEnough)
}

// short says why the traffic did not come nearer to the limit.
func (s *Search) short(at sum) string {
	why := "the time was up before the traffic came nearer to the limit"
	if s.bounded(at) {
		why = s.capped
	}
	return fmt.Sprintf("%s; %.4g req/s press the target to %.2f of its limit", why, at.rate(), at.most())
}

// had is the rate that the level came to, or the level where it was not measured.
func (s *Search) had(level float64) float64 {
	at := s.log.sum(func(r *reading) bool {
		return r.level >= .999*level && !r.settling && (r.phase == Approach || r.phase == Hold)
	})
	if at.dt < 1 {
		return level
	}
	return math.Min(level, at.rate())
}

// usual is how many of so many requests may fail in a calm window: of live
// traffic some always do.
func (s *Search) usual(done float64) float64 {
	if !s.live() {
		return 0
	}
	return 1 + (s.base()+s.cfg.Errors)*done
}

// stillPressed is for a target that is not calm although the load was taken back
// to the traffic as found.
func (s *Search) stillPressed(elapsed float64) {
	switch {
	case elapsed >= zeroMost:
		name, p := s.foremost()
		s.end(s.inconclusive(fmt.Sprintf("%s: not calm after %.0f s without load (%s at %.2f of its limit)", s.why, elapsed, name, p)))
	case elapsed >= drainAfter:
		s.drain = true
	}
}

// foremost is the signal with the largest pressure in the last window.
func (s *Search) foremost() (name stress.Signal, most float64) {
	for k, p := range s.log.rows[len(s.log.rows)-1].p {
		if p > most {
			name, most = s.log.names[k], p
		}
	}
	return name, most
}
