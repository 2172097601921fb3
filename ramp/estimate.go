package ramp

import "math"

// An estimate is the level at which the first signal reaches its limit.
type estimate struct {
	level  float64
	lo, hi float64 // a 95 % interval
	now    float64 // where it is while costs are as they are in the pool
	steep  float64 // elasticity of the first signal's pressure there
	doubt  float64 // how uncertain the hangover leaves it, share of level
	// signal and runner index journal.names; -1 where there is none. The other
	// limits have negative numbers below that.
	signal, runner int
	headroom       float64 // the runner-up's, as a share of its limit
	hangover       float64 // the level while a hangover lasts, 0 where none was seen
}

// The limits that are not lines through journal.names.
const (
	none      = -1
	byLatency = -2
	byErrors  = -3
)

func (e estimate) half() float64 {
	if !(e.level > 0) {
		return math.Inf(1)
	}
	return (e.hi - e.lo) / 2 / e.level
}

// A crossing is where one signal's curve reaches its limit.
type crossing struct {
	signal int
	level  float64
	half   float64 // half width of the 95 % interval, share of level
	p      float64 // the pressure it was read at
	steep  float64 // elasticity of the pressure there
}

const (
	// inflate widens 1.96 standard errors: the variance of an autocorrelated
	// series is itself an estimate, and a short one's comes out small.
	inflate = 2.1 * 1.3
	// slopeDoubt is the relative error of a slope that the hold itself does
	// not show: a linear signal's, and a bent one's as a share of its bend.
	slopeDoubt, bendDoubt = .1, .3
	// priorBend is the usual elasticity of workers and memory near the limit
	// (both grow faster than the load), worth so many requests at a low level.
	priorBend, priorWeight = 1.7, 40
	// leastHangover is the cost that makes two capacities out of one.
	leastHangover = .03
	// steepest bounds the elasticity that is believed.
	steepest = 12.0
)

// estimate reads the capacity off the pool of readings around the present
// level: where each signal's curve through the pool reaches 1.
func (s *Search) estimate(pool func(*reading) bool) (estimate, bool) {
	at := s.log.sum(pool)
	x := at.rate()
	if !(x > 0) {
		return estimate{}, false
	}
	low := s.log.sum(func(r *reading) bool {
		return s.climbing(r) && !r.settling && !r.void && !r.tainted && r.level > .2*x && r.level < .75*x
	})
	h := s.hangover(x, pool)
	var all []crossing
	for k := range s.log.names {
		if c, ok := s.crossing(k, at, low, pool, 1+h.extra); ok {
			all = append(all, c)
		}
	}
	if c, ok := s.latencyCrossing(at, pool); ok {
		all = append(all, c)
	}
	if c, ok := s.errorCrossing(at); ok {
		all = append(all, c)
	}
	if len(all) == 0 {
		return estimate{}, false
	}
	e := first(all)
	e.now, e.doubt = e.level/(1+h.extra), h.se
	e.lo, e.hi = e.level*(1-math.Hypot(1-e.lo/e.level, inflate*h.se)), e.level*(1+math.Hypot(e.hi/e.level-1, inflate*h.se))
	if h.extra > leastHangover {
		e.hangover = e.now
	}
	return e, true
}

// first joins the crossings: the lowest limits, the next is the runner-up.
func first(all []crossing) estimate {
	e := estimate{level: math.Inf(1), hi: math.Inf(1), signal: none, runner: none}
	pressed := 0.0
	for _, c := range all {
		if c.level < e.level {
			e.level, e.signal, e.steep = c.level, c.signal, c.steep
		}
		pressed = math.Max(pressed, c.p)
	}
	next := math.Inf(1)
	e.lo = e.level
	for _, c := range all {
		e.hi = math.Min(e.hi, c.level*(1+c.half))
		if c.p > pressed-.1 {
			e.lo = math.Min(e.lo, c.level*(1-c.half))
		}
		if c.signal != e.signal && c.level < next {
			next, e.runner, e.headroom = c.level, c.signal, math.Max(0, 1-c.p)
		}
	}
	e.hi = math.Max(e.hi, e.level)
	return e
}

// crossing fits T(x) = (p-p0)/x = a/(1-x/xs) to the pool and the low levels:
// a straight line for cpu (xs infinite), a curve that bends up for whatever
// queues. T at the low level over T here gives xs.
//
// A hangover stretches all that a request does, so that the load x looks like
// stretch times x, and is read as that.
func (s *Search) crossing(k int, at, low sum, pool func(*reading) bool, stretch float64) (crossing, bool) {
	x, p := at.rate()*stretch, at.p[k]
	p0 := s.idle(k)
	if !(p > p0) || !(p0 < 1) {
		return crossing{}, false
	}
	T, u, doubt := (p-p0)/x, 0.0, slopeDoubt
	if !linear(s.log.names[k]) {
		u = bend(low, k, p0, x, T)
		doubt = bendDoubt
	}
	elasticity := math.Min(1/(1-u), steepest)
	u = 1 - 1/elasticity
	a := T * (1 - u)
	c := crossing{signal: k, p: p, steep: elasticity, level: (1 - p0) / (a + (1-p0)*u/x)}
	slope := T * elasticity // dp/dx here
	se := s.noise(k, slope*stretch, at.rate(), pool)
	se = math.Max(se, .5*p/math.Sqrt(math.Max(at.done, 1)))
	c.half = inflate * math.Hypot(se/slope, (1-p)*doubt/slope) / c.level
	return c, !math.IsNaN(c.level) && !math.IsInf(c.level, 0) && c.level > 0
}

// bend is u = x/xs, from the ratio of T at the low levels to T here, shrunk
// towards the usual bend where the low levels saw few requests.
func bend(low sum, k int, p0, x, T float64) float64 {
	prior := 1 - 1/priorBend
	xl := low.rate()
	if xl <= 0 || !(low.p[k] > p0) {
		return prior
	}
	l := xl / x
	q0 := (1 - prior) / (1 - prior*l)
	w := low.sent / (low.sent + priorWeight)
	q := math.Exp(w*math.Log((low.p[k]-p0)/xl/T) + (1-w)*math.Log(q0))
	q = min(max(q, .1), .95)
	return (1 - q) / (1 - q*l)
}

// errorCrossing: failures grow tenfold in a tenth of the load near the limit,
// lambda = x (1 - ln(e/limit)/20); below twice the limit they may be a floor
// that the load does not move, such as a tail against the timeout.
func (s *Search) errorCrossing(at sum) (crossing, bool) {
	e := ratio(at.failed, at.done) - s.base()
	if at.done < 200 || e < 2*s.cfg.Errors {
		return crossing{}, false
	}
	over := math.Log(e/s.cfg.Errors) / 20
	return crossing{signal: byErrors, level: at.rate() * (1 - over), half: over, p: e / s.cfg.Errors}, true
}

// latencyCrossing fits 1/p = A - B x, the shape of a delay that queues, to the
// levels seen: p99s are noisy and bent, so that only whole levels count.
func (s *Search) latencyCrossing(at sum, pool func(*reading) bool) (crossing, bool) {
	if !(at.latency > .5) || at.latencyTime < 3 {
		return crossing{}, false
	}
	x := at.rate()
	low := s.log.sum(func(r *reading) bool {
		return r.phase == Approach && !r.settling && !r.void && r.level > .3*x && r.level < .85*x
	})
	slope := 2 / x // of ln p
	if low.latency > 0 && low.latency < at.latency {
		slope = (at.latency/low.latency - 1) / (x - low.rate())
	}
	slope = min(max(slope, .5/x), 20/x)
	level := x - (at.latency-1)/slope
	level = min(max(level, .5*x), 1.3*x)
	var dev float64
	for i := range s.log.rows {
		if r := &s.log.rows[i]; pool(r) && !math.IsNaN(r.latency) {
			dev += (r.latency - at.latency) * (r.latency - at.latency) * r.dt * r.dt
		}
	}
	se := math.Sqrt(dev) / at.latencyTime / at.latency
	half := inflate * math.Hypot(se, (at.latency-1)*bendDoubt) / slope / level
	return crossing{signal: byLatency, level: level, half: half, p: at.latency}, true
}
