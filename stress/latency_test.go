package stress

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

func histogram(values ...int64) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, 60_000_000, 3)
	for _, v := range values {
		h.RecordValue(v)
	}
	return h
}

func TestCondense(t *testing.T) {
	if l := Condense(nil); l.Count != 0 {
		t.Errorf("nil histogram: %+v", l)
	}
	if l := Condense(histogram()); l.Count != 0 {
		t.Errorf("empty histogram: %+v", l)
	}
	var values []int64
	for i := range int64(100) {
		values = append(values, (i+1)*1000)
	}
	l := Condense(histogram(values...))
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"p50", l.P50, 50 * time.Millisecond}, {"p90", l.P90, 90 * time.Millisecond},
		{"p99", l.P99, 99 * time.Millisecond}, {"max", l.Max, 100 * time.Millisecond},
		{"mean", l.Mean, 50500 * time.Microsecond},
	} {
		if diff := (c.got - c.want).Abs(); diff > c.want/500 {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
}

// Merged windows have the percentiles of all their answers together, as the
// histogram of all of them has.
func TestMergeLatency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		windows := rapid.SliceOfN(rapid.SliceOf(rapid.Int64Range(1, 5_000_000)), 1, 5).Draw(t, "windows")
		all := histogram()
		var parts []Latency
		for _, w := range windows {
			h := histogram(w...)
			all.Merge(h)
			parts = append(parts, Condense(h))
		}
		got, want := MergeLatency(parts...), Condense(all)
		if got.Count != want.Count || got.P50 != want.P50 || got.P99 != want.P99 || got.Max != want.Max {
			t.Fatalf("merged %+v, together %+v", got, want)
		}
		if d := (got.Mean - want.Mean).Abs(); d > want.Mean/100+time.Microsecond {
			t.Fatalf("mean %v, together %v", got.Mean, want.Mean)
		}
	})
}

func TestMergeLatencyWithoutBuckets(t *testing.T) {
	got := MergeLatency(Latency{Count: 100, P99: 100 * time.Millisecond, Mean: 10 * time.Millisecond},
		Latency{Count: 300, P99: 200 * time.Millisecond, Mean: 20 * time.Millisecond, Max: time.Second})
	if got.Count != 400 || got.P99 != 175*time.Millisecond || got.Mean != 17500*time.Microsecond || got.Max != time.Second {
		t.Errorf("got %+v", got)
	}
}
