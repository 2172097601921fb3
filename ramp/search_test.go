package ramp

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"saturate/stress"
)

// A fake is a server by formula: cores and workers that share one queue, a
// service time that grows with the cpu's use, and memory per request in flight.
// Its noise is that of its requests.
type fake struct {
	cores, cpu    float64 // CPUs; CPU seconds per request
	workers, wait float64 // workers; seconds a request waits for a backend
	memBase, mem  float64 // share of the memory limit: idle, and per request in service
	latency       float64 // limit of p99, seconds; 0 is none
	generator     float64 // the most that the generator can send; 0 is no bound
	failing       float64 // share that fails whatever the load
	oomAbove      float64 // level above which a worker is killed

	rng   *rand.Rand
	now   time.Duration
	queue float64
}

const fakeTimeout = 5.0

func (f *fake) window(level float64) stress.Observation {
	if f.rng == nil {
		f.rng = rand.New(rand.NewPCG(1, 2))
	}
	start := f.now
	f.now += time.Second
	o := stress.Observation{Window: stress.Window{Start: start, End: f.now}, Asked: level,
		Signals: map[stress.Signal]float64{}, Pressure: map[stress.Signal]float64{}, Work: map[string]float64{}}
	sent := level
	if f.generator > 0 && level > f.generator {
		sent = f.generator
		o.Void, o.Unsent = stress.GeneratorLate, uint64(level-sent)
	}
	arrivals := f.poisson(sent)
	busy, cpu, service := f.serve(arrivals)
	o.Sent, o.Done = uint64(arrivals), uint64(arrivals)
	wait := f.queue / math.Max(level, 1)
	if wait > fakeTimeout {
		o.Failed = o.Done / 2
	}
	o.Failed += uint64(f.poisson(f.failing * arrivals))
	if f.oomAbove > 0 && level > f.oomAbove {
		o.Events = []stress.Event{{Kind: stress.OOMKill, Detail: "a worker was killed"}}
	}
	f.signal(&o, stress.CPU, cpu, .9)
	if f.workers > 0 {
		f.signal(&o, stress.Workers, busy/f.workers, .9)
	}
	f.signal(&o, stress.Memory, f.memBase+f.mem*busy, .9)
	if f.latency > 0 && arrivals >= 100 {
		f.signal(&o, stress.LatencyP99, (service+wait)*3*(1+.1*f.rng.NormFloat64()), f.latency)
	}
	o.Work["cpu_seconds"] = cpu * f.cores
	return o
}

// serve is one second of service: arrivals join the queue, capacity drains it.
func (f *fake) serve(arrivals float64) (busy, cpu, service float64) {
	cost := f.cpu * (1 + .6*f.rng.NormFloat64()/math.Sqrt(math.Max(arrivals, 1)))
	most := f.cores / cost
	if f.workers > 0 {
		most = math.Min(most, f.workers/(f.wait+f.cpu))
	}
	served := math.Min(arrivals+f.queue, most)
	f.queue = math.Min(f.queue+arrivals-served, 50*most)
	cpu = math.Min(1, served*cost/f.cores)
	service = f.wait + cost/math.Max(1-math.Pow(cpu, f.cores), .05)
	busy = served * service
	if f.workers > 0 {
		busy = math.Min(busy, f.workers)
	}
	return busy, cpu, service
}

func (f *fake) signal(o *stress.Observation, s stress.Signal, v, limit float64) {
	o.Signals[s], o.Pressure[s] = v, v/limit
}

func (f *fake) poisson(m float64) float64 {
	return math.Max(0, math.Round(m+math.Sqrt(math.Max(m, 0))*f.rng.NormFloat64()))
}

// drive runs a search against a fake and returns what it found and saw.
func drive(t *testing.T, c SearchConfig, f *fake) (Result, []stress.Observation) {
	t.Helper()
	s := NewSearch(c)
	var seen []stress.Observation
	for !s.Done() {
		if len(seen) > 1000 {
			t.Fatalf("not done after %d windows: %+v", len(seen), s.Next())
		}
		step := s.Next()
		o := f.window(step.Level)
		seen = append(seen, o)
		s.Observe(o)
	}
	return s.Result(), seen
}

func TestFound(t *testing.T) {
	for _, tt := range []struct {
		name   string
		c      SearchConfig
		f      fake
		want   float64
		within float64
		signal stress.Signal
	}{
		{"cpu", SearchConfig{Start: 20}, fake{cores: 8, cpu: .02, workers: 64, wait: .01}, 360, .03, stress.CPU},
		{"one core, slow", SearchConfig{Start: 2}, fake{cores: 1, cpu: .05, workers: 64, wait: .01}, 18, .08, stress.CPU},
		{"workers", SearchConfig{Start: 10}, fake{cores: 8, cpu: .002, workers: 8, wait: .05}, 138, .03, stress.Workers},
		{"memory", SearchConfig{Start: 10}, fake{cores: 8, cpu: .002, wait: .05, memBase: .2, mem: .05}, 269, .03, stress.Memory},
		{"a start of its own choice", SearchConfig{Cores: 8}, fake{cores: 8, cpu: .02, workers: 64, wait: .01}, 360, .03, stress.CPU},
		{"last night's rate", SearchConfig{LastKnown: 350}, fake{cores: 8, cpu: .02, workers: 64, wait: .01}, 360, .03, stress.CPU},
		{"far too high a start", SearchConfig{Start: 900}, fake{cores: 8, cpu: .02, workers: 64, wait: .01}, 360, .04, stress.CPU},
		{"quick", SearchConfig{Start: 20, Precision: "quick"}, fake{cores: 8, cpu: .02, workers: 64, wait: .01}, 360, .04, stress.CPU},
		{"latency", SearchConfig{Start: 20}, fake{cores: 2, cpu: .004, latency: .04}, 410, .08, stress.LatencyP99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, seen := drive(t, tt.c, &tt.f)
			if r.Ending != Found || r.Sustained == nil {
				t.Fatalf("ended %s: %s", r.Ending, r.Why)
			}
			if off := r.Sustained.AtLimit/tt.want - 1; math.Abs(off) > tt.within {
				t.Errorf("at limit %.1f, want %.1f: off by %.1f %%", r.Sustained.AtLimit, tt.want, 100*off)
			}
			if r.Bottleneck != tt.signal {
				t.Errorf("bottleneck %q, want %q", r.Bottleneck, tt.signal)
			}
			if iv := r.Sustained.Interval; !(iv.Lo <= r.Sustained.AtLimit && r.Sustained.AtLimit <= iv.Hi) {
				t.Errorf("interval %+v does not hold %.1f", iv, r.Sustained.AtLimit)
			}
			if r.From < 0 || r.From >= r.To || r.To > len(seen) {
				t.Errorf("hold [%d,%d) of %d windows", r.From, r.To, len(seen))
			}
			t.Logf("%.1f [%.1f, %.1f] rate %.1f, %d s, %v, trips %d", r.Sustained.AtLimit, r.Sustained.Interval.Lo, r.Sustained.Interval.Hi, r.Sustained.Rate, len(seen), r.Notes, len(r.Trips))
		})
	}
}

func TestEndings(t *testing.T) {
	plain := fake{cores: 8, cpu: .02, workers: 64, wait: .01} // 360 req/s
	with := func(change func(*fake)) fake { f := plain; change(&f); return f }
	for _, tt := range []struct {
		name   string
		c      SearchConfig
		f      fake
		ending Ending
		why    string
		held   bool
	}{
		{"the maximum comes first", SearchConfig{Start: 20, Max: 200}, plain, AtLeast, "highest level allowed", true},
		{"the generator comes first", SearchConfig{Start: 20}, with(func(f *fake) { f.generator = 150 }), AtLeast, "generator can offer", true},
		{"the generator never gets going", SearchConfig{Start: 20}, with(func(f *fake) { f.generator = 5 }), Inconclusive, "generator", false},
		{"full with no load", SearchConfig{Start: 20}, with(func(f *fake) { f.memBase = .95 }), AtMost, "no load", false},
		{"failing from the first request", SearchConfig{Start: 20}, with(func(f *fake) { f.failing = 1 }), AtMost, "lowest level already fails", false},
		{"killed again", SearchConfig{Start: 20}, with(func(f *fake) { f.oomAbove = 30 }), AtMost, "twice: oom kill", false},
		{"killed once, near the limit", SearchConfig{Start: 20, Max: 1000}, with(func(f *fake) { f.oomAbove = 358 }), Found, "", true},
		{"the first level fails, a lower one does not", SearchConfig{Start: 3000}, plain, Found, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, seen := drive(t, tt.c, &tt.f)
			if r.Ending != tt.ending || !strings.Contains(r.Why, tt.why) || (r.Sustained != nil) != tt.held {
				t.Errorf("ended %s (%q), sustained %+v; want %s (%q)", r.Ending, r.Why, r.Sustained, tt.ending, tt.why)
			}
			t.Logf("%d s: %+v %+v", len(seen), r, r.Sustained)
		})
	}
}

func TestTargetGone(t *testing.T) {
	s := NewSearch(SearchConfig{Start: 10})
	f := fake{cores: 8, cpu: .02}
	for range 10 {
		s.Observe(f.window(s.Next().Level))
	}
	o := f.window(s.Next().Level)
	o.Events = []stress.Event{{Kind: stress.TargetGone, Detail: "exit status 1"}}
	s.Observe(o)
	if r := s.Result(); !s.Done() || r.Ending != Inconclusive || !strings.Contains(r.Why, "target gone: exit status 1") {
		t.Errorf("done %v, %+v", s.Done(), r)
	}
}

// TestVoids: one window in five does not count, whatever the reason.
func TestVoids(t *testing.T) {
	for _, cause := range []stress.Void{stress.ContendedHost, stress.SourceSilent} {
		s := NewSearch(SearchConfig{Start: 10})
		f := fake{cores: 8, cpu: .02}
		for i := 0; !s.Done(); i++ {
			o := f.window(s.Next().Level)
			if i%5 == 0 {
				o.Void = cause
			}
			s.Observe(o)
		}
		if r := s.Result(); r.Ending != Inconclusive || r.Why != string(cause) {
			t.Errorf("%s: ended %s: %q", cause, r.Ending, r.Why)
		}
	}
}

// TestNonsense feeds a search whatever can be put into an observation: it must
// end, offer sane levels, and say something.
func TestNonsense(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, .5, .9, .98, 1.11, 1e308, -1, math.NaN(), math.Inf(1), math.Inf(-1)}),
		rapid.Float64Range(0, 1.2))
	count := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 500))
	signals := rapid.MapOf(rapid.SampledFrom([]stress.Signal{stress.CPU, stress.Workers, stress.Memory, stress.LatencyP99, stress.Errors, "queue_depth"}), number)
	rapid.Check(t, func(t *rapid.T) {
		c := SearchConfig{Start: number.Draw(t, "start"), Max: number.Draw(t, "max"), LastKnown: number.Draw(t, "last"), Cores: number.Draw(t, "cores"),
			Precision: rapid.SampledFrom([]string{"quick", "standard", "long", "?"}).Draw(t, "precision"),
			Delay:     time.Duration(rapid.Int64Range(-1, 4e9).Draw(t, "delay")), Errors: number.Draw(t, "errors"),
			Floor:  rapid.OneOf(rapid.Just(0.), number).Draw(t, "floor"),
			Within: time.Duration(rapid.SampledFrom([]int64{-1, 0, 0, 1, 6e10}).Draw(t, "within"))}
		s := NewSearch(c)
		// A handful of observations, shuffled over and over: drawing each
		// anew would make a run of 600 windows too slow to repeat.
		var seen []stress.Observation
		for range rapid.IntRange(1, 6).Draw(t, "observations") {
			o := stress.Observation{Sent: count.Draw(t, "sent"), Done: count.Draw(t, "done"), Failed: count.Draw(t, "failed"),
				Signals: signals.Draw(t, "signals"), Pressure: signals.Draw(t, "pressure"), Work: map[string]float64{"cpu_seconds": number.Draw(t, "work")}}
			o.Window = stress.Window{End: time.Duration(rapid.SampledFrom([]int64{0, -1, 1, 2e8, 1e9, 1e9, 3e9, math.MaxInt64}).Draw(t, "window"))}
			o.Void = rapid.SampledFrom([]stress.Void{"", "", "", "", "", stress.GeneratorLate, stress.ContendedHost}).Draw(t, "void")
			o.Capped = rapid.SampledFrom([]string{"", "as much as there is"}).Draw(t, "capped")
			if rapid.IntRange(0, 30).Draw(t, "event") == 0 {
				o.Events = []stress.Event{{Kind: stress.Overflow}}
			}
			seen = append(seen, o)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for n := 0; !s.Done(); n++ {
			if n > 5000 {
				t.Fatalf("no end: %+v", s.Next())
			}
			if step := s.Next(); !(step.Level >= 0) || math.IsInf(step.Level, 0) || c.Max > 0 && step.Level > math.Max(c.Max, s.cfg.Floor)*1.0000001 {
				t.Fatalf("level %v of max %v", step.Level, c.Max)
			}
			s.Observe(seen[rng.IntN(len(seen))])
		}
		r := s.Result()
		if r.Ending == "" || r.Ending == Found && r.Sustained == nil || r.Ending == Inconclusive && r.Why == "" {
			t.Fatalf("says nothing: %+v", r)
		}
		if r.Sustained != nil && (math.IsNaN(r.Sustained.AtLimit) || math.IsNaN(r.Sustained.Rate) || r.From >= r.To) {
			t.Fatalf("%+v: %+v", r, *r.Sustained)
		}
	})
}
