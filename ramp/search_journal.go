package ramp

import (
	"math"
	"sort"

	"saturate/stress"
)

// A reading is one window as the search remembers it: an observation freed of
// what makes no sense.
type reading struct {
	end, dt            float64 // seconds since the search began; length
	level              float64
	sent, done, failed float64
	work               float64   // what the window spent, 0 where unknown
	p                  []float64 // pressure by journal.names; NaN where absent
	busy               float64   // the larger share of cpu and workers in use
	memory             float64   // share of the memory limit, 0 where unknown
	latency            float64   // pressure of latency_p99, NaN where absent
	phase              Phase
	settling, void     bool
	capped             bool // less than asked, because live traffic has its bounds
	tainted            bool // the server had just been saturated
	dropped            bool // led up to a trip
}

// most is the largest pressure of the window, 0 where none was read.
func (r *reading) most() float64 {
	m := 0.0
	for _, p := range r.p {
		if p > m {
			m = p
		}
	}
	return m
}

// A journal holds every reading of a run, in order.
type journal struct {
	names []stress.Signal // the signals with a line: all but errors and latency
	rows  []reading
	floor float64 // the lowest level that there is: live traffic's, as found

	saturated, calm float64 // seconds on end
	pushed, tainted bool

	loaded float64                 // windows under load
	voids  map[stress.Void]float64 // of those, the void ones by cause
}

// Saturation as research/search.md 7 has it: a server that was full for 3 s is
// taken for another one until it has had 10 calm seconds.
const (
	fullShare, fullFor = .985, 3.0
	calmShare, calmFor = .80, 10.0
)

// add takes an observation in. A window without a usable length counts as one
// second, so that a search fed nonsense ends all the same.
func (j *journal) add(o stress.Observation, step Step) *reading {
	dt := o.Window.Seconds()
	if !(dt > 0) {
		dt = 1
	}
	dt = min(max(dt, .2), 60)
	r := reading{dt: dt, end: j.now() + dt, level: max(step.Level, j.floor), phase: step.Phase, settling: step.Settling,
		sent: float64(o.Sent), done: float64(o.Done), failed: min(float64(o.Failed), float64(o.Done)),
		void: o.Void != "", capped: o.Capped != "", latency: math.NaN()}
	r.work = o.Work["cpu_seconds"]
	if !(r.work > 0) {
		r.work = o.Work["instructions"]
	}
	if !(r.work > 0) || math.IsInf(r.work, 0) {
		r.work = 0
	}
	for _, s := range sortedSignals(o.Pressure) {
		p := o.Pressure[s]
		switch {
		case math.IsNaN(p) || math.IsInf(p, 0) || s == stress.Errors:
		case s == stress.LatencyP99:
			r.latency = max(p, 0)
		default:
			r.set(j.index(s), max(p, 0))
		}
	}
	r.busy = max(share(o.Signals[stress.CPU]), share(o.Signals[stress.Workers]))
	r.memory = share(o.Signals[stress.Memory])
	r.tainted = j.taint(&r)
	if r.level > 0 {
		j.loaded++
		if r.void {
			j.voids[o.Void]++
		}
	}
	j.rows = append(j.rows, r)
	return &j.rows[len(j.rows)-1]
}

func (r *reading) set(i int, p float64) {
	for len(r.p) <= i {
		r.p = append(r.p, math.NaN())
	}
	r.p[i] = p
}

func (j *journal) index(s stress.Signal) int {
	for i, n := range j.names {
		if n == s {
			return i
		}
	}
	j.names = append(j.names, s)
	return len(j.names) - 1
}

func (j *journal) now() float64 {
	if len(j.rows) == 0 {
		return 0
	}
	return j.rows[len(j.rows)-1].end
}

// at is when the reading of that index began.
func (j *journal) at(i int) float64 {
	if i >= len(j.rows) {
		return j.now()
	}
	return j.rows[i].end - j.rows[i].dt
}

// void is how many loaded windows were void, and the commonest cause.
func (j *journal) void() (total float64, cause stress.Void) {
	for v, n := range j.voids {
		total += n
		if cause == "" || n > j.voids[cause] || n == j.voids[cause] && v < cause {
			cause = v
		}
	}
	return total, cause
}

// taint follows whether the server may still be paying for a saturation.
func (j *journal) taint(r *reading) bool {
	if r.busy >= fullShare {
		j.saturated += r.dt
	} else {
		j.saturated = 0
	}
	if r.busy < calmShare {
		j.calm += r.dt
	} else {
		j.calm = 0
	}
	switch {
	case j.saturated >= fullFor:
		j.pushed = true
	case j.calm >= calmFor:
		j.pushed, j.tainted = false, false
	case j.pushed:
		j.tainted = true
	}
	// The saturation itself began with requests dearer than most; counting
	// their work as the hangover's would see one in every server.
	return j.tainted
}

// A sum condenses readings: totals, and each signal's mean over time.
type sum struct {
	dt, sent, done, failed float64
	capped                 float64   // time in which the load was less than asked
	work, worked           float64   // work, and the requests done where it was read
	p                      []float64 // mean pressure; NaN where never read
	latency, latencyTime   float64
}

func (j *journal) sum(keep func(*reading) bool) sum {
	s := sum{p: make([]float64, len(j.names))}
	time := make([]float64, len(j.names))
	for i := range j.rows {
		r := &j.rows[i]
		if !keep(r) {
			continue
		}
		s.dt += r.dt
		s.sent += r.sent
		s.done += r.done
		s.failed += r.failed
		if r.capped {
			s.capped += r.dt
		}
		if r.work > 0 {
			s.work += r.work
			s.worked += r.done
		}
		for k, p := range r.p {
			if !math.IsNaN(p) {
				s.p[k] += p * r.dt
				time[k] += r.dt
			}
		}
		if !math.IsNaN(r.latency) {
			s.latency += r.latency * r.dt
			s.latencyTime += r.dt
		}
	}
	for k := range s.p {
		s.p[k] /= time[k] // NaN where never read
	}
	s.latency /= s.latencyTime
	return s
}

// rate is arrivals a second.
func (s sum) rate() float64 { return ratio(s.sent, s.dt) }

// cost is work per request, 0 where unknown.
func (s sum) cost() float64 { return ratio(s.work, s.worked) }

// most is the largest mean pressure of the signals with a line.
func (s sum) most() float64 {
	m := 0.0
	for _, p := range s.p {
		if p > m {
			m = p
		}
	}
	return m
}

func ratio(a, b float64) float64 {
	if b > 0 {
		return a / b
	}
	return 0
}

func share(v float64) float64 {
	if v > 0 && v < 100 {
		return v
	}
	return 0
}

// sortedSignals fixes the order, which maps do not: a search is reproducible.
func sortedSignals(m map[stress.Signal]float64) []stress.Signal {
	names := make([]stress.Signal, 0, len(m))
	for s := range m {
		names = append(names, s)
	}
	sort.Slice(names, func(a, b int) bool { return names[a] < names[b] })
	return names
}
