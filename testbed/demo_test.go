package testbed

import (
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestShowsDemo holds what saturate finds against what the demo counts inside
// itself: its limit divided by what a request costs there.
func TestShowsDemo(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "the demo's bottlenecks against its own counts")
	program := saturate(t)
	for _, d := range []struct {
		scenario, bottleneck string
		capacity             func(hold span) float64
	}{
		{"quickstart", "workers", func(h span) float64 { return .9 * h.mean("demo_workers") / h.per("demo_worker_busy_seconds_total") }},
		{"demo-workers", "workers", func(h span) float64 { return .9 * h.mean("demo_workers") / h.per("demo_worker_busy_seconds_total") }},
		{"demo-cpu", "cpu", func(h span) float64 { return .9 / h.per("process_cpu_seconds_total") }},
		{"demo-memory", "memory", func(h span) float64 {
			// What requests hold may fill what the rest of the process leaves.
			base := h.mean("process_anonymous_memory_bytes") - h.mean("demo_memory_held_bytes")
			return (.9*600*(1<<20) - base) / h.per("demo_memory_byte_seconds_total")
		}},
	} {
		t.Run(d.scenario, func(t *testing.T) {
			for range 3 {
				counts := follow(t, "http://127.0.0.1:18791/metrics")
				r, _ := measure(t, program, d.scenario)
				history := counts()
				if spoilt(r) {
					continue
				}
				repeat := r.Targets[0].Repeats[0]
				if repeat.Bottleneck.Name != d.bottleneck {
					t.Errorf("the bottleneck is %s", repeat.Bottleneck.Name)
				}
				truth := d.capacity(holdOf(history))
				off := repeat.Sustained.AtLimit/truth - 1
				t.Logf("found %.1f req/s, the demo's own count says %.1f: %+.1f %%", repeat.Sustained.AtLimit, truth, 100*off)
				if !(math.Abs(off) <= .05) {
					t.Errorf("%+.1f %% off", 100*off)
				}
				return
			}
			t.Error("spoilt three times")
		})
	}
}

// follow reads a page of metrics every second until it is asked for what it saw.
func follow(t *testing.T, url string) func() []map[string]float64 {
	t.Helper()
	var history []map[string]float64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			if page := read(url); page != nil {
				history = append(history, page)
			}
		}
	})
	return func() []map[string]float64 {
		close(stop)
		wg.Wait()
		return history
	}
}

func read(url string) map[string]float64 {
	answer, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		return nil
	}
	page := make(map[string]float64)
	for name, f := range families {
		page[name] = f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue()
	}
	return page
}

// A span is what the demo told in a stretch of time, a page a second.
type span []map[string]float64

// holdOf is the last twenty seconds of load: the hold, which is what the answer
// was read from. The very last page may be of the time after it.
func holdOf(history []map[string]float64) span {
	const hold = 20
	if len(history) < hold+2 {
		return nil
	}
	return history[len(history)-hold-2 : len(history)-1]
}

// per is what of the counter a request took.
func (s span) per(counter string) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	a, b := s[0], s[len(s)-1]
	return (b[counter] - a[counter]) / (b["demo_requests_total"] - a["demo_requests_total"])
}

// mean is the gauge's.
func (s span) mean(gauge string) float64 {
	var sum float64
	for _, page := range s {
		sum += page[gauge]
	}
	return sum / float64(len(s))
}
