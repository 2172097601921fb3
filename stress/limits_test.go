package stress

import (
	"math"
	"slices"
	"testing"
	"time"
)

// run feeds windows of one second to Limits, as the driver does.
type run struct {
	*Limits
	at   time.Duration
	seq  uint64
	last Sample
	cpu  float64
	mem  float64 // bytes
}

func start(c Config) *run { return &run{Limits: NewLimits(c), mem: 100} }

// window is one second at the level, with the given use of one CPU and busy
// workers of 8, memory of 1000 bytes, and answers.
func (r *run) window(level, cpu, busy float64, answers Latency, failed uint64) Observation {
	samples := []Sample{r.last}
	if r.seq == 0 {
		samples = nil
	}
	for range 5 {
		r.seq++
		r.cpu += cpu / 5
		r.last = Sample{At: r.last.At + 200*time.Millisecond, Seq: r.seq, Boot: "a",
			Counters: map[Counter]float64{CPUSeconds: r.cpu},
			Gauges:   map[Gauge]float64{CPULimit: 1, WorkersBusy: busy, WorkersTotal: 8, MemoryBytes: r.mem, MemoryLimit: 1000}}
		samples = append(samples, r.last)
	}
	o := Observation{Window: Window{r.at, r.at + time.Second}, Asked: level, Sent: answers.Count + failed,
		Done: answers.Count + failed, Failed: failed, Latency: answers}
	r.at += time.Second
	r.Complete(&o, samples)
	return o
}

// answers are n that took about d, the slowest twentieth three times as long.
func answers(n int, d time.Duration) Latency {
	var values []int64
	for i := range n {
		v := d.Microseconds()
		if i%20 == 19 {
			v *= 3
		}
		values = append(values, v)
	}
	return Condense(histogram(values...))
}

func TestLatencyLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		slo   time.Duration
		quiet time.Duration
		cpu   float64
		want  float64
	}{
		{"the floor", 0, 20 * time.Millisecond, .2, .5},
		{"three times the quiet p99", 0, 100 * time.Millisecond, .2, .9},
		{"the user's", 250 * time.Millisecond, 100 * time.Millisecond, .2, .25},
		{"never quiet", 0, 400 * time.Millisecond, .6, .5},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Default
			config.LatencyP99 = c.slo
			r := start(config)
			for range 12 {
				r.window(25, c.cpu, 2, answers(25, c.quiet), 0)
			}
			if got := r.InForce()[LatencyP99]; got < c.want*.998 || got > c.want*1.002 {
				t.Errorf("limit %v s, want %v", got, c.want)
			}
		})
	}
}

// What a neighbour slows down is not the target's quiet latency.
func TestLatencyLimitBesideANeighbour(t *testing.T) {
	r := start(Default)
	r.window(100, .1, 1, answers(100, 30*time.Millisecond), 0)
	for range 3 {
		a, b := r.last, r.last
		b.Seq, b.At = a.Seq+1, a.At+time.Second
		a.Counters = map[Counter]float64{CPUSeconds: 0, HostStealSeconds: 0}
		b.Counters = map[Counter]float64{CPUSeconds: .1, HostStealSeconds: .5}
		o := Observation{Window: Window{r.at, r.at + time.Second}, Asked: 100, Sent: 100, Done: 100, Latency: answers(100, time.Second)}
		r.at += time.Second
		r.Complete(&o, []Sample{a, b})
		if o.Void != ContendedHost {
			t.Fatalf("void %q", o.Void)
		}
		r.last = b
	}
	if got := r.InForce()[LatencyP99]; got != .5 {
		t.Errorf("limit %v s, want the floor of .5", got)
	}
}

// A server whose memory is two thirds full without load is quiet all the same
// when little has come on top of that.
func TestLatencyLimitAboveABase(t *testing.T) {
	r := start(Default)
	r.mem = 600 // pressure .67
	r.window(0, 0, 0, Latency{}, 0)
	r.mem = 650
	for range 6 {
		r.window(50, .1, 1, answers(50, 400*time.Millisecond), 0)
	}
	if got := r.InForce()[LatencyP99]; got < 3.59 || got > 3.61 {
		t.Errorf("limit %v s, want three times the p99 of 1.2 s", got)
	}
}

// A cold start, one slow block of answers, does not set the limit.
func TestLatencyLimitAfterColdStart(t *testing.T) {
	r := start(Default)
	r.window(100, .1, 1, answers(100, 2*time.Second), 0)
	for range 3 {
		r.window(100, .1, 1, answers(100, 30*time.Millisecond), 0)
	}
	if got := r.InForce()[LatencyP99]; got != .5 {
		t.Errorf("limit %v s, want the floor of .5", got)
	}
}

func TestLatencyNeedsAnswers(t *testing.T) {
	r := start(Default)
	for i := range 3 {
		if o := r.window(30, .2, 2, answers(30, time.Second), 0); !slices.Contains(o.Missing, LatencyP99) {
			t.Errorf("window %d: a p99 of %d answers: %v", i, 30*(i+1), o.Signals[LatencyP99])
		}
	}
	o := r.window(30, .2, 2, answers(30, time.Second), 0)
	if v, ok := o.Signals[LatencyP99]; !ok || v < 2.9 {
		t.Errorf("after 120 answers: %v, %v", v, ok)
	}
	o = r.window(60, .2, 2, answers(60, time.Second), 0)
	if v, ok := o.Signals[LatencyP99]; ok {
		t.Errorf("another level keeps the p99 of the one before: %v", v)
	}
}

func TestErrorLimit(t *testing.T) {
	r := start(Default)
	for range 10 {
		r.window(100, .2, 2, answers(99, 10*time.Millisecond), 1)
	}
	if got := r.InForce()[Errors]; !near(got, .015) {
		t.Errorf("base 1%% + .5%%: %v", got)
	}
	// Stressed windows, and what comes in for a while after them, teach nothing.
	o := r.window(100, .95, 8, answers(50, 10*time.Millisecond), 50)
	for range 10 {
		o = r.window(10, .1, 1, answers(50, 10*time.Millisecond), 50)
	}
	if got := r.InForce()[Errors]; !near(got, .015) {
		t.Errorf("learnt from trouble: %v", got)
	}
	if p := o.Pressure[Errors]; p < 10 {
		t.Errorf("half of the answers fail and the pressure is %v", p)
	}
}

// A server that sheds load at a limit of its own has it counted, although
// nothing that is read of it is near a limit.
func TestErrorBaseIsOfLowLoad(t *testing.T) {
	r := start(Default)
	for range 10 {
		r.window(50, .1, 1, answers(50, 10*time.Millisecond), 0)
	}
	var o Observation
	for range 10 {
		o = r.window(300, .3, 2, answers(291, 10*time.Millisecond), 9)
	}
	if p := o.Pressure[Errors]; p < 5.5 {
		t.Errorf("3 %% fail at six times the first level and the pressure is %v", p)
	}
}

// A server that always fails has no base rate that would excuse it.
func TestErrorBaseIsBounded(t *testing.T) {
	r := start(Default)
	var o Observation
	for range 5 {
		o = r.window(100, .1, 1, Latency{}, 100)
	}
	if got := r.InForce()[Errors]; got > mostBase+.005+1e-9 {
		t.Errorf("limit %v", got)
	}
	if o.Pressure[Errors] < 10 {
		t.Errorf("pressure %v", o.Pressure[Errors])
	}
}

// M3 of the measurements: memory of 56 + 33.7 per busy worker of a limit of
// 314.6 runs out at 7.2 busy workers; each level by itself looks calm.
func TestMemoryProjection(t *testing.T) {
	r := start(Default)
	var o Observation
	for i := range 24 {
		busy := float64(1 + i/6)
		r.mem = (56 + 33.7*busy) / 314.6 * 1000
		o = r.window(40*busy, .1*busy, busy, Latency{}, 0)
	}
	if v := o.Signals[MemoryProjected]; !near(v, (56+33.7*4)/314.6) {
		t.Errorf("projected %v at 4 busy workers", v)
	}
	// Seven workers busy in the mean, all eight now and then.
	for i := range 10 {
		busy := 7.0
		if i%4 == 0 {
			busy = 8
		}
		r.mem = (56 + 33.7*busy) / 314.6 * 1000
		o = r.window(280, .7, busy, Latency{}, 0)
	}
	if v := o.Pressure[Memory]; v < 1.02 || v > 1.05 {
		t.Errorf("pressure %v where the limit is passed with 8 busy workers", v)
	}
}

func TestMemoryLeak(t *testing.T) {
	r := start(Default)
	var o Observation
	for range 20 {
		r.mem += 10
		o = r.window(50, .3, 3, Latency{}, 0)
	}
	if p := o.Pressure[Memory]; p > .4 {
		t.Errorf("70 s away and pressure %v", p)
	}
	for range 50 {
		r.mem += 10
		o = r.window(50, .3, 3, Latency{}, 0)
	}
	left := o.Signals[MemoryLeft]
	if left < 18 || left > 24 {
		t.Errorf("%v s left, want about 20", left)
	}
	for range 10 {
		r.mem += 10
		o = r.window(50, .3, 3, Latency{}, 0)
	}
	if p := o.Pressure[Memory]; p < 1.3 || p > 1.8 {
		t.Errorf("10 s away and pressure %v", p)
	}
}

func TestVoid(t *testing.T) {
	busy := map[Counter]float64{CPUSeconds: .43, HostCPUSeconds: .995}
	with := func(extra map[Counter]float64) map[Counter]float64 {
		m := map[Counter]float64{}
		for c, v := range busy {
			m[c] = v
		}
		for c, v := range extra {
			m[c] = v
		}
		return m
	}
	for _, c := range []struct {
		name     string
		counters map[Counter]float64
		want     Void
	}{
		{"alone", map[Counter]float64{CPUSeconds: .89, HostCPUSeconds: .9}, ""},
		{"a neighbour, PSI unknown", busy, ContendedHost},
		{"a neighbour", with(map[Counter]float64{PSICPUFull: .2}), ContendedHost},
		{"nobody waits", with(map[Counter]float64{PSICPUFull: .02}), ""},
		{"a quota stops it", with(map[Counter]float64{PSICPUFull: .5, Periods: 10, ThrottledPeriods: 6}), ""},
		{"steal", map[Counter]float64{CPUSeconds: .5, HostStealSeconds: .03}, ContendedHost},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, o := NewLimits(Default), Observation{Asked: 10}
			l.Complete(&o, series(c.counters, map[Gauge]float64{CPULimit: 1, HostCPUs: 1}))
			if o.Void != c.want {
				t.Errorf("void %q, want %q", o.Void, c.want)
			}
		})
	}
}

// A target whose clock runs at another pace than ours tells nothing in our
// seconds; a local target has no such gauge.
func TestClockDrift(t *testing.T) {
	for _, c := range []struct {
		name  string
		rates []float64 // of the window's own samples
		want  Void
	}{
		{"a local target", nil, ""},
		{"in step", []float64{1, 1.001, .999}, ""},
		{"just in step", []float64{.985, .985}, ""},
		{"slow", []float64{.97, .97}, ClockDrift},
		{"fast", []float64{1.03, 1.03}, ClockDrift},
		{"half speed for a part of the window", []float64{1, 1, 1, 1, .5}, ClockDrift},
		{"not known at first", []float64{math.NaN(), .9}, ClockDrift},
	} {
		t.Run(c.name, func(t *testing.T) {
			samples := series(map[Counter]float64{CPUSeconds: .5}, map[Gauge]float64{CPULimit: 1})
			samples[0].Gauges[ClockRate] = .1 // of the window before
			for i, rate := range c.rates {
				samples[len(samples)-len(c.rates)+i].Gauges[ClockRate] = rate
			}
			o := Observation{Asked: 10}
			NewLimits(Default).Complete(&o, samples)
			if o.Void != c.want {
				t.Errorf("void %q, want %q", o.Void, c.want)
			}
			if v, has := o.Signals[Signal(ClockRate)]; has {
				t.Errorf("the clock's rate, %v, is a signal of the target", v)
			}
		})
	}
}

func TestSilentSource(t *testing.T) {
	l := NewLimits(Default)
	var o Observation
	l.Complete(&o, nil)
	if o.Void != "" {
		t.Errorf("a target without probes: %q", o.Void)
	}
	l.Complete(&o, series(map[Counter]float64{CPUSeconds: 1}, map[Gauge]float64{CPULimit: 2}))
	o = Observation{}
	l.Complete(&o, nil)
	if o.Void != SourceSilent {
		t.Errorf("void %q after the samples stopped", o.Void)
	}
}

func TestEvents(t *testing.T) {
	sample := func(seq uint64, kills, deaths, overflows, queue float64) Sample {
		return Sample{Seq: seq, Boot: "a", At: time.Duration(seq) * time.Second,
			Counters: map[Counter]float64{OOMKills: kills, WorkerDeaths: deaths, ListenOverflows: overflows},
			Gauges:   map[Gauge]float64{AcceptQueue: queue, AcceptQueueLimit: 128}}
	}
	calm := sample(1, 1, 2, 300, 10)
	rebooted := sample(2, 2, 2, 300, 10)
	rebooted.Boot = "b"
	for _, c := range []struct {
		name    string
		samples []Sample
		want    []EventKind
	}{
		{"nothing", []Sample{calm, sample(2, 1, 2, 300, 63)}, nil},
		{"one sample", []Sample{sample(2, 1, 2, 300, 10)}, nil},
		{"oom", []Sample{calm, sample(2, 2, 2, 300, 10)}, []EventKind{OOMKill}},
		{"a worker", []Sample{calm, sample(2, 1, 3, 300, 10)}, []EventKind{WorkerDeath}},
		{"another listener's overflow", []Sample{calm, sample(2, 1, 2, 900, 10)}, nil},
		{"own overflow", []Sample{sample(1, 1, 2, 300, 129), sample(2, 1, 2, 900, 10)}, []EventKind{Overflow}},
		{"half full", []Sample{calm, sample(2, 1, 2, 300, 64)}, []EventKind{BacklogHalf}},
		{"a counter that starts anew", []Sample{calm, sample(2, 0, 0, 0, 10)}, nil},
		{"a reboot", []Sample{calm, rebooted}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []EventKind
			for _, e := range Events(c.samples) {
				got = append(got, e.Kind)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// What a run spends per window, beside reading the samples.
func BenchmarkComplete(b *testing.B) {
	r := start(Default)
	var values []int64
	for i := range 900 {
		values = append(values, int64(20_000+i*i))
	}
	h := histogram(values...)
	b.ReportAllocs()
	for b.Loop() {
		r.window(900, .5, 4, Condense(h), 1)
	}
}
