package ramp

import (
	"fmt"
	"math"
	"slices"

	"saturate/stress"
)

const (
	// A cut goes to .65 for a while, so that the queue drains while the server
	// keeps working, and then to .38 until it is calm.
	firstCut, firstFor  = .65, 6.0
	deepCut             = .38
	longQueue           = .2 // of the timeout, by Little's law
	deepestCut          = .1
	calmMost            = .90 // the largest pressure of a calm window
	calmLeast, calmWait = 2.0, 14.0
	calmRequests        = 280 // of calm, between those seconds
	recoverMost         = 75.0
	brokenFor           = 10.0      // of most requests failing, with nothing pressed, at a fraction of the load
	zeroLeast, zeroMost = 5.0, 40.0 // with no load, after an instant event

	mostTrips   = 5   // then the trips are a bracket
	fast        = 120 // req/s: from here on a trip is no chance
	again       = 1.1 // two trips this near each other are none either
	mostLowered = 2   // the first level is lowered by 4x, and by 4x again
	kneeBelow   = .06 // good and bad this near are a bracket to hold below
)

// fall cuts the load because a line of the search's own was crossed.
func (s *Search) fall(a *alarm) {
	if s.sure(a) {
		s.bad = math.Min(s.bad, s.level)
	}
	s.cut(a)
	switch {
	case s.good == 0 && (s.lowered >= mostLowered || s.hopeless()):
		s.end(Result{Ending: AtMost, Break: s.lowest(), Why: "the lowest level already fails: " + a.why})
		return
	case s.good == 0:
		s.lowered++
		s.after, s.back = Approach, s.level/4
	case len(s.trips) > mostTrips && (s.level >= fast || len(s.trips) > 2*mostTrips):
		s.bracket()
		return
	case s.phase == Hold:
		s.after, s.back = Hold, s.level*s.stepBack()
	case s.level/s.good < 1+kneeBelow:
		s.after, s.back = Hold, .985*s.good
	default:
		s.after, s.back = Approach, math.Sqrt(s.good*s.level)
	}
	if s.level < again*s.good {
		s.good = math.Max(.9*s.good, s.cfg.Floor) // it was not: a knee takes its time to show
	}
	s.relief = drained
	s.turn(Recover, s.firstCut(), 0, a.why)
}

// firstCut keeps some load, so that the queue drains while the server works;
// but where new requests would wait so long that they fail, hardly any.
func (s *Search) firstCut() float64 {
	if s.cfg.Timeout > 0 && s.inFlight > longQueue*s.cfg.Timeout.Seconds()*s.level {
		return deepestCut * s.level
	}
	return firstCut * s.level
}

// hopeless reports whether most requests fail although nothing is pressed: no
// lower level will mend that.
func (s *Search) hopeless() bool {
	at := s.since(s.from)
	if at.dt == 0 {
		at = s.log.sum(func(r *reading) bool { return r.phase == Approach })
	}
	return at.failed > .5*at.done && at.most() < .5
}

// sure reports whether an alarm at this level bounds the search. Few requests,
// or a few seconds, cross lines by chance: then it takes a second one.
func (s *Search) sure(a *alarm) bool {
	return s.level >= fast && !a.burst || s.lowest() < again*s.level
}

// stepBack is where a hold resumes after a trip: noise trips slow servers.
func (s *Search) stepBack() float64 {
	switch {
	case s.level >= fast:
		return .97
	case len(s.trips) < 2:
		return .95
	}
	return .92
}

// happened deals with instant events, for which the driver has cut the load
// already: no load until calm, one retry, then the end.
func (s *Search) happened(events []stress.Event) bool {
	if len(events) == 0 {
		return false
	}
	if i := slices.IndexFunc(events, func(e stress.Event) bool { return e.Kind == stress.LoadLost }); i >= 0 {
		s.end(s.inconclusive(events[i].Detail))
		return true
	}
	e := events[0]
	for _, other := range events {
		if other.Kind == stress.TargetGone {
			e = other
		}
	}
	why := fmt.Sprintf("%s: %s", e.Kind, e.Detail)
	if s.phase == Recover && s.relief == unloaded && e.Kind != stress.TargetGone {
		return false // the echo of the one that is being recovered from
	}
	s.cut(&alarm{why: why})
	s.events++
	switch {
	case e.Kind == stress.TargetGone || e.Kind == stress.KernelSilent && s.events > 1 || s.level == 0:
		s.end(s.inconclusive(why))
	case s.events > 1:
		s.bad = math.Min(s.bad, s.level)
		s.end(Result{Ending: AtMost, Break: s.bad, Why: "twice: " + why})
	default:
		s.retry(e, why)
	}
	return true
}

func (s *Search) retry(e stress.Event, why string) {
	s.after, s.back = Approach, s.level
	if e.Kind != stress.KernelSilent {
		s.bad = math.Min(s.bad, s.level)
		s.back = math.Max(s.good*.9, s.level/4)
	}
	s.relief = unloaded
	s.turn(Recover, 0, 0, why)
}

// relief is a stage of recovery.
type relief int

const (
	unloaded relief = iota // no load, after an instant event
	drained                // some load, so that the queue drains while it works
	calming                // little load, until calm
)

// recover waits until the server is itself again.
func (s *Search) recover() {
	elapsed := s.elapsed()
	quiet := s.log.rows[len(s.log.rows)-1].most() < calmMost && s.inFlight < 1+usualInFlight*s.cfg.Floor
	switch {
	case s.relief == unloaded && s.live() && !quiet && elapsed >= zeroLeast:
		s.stillPressed(elapsed)
	case s.relief == unloaded && (elapsed >= zeroLeast && quiet || elapsed >= zeroMost):
		s.inFlight = 0
		fallthrough
	case s.relief == drained && elapsed >= firstFor:
		s.relief = calming
		s.turn(Recover, deepCut*s.back, 0, "waiting for calm")
	case s.relief == calming && elapsed >= brokenFor && s.hopeless():
		s.bad = math.Min(s.bad, s.level)
		at := s.here()
		s.end(Result{Ending: AtMost, Break: s.bad, Why: fmt.Sprintf(
			"%.0f of %.0f requests failed in %.0f s, long after the load was cut and with nothing near its limit", at.failed, at.done, at.dt)})
	case s.relief == calming && (s.calm() || elapsed >= recoverMost):
		s.resume()
	}
}

// calm reports whether the last seconds were calm, and a request costs what it
// did before the trip.
func (s *Search) calm() bool {
	need := min(max(calmRequests/math.Max(s.level, 1), calmLeast), calmWait)
	var dt, work, done float64
	for _, r := range slices.Backward(s.log.rows[s.from:]) {
		if dt >= need-.05 || r.most() > calmMost || r.failed > s.usual(r.done) {
			break
		}
		dt += r.dt
		work += r.work
		done += r.done
	}
	if dt < need-.05 {
		return false
	}
	ref := s.warmCost()
	if ref == 0 || done == 0 {
		return true
	}
	return work/done <= ref*(1.05+1/math.Sqrt(done))
}

// warmCost is what a request cost before any trip, without the cold start's
// where there is as much; 0 where unknown.
func (s *Search) warmCost() float64 {
	n := 0.0
	all := s.log.sum(func(r *reading) bool { return r.phase == Approach && !r.tainted })
	warm := s.log.sum(func(r *reading) bool {
		n += r.done
		return n > warmRequests && (r.phase == Approach || r.phase == Hold) && !r.tainted && r.level > s.level
	})
	if warm.worked < fewestCalm {
		return all.cost()
	}
	return warm.cost()
}

func (s *Search) resume() {
	switch {
	case s.after == Hold:
		s.startHold(s.back, "back below the trip")
	case s.good == 0:
		s.climb(s.back, "lower than the level that failed")
	default:
		s.climb(s.back, "back below the trip")
	}
}

const (
	// The share of loaded windows that may be void, and how many there must be
	// for the share to mean anything.
	mostVoid, fewestWindows = .10, 30
	// A generator that is void for most of a few seconds on end has given out.
	voidRun = 4.0
)

// voided ends the run when too much of it does not count. A generator that
// gives out while the target has headroom becomes the ceiling instead, once.
func (s *Search) voided(v stress.Void) bool {
	if v == "" || s.level == 0 && !(s.live() && s.phase == Idle) { // the traffic as found is a level, too
		return false
	}
	if v == stress.GeneratorLate {
		var void, all float64
		for _, r := range s.log.rows[s.from:] {
			all += r.dt
			if r.void {
				void += r.dt
			}
		}
		if void >= voidRun-.05 && void > .6*all {
			return s.generatorFirst()
		}
	}
	if n, cause := s.log.void(); n > mostVoid*math.Max(s.log.loaded, fewestWindows) {
		s.end(s.inconclusive(string(cause)))
		return true
	}
	return false
}

func (s *Search) generatorFirst() bool {
	if s.generator > 0 || s.good == 0 || s.phase != Approach {
		s.end(s.inconclusive(string(stress.GeneratorLate)))
		return true
	}
	s.generator = s.level
	s.ceiling = math.Max(s.good, .9*s.level)
	delete(s.log.voids, stress.GeneratorLate) // they have had their say
	s.startHold(s.ceiling, "the generator can do no more")
	return true
}
