package shift

import (
	"math"
	"time"

	"saturate/loadgen/shift/balancer"
)

// A ledger keeps the last readings of a backend, by our own clock.
type ledger struct {
	start time.Time
	all   []reading

	first  time.Time     // the oldest reading's own time
	offset time.Duration // of our clock, to that of the readings
}

// A reading is a backend at one moment.
type reading struct {
	at   time.Duration // since the ledger's start
	boot string
	by   map[string]balancer.Server
}

const (
	// kept is how far back readings are of use.
	kept = 20 * time.Second
	// The traffic is counted over as long as it takes to see so many requests,
	// within bounds: long enough for its noise, short enough to follow a day.
	spanRequests        = 3000
	spanLeast, spanMost = 2 * time.Second, 8 * time.Second
)

// add takes a reading in and reports whether it is news. Counters that fell, or
// belong to another process, begin the ledger anew.
func (l *ledger) add(b balancer.Backend) bool {
	if l.first.IsZero() {
		l.first = b.At
	}
	r := reading{at: l.clock(b.At), boot: b.Boot, by: make(map[string]balancer.Server, len(b.Servers))}
	for _, s := range b.Servers {
		r.by[s.Name] = s
	}
	if n := len(l.all); n > 0 {
		last := l.all[n-1]
		if r.at <= last.at {
			return false
		}
		if r.boot != last.boot || r.fell(last) {
			l.all = nil
		}
	}
	l.all = append(l.all, r)
	old := 0
	for r.at-l.all[old].at > kept {
		old++
	}
	l.all = l.all[old:]
	return true
}

// clock is a reading's time by our clock. The two clocks differ by what is the
// least between a reading's being taken and its being here, which may drift.
func (l *ledger) clock(at time.Time) time.Duration {
	const drift, jump = time.Millisecond, 2 * time.Second
	its, late := at.Sub(l.first), time.Since(l.start)-at.Sub(l.first)
	if len(l.all) == 0 || late < l.offset || late > l.offset+jump {
		l.offset = late
	} else {
		l.offset = min(late, l.offset+drift)
	}
	return its + l.offset
}

func (r reading) fell(last reading) bool {
	for name, s := range r.by {
		if was, ok := last.by[name]; ok && (s.Requests < was.Requests || s.Failed < was.Failed) {
			return true
		}
	}
	return false
}

// requests is what the servers of a reading were given so far, all together.
func (r reading) requests() (n float64) {
	for _, s := range r.by {
		n += float64(s.Requests)
	}
	return n
}

// total is the backend's traffic, req/s, and how many requests that was read
// from; 0 where it is not known yet.
func (l *ledger) total() (rate, requests float64) {
	n := len(l.all) - 1
	if n < 1 {
		return 0, 0
	}
	last := l.all[n]
	for i := n - 1; i >= 0; i-- {
		span, seen := last.at-l.all[i].at, last.requests()-l.all[i].requests()
		if i == 0 || span >= spanMost || span >= spanLeast && seen >= spanRequests {
			return seen / span.Seconds(), seen
		}
	}
	return 0, 0
}

// lag is how long ago a moment must be to have readings on both sides.
func (l *ledger) lag() time.Duration {
	n := len(l.all) - 1
	if n < 1 {
		return leastLag
	}
	return min(max(leastLag, 3*(l.all[n].at-l.all[0].at)/time.Duration(2*n)), mostLag)
}

const leastLag, mostLag = 300 * time.Millisecond, 5 * time.Second

// counts are a server's counters at one moment.
type counts struct {
	requests, done, failed, inFlight float64
	times                            map[int]uint64 // of the last reading before it
}

// at is what a server's counters were at a moment, between the readings around
// it; false where there is none before it.
func (l *ledger) at(server string, t time.Duration) (counts, bool) {
	for i := len(l.all) - 1; i >= 0; i-- {
		a, ok := l.all[i].by[server]
		if l.all[i].at > t || !ok {
			continue
		}
		c := counts{requests: float64(a.Requests), failed: float64(a.Failed), inFlight: float64(a.InFlight), times: a.Times}
		if i+1 < len(l.all) {
			b := l.all[i+1].by[server]
			part := float64(t-l.all[i].at) / float64(l.all[i+1].at-l.all[i].at)
			c.requests += part * (float64(b.Requests) - c.requests)
			c.failed += part * (float64(b.Failed) - c.failed)
			c.inFlight += part * (float64(b.InFlight) - c.inFlight)
		}
		c.done = c.requests - c.inFlight
		return c, true
	}
	return counts{}, false
}

// A gain follows how many requests a unit of a server's weight gets, relative to
// the siblings': 1 in round robin, less for a slow server where the balancer
// looks at connections.
type gain struct{ got, due float64 }

const (
	gainTime            = 10.0 // seconds
	gainRequests        = 100
	gainLeast, gainMost = .5, 2.0
)

// add takes what the server got in so many seconds, and what its weight says
// that it was due.
func (g *gain) add(got, due, seconds float64) {
	keep := math.Exp(-seconds / gainTime)
	g.got, g.due = keep*g.got+got, keep*g.due+due
}

// value is 1 where what was seen may be noise.
func (g gain) value() float64 {
	if g.due < gainRequests {
		return 1
	}
	v := g.got / g.due
	if math.Abs(v-1) < 3/math.Sqrt(g.due) {
		return 1
	}
	return min(max(v, gainLeast), gainMost)
}
