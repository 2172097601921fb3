package stress

import (
	"slices"
	"time"
)

const (
	// latencyNeeds and errorsNeeds are the answers a percentile and a share of
	// failures need to mean anything.
	latencyNeeds, errorsNeeds = 100, 200
	// floorP99 and quietTimes make the default latency limit. A smaller
	// multiple would trip in health: eight synchronous workers at 88 % show 2.9
	// times their quiet p99.
	floorP99, quietTimes = 500 * time.Millisecond, 3
	// mostBase bounds what may pass for a base error rate; a server that fails
	// more often than this when quiet is broken.
	mostBase = .05
)

// latencies turn the windows' answers into p99s of at least latencyNeeds
// answers of one level, and learn the quiet p99.
type latencies struct {
	block  []Latency
	last   time.Duration
	valid  bool
	calm   []Latency       // of the quiet block under way, of any level
	quiets []time.Duration // p99s of the quiet blocks
}

func (l *latencies) turn() { l.block, l.valid = nil, false }

// observe takes a window. Where nothing but answers is known of the target,
// the first ones pass for quiet.
func (l *latencies) observe(w Latency, quiet, watched bool) {
	if w.Count == 0 || len(w.Buckets) == 0 && w.Count < latencyNeeds {
		return // percentiles alone cannot be merged
	}
	if quiet && (watched || len(l.quiets) < 2) {
		l.calm = append(l.calm, w)
		if all, ok := complete(l.calm); ok {
			l.quiets, l.calm = append(l.quiets, all.P99), nil
		}
	}
	l.block = append(l.block, w)
	if all, ok := complete(l.block); ok {
		l.last, l.valid, l.block = all.P99, true, nil
	}
}

// complete merges a block when it has answers enough.
func complete(block []Latency) (Latency, bool) {
	var n uint64
	for _, w := range block {
		n += w.Count
	}
	if n < latencyNeeds {
		return Latency{}, false
	}
	return MergeLatency(block...), true
}

// p99 is that of the last full block at this level.
func (l *latencies) p99() (time.Duration, bool) { return l.last, l.valid }

// limit is the user's SLO, or follows from the quiet p99: the median of its
// blocks, because a cold start makes the first ones slow.
func (l *latencies) limit(slo time.Duration) time.Duration {
	if slo > 0 {
		return slo
	}
	if len(l.quiets) == 0 {
		return floorP99
	}
	sorted := slices.Sorted(slices.Values(l.quiets))
	return max(floorP99, quietTimes*sorted[(len(sorted)-1)/2])
}

// failures turn the windows' failures into shares of at least errorsNeeds
// answers of one level, and learn the base rate.
type failures struct {
	done, failed         uint64 // of the block under way
	last                 float64
	valid                bool
	calmDone, calmFailed uint64
}

func (f *failures) turn() { f.done, f.failed, f.valid = 0, 0, false }

func (f *failures) observe(done, failed uint64, calm, watched bool) {
	if calm && (watched || f.calmDone < errorsNeeds) {
		f.calmDone += done
		f.calmFailed += failed
	}
	f.done += done
	f.failed += failed
	if f.done >= errorsNeeds {
		f.last, f.valid = float64(f.failed)/float64(f.done), true
		f.done, f.failed = 0, 0
	}
}

func (f *failures) share() (float64, bool) { return f.last, f.valid }

// base is the share that fails when the target is not stressed; none until
// there were answers enough.
func (f *failures) base() float64 {
	if f.calmDone < errorsNeeds {
		return 0
	}
	return min(mostBase, float64(f.calmFailed)/float64(f.calmDone))
}
