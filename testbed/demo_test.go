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
		capacity             func(perRequest func(string) float64) float64
	}{
		{"demo-cpu", "cpu", func(per func(string) float64) float64 {
			return .9 / per("process_cpu_seconds_total")
		}},
		{"demo-workers", "workers", func(per func(string) float64) float64 {
			return .9 * 16 / per("demo_worker_busy_seconds_total")
		}},
		{"demo-memory", "memory", func(per func(string) float64) float64 {
			// What requests hold may fill what the base leaves of the limit.
			return (.9*600 - 360) * (1 << 20) / per("demo_memory_byte_seconds_total")
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
				truth := d.capacity(perRequest(history))
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

// perRequest is what a request cost in the last twenty seconds of load: the
// hold, which is what the answer was read from.
func perRequest(history []map[string]float64) func(string) float64 {
	const requests, hold = "demo_requests_total", 20
	return func(counter string) float64 {
		last := len(history) - 1
		if last < hold+1 {
			return math.NaN()
		}
		last-- // the very last may be of the time after the load
		a, b := history[last-hold], history[last]
		return (b[counter] - a[counter]) / (b[requests] - a[requests])
	}
}
