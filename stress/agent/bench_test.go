package agent

import (
	"io"
	"runtime"
	"testing"
	"time"

	"saturate/stress/probe"
)

// heap is what is in use, after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// BenchmarkLine is what a line of the stream costs until it is handed to the
// connection, in a tight loop: less than at its real pace, where nothing is in
// the caches any more. TestShowsCost measures that.
func BenchmarkLine(b *testing.B) {
	for name, c := range map[string]probe.Config{"host": {Host: true, Instructions: off}} {
		b.Run(name, func(b *testing.B) {
			t := newTarget(c, &counter{})
			defer t.Close()
			if err := t.ready(); err != nil {
				b.Fatal(err)
			}
			s := &streams{target: t, open: make(map[chan []byte]bool)}
			lines := make(chan []byte, 1)
			s.open[lines] = true
			now := time.Now()
			t.now = func() time.Time { now = now.Add(probe.Interval); return now }
			before, _ := cpuSeconds()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s.send(n, t.sample())
				io.Discard.Write(<-lines)
				n++
			}
			after, _ := cpuSeconds()
			each := (after - before) / float64(b.N)
			b.ReportMetric(1e6*each, "cpu-µs/line")
			b.ReportMetric(100*each*float64(time.Second/probe.Interval), "%core-at-5Hz")
		})
	}
}
