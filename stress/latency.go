package stress

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Bucket is how many answers took about as long.
type Bucket struct {
	Latency time.Duration // the longest that counts here
	Count   uint64
}

// Condense reads a histogram of microseconds. A nil one is of no answers.
func Condense(h *hdrhistogram.Histogram) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{}
	}
	var buckets []Bucket
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			buckets = append(buckets, Bucket{Latency: time.Duration(b.To) * time.Microsecond, Count: uint64(b.Count)})
		}
	}
	l := condense(buckets)
	l.Mean = time.Duration(h.Mean() * float64(time.Microsecond))
	return l
}

// MergeLatency is the latency of all the answers of several windows. It is
// exact where each has its buckets; where one has none, its percentiles are
// averaged with the others', weighted by answers.
func MergeLatency(windows ...Latency) Latency {
	exact := true
	var total uint64
	var mean float64
	for _, l := range windows {
		exact = exact && (l.Count == 0 || len(l.Buckets) > 0)
		total += l.Count
		mean += float64(l.Mean) * float64(l.Count)
	}
	if total == 0 {
		return Latency{}
	}
	mean /= float64(total)
	if !exact {
		return averageLatency(windows, total, mean)
	}
	var all []Bucket
	for _, l := range windows {
		all = append(all, l.Buckets...)
	}
	slices.SortFunc(all, func(a, b Bucket) int { return int(a.Latency - b.Latency) })
	merged := all[:0]
	for _, b := range all {
		if n := len(merged); n > 0 && merged[n-1].Latency == b.Latency {
			merged[n-1].Count += b.Count
			continue
		}
		merged = append(merged, b)
	}
	l := condense(merged)
	l.Mean = time.Duration(mean)
	return l
}

// condense fills in all but the mean from buckets in ascending order.
func condense(buckets []Bucket) Latency {
	l := Latency{Buckets: buckets}
	for _, b := range buckets {
		l.Count += b.Count
	}
	l.P50, l.P90, l.P99 = l.quantile(.50), l.quantile(.90), l.quantile(.99)
	l.Max = buckets[len(buckets)-1].Latency
	return l
}

// quantile is the latency that a share q of the answers did not exceed
// (nearest rank).
func (l Latency) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(l.Count)))
	for _, b := range l.Buckets {
		if b.Count >= rank {
			return b.Latency
		}
		rank -= b.Count
	}
	return 0
}

func averageLatency(windows []Latency, total uint64, mean float64) Latency {
	var p50, p90, p99 float64
	l := Latency{Count: total, Mean: time.Duration(mean)}
	for _, w := range windows {
		n := float64(w.Count) / float64(total)
		p50 += n * float64(w.P50)
		p90 += n * float64(w.P90)
		p99 += n * float64(w.P99)
		l.Max = max(l.Max, w.Max)
	}
	l.P50, l.P90, l.P99 = time.Duration(p50), time.Duration(p90), time.Duration(p99)
	return l
}
