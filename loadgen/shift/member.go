package shift

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"saturate/loadgen"
	"saturate/loadgen/shift/balancer"
)

// A Member is one server of a squeeze: a [loadgen.Loader] whose level is the rate
// of the traffic that it is given, by the balancer's own counters. Level 0, or a
// lease that has ended, leaves the server its weight as found.
type Member struct {
	squeeze *Squeeze
	server  string
	found   float64 // req/s

	// Held by the squeeze's lock.
	level   float64
	drained bool
	until   time.Time
	taken   counts // at the last Take
	begun   bool   // there was one
	capped  string
}

// Unit is that of the level.
func (m *Member) Unit() string { return "req/s" }

// Delay is how long a level takes to reach the server: the balancer's own, and
// the time until the next push.
func (m *Member) Delay() time.Duration { return m.squeeze.delay + tick }

// Found is the rate that the server had with its weight as found, req/s.
func (m *Member) Found() float64 { return m.found }

// Weight is the weight of the server as it was last read.
func (m *Member) Weight() int {
	m.squeeze.mu.Lock()
	defer m.squeeze.mu.Unlock()
	log := m.squeeze.log
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1].Weights[m.server]
}

// Turn asks for a rate, for at most lease.
func (m *Member) Turn(level float64, lease time.Duration) {
	m.ask(level, false, lease)
}

// Drain asks for no new traffic at all, for at most lease.
func (m *Member) Drain(lease time.Duration) {
	m.ask(0, true, lease)
}

func (m *Member) ask(level float64, drain bool, lease time.Duration) {
	if !(level > 0) || math.IsInf(level, 0) {
		level = 0
	}
	m.squeeze.mu.Lock()
	defer m.squeeze.mu.Unlock()
	m.level, m.drained, m.until = level, drain, time.Now().Add(lease)
}

// wish is what is asked for now; the squeeze's lock is held.
func (m *Member) wish() (level float64, drain bool) {
	if !time.Now().Before(m.until) {
		return 0, false
	}
	return m.level, m.drained
}

// Take returns what the balancer counted since the last Take, both a little ago.
func (m *Member) Take() loadgen.Answers {
	s := m.squeeze
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.ledger.at(m.server, time.Since(s.ledger.start)-s.ledger.lag())
	if !ok {
		return loadgen.Answers{}
	}
	was := m.taken
	if !m.begun || now.requests < was.requests || now.failed < was.failed {
		was = now // the first, or counters that began anew
	}
	now.done = math.Max(now.done, was.done)
	m.taken, m.begun = now, true
	a := loadgen.Answers{
		Sent:     grew(was.requests, now.requests),
		Done:     grew(was.done, now.done),
		Failed:   grew(was.failed, now.failed),
		InFlight: int64(now.inFlight),
		Latency:  histogram(was.times, now.times),
		Capped:   m.capped,
	}
	a.Done = max(a.Done, a.Failed)
	return a
}

// grew is a counter's growth in whole requests; what is left of one is counted
// the next time.
func grew(was, now float64) uint64 {
	return uint64(max(0, math.Floor(now+1e-6)-math.Floor(was+1e-6)))
}

// longest is the longest answer that a histogram holds, microseconds.
const longest = int64(10 * time.Minute / time.Microsecond)

// histogram holds the answers that came between two readings of the balancer's
// log; nil where it is not read.
func histogram(was, now map[int]uint64) *hdrhistogram.Histogram {
	if now == nil {
		return nil
	}
	h := hdrhistogram.New(1, longest, 3)
	for bucket, n := range now {
		if n > was[bucket] {
			// The value is inside the bounds, so there is no error to look at.
			_ = h.RecordValues(middle(bucket).Microseconds(), int64(n-was[bucket]))
		}
	}
	return h
}

// middle is the time that stands for a bucket.
func middle(bucket int) time.Duration {
	upper := balancer.Upper(bucket)
	if bucket > 0 {
		upper = (upper + balancer.Upper(bucket-1)) / 2
	}
	return min(upper, time.Duration(longest)*time.Microsecond)
}

// Close gives the lease up. The squeeze goes on for the others.
func (m *Member) Close() error {
	m.Turn(0, 0)
	return nil
}
