package loadgen

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// lapsed begins the limit of a load whose lease the test was too late to renew.
const lapsed = "its lease lapsed: "

// hold renews a lease for a while, as a driver does, and adds up. A lease that it
// was too late to renew, which loses hits, is a limit of the generator's too.
func hold(t testing.TB, a Loader, rate float64, d time.Duration) Answers {
	t.Helper()
	const lease = 500 * time.Millisecond
	total, turned := a.Take(), time.Now()
	total.Limit = ""
	turn := func(rate float64) {
		begin := time.Now()
		a.Turn(rate, lease)
		if gap := time.Since(turned); gap > lease {
			total.Limit = fmt.Sprintf(lapsed+"%v, and renewed after %v", lease, gap)
		}
		turned = begin
	}
	clock := time.NewTicker(200 * time.Millisecond)
	defer clock.Stop()
	for end := turned.Add(d); time.Now().Before(end); <-clock.C {
		turn(rate)
		add(&total, a.Take())
	}
	add(&total, a.Take())
	turn(0)
	return total
}

// stalled holds 1000 req/s over 50 connections on a server that stops for one
// second in five. The truth, from the intended time: mean 100 ms, p90 500 ms.
func stalled(t testing.TB, engine string, d time.Duration) (mean, p90, service float64, got Answers) {
	a := attack(t, Config{Engine: engine, Connections: 50, Arrivals: "even"}, child(t, "stall"), Options{Seed: 1})
	got = hold(t, a, 1000, d)
	return got.Latency.Mean() / 1e3, float64(got.Latency.ValueAtQuantile(90)) / 1e3, got.Service.Mean() / 1e3, got
}

// TestNoCoordinatedOmission allows for a busy machine: with coordinated
// omission the mean would be 15 ms and p90 20 ms. A generator that is late does
// not come near that: it loses hits, but few of those that wait in a stall.
func TestNoCoordinatedOmission(t *testing.T) { engines(t, testNoCoordinatedOmission) }

func testNoCoordinatedOmission(t *testing.T, engine string) {
	if testing.Short() {
		t.Skip("takes 10 s, on a busy machine 30 s")
	}
	fairly(t, func(wrong func(string, ...any)) Answers {
		mean, p90, service, got := stalled(t, engine, 10*time.Second)
		t.Logf("mean %.1f ms, p90 %.1f ms, service mean %.1f ms; %d sent, %d unsent, %d failed, limit %q", mean, p90, service, got.Sent, got.Unsent, got.Failed, got.Limit)
		if (mean < 50 || p90 < 200) && !strings.HasPrefix(got.Limit, lapsed) {
			t.Errorf("mean %.1f ms, p90 %.1f ms: coordinated omission", mean, p90)
		}
		if mean < 70 || mean > 140 || p90 < 350 || p90 > 650 {
			wrong("mean %.1f ms, p90 %.1f ms; want 100 and 500", mean, p90)
		}
		if service > mean/2 {
			wrong("service time %.1f ms contains the wait for a connection", service)
		}
		if got.Failed != 0 || got.Dropped != 0 {
			wrong("%d failed, %d dropped", got.Failed, got.Dropped)
		}
		return got
	})
}

// BenchmarkStall prints the figures of TestNoCoordinatedOmission over 20 s.
func BenchmarkStall(b *testing.B) {
	for _, engine := range []string{"vegeta", "fast"} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				mean, p90, service, got := stalled(b, engine, 20*time.Second)
				b.ReportMetric(mean, "mean_ms")
				b.ReportMetric(p90, "p90_ms")
				b.ReportMetric(service, "service_ms")
				b.ReportMetric(float64(got.Latency.Max())/1e3, "max_ms")
				b.ReportMetric(float64(got.Lag.ValueAtQuantile(99))/1e3, "lag99_ms")
				b.ReportMetric(float64(got.Unsent), "unsent")
				b.ReportMetric(float64(got.Sent), "sent")
			}
		})
	}
}

// TestOverload asks for 20,000 req/s over 1,000 connections from a target that
// can do 1,000: the memory stays flat, no descriptor is missing, and the
// failures are those of the target, or the generator says that it was the limit.
func TestOverload(t *testing.T) { engines(t, testOverload) }

func testOverload(t *testing.T, engine string) {
	if testing.Short() {
		t.Skip("takes 6 s")
	}
	a := attack(t, Config{Engine: engine, Connections: 1000, Timeout: time.Second}, child(t, "slow"), Options{})
	first := hold(t, a, 20000, 3*time.Second)
	used := memory()
	second := hold(t, a, 20000, 3*time.Second)
	grown := memory()
	t.Logf("memory %d MB, then %d MB; done %d, dropped %d, timeouts %d, unsent %d, causes %v, limit %q",
		used>>20, grown>>20, second.Done, second.Dropped, second.Timeouts, second.Unsent, second.Causes, second.Limit)
	if grown > 200<<20 || grown > used+used/2+20<<20 {
		t.Errorf("memory grew from %d to %d MB", used>>20, grown>>20)
	}
	if n := first.Causes[causeFiles] + second.Causes[causeFiles]; n != 0 {
		t.Errorf("%d times without a file descriptor", n)
	}
	if second.Failed < second.Done/2 && second.Limit == "" {
		t.Errorf("%d of %d failed, and the generator says nothing", second.Failed, second.Done)
	}
}

// memory is what the Go runtime holds for heap and stacks, after a collection.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkHit is an engine's cost of one request, without the server's: at
// 10,000 req/s, and at 50,000 where the engine can.
func BenchmarkHit(b *testing.B) {
	for _, c := range []struct {
		engine string
		rate   float64
	}{{"vegeta", 10000}, {"fast", 10000}, {"fast", 50000}} {
		b.Run(fmt.Sprintf("%s-%.0f", c.engine, c.rate), func(b *testing.B) {
			a := attack(b, Config{Engine: c.engine, Arrivals: "even", Connections: 100, Quantum: Default.Quantum}, child(b, "fast"), Options{})
			hold(b, a, c.rate, time.Second)
			a.Take()
			b.ReportAllocs()
			b.ResetTimer()
			got := hold(b, a, c.rate, max(200*time.Millisecond, time.Duration(float64(b.N)/c.rate*float64(time.Second))))
			b.StopTimer()
			done := float64(max(1, got.Done))
			b.ReportMetric(got.CPUSeconds*1e6/done, "cpu-us/req")
			b.ReportMetric(done/float64(b.N), "done/op")
			b.ReportMetric(float64(got.Lag.ValueAtQuantile(99)), "lag99-us")
			b.ReportMetric(float64(got.Unsent), "unsent")
		})
	}
}
