package ramp

import (
	"fmt"
	"math"
)

const (
	lookEvery   = 4.0 // seconds between estimates
	firstLook   = 8.0 // seconds at a level before it may move
	moveLeast   = 150 // requests at a level before it may move
	mostMoves   = 40
	stepUp      = .05 // a move's bounds: down faster than up
	stepDown    = .06
	strayUp     = .025 // the level may be this far below, or above, what is wanted
	strayDown   = .03
	sameLevel   = .035 // levels this near are one hold
	poolBelow   = .88  // the pool's levels, relative to the present one
	poolAbove   = 1.08
	reach       = 1.08 // an estimate further above the hold's rate is no reading
	tailOfTrip  = 6.0  // seconds before a trip that do not count
	enoughShare = .8   // of a hold's time and requests lets it answer after a trip
	pastTrip    = 1.015
	atBound     = .97  // a hold this near the highest level allowed is at it
	bending     = 3.0  // an elasticity that is no straight line's
	aboveTrip   = .985 // a hold does not move nearer to a level that tripped
	// A hold that may have been a hangover's is followed by a calm level, until
	// the doubt is this small, or so many requests or seconds were seen.
	coolAt, coolDoubt, coolRequests, coolMost = .42, .01, 3000, 240.0
	coolShare                                 = .3 // of the whole time is kept for it
)

func (s *Search) startHold(level float64, why string) {
	s.holding, s.held = len(s.log.rows), len(s.log.rows)
	s.moves = 0
	s.moveTo(level, why)
}

// moveTo shifts the hold. What was measured at about the same level still counts.
func (s *Search) moveTo(level float64, why string) {
	level = math.Min(level, s.ceiling)
	settle := min(max(holdSettleRequests/level, shortest), holdLongest)
	if s.held < len(s.log.rows) {
		if first := s.log.rows[s.held].level; math.Abs(level/first-1) > sameLevel {
			s.held = len(s.log.rows)
		} else if math.Abs(level/s.level-1) < sameLevel {
			settle /= 2
		}
	}
	s.near = level
	s.turn(Hold, level, settle, why)
	s.looked = s.log.now()
}

// pool is what the estimate is read from: every measured reading of a hold
// near the present level.
func (s *Search) pool(r *reading) bool {
	return r.phase == Hold && !r.settling && !r.void && !r.dropped &&
		r.level > poolBelow*s.near && r.level < poolAbove*s.near
}

func (s *Search) hold() {
	if a := s.tripped(s.holding, holdLines); a != nil {
		s.holdTripped(a)
		return
	}
	if s.log.now()-s.looked < lookEvery-.05 {
		return
	}
	here := s.here()
	if here.dt < firstLook-.05 || here.sent < math.Min(moveLeast, 60*here.dt/firstLook) {
		return
	}
	s.looked = s.log.now()
	e, ok := s.estimate(s.pool)
	if !ok {
		return
	}
	s.measured = e
	s.survive()
	switch {
	case e.doubt > coolDoubt && s.want.limit-s.log.now() < coolShare*s.want.limit:
		s.startCool()
	case s.shift(e, here):
	case s.enough(e):
		s.settleFor(e)
	}
}

// survive refutes the trips at levels that a whole hold has stood since.
func (s *Search) survive() {
	if span := s.since(s.held); span.dt < s.want.hold || span.sent < s.want.requests/2 {
		return
	}
	s.survived = math.Max(s.survived, s.level)
	if s.bad <= s.survived {
		s.bad = math.Inf(1)
	}
}

// settleFor answers, after a look at the cost of a calm server if that is in doubt.
func (s *Search) settleFor(e estimate) {
	if e.doubt > coolDoubt {
		s.startCool()
		return
	}
	s.answer(e)
}

// startCool takes the load down to where the server stays calm, to learn what
// a request costs there: the hold followed saturations, and may have paid more.
func (s *Search) startCool() {
	s.cooling = true
	s.turn(Recover, coolAt*s.level, 0, "what a request costs when calm")
}

func (s *Search) cool() {
	e, ok := s.estimate(s.pool)
	calm := s.since(s.from)
	if ok && (e.doubt < coolDoubt || calm.done > coolRequests || s.elapsed() > coolMost) {
		s.answer(e)
	}
}

// shift moves the hold to where the estimate wants it, if that is worth it.
func (s *Search) shift(e estimate, here sum) bool {
	wanted := math.Min(s.set(e.now)*e.now, s.highest()) * s.overshot(here)
	off := s.level/wanted - 1
	last := s.want.limit-s.log.now() < s.want.hold+holdLongest
	late := here.dt >= .8*s.want.hold && here.sent >= .8*s.want.requests
	switch {
	case s.moves >= mostMoves:
		return false
	case off < -stepUp && e.now > reach*s.level && !last:
		s.held = len(s.log.rows)
	case here.sent < moveLeast || last || late:
		if !(here.most() > 1.01 && here.sent >= moveLeast && here.dt >= firstLook) {
			return false
		}
		wanted = math.Min(wanted, .985*s.level)
	case off > math.Max(strayUp, .4*e.half()), off < -math.Max(strayDown, .6*e.half()):
	default:
		return false
	}
	s.moves++
	up := stepUp
	if s.bounded(here) {
		up = stepBounded
	}
	level := min(max(wanted, (1-stepDown)*s.level), (1+up)*s.level)
	if math.Abs(level/s.level-1) < .003 {
		return false
	}
	s.moveTo(level, fmt.Sprintf("the limit is near %.4g", e.level))
	return true
}

// highest is the highest level that a hold may try.
func (s *Search) highest() float64 {
	return math.Min(s.ceiling, aboveTrip*s.bad)
}

// enough reports whether the hold says what it can in the time it may take.
func (s *Search) enough(e estimate) bool {
	span, pool := s.since(s.held), s.log.sum(s.pool)
	if span.dt < s.want.hold-.05 || span.sent < math.Min(s.want.requests, 2000) || pool.sent < s.want.requests {
		return false
	}
	if span.most() > 1 || e.now > reach*s.level/s.set(s.level) && s.level < atBound*s.highest() && !s.bounded(span) {
		return false
	}
	if pool.dt >= s.want.most && (pool.sent >= 3*s.want.requests || e.half() < 2*s.want.half) {
		return true
	}
	return e.half() < s.want.half && s.steady(s.held)
}

// steady reports whether the halves of the span cost the same per request,
// within 1 % or 2.5 standard errors.
func (s *Search) steady(from int) bool {
	var c []float64
	for i := from; i < len(s.log.rows); i++ {
		if r := &s.log.rows[i]; !r.settling && !r.void && r.work > 0 && r.done > 0 {
			c = append(c, r.work/r.done)
		}
	}
	if len(c) < 8 {
		return true
	}
	lag := int(math.Min(10, float64(len(c))/6))
	mean := func(v []float64) float64 {
		t := 0.0
		for _, x := range v {
			t += x
		}
		return t / float64(len(v))
	}
	a, b := c[:len(c)/2], c[len(c)/2:]
	differ := math.Abs(mean(a) - mean(b))
	return differ < .01*mean(c) || differ < 2.5*math.Hypot(hac(a, lag), hac(b, lag))
}

// holdTripped answers from what the hold had seen before, if that is enough. A
// slow server that bends steeply goes on to where it survives a whole hold: of
// a knee the readings before the trip are the lucky ones.
func (s *Search) holdTripped(a *alarm) {
	sure := s.sure(a)
	for i := len(s.log.rows) - 1; s.level >= fast && i >= s.holding && s.log.now()-s.log.rows[i].end < tailOfTrip; i-- {
		s.log.rows[i].dropped = true
	}
	hold := s.since(s.holding)
	e, ok := s.estimate(s.pool)
	if !ok || hold.dt < enoughShare*s.want.hold || hold.sent < enoughShare*s.want.requests || s.level < fast && (!sure || e.steep > bending) {
		s.fall(a)
		return
	}
	s.cut(a)
	if sure {
		s.bad = math.Min(s.bad, s.level)
	}
	if most := pastTrip * s.level; s.level >= fast && e.level > most {
		e.hi = math.Max(e.hi, e.level)
		if !sure { // half believed
			most = math.Sqrt(most * e.level)
		}
		e.level = most
	}
	s.note("tripped late")
	s.settleFor(e)
}

// timeUp answers with what there is.
func (s *Search) timeUp() {
	if e, ok := s.estimate(s.pool); ok && s.phase != Approach {
		s.answer(e)
		return
	}
	if s.measured.level > 0 {
		s.answer(s.measured)
		return
	}
	s.bracket()
}
