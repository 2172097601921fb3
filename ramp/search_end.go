package ramp

import (
	"fmt"
	"math"
	"slices"

	"saturate/stress"
)

func (s *Search) note(n string) {
	if !slices.Contains(s.notes, n) {
		s.notes = append(s.notes, n)
	}
}

// end closes the search.
func (s *Search) end(r Result) {
	r.Trips, r.Notes = s.trips, s.notes
	if r.Break == 0 {
		r.Break = s.broke()
	}
	s.ended = &r
}

func (s *Search) inconclusive(why string) Result {
	return Result{Ending: Inconclusive, Why: why, Trips: s.trips, Notes: s.notes, Break: s.broke()}
}

// broke is the lowest level known to fail, 0 where none is.
func (s *Search) broke() float64 {
	switch {
	case math.IsInf(s.bad, 1):
		return 0
	case s.live():
		return s.had(s.bad)
	}
	return s.bad
}

// answer ends with what the hold found.
func (s *Search) answer(e estimate) {
	e = s.failingFirst(s.knee(e))
	from, to := s.span()
	rows := s.log.rows[from:to]
	at := s.log.sum(func(r *reading) bool {
		return r.end > rows[0].end-rows[0].dt/2 && r.end <= rows[len(rows)-1].end && !r.void
	})
	r := Result{Ending: Found, From: from, To: to, Headroom: e.headroom,
		Bottleneck: s.name(e.signal), Runner: s.name(e.runner)}
	served := ratio(at.done-at.failed, at.dt)
	r.Sustained = &Sustained{Rate: served, AtLimit: e.level, Hangover: e.hangover,
		Interval: Interval{Lo: math.Min(e.lo, e.level), Hi: math.Max(e.hi, e.level), Level: .95, Basis: "within hold"}}
	if math.IsInf(r.Sustained.Interval.Hi, 0) || math.IsNaN(r.Sustained.Interval.Hi) {
		r.Sustained.Interval.Hi = 2 * e.level
		s.note("the interval's upper end is no more than a guess: the signals hardly rose with the load")
	}
	switch below := rows[len(rows)-1].level >= s.ceiling && e.level > reach*s.ceiling; {
	case below && s.generator > 0:
		r.Why = fmt.Sprintf("the generator can offer no more than %.4g; the target is at %.2f of its limit", s.ceiling, at.most())
	case below:
		r.Why = fmt.Sprintf("the highest level allowed, %.4g, presses the target to %.2f of its limit", s.ceiling, at.most())
	case s.tooFar(e, at):
		r.Why = s.short(at)
	}
	if r.Why != "" {
		r.Ending = AtLeast
		r.Sustained.AtLimit, r.Sustained.Interval = served, Interval{Lo: served, Level: .95, Basis: "within hold"}
	}
	s.doubts(at, rows)
	if e.hangover > 0 {
		// On real machines a cost that rose for another reason looks the same, so
		// the interval spans both capacities.
		r.Sustained.Interval.Lo = math.Min(r.Sustained.Interval.Lo, e.hangover)
		s.note("hangover")
	}
	s.end(r)
}

// doubts notes which conditions of a sustained hold are not met.
func (s *Search) doubts(at sum, rows []reading) {
	var asked float64
	for _, r := range rows {
		if !r.void {
			asked += r.level * r.dt
		}
	}
	if at.dt < .95*s.want.hold || at.sent < .95*math.Min(2000, s.want.requests) {
		s.note(fmt.Sprintf("short hold: %.0f s and %.0f requests", at.dt, at.sent))
	}
	if p := at.most(); p > 1 {
		s.note(fmt.Sprintf("the hold was at %.3f of its limit", p))
	}
	// Poisson arrivals miss the level by their own noise.
	if at.sent < .99*asked-3*math.Sqrt(asked) && !s.live() {
		s.note(fmt.Sprintf("sent %.1f %% of what was asked", 100*ratio(at.sent, asked)))
	}
	if e := ratio(at.failed, at.done); e > s.base()+s.cfg.Errors {
		s.note(fmt.Sprintf("%.2f %% of the hold's requests failed", 100*e))
	}
}

// span is the measured part of the hold that counts: the last run of readings
// at about one level that is long enough, else the longest.
func (s *Search) span() (from, to int) {
	best, start := 0.0, -1
	take := func(i, j int) {
		for i < j && s.log.rows[i].settling {
			i++
		}
		if i >= j {
			return
		}
		d := s.log.rows[j-1].end - s.log.rows[i].end + s.log.rows[i].dt
		if d >= math.Min(best, s.want.hold) {
			best, from, to = d, i, j
		}
	}
	for i := range s.log.rows {
		r := &s.log.rows[i]
		in := r.phase == Hold && !r.dropped
		if start >= 0 && (!in || math.Abs(r.level/s.log.rows[start].level-1) > sameLevel) {
			take(start, i)
			start = -1
		}
		if in && start < 0 {
			start = i
		}
	}
	if start >= 0 {
		take(start, len(s.log.rows))
	}
	if to == 0 {
		return s.bestLevel()
	}
	return from, to
}

// bestLevel is the run of measured readings at the highest level seen fit.
func (s *Search) bestLevel() (from, to int) {
	for i := range s.log.rows {
		if r := &s.log.rows[i]; r.phase == Approach && !r.settling && r.level == s.good {
			if to != i || to == 0 {
				from = i
			}
			to = i + 1
		}
	}
	if to == 0 {
		return 0, len(s.log.rows)
	}
	return from, to
}

func (s *Search) name(k int) stress.Signal {
	switch {
	case k == byLatency:
		return stress.LatencyP99
	case k == byErrors:
		return stress.Errors
	case k >= 0 && k < len(s.log.names):
		return s.log.names[k]
	}
	return ""
}

// The signs of a knee: so many trips, a pressure at least so steep, and an
// estimate at least so far above the lowest of them, at so high a rate. The
// more it bends the less of the rest is needed: a straight line's trips are
// noise or a hangover, most of all at low rates.
var knees = []struct {
	trips            int
	steep, gap, rate float64
}{{3, 0, 1.03, fast}, {2, 1.8, 1.05, fast}, {2, 0, 1.1, fast}, {3, 2.2, 1.05, 40}, {2, 4, 1, 40}, {2, 2, 1.12, 40}, {2, 3.4, 1.03, 0}, {3, 2.5, 1.12, 0}, {3, 1.5, 1.2, 0}}

// Of a knee the lowest trip tells more than the curve: the hold's readings are
// those from before it gave way. The level lies just below the trip.
// An estimate this far above a level that tripped twice, with a hold that stands
// just below it, is a knee whatever the curve says.
const kneeReach, kneeGap = 1.06, 1.15

// knee lowers an estimate above levels that tripped again and again, where the
// server gives way before the line says so.
func (s *Search) knee(e estimate) estimate {
	low := s.lowest()
	if s.bad >= 40 && s.bad < math.Inf(1) && s.near > .9*s.bad && e.level > kneeGap*s.bad {
		return s.bend(e, s.bad)
	}
	for _, k := range knees {
		if len(s.trips) < k.trips || e.steep < k.steep || e.level < k.gap*low || low < k.rate {
			continue
		}
		return s.bend(e, low)
	}
	return e
}

func (s *Search) bend(e estimate, low float64) estimate {
	below, trust := .99, .7
	if s.cfg.Cores >= 4 {
		// Bursts average out: the lowest trip is less often a chance one.
		below, trust = .98, .8
	}
	e.level = math.Pow(math.Min(e.level, kneeReach*low), 1-trust) * math.Pow(below*low, trust)
	e.lo = math.Min(e.lo, .94*low)
	e.hi = math.Max(1.03*low, 1.03*e.level)
	s.note("knee")
	return e
}

// failingFirst lowers an estimate above levels at which requests failed more
// than once: no line leads up to failures, so that the levels themselves, and
// their middle rather than the lowest, are half of what is known.
func (s *Search) failingFirst(e estimate) estimate {
	if len(s.failures) < 2 {
		return e
	}
	slices.Sort(s.failures)
	at := s.failures[len(s.failures)/2]
	if e.level <= at {
		return e
	}
	if e.signal >= 0 {
		e.runner, e.signal = e.signal, byErrors
	}
	e.level = math.Sqrt(e.level * at)
	e.lo = math.Min(e.lo, math.Min(.93*e.level, s.failures[0]))
	return e
}

// bracket answers from the trips alone: the limit lies just below the lowest.
func (s *Search) bracket() {
	if s.good == 0 {
		s.end(s.inconclusive("no level was measured to its end"))
		return
	}
	if math.IsInf(s.bad, 1) {
		s.end(s.inconclusive(fmt.Sprintf("the time was up at %.4g, below the limit", s.good)))
		return
	}
	s.note("knee")
	s.level = s.good
	s.answer(estimate{level: 0.975 * s.bad, lo: .936 * s.bad, hi: 1.02 * s.bad, signal: s.measured.signal, runner: none})
}
