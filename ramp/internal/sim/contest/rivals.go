package contest

import (
	"math"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/stress"
)

// Rivals are the other tools' searches, and what no search can beat. Each
// gets the signals that ours gets, once a second, and the user's first level
// and maximum.
func Rivals() []Entrant {
	return []Entrant{
		{Name: "ramp", New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
			return &rampUp{start: t.Start, max: t.Max, mean: rampMean}
		}},
		{Name: "ramp20", New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
			return &rampUp{start: t.Start, max: t.Max, mean: rampMeanLong}
		}},
		{Name: "levels", New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
			return &levels{step: t.Max / levelCount}
		}},
		{Name: "nighthawk", New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
			return &nighthawk{level: t.Start, previous: t.Start}
		}},
		{Name: "mlrsearch", New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
			return newMLR(t.Start, t.Max)
		}},
		bound("bound60", 60), bound("bound150", 150), bound("bound400", 400),
	}
}

// rampUp is what k6's ramping-arrival-rate with abortOnFail does: a straight
// ramp from the first level to the maximum in ten minutes, ended by the first
// threshold that is crossed; here by a mean over some seconds, and for failures
// over 200 requests, else every ramp would end on noise. The capacity is read
// in the middle of those seconds, which is kinder than what its users do.
type rampUp struct {
	outcome
	start, max float64
	mean       int // seconds
	seconds    float64
	seen       []stress.Observation
}

const (
	rampTime     = 600.0
	rampMean     = 6
	rampMeanLong = 20
	rampRequests = 200
)

func (r *rampUp) level(at float64) float64 { return r.start + (r.max-r.start)*at/rampTime }

func (r *rampUp) Next() ramp.Step { return ramp.Step{Level: r.level(r.seconds)} }

func (r *rampUp) Observe(o stress.Observation) {
	r.seconds++
	r.seen = append(r.seen, o)
	if len(r.seen) < r.mean {
		return
	}
	signal, p := r.last(r.mean, 0).load()
	if e := r.last(r.mean, rampRequests).of(stress.Errors); e > p {
		signal, p = stress.Errors, e
	}
	if p > 1 {
		span := float64(r.mean)
		middle := r.seconds - (span+1)/2
		r.result = found(r.level(middle), r.level(middle-span), r.level(middle+span), signal)
	} else if r.seconds >= rampTime {
		r.result = &ramp.Result{Ending: ramp.AtLeast}
	}
}

// last sums so many of the last windows up and more until there are enough requests.
func (r *rampUp) last(windows int, requests uint64) *reading {
	sum := new(reading)
	for i := len(r.seen) - 1; i >= 0 && (sum.windows < windows || sum.done < requests); i-- {
		sum.add(r.seen[i])
	}
	if sum.done < requests {
		sum.failed = 0 // too few to tell
	}
	return sum
}

// levels is Gatling's incrementUsersPerSec(step).times(20).eachLevelLasting(30 s),
// read by a person: the capacity lies between the last level that was well and
// the first that was not.
type levels struct {
	outcome
	step  float64
	n     float64 // levels that were well
	level reading
}

const (
	levelCount = 20
	levelTime  = 30
)

func (l *levels) Next() ramp.Step { return ramp.Step{Level: (l.n + 1) * l.step} }

func (l *levels) Observe(o stress.Observation) {
	l.level.add(o)
	if l.level.windows < levelTime {
		return
	}
	signal, p := l.level.worst()
	l.level = reading{}
	switch {
	case p > 1:
		l.result = found((l.n+.5)*l.step, l.n*l.step, (l.n+1)*l.step, signal)
	case l.n+1 == levelCount:
		l.result = &ramp.Result{Ending: ramp.AtLeast}
	default:
		l.n++
	}
}

// nighthawk is Nighthawk's ExponentialSearchStepController with its defaults
// (source/adaptive_load/step_controller_impl.cc): twice the load until a
// 10 s measurement scores badly, then bisection until two loads in a row are
// within 1 %, then 30 s of testing at the load found.
type nighthawk struct {
	outcome
	level, previous float64
	good, bad       float64 // 0 while unknown
	testing         bool
	measured        reading
	worst           stress.Signal
}

const (
	measuring = 10
	proving   = 30
	factor    = 2.0
	converged = .01
)

func (n *nighthawk) Next() ramp.Step { return ramp.Step{Level: n.level} }

func (n *nighthawk) Observe(o stress.Observation) {
	n.measured.add(o)
	if !n.testing && n.measured.windows < measuring || n.measured.windows < proving && n.testing {
		return
	}
	signal, p := n.measured.worst()
	n.measured = reading{}
	if n.testing {
		n.result = found(n.level, n.good, n.bad, n.worst)
		return
	}
	n.previous = n.level
	if p > 1 {
		n.bad, n.worst = n.level, signal
	} else {
		n.good = n.level
	}
	switch {
	case n.bad == 0:
		n.level *= factor
	case n.good == 0:
		n.level /= factor
	default:
		n.level = (n.good + n.bad) / 2
		n.testing = math.Abs(n.level/n.previous-1) < converged
	}
}

// bound is the most that so many seconds can tell: it knows the signal that
// binds and how that signal grows with the rate, holds a warm server without
// hangover at .95 of the truth, and reads the capacity off the mean.
func bound(name string, seconds int) Entrant {
	return Entrant{Name: name, Warm: true, New: func(_ *sim.Server, t sim.Truth) ramp.Searcher {
		return &oracle{truth: t, seconds: seconds, settle: int(10 + min(20, 200/t.Rate))}
	}}
}

type oracle struct {
	outcome
	truth           sim.Truth
	seconds, settle int
	hold            reading
}

// Of a signal that showed nothing at all this much is supposed.
const leastPressure = .05

func (b *oracle) Next() ramp.Step { return ramp.Step{Level: .95 * b.truth.Rate} }

func (b *oracle) Observe(o stress.Observation) {
	if b.settle > 0 {
		b.settle--
		return
	}
	b.hold.add(o)
	if b.hold.windows < b.seconds {
		return
	}
	sent := float64(b.hold.sent) / float64(b.seconds)
	p := math.Max(b.hold.of(b.truth.Signal), leastPressure)
	rate := sent * math.Pow(p, -1/b.truth.Slope)
	b.result = found(rate, rate, rate, b.truth.Signal)
	b.result.To = b.seconds
}
