package stress

import (
	"math"
	"slices"
	"time"
)

// Memory runs out as a cliff: where every request takes its share, the last
// calm step can show 64 % and the next one an OOM kill. Two projections see it
// coming; both are known only where they fit.
const (
	// fitWindows, fitSpread and fitR2 are what the line "memory = a + b * busy
	// workers" needs before it is believed: windows, workers between the least
	// and the most busy one, and the share of the variance that it explains.
	fitWindows, fitSpread, fitR2 = 10, 1.0, .8
	// busyKept are the snapshots whose 99th percentile is projected to, at
	// least busyNeeded of them: 20 s and 5 s at 5 Hz.
	busyKept, busyNeeded = 100, 25
	// slopeSkip is left out after a change of level, which moves memory by
	// itself; slopeSpan is looked at and slopeNeeded must be there.
	slopeSkip, slopeSpan, slopeNeeded = 2 * time.Second, 8 * time.Second, 5 * time.Second
	slopeR2                           = .8
	// leastLeft is the time to the limit at which memory is as stressed as at
	// its limit: enough to notice, cut and drain.
	leastLeft = 15.0
)

// memory projects when a target will be out of memory.
type memory struct {
	fit    line
	busy   []float64 // snapshots at this level, the last busyKept
	points []point   // anonymous memory at this level, the last slopeSpan
	since  time.Duration
}

// turn forgets what belongs to the level before.
func (m *memory) turn() { m.busy, m.points, m.since = nil, nil, -1 }

// observe takes a window's samples. Calm windows teach the line.
func (m *memory) observe(s span, calm bool) {
	if calm {
		busy, okB := s.mean(WorkersBusy)
		bytes, okM := s.mean(MemoryBytes)
		if okB && okM {
			m.fit.add(busy, bytes)
		}
	}
	for _, x := range s.now() {
		if m.since < 0 {
			m.since = x.At
		}
		if busy, ok := x.Gauges[WorkersBusy]; ok {
			m.busy = append(m.busy, busy)
		}
		if bytes, ok := x.Gauges[MemoryBytes]; ok && x.At-m.since >= slopeSkip {
			m.points = append(m.points, point{x.At.Seconds(), bytes})
		}
	}
	m.busy = m.busy[max(0, len(m.busy)-busyKept):]
	if n := len(m.points); n > 0 {
		oldest := m.points[n-1].x - slopeSpan.Seconds()
		m.points = slices.DeleteFunc(m.points, func(p point) bool { return p.x < oldest })
	}
}

// projected is the share of the limit that is in use when as many workers are
// busy as in the busiest hundredth of the time.
func (m *memory) projected(limit float64) (float64, bool) {
	a, b, r2 := m.fit.solve()
	if m.fit.n < fitWindows || m.fit.hi-m.fit.lo < fitSpread || r2 < fitR2 || b <= 0 || len(m.busy) < busyNeeded {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(m.busy))
	p99 := sorted[int(math.Ceil(.99*float64(len(sorted))))-1]
	return (a + b*p99) / limit, true
}

// left is how many seconds remain until the limit at the present slope.
func (m *memory) left(limit float64) (float64, bool) {
	n := len(m.points)
	if n < 3 || m.points[n-1].x-m.points[0].x < slopeNeeded.Seconds() {
		return 0, false
	}
	var l line
	for _, p := range m.points {
		l.add(p.x-m.points[0].x, p.y)
	}
	_, slope, r2 := l.solve()
	if slope <= 0 || r2 < slopeR2 {
		return 0, false
	}
	return max(0, (limit-m.points[n-1].y)/slope), true
}

type point struct{ x, y float64 }

// line is a least-squares fit of y = a + b*x, from running means so that
// bytes do not cancel.
type line struct {
	n          float64
	x, y       float64 // means
	xx, xy, yy float64 // sums about the means
	lo, hi     float64 // of x
}

func (l *line) add(x, y float64) {
	if l.n == 0 {
		l.lo, l.hi = x, x
	}
	l.n++
	l.lo, l.hi = min(l.lo, x), max(l.hi, x)
	dx, dy := x-l.x, y-l.y
	l.x += dx / l.n
	l.y += dy / l.n
	l.xx += dx * (x - l.x)
	l.xy += dx * (y - l.y)
	l.yy += dy * (y - l.y)
}

// solve returns the line and the share of y's variance that it explains.
func (l *line) solve() (a, b, r2 float64) {
	if l.xx == 0 || l.yy == 0 {
		return l.y, 0, 0
	}
	b = l.xy / l.xx
	return l.y - b*l.x, b, l.xy * l.xy / (l.xx * l.yy)
}
