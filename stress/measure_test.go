package stress

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// series makes five samples a second for a second, the first being the one
// before; counters grow by what is given per second, gauges stand.
func series(counters map[Counter]float64, gauges map[Gauge]float64) []Sample {
	var s []Sample
	for i := range 6 {
		x := Sample{At: time.Duration(i) * 200 * time.Millisecond, Seq: uint64(i + 1), Boot: "a",
			Counters: map[Counter]float64{}, Gauges: map[Gauge]float64{}}
		for c, v := range counters {
			x.Counters[c] = 1000 + v*float64(i)/5
		}
		for g, v := range gauges {
			x.Gauges[g] = v
		}
		s = append(s, x)
	}
	return s
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func TestMeasure(t *testing.T) {
	half := map[Counter]float64{CPUSeconds: 1}
	for _, c := range []struct {
		name     string
		counters map[Counter]float64
		gauges   map[Gauge]float64
		signal   Signal
		want     float64
	}{
		{"cpu of the limit", half, map[Gauge]float64{CPULimit: 2}, CPU, .5},
		{"cpu of a quota", map[Counter]float64{CPUSeconds: .4}, map[Gauge]float64{CPULimit: .5}, CPU, .8},
		{"host cpu of whole CPUs", map[Counter]float64{HostCPUSeconds: .9}, map[Gauge]float64{CPULimit: .5, HostCPUs: 1}, HostCPU, .9},
		{"host cpu without the count", map[Counter]float64{HostCPUSeconds: .9}, map[Gauge]float64{CPULimit: .5}, HostCPU, .9},
		{"steal", map[Counter]float64{HostStealSeconds: .1}, map[Gauge]float64{CPULimit: 2, HostCPUs: 2}, Steal, .05},
		{"workers by the gauge", nil, map[Gauge]float64{WorkersBusy: 6, WorkersTotal: 8}, Workers, .75},
		{"workers by the counter", map[Counter]float64{WorkerBusySeconds: 6.2, ServerRequests: 100}, map[Gauge]float64{WorkersBusy: 8, WorkersTotal: 8}, Workers, .775},
		{"workers by the counter alone", map[Counter]float64{WorkerBusySeconds: 4}, map[Gauge]float64{WorkersTotal: 8}, Workers, .5},
		{"stuck workers", map[Counter]float64{WorkerBusySeconds: .1, ServerRequests: 1}, map[Gauge]float64{WorkersBusy: 8, WorkersTotal: 8}, Workers, 1},
		{"idle workers", map[Counter]float64{WorkerBusySeconds: 0, ServerRequests: 0}, map[Gauge]float64{WorkersBusy: 0, WorkersTotal: 8}, Workers, 0},
		{"long requests come in lumps", map[Counter]float64{WorkerBusySeconds: 12, ServerRequests: 4}, map[Gauge]float64{WorkersBusy: 5, WorkersTotal: 8}, Workers, .625},
		{"service time", map[Counter]float64{WorkerBusySeconds: 6, ServerRequests: 120}, nil, ServiceTime, .05},
		{"memory", nil, map[Gauge]float64{MemoryBytes: 150, MemoryLimit: 300}, Memory, .5},
		{"memory that the host has not got", nil, map[Gauge]float64{MemoryBytes: 150, MemoryLimit: 300, HostMemoryAvailable: 50}, Memory, .75},
		{"memory of a large host", nil, map[Gauge]float64{MemoryBytes: 150, MemoryLimit: 300, HostMemoryAvailable: 9000}, MemorySize, 300},
		{"files", nil, map[Gauge]float64{OpenFiles: 512, OpenFilesLimit: 1024}, OpenFDs, .5},
		{"conntrack", nil, map[Gauge]float64{Conntrack: 10, ConntrackLimit: 40}, Conns, .25},
		{"queue", nil, map[Gauge]float64{AcceptQueue: 32, AcceptQueueLimit: 128}, Queue, .25},
		{"network", map[Counter]float64{NetworkBytes: 1e8}, map[Gauge]float64{LinkSpeed: 125e6}, Network, .8},
		{"throttling", map[Counter]float64{Periods: 10, ThrottledPeriods: 6}, nil, Throttling, .6},
		{"psi", map[Counter]float64{PSICPUFull: .15}, nil, PressureCPU, .15},
		{"retransmits", map[Counter]float64{Retransmits: 3, SegmentsOut: 100}, nil, Retransmit, .03},
		{"a gauge of the user's own", nil, map[Gauge]float64{"pool_used": 7}, "pool_used", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := Measure(series(c.counters, c.gauges))
			if v, ok := got[c.signal]; !ok || !near(v, c.want) {
				t.Errorf("%s = %v (%v), want %v", c.signal, v, ok, c.want)
			}
		})
	}
}

func TestMeasureAbsence(t *testing.T) {
	counters := map[Counter]float64{CPUSeconds: 1, WorkerBusySeconds: 4}
	gauges := map[Gauge]float64{CPULimit: 2, WorkersBusy: 4, WorkersTotal: 8}
	for _, c := range []struct {
		name  string
		spoil func(s []Sample) []Sample
		cpu   bool
	}{
		{"nothing wrong", func(s []Sample) []Sample { return s }, true},
		{"a lost sample", func(s []Sample) []Sample { return append(s[:2], s[3:]...) }, false},
		{"a reboot", func(s []Sample) []Sample { s[4].Boot, s[5].Boot = "b", "b"; return s }, false},
		{"a clock that stands", func(s []Sample) []Sample { s[3].At = s[2].At; return s }, false},
		{"a falling counter", func(s []Sample) []Sample { s[3].Counters[CPUSeconds] = 1; return s }, false},
		{"one sample", func(s []Sample) []Sample { return s[:1] }, false},
		{"no sample", func(s []Sample) []Sample { return nil }, false},
		{"no limit", func(s []Sample) []Sample {
			for _, x := range s {
				delete(x.Gauges, CPULimit)
			}
			return s
		}, false},
		{"a page too slow for two samples", func(s []Sample) []Sample {
			delete(s[0].Counters, CPUSeconds)
			delete(s[5].Counters, CPUSeconds)
			return s
		}, true},
		{"a page too slow for most", func(s []Sample) []Sample {
			for _, x := range s[:4] {
				delete(x.Counters, CPUSeconds)
			}
			return s
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, work := Measure(c.spoil(series(counters, gauges)))
			v, ok := got[CPU]
			if ok != c.cpu || ok && !near(v, .5) {
				t.Errorf("cpu = %v, %v; want it: %v", v, ok, c.cpu)
			}
			if _, ok := work["cpu_seconds"]; c.name != "no limit" && ok != c.cpu {
				t.Errorf("work %v, want it: %v", work, c.cpu)
			}
		})
	}
}

// The work of windows that follow each other adds up to the counter's growth.
func TestWorkTiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Float64Range(0, 3), 4, 40).Draw(t, "growth")
		cut := rapid.IntRange(1, len(steps)-1).Draw(t, "cut")
		all := []Sample{{Seq: 1, Counters: map[Counter]float64{CPUSeconds: 5}}}
		for i, d := range steps {
			last := all[i]
			all = append(all, Sample{At: last.At + 200*time.Millisecond, Seq: last.Seq + 1,
				Counters: map[Counter]float64{CPUSeconds: last.Counters[CPUSeconds] + d}})
		}
		_, a := Measure(all[:cut+1])
		_, b := Measure(all[cut:])
		want := all[len(steps)].Counters[CPUSeconds] - 5
		if got := a["cpu_seconds"] + b["cpu_seconds"]; math.Abs(got-want) > 1e-9 {
			t.Fatalf("windows add up to %v, the counter grew by %v", got, want)
		}
	})
}

// What an agent spends on watching is pressure on its host like any other, and
// no work of the target.
func TestWorkIsWithoutTheAgent(t *testing.T) {
	counters := map[Counter]float64{CPUSeconds: .8, AgentCPUSeconds: .1, Instructions: 1e6, AgentInstructions: 4e5}
	signals, work := Measure(series(counters, map[Gauge]float64{CPULimit: 1}))
	if !near(signals[CPU], .8) || !near(work["cpu_seconds"], .7) || !near(work["instructions"], 6e5) {
		t.Errorf("signal %v, work %v", signals[CPU], work)
	}
	counters[AgentCPUSeconds] = 2 // read a moment after the other
	if _, work := Measure(series(counters, nil)); work["cpu_seconds"] != 0 {
		t.Errorf("work %v", work)
	}
	other := series(counters, nil)
	delete(other[0].Counters, AgentInstructions) // over another time
	if _, work := Measure(other); !near(work["instructions"], 1e6) {
		t.Errorf("work %v", work)
	}
}

// Whatever probes deliver, no signal is NaN or infinite.
func TestMeasureIsFinite(t *testing.T) {
	counters := []Counter{CPUSeconds, HostCPUSeconds, WorkerBusySeconds, ServerRequests, Periods, ThrottledPeriods, Retransmits, SegmentsOut, NetworkBytes}
	gauges := []Gauge{CPULimit, HostCPUs, WorkersBusy, WorkersTotal, MemoryBytes, MemoryLimit, LinkSpeed, "own"}
	value := rapid.SampledFrom([]float64{0, 1, -1, 1e-300, 1e300, 7, math.Inf(1), math.NaN()})
	rapid.Check(t, func(t *rapid.T) {
		var s []Sample
		for i := range rapid.IntRange(0, 4).Draw(t, "n") {
			x := Sample{At: time.Duration(i) * time.Second, Seq: uint64(i), Counters: map[Counter]float64{}, Gauges: map[Gauge]float64{}}
			for _, c := range counters {
				if rapid.Bool().Draw(t, "has") {
					x.Counters[c] = value.Draw(t, string(c))
				}
			}
			for _, g := range gauges {
				if rapid.Bool().Draw(t, "has") {
					x.Gauges[g] = value.Draw(t, string(g))
				}
			}
			s = append(s, x)
		}
		signals, work := Measure(s)
		for name, v := range signals {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%s = %v", name, v)
			}
		}
		for unit, v := range work {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("work %s = %v", unit, v)
			}
		}
	})
}
