package ramp

import (
	"fmt"
	"math"
	"time"

	"saturate/stress"
)

// A Search finds the highest level that a target sustains, by approaching it
// on headroom: the pressure at a low level tells how far the next step may go.
// It is pure: it has no clock, and what it is fed is all that it knows.
//
// One rule serves all rates: whatever is waited for or averaged lasts so many
// seconds and so many requests, whichever takes longer. Seconds bind at high
// rates, where the server's own slow noise is what must be averaged; requests
// bind at low ones, where each is a large part of the load. The constants are
// those of research/search.md 3 and 7.
type Search struct {
	cfg  SearchConfig
	want precision
	log  journal

	phase    Phase
	level    float64
	why      string
	settle   float64 // seconds at this level that are not measured
	turned   float64 // when the level was turned to
	from     int     // the first reading at this level
	inFlight float64 // requests sent and not ended
	ceiling  float64 // the highest level to offer

	good, bad float64 // the highest level seen fit, the lowest seen to trip
	survived  float64 // the highest level that stood a whole hold
	trips     []Trip
	failures  []float64 // the levels of those where requests failed
	after     Phase     // what recovery returns to
	back      float64   // and the level
	relief    relief    // how far recovery has come
	events    int       // instant events so far
	lowered   int       // times the first level was lowered
	generator float64   // the level at which the generator gave out, 0 if never
	drain     bool      // the target was not calm with the traffic as found
	capped    string    // why the load was last less than asked, of live traffic

	holding  int // the first reading of this hold
	held     int // the first reading at about the present level
	moves    int
	near     float64 // the hold's level, whatever the present one is
	cooling  bool
	looked   float64 // when the estimate was last read
	measured estimate
	notes    []string
	ended    *Result
}

// NewSearch returns a search that has seen nothing yet.
func NewSearch(c SearchConfig) *Search {
	s := &Search{cfg: c.withDefaults(), want: c.precision(), bad: math.Inf(1), measured: estimate{signal: none, runner: none}}
	s.log.voids, s.log.floor = map[stress.Void]float64{}, s.cfg.Floor
	s.ceiling = s.cfg.Max
	s.turn(Idle, 0, 0, "where every signal starts")
	return s
}

// Next is the load to offer in the next window.
func (s *Search) Next() Step {
	if s.ended != nil {
		return Step{Phase: Done, Why: s.ended.Why}
	}
	return Step{Phase: s.phase, Level: s.level, Drain: s.drain, Settling: s.settling(), Left: s.left(), Why: s.why}
}

// Done reports whether the search has ended.
func (s *Search) Done() bool { return s.ended != nil }

// Result is what was found; before the end it is inconclusive.
func (s *Search) Result() Result {
	if s.ended == nil {
		return s.inconclusive("the search was not finished")
	}
	return *s.ended
}

// Observe takes in what the last step's window showed and decides on the next.
func (s *Search) Observe(o stress.Observation) {
	if s.ended != nil {
		return
	}
	s.log.add(o, s.Next())
	s.inFlight = math.Max(0, s.inFlight+float64(o.Sent)-float64(o.Done))
	if o.Capped != "" {
		s.capped = o.Capped
	}
	switch {
	case s.happened(o.Events):
	case s.voided(o.Void):
	case s.log.now() >= s.want.limit:
		s.timeUp()
	case s.phase == Idle && s.live():
		s.found()
	case s.phase == Idle:
		s.idling()
	case s.phase == Approach:
		s.approach()
	case s.phase == Hold:
		s.hold()
	case s.cooling:
		s.cool()
	case s.phase == Recover:
		s.recover()
	}
}

const (
	idleTime = 3.0 // seconds with no load
	// A level settles for 2 s and three times the loader's delay, and longer at
	// low rates, where what is in flight takes as long as requests take to come.
	shortest, settleRequests, longest = 2.0, 40, 8.0
	holdSettleRequests, holdLongest   = 80, 15.0
)

// turn sets the load.
func (s *Search) turn(phase Phase, level, settle float64, why string) {
	s.phase, s.level, s.why, s.drain = phase, level, why, false
	s.settle = settle + 3*s.cfg.Delay.Seconds()
	s.turned, s.from = s.log.now(), len(s.log.rows)
}

func (s *Search) elapsed() float64 { return s.log.now() - s.turned }

func (s *Search) settling() bool {
	return (s.phase == Approach || s.phase == Hold) && s.elapsed() < s.settle-.05
}

// here are the measured readings of the present level.
func (s *Search) here() sum { return s.since(s.from) }

func (s *Search) since(from int) sum {
	i := -1
	return s.log.sum(func(r *reading) bool {
		i++
		return i >= from && !r.settling && !r.void
	})
}

func (s *Search) idling() {
	if s.elapsed() < idleTime-.05 {
		return
	}
	for k, name := range s.log.names {
		if p := s.idle(k); p >= 1 {
			s.end(Result{Ending: AtMost, Break: s.cfg.Start,
				Why: fmt.Sprintf("%s is at %.2f of its limit with no load", name, p), Bottleneck: name, Runner: ""})
			return
		}
	}
	s.climb(s.cfg.Start, "the first level")
}

// climb offers the next level of the approach.
func (s *Search) climb(level float64, why string) {
	level = math.Min(level, s.ceiling)
	s.turn(Approach, level, min(max(settleRequests/level, shortest), longest), why)
}

// A rung of the approach: below the pressure, aim for the target, and never
// raise the load by more than the factor, after so many requests.
type rung struct{ below, target, factor, requests float64 }

var rungs = []rung{
	{.25, .55, 3.0, 15},
	{.50, .78, 1.8, 40},
	{.70, .90, 1.3, 80},
	{.85, .96, 1.13, 150},
	{math.Inf(1), 0, 1.06, 150}, // the set point
}

func rungAt(pressure float64) rung {
	for _, r := range rungs {
		if pressure < r.below {
			return r
		}
	}
	return rungs[len(rungs)-1]
}

const (
	measureTime, measureMost = 3.0, 25.0
	// near the set point the hold takes over: it moves by itself.
	nearBy = .06
	// Aims fall short by the noise of a level's requests, and a slope is taken
	// to be this much steeper than the line from idle.
	aimNoise, aimSlope = .8, 1.15
)

// approach measures a level and takes the step that its headroom allows.
func (s *Search) approach() {
	if a := s.tripped(s.from, approachLines); a != nil {
		s.fall(a)
		return
	}
	at := s.here()
	pm := s.pressed(at)
	rung := rungAt(pm)
	if at.dt < measureTime-.05 || at.sent < rung.requests && at.dt < measureMost {
		return
	}
	s.rise(at, pm, rung)
}

// rise takes the step, or begins the hold.
func (s *Search) rise(at sum, pm float64, rung rung) {
	set := s.set(s.level)
	if pm < 1 {
		s.good = math.Max(s.good, s.level)
	}
	if pm >= set-nearBy-.5/math.Sqrt(math.Max(at.sent, 1)) || s.level >= s.ceiling {
		s.startHold(s.level, "near the limit")
		return
	}
	target := rung.target
	if target == 0 {
		target = set
	}
	ahead := (1 + (target/math.Max(pm, .01)-1)/aimSlope) / (1 + aimNoise/math.Sqrt(math.Max(at.sent, 1)))
	next := min(max(s.level*ahead, 1.015*s.level), rung.factor*s.level)
	if s.live() { // from what was had
		next = min(at.rate()*ahead, math.Min(rung.factor, liveStep)*s.level)
	}
	for _, t := range s.trips {
		if t.Level > s.level { // no more than halfway to what tripped
			next = math.Min(next, math.Max(1.01*s.level, math.Sqrt(s.level*t.Level)))
		}
	}
	if s.live() && next < 1.01*s.level {
		s.startHold(s.level, "the traffic comes no nearer to the limit")
		return
	}
	s.climb(next, fmt.Sprintf("at %.2f of the limit", pm))
}

// pressed is a level's largest mean pressure; latency counts where it is read,
// and what stands above idle is scaled so that a base does not look like load.
func (s *Search) pressed(at sum) float64 {
	pm := 0.0
	for k, p := range at.p {
		if p0 := s.idle(k); p > p0 && p0 < 1 {
			pm = math.Max(pm, (p-p0)/(1-p0))
		}
	}
	if at.latency > pm {
		pm = at.latency
	}
	return pm
}

// set is the pressure to hold at: as near the limit as the noise allows.
func (s *Search) set(level float64) float64 {
	const slow, fast = 15, 120 // req/s
	t := math.Log(math.Max(level, slow)/slow) / math.Log(fast/slow)
	return .96 + .02*math.Min(t, 1)
}

// left guesses how long the search will take still.
func (s *Search) left() time.Duration {
	hold := math.Max(s.want.hold, math.Min(s.want.requests/math.Max(s.level, 1), s.want.limit/2))
	var left float64
	switch s.phase {
	case Hold:
		left = math.Max(hold-(s.log.now()-s.log.at(s.holding)), 4)
	case Recover:
		left = hold + 30
	default:
		left = hold + 30
	}
	left = math.Min(left, s.want.limit-s.log.now())
	return time.Duration(math.Max(left, 1) * float64(time.Second)).Round(time.Second)
}
