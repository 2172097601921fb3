package stress

import (
	"strings"
	"testing"
	"time"
)

// window is a second with these signals, judged by the default limits.
func window(i int, signals map[Signal]float64) Observation {
	limits := NewLimits(Default).InForce()
	return Observation{Window: Window{time.Duration(i) * time.Second, time.Duration(i+1) * time.Second},
		Asked: 100, Sent: 100, Done: 100, Signals: signals, Pressure: pressures(signals, limits),
		Work: map[string]float64{"cpu_seconds": signals[CPU] * max(1, signals[CPUs])}}
}

// story is ten quiet windows and a hold of twenty.
func story(quiet, hold map[Signal]float64) []Observation {
	var all []Observation
	for i := range 30 {
		signals := quiet
		if i >= 10 {
			signals = hold
		}
		all = append(all, window(i, signals))
	}
	return all
}

func TestName(t *testing.T) {
	limits := NewLimits(Default).InForce()
	quiet := map[Signal]float64{CPU: .1, Workers: .2, WorkerCount: 8, CPUs: 1, ServiceTime: .050}
	of := func(signals map[Signal]float64) []Observation { return story(quiet, signals) }
	for _, c := range []struct {
		name     string
		all      []Observation
		spoil    func(*Observation)
		want     string
		runner   Signal
		sentence string
	}{
		{"one CPU full, workers nearly so (A1)", of(map[Signal]float64{CPU: .88, Workers: .86, WorkerCount: 8, CPUs: 1, ServiceTime: .4}), nil,
			CPUBound, Workers, "88% of 1 CPU are used (limit 90%), while workers is at 96% of its limit"},
		{"workers starved (A6)", of(map[Signal]float64{CPU: .48, Workers: .89, WorkerCount: 8, CPUs: 1, ServiceTime: .055}), nil,
			WorkersBound, CPU, "the 8 workers are busy 89% of the time (limit 90%), while CPU is at 53% of its limit"},
		{"a quota (A4)", of(map[Signal]float64{CPU: .89, CPUs: .5, Throttling: .65, Workers: .6}), nil,
			QuotaBound, Workers, "89% of the quota of 0.5 CPUs are used (limit 90%) and 65% of the periods end throttled"},
		{"a slower backend", of(map[Signal]float64{CPU: .2, Workers: .89, WorkerCount: 8, CPUs: 1, ServiceTime: .09}), nil,
			BackendBound, CPU, "a request takes a worker 90 ms where it took 50 ms at low load"},
		{"requests slowed by the CPU they share", of(map[Signal]float64{CPU: .8, Workers: .89, WorkerCount: 8, CPUs: 1, ServiceTime: .07}), nil,
			WorkersBound, CPU, "the 8 workers"},
		{"memory before everything", of(map[Signal]float64{CPU: .88, Workers: .89, Memory: .885, MemorySize: 300 << 20}), nil,
			MemoryBound, Workers, "memory is at 88% of 300 MiB (limit 90%)"},
		{"an OOM kill at low pressure (M3)", of(map[Signal]float64{Workers: .9, Memory: .64}),
			func(o *Observation) { o.Events = []Event{{OOMKill, "the kernel killed 1 process for want of memory"}} },
			MemoryBound, Workers, "the kernel killed 1 process for want of memory"},
		{"a neighbour (A1n)", of(map[Signal]float64{CPU: .43, HostCPU: 1, Workers: .95}),
			func(o *Observation) { o.Void = ContendedHost },
			ContendedCPU, Workers, "somebody else used the target's CPUs: they were 100% busy, and the target itself used 43% of its share"},
		{"the generator (G1)", of(map[Signal]float64{CPU: .3, Workers: .95}),
			func(o *Observation) { o.Void, o.Unsent = GeneratorLate, 4 },
			Generator, Workers, "3.8% of the hits could not be sent in time"},
		{"overflow collapse (S2)", of(map[Signal]float64{CPU: .001, Workers: 1, WorkerCount: 8, Queue: 1}),
			func(o *Observation) { o.Failed = o.Done },
			OverflowCollapse, CPU, "the accept queue overflowed: the 8 workers are busy while the CPU does next to nothing"},
		{"the link", of(map[Signal]float64{CPU: .3, Network: .84}), nil,
			NetworkBound, CPU, "network is 84% (limit 85%), while CPU is at 33% of its limit"},
		{"conntrack", of(map[Signal]float64{CPU: .3, Conns: .79}), nil, ConntrackBound, CPU, "conntrack is 79% (limit 80%)"},
		{"descriptors", of(map[Signal]float64{CPU: .3, OpenFDs: .79}), nil, DescriptorsBound, CPU, "file_descriptors is 79%"},
		{"latency of nothing known", of(map[Signal]float64{CPU: .3, Workers: .4, LatencyP99: .49}), nil,
			LatencyBound, Workers, "the 99th percentile is 490 ms (limit 500 ms) although no resource that was read is at its limit (the nearest, workers, is at 44% of it)"},
		{"latency of lost segments", of(map[Signal]float64{CPU: .3, LatencyP99: .49, Retransmit: .03}), nil,
			NetworkBound, CPU, "3.0% of the segments are sent again while latency_p99 is 490 ms (limit 500 ms)"},
		{"latency far past its limit with the CPU full", of(map[Signal]float64{CPU: .99, LatencyP99: 4.5}), nil, CPUBound, LatencyP99, ""},
		{"errors", of(map[Signal]float64{CPU: .3, Errors: .0049}), nil, ErrorsBound, CPU, "requests fail (limit 0.50%)"},
		{"nothing reached", of(map[Signal]float64{CPU: .5, Workers: .3}), nil,
			NoneReached, Workers, "no limit was reached: the nearest is cpu, at 56% of its limit"},
		{"nothing read", of(nil), nil, NoneReached, "", "no signal was read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.spoil != nil {
				for i := 10; i < 30; i++ {
					c.spoil(&c.all[i])
				}
			}
			b := Name(c.all, 10, 30, limits)
			if b.Name != c.want || b.Runner != c.runner {
				t.Errorf("got %q, runner-up %q; want %q, %q", b.Name, b.Runner, c.want, c.runner)
			}
			if !strings.Contains(b.Sentence, c.sentence) {
				t.Errorf("sentence %q\n    want %q", b.Sentence, c.sentence)
			}
		})
	}
}

func TestNameOwnGauge(t *testing.T) {
	c := Default
	c.Metrics = map[string]float64{"pool_used": 20}
	limits := NewLimits(c).InForce()
	signals := map[Signal]float64{CPU: .3, "pool_used": 19.8}
	o := Observation{Window: Window{0, time.Second}, Done: 1, Signals: signals, Pressure: pressures(signals, limits)}
	b := Name([]Observation{o}, 0, 0, limits)
	if b.Name != "pool_used" || b.Sentence != "pool_used is 19.8 (limit 20), while CPU is at 33% of its limit" {
		t.Errorf("%q: %q", b.Name, b.Sentence)
	}
}

// Without a hold, what is looked at is the stress and not the calm after it.
func TestNameWithoutHold(t *testing.T) {
	limits := NewLimits(Default).InForce()
	calm := map[Signal]float64{CPU: .05, Workers: .1, WorkerCount: 8}
	var all []Observation
	for i := range 20 {
		signals := calm
		if i >= 5 && i < 10 {
			signals = map[Signal]float64{CPU: .3, Workers: .99, WorkerCount: 8}
		}
		all = append(all, window(i, signals))
	}
	if b := Name(all, 0, 0, limits); b.Name != WorkersBound {
		t.Errorf("recovery hides the bottleneck: %q, %s", b.Name, b.Sentence)
	}
	for i := range all {
		all[i] = window(i, calm)
	}
	all[4].Void, all[5].Void = ContendedHost, ContendedHost
	if b := Name(all, 0, 0, limits); b.Name != ContendedCPU {
		t.Errorf("void windows long ago: %q", b.Name)
	}
	all[6].Void = GeneratorLate
	if b := Name(all, 0, 0, limits); b.Name != ContendedCPU {
		t.Errorf("two windows contended and one with the generator late: %q", b.Name)
	}
	all[7].Void = GeneratorLate
	if b := Name(all, 0, 0, limits); b.Name != Generator {
		t.Errorf("two windows of each: %q", b.Name)
	}
	if b := Name(nil, 0, 0, limits); b.Name != NoneReached {
		t.Errorf("no windows: %q", b.Name)
	}
}

func TestEvidence(t *testing.T) {
	quiet := map[Signal]float64{CPU: .1, ServiceTime: .050}
	hold := map[Signal]float64{CPU: .88, ServiceTime: .052, Queue: .04, Throttling: .3, PressureCPU: .12, Steal: .001}
	b := Name(story(quiet, hold), 10, 30, NewLimits(Default).InForce())
	got := strings.Join(b.Evidence, "; ")
	want := "the accept queue is 4.0% full; 30% of the CPU periods end throttled; all tasks wait for CPU 12% of the time; a request takes a worker 52 ms (50 ms at low load)"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJudge(t *testing.T) {
	limits := NewLimits(Default).InForce()
	good := map[Signal]float64{CPU: .88}
	for _, c := range []struct {
		name  string
		spoil func(i int, o *Observation)
		want  Outcome
		why   string
	}{
		{"sustained", func(int, *Observation) {}, OutcomeSustained, ""},
		{"single windows may exceed", func(i int, o *Observation) {
			o.Signals = map[Signal]float64{CPU: []float64{.80, .97}[i%2]}
		}, OutcomeSustained, ""},
		{"the mean may not", func(_ int, o *Observation) { o.Signals = map[Signal]float64{CPU: .91} }, OutcomeStressed, "cpu 91% is past its limit of 90%"},
		{"failures", func(_ int, o *Observation) { o.Failed = 1 }, OutcomeStressed, "errors 1.0% is past its limit of 0.50%"},
		{"an event", func(i int, o *Observation) {
			if i == 7 {
				o.Events = []Event{{WorkerDeath, "1 worker died"}}
			}
		}, OutcomeStressed, "worker death: 1 worker died"},
		{"a few void windows", func(i int, o *Observation) {
			if i < 4 {
				o.Void, o.Signals = ContendedHost, map[Signal]float64{CPU: 5}
			}
		}, OutcomeSustained, ""},
		{"many void windows", func(i int, o *Observation) {
			if i < 5 {
				o.Void = ContendedHost
			}
		}, OutcomeInconclusive, "5 of 40 windows are void (contended host)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var windows []Observation
			for i := range 40 {
				o := window(i, good)
				c.spoil(i, &o)
				windows = append(windows, o)
			}
			got, why := Judge(windows, limits)
			if got != c.want || strings.Join(why, "; ") != c.why {
				t.Errorf("%s %q, want %s %q", got, why, c.want, c.why)
			}
			if ok, _ := Sustained(windows, limits); ok != (c.want == OutcomeSustained) {
				t.Errorf("Sustained says %v of a step that is %s", ok, got)
			}
		})
	}
	if got, _ := Judge(nil, limits); got != OutcomeInconclusive {
		t.Errorf("no windows: %s", got)
	}
}

func TestSustainedHold(t *testing.T) {
	limits := NewLimits(Default).InForce()
	for _, c := range []struct {
		name  string
		spoil func(i int, o *Observation)
		why   string
	}{
		{"unsent hits", func(_ int, o *Observation) { o.Unsent = 2 }, "only 98.0% of the asked hits were sent"},
		{"a cost that drifts", func(i int, o *Observation) {
			if i >= 20 {
				o.Work["cpu_seconds"] *= 1.03
			}
		}, "the cost of a request changed by +3.0% between the halves (1.0% is allowed)"},
		{"a cost that only varies", func(i int, o *Observation) {
			o.Work["cpu_seconds"] *= []float64{.85, 1.1, 1.05}[i%3]
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var windows []Observation
			for i := range 40 {
				o := window(i, map[Signal]float64{CPU: .88})
				c.spoil(i, &o)
				windows = append(windows, o)
			}
			ok, why := Sustained(windows, limits)
			if got := strings.Join(why, "; "); got != c.why || ok != (c.why == "") {
				t.Errorf("%v %q, want %q", ok, got, c.why)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	a := Observation{Window: Window{0, time.Second}, Sent: 10, Done: 10, Signals: map[Signal]float64{CPU: .2}, Work: map[string]float64{"cpu_seconds": .1}}
	b := Observation{Window: Window{time.Second, 4 * time.Second}, Sent: 50, Done: 50, Failed: 3, Signals: map[Signal]float64{CPU: .6}, Void: ContendedHost}
	s := Summarise([]Observation{a, b})
	if !near(s.Rate, 15) || !near(s.Signals[CPU], .5) || !near(s.FailedShare(), .05) || s.Void[ContendedHost] != 1 {
		t.Errorf("%+v", s)
	}
	if unit, c := s.Cost(); unit != "cpu_seconds" || !near(c, .01) || !near(s.Work["cpu_seconds"], .1) {
		t.Errorf("work is absent from one window: cost %v %s, work %v", c, unit, s.Work)
	}
	if unit, _ := Summarise(nil).Cost(); unit != "" {
		t.Errorf("cost of nothing in %q", unit)
	}
}
