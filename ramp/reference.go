package ramp

import (
	"math"
	"time"

	"saturate/stress"
)

// ReferenceConfig is what a reference hold is to reach.
type ReferenceConfig struct {
	// Unit of work, and how much of it one server of the fleet spends per second
	// in the peak; 0 where that is not known.
	Unit      string
	PerSecond float64
	// Delay is how long the loader takes to act.
	Delay time.Duration
}

// A reference is a search with a hold after its end: at the level at which the
// target spends per second what a server of the fleet does in the peak. What a
// request costs changes with the load; the hold measures it where the fleet's
// figures were taken. It offers no more than what was held, learns the level from
// the search's own windows, corrects it once, and changes nothing of the result.
type reference struct {
	Searcher
	cfg   ReferenceConfig
	curve []costAt // the search's windows, then the reference's own

	level    float64 // 0 until the search has ended
	settle   float64 // seconds
	from     int     // the first own window at this level
	started  int     // the first own window of all
	moved    bool
	pressed  float64 // seconds past a limit
	finished bool
}

// costAt is a window as the reference sees it.
type costAt struct {
	seconds, asked, done, work float64
	usable                     bool // measured, with work read
}

// NewReference adds a reference hold to a search. It returns the search itself
// where there is nothing to learn: the fleet's work per server is not known, or is
// counted in requests, each of which is one wherever it is.
func NewReference(search Searcher, c ReferenceConfig) Searcher {
	if !(c.PerSecond > 0) || math.IsInf(c.PerSecond, 0) || c.Unit == requests {
		return search
	}
	return &reference{Searcher: search, cfg: c}
}

const (
	requests = "requests"
	// A reference lasts so many seconds, more where requests are few, and no more
	// than most with its settling.
	referenceTime, referenceRequests, referenceMost = 20.0, 400, 60.0
	// After a first look the level is corrected where the work misses by more.
	lookTime, lookRequests, missedBy = 6.0, 100, .03
	// pressedMost is for how long the target may be clearly past a limit.
	pressedMost, clearly = 4.0, 1.2
)

// Next is the search's step, and after its end the reference's.
func (r *reference) Next() Step {
	if r.level == 0 || r.finished {
		return r.Searcher.Next()
	}
	left := referenceTime + r.settle - r.elapsed()
	return Step{Phase: Reference, Level: r.level, Settling: r.elapsed() < r.settle-.05,
		Left: time.Duration(math.Max(left, 1) * float64(time.Second)).Round(time.Second),
		Why:  "the answer is found; what does a request cost at the fleet's load?"}
}

// Done reports whether search and reference have ended.
func (r *reference) Done() bool {
	return r.finished || r.Searcher.Done() && r.level == 0
}

// Observe takes what was seen. An instant event ends the reference at once.
func (r *reference) Observe(o stress.Observation) {
	step := r.Next()
	r.curve = append(r.curve, newCostAt(o, r.cfg.Unit, step))
	if !r.Searcher.Done() {
		r.Searcher.Observe(o)
		if r.Searcher.Done() {
			r.begin()
		}
		return
	}
	if r.finished || r.level == 0 {
		return
	}
	if _, p := o.Max(); p > clearly && !step.Settling {
		r.pressed += o.Window.Seconds()
	}
	switch here := r.here(); {
	case len(o.Events) > 0, r.pressed > pressedMost, r.spent() >= referenceMost:
		r.finished = true
	case !r.moved && here.seconds >= lookTime-.05 && here.done >= lookRequests:
		r.moved = true
		if level, ok := r.aim(); ok && math.Abs(here.perSecond()/r.cfg.PerSecond-1) > missedBy {
			r.turn(level)
		}
	case here.seconds >= referenceTime-.05 && here.done >= referenceRequests:
		r.finished = true
	}
}

func newCostAt(o stress.Observation, unit string, s Step) costAt {
	work, read := o.Work[unit]
	return costAt{seconds: o.Window.Seconds(), asked: o.Asked, done: float64(o.Done), work: work,
		usable: read && !s.Settling && s.Phase != Recover && o.Void == ""}
}

// begin starts the reference where the search found its answer and the fleet's
// load lies below it.
func (r *reference) begin() {
	r.started = len(r.curve)
	if level, ok := r.aim(); ok {
		r.turn(level)
	}
}

// aim is the level that all windows so far say is right.
func (r *reference) aim() (float64, bool) {
	found := r.Searcher.Result()
	if found.Ending != Found || found.To <= found.From || found.To > len(r.curve) {
		return 0, false
	}
	return levelFor(r.cfg.PerSecond, r.curve, total(r.curve[found.From:found.To]))
}

// turn sets the level, which settles as the search's do.
func (r *reference) turn(level float64) {
	r.level, r.from = level, len(r.curve)
	r.settle = min(max(settleRequests/level, shortest), longest) + 3*r.cfg.Delay.Seconds()
}

// here is what was measured at the present level.
func (r *reference) here() costAt { return total(r.curve[r.from:]) }

// elapsed is the time at the present level, and spent that of the whole reference.
func (r *reference) elapsed() float64 { return lasted(r.curve[r.from:]) }
func (r *reference) spent() float64   { return lasted(r.curve[r.started:]) }

func lasted(windows []costAt) float64 {
	var sum float64
	for _, w := range windows {
		sum += w.seconds
	}
	return sum
}

// perSecond is the work that the level comes to. Requests arrive by chance, and
// with them the work of a few seconds; the work of each request is steadier.
func (c costAt) perSecond() float64 {
	if c.done > 0 {
		return c.work / c.done * c.asked
	}
	return c.work / c.seconds
}

// total adds the usable windows up.
func total(windows []costAt) costAt {
	var sum costAt
	for _, w := range windows {
		if w.usable {
			sum.seconds, sum.done, sum.work = sum.seconds+w.seconds, sum.done+w.done, sum.work+w.work
			sum.asked += w.asked * w.seconds
		}
	}
	if sum.seconds > 0 {
		sum.asked /= sum.seconds
		sum.usable = true
	}
	return sum
}

// levelFor is the level at which the target does so much work per second, on the
// line between the nearest levels known below and above; the hold is the highest.
// There is none outside of them.
func levelFor(perSecond float64, curve []costAt, hold costAt) (float64, bool) {
	if !hold.usable || perSecond >= hold.perSecond()*(1-missedBy) {
		return 0, false
	}
	byLevel := map[float64][]costAt{}
	for _, w := range curve {
		if w.usable {
			byLevel[w.asked] = append(byLevel[w.asked], w)
		}
	}
	above, most := hold.asked, hold.perSecond()
	below, least, known := 0.0, math.Inf(-1), false
	for level, windows := range byLevel {
		switch work := total(windows).perSecond(); {
		case level > hold.asked:
		case work <= perSecond && work > least:
			below, least, known = level, work, true
		case work > perSecond && work < most:
			above, most = level, work
		}
	}
	if !known || above <= below {
		return 0, false
	}
	level := below + (above-below)*(perSecond-least)/(most-least)
	return level, level > 0
}
