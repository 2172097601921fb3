package ramp

import (
	"fmt"
	"math"
	"time"
)

// A tripLine cuts the load when a signal's mean over the last seconds exceeds
// the pressure.
type tripLine struct{ seconds, pressure float64 }

// The lines of research/search.md 3. Held at .98 of the limit single seconds
// exceed it in the normal course, so a hold's lines are wider; a signal that
// saturates (1/.9 = 1.11 of its limit) meets the longer ones only.
var (
	approachLines = []tripLine{{1, 1.5}, {2, 1.2}, {3, 1.095}, {5, 1.05}, {12, 1.04}}
	holdLines     = []tripLine{{1, 1.6}, {3, 1.25}, {6, 1.095}, {12, 1.04}, {48, 1.03}}
	// A p99 has no ceiling and swings by its nature.
	latencyLines = []tripLine{{3, 3}, {6, 1.75}, {12, 1.4}}
)

const (
	// noise widens a line by the noise of N requests: at 20 req/s a second
	// holds 20 of them, whose mean pressure has a deviation near 1/sqrt(20).
	noise = 12
	// The failure test is Poisson with a one-in-ten-thousand tail, over 3 s and
	// over as long as it takes to see 60, 200 and 600 requests, a minute at most.
	failureSeconds, failureSpan = 3.0, 60.0
	fewestFailures              = 4
	poissonTail                 = 3.7
)

var failureRequests = []float64{60, 200, 600}

// An alarm is a line crossed: the load must be cut now.
type alarm struct {
	why string
	// burst says that it took a few seconds only, which a signal that queues
	// may take to cross any line by chance.
	burst bool
	// failing says that requests failed.
	failing bool
}

// burstTime is the longest that a burst lasts, seconds.
const burstTime = 4.0

// brimShare of the memory for brimSeconds on end is a trip.
const brimShare, brimSeconds = .95, 3.0

// culpritSpan is how long a queue may outlast its cause, seconds.
const culpritSpan = 20.0

// tripped judges the rows from the index on, the last of which has just come;
// void ones too. It returns nil where nothing is wrong.
func (s *Search) tripped(from int, lines []tripLine) *alarm {
	rows := s.log.rows[from:]
	if why := s.failing(rows); why != "" {
		return &alarm{why: why, failing: true}
	}
	if why := brim(rows); why != "" {
		return &alarm{why: why}
	}
	for k, name := range s.log.names {
		p := func(r *reading) float64 {
			if k < len(r.p) {
				return r.p[k]
			}
			return math.NaN()
		}
		if mean, over := crossed(rows, lines, noise, p); over > 0 {
			return &alarm{why: fmt.Sprintf("%s at %.2f of its limit for %.0f s", name, mean, over), burst: over < burstTime}
		}
	}
	if mean, over := crossed(rows, latencyLines, 0, func(r *reading) float64 { return r.latency }); over > 0 {
		return &alarm{why: fmt.Sprintf("latency_p99 at %.2f of its limit for %.0f s", mean, over), burst: over < burstTime}
	}
	if why := s.queueing(rows); why != "" {
		return &alarm{why: why}
	}
	return nil
}

// crossed walks back from the last reading and returns the mean and the time
// of the first line found crossed.
func crossed(rows []reading, lines []tripLine, noise float64, of func(*reading) float64) (mean, seconds float64) {
	var sum, dt, n float64
	next := 0
	for i := len(rows) - 1; i >= 0 && next < len(lines); i-- {
		p := of(&rows[i])
		if math.IsNaN(p) {
			continue
		}
		sum += p * rows[i].dt
		dt += rows[i].dt
		n += rows[i].sent
		if dt < lines[next].seconds-.05 {
			continue
		}
		if sum/dt > math.Max(lines[next].pressure, 1+noise/math.Sqrt(math.Max(n, 1))) {
			return sum / dt, dt
		}
		next++
	}
	return 0, 0
}

// failing tests the failures against the share that is allowed.
func (s *Search) failing(rows []reading) string {
	var dt, n, failed float64
	test := func() bool {
		m := (s.base() + s.cfg.Errors) * n
		return failed >= fewestFailures && failed > m+poissonTail*math.Sqrt(m)+1
	}
	seconds, next := 1.0, 0
	for i := len(rows) - 1; i >= 0 && dt < failureSpan && next < len(failureRequests); i-- {
		dt += rows[i].dt
		n += rows[i].done
		failed += rows[i].failed
		due := false
		if dt >= seconds-.05 && seconds <= failureSeconds {
			seconds, due = seconds+failureSeconds-1, true
		}
		for next < len(failureRequests) && n >= failureRequests[next] {
			next, due = next+1, true
		}
		if due && test() {
			return fmt.Sprintf("%.0f of %.0f requests failed in %.0f s", failed, n, dt)
		}
	}
	return ""
}

// brim trips where memory stays between nearly full and full: real memory goes
// no further, and the lines, widened for few requests, would wait for what
// only a projection can show.
func brim(rows []reading) string {
	var dt float64
	for i := len(rows) - 1; i >= 0 && rows[i].memory >= brimShare && rows[i].memory <= 1; i-- {
		dt += rows[i].dt
		if dt >= brimSeconds-.05 {
			return fmt.Sprintf("memory at %.2f of all there is for %.0f s", rows[i].memory, dt)
		}
	}
	return ""
}

// queueing trips where requests wait for so long that they will time out: by
// Little's law the requests in flight are rate x delay.
func (s *Search) queueing(rows []reading) string {
	var dt, sent float64
	for i := len(rows) - 1; i >= 0 && dt < 5; i-- {
		dt += rows[i].dt
		sent += rows[i].sent
	}
	x := ratio(sent, dt)
	if s.cfg.Timeout <= 0 || x == 0 || s.inFlight < 20 {
		return ""
	}
	if wait := s.inFlight / x; wait > s.cfg.Timeout.Seconds()/2 {
		return fmt.Sprintf("%.0f requests in flight, %.1f s of arrivals", s.inFlight, wait)
	}
	return ""
}

// base is the share of failures that the target shows when it is not pressed,
// at most 2 %: a target that fails more is failing.
func (s *Search) base() float64 {
	b := s.log.sum(func(r *reading) bool {
		return s.climbing(r) && !r.void && !r.tainted && r.most() < .7
	})
	if b.done < 200 {
		return 0 // too few to tell
	}
	return math.Min(ratio(b.failed, b.done), .02)
}

// culprit is the level that an alarm speaks of: the highest of the last
// seconds, since a queue outlasts the level that built it.
func (s *Search) culprit() float64 {
	level := s.level
	for i := len(s.log.rows) - 1; i >= 0; i-- {
		r := &s.log.rows[i]
		if r.phase != s.phase || s.log.now()-r.end > culpritSpan {
			break
		}
		level = math.Max(level, r.level)
	}
	return level
}

func (s *Search) cut(a *alarm) {
	level := s.culprit()
	if a.failing {
		s.failures = append(s.failures, level)
	}
	s.trips = append(s.trips, Trip{At: time.Duration(s.log.now() * float64(time.Second)), Level: level, Why: a.why})
}

// refuted trips lie below a level that stood a whole hold, by this much: at low
// rates even a knee may stand one by luck.
const refuted = .9

// lowest is the lowest level that tripped and has not been refuted, +Inf where
// there is none.
func (s *Search) lowest() float64 {
	low := math.Inf(1)
	for _, t := range s.trips {
		if t.Level > refuted*s.survived {
			low = math.Min(low, t.Level)
		}
	}
	return low
}
