package sim

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"saturate/stress"
)

func TestSameNumberSameServer(t *testing.T) {
	for _, stratum := range Strata() {
		a, b := New(stratum, 7), New(stratum, 7)
		for i := range 30 {
			level := a.p.Nominal * float64(i) / 20
			if x, y := a.Window(level), b.Window(level); !reflect.DeepEqual(x, y) {
				t.Fatalf("%v, second %d: %+v and %+v", stratum, i, x, y)
			}
		}
		a.Restart(1)
		b.Restart(2)
		if x, y := a.Window(a.p.Nominal), b.Window(a.p.Nominal); reflect.DeepEqual(x, y) {
			t.Errorf("%v: two runs with one traffic", stratum)
		}
	}
}

// plain is a server without vices that queueing theory describes.
func plain() profile {
	return profile{
		Nominal: 100, Cores: 1, Workers: 1 << 14, Backlog: 1,
		CPU: .008, CPUSpread: .9, Wait: .05, WaitSpread: .5,
		MemoryBase: .1, MemoryPer: .01, Timeout: 1e6, NoiseTime: 1,
	}
}

func TestProcessorSharing(t *testing.T) {
	// M/G/1-PS: utilisation u = rate x demand, u/(1-u) on the CPU; M/G/infinity: rate x wait.
	for _, cores := range []int{1, 4} {
		p := plain()
		p.Cores, p.CPU = cores, p.CPU*float64(cores)
		s := p.longRun(1, 100, 3000, false)
		near(t, "cpu", s.cpu, .8, .002)
		near(t, "busy workers", s.workers*float64(p.Workers), inProcessorSharing(cores, .8)+5, .03)
		near(t, "memory", s.memory, .1+.01*(inProcessorSharing(cores, .8)+5), .03)
	}
	if got := inProcessorSharing(1, .8); math.Abs(got-4) > 1e-9 {
		t.Errorf("M/M/1 at .8 has 4 jobs, not %v", got)
	}
}

func TestOneWorkerQueues(t *testing.T) {
	// M/G/1, first come first served: Pollaczek and Khinchine.
	p := plain()
	p.Workers, p.Backlog = 1, 1<<20
	p.CPU, p.CPUSpread = .004, .9
	p.Wait, p.WaitSpread = .004, .9
	s := p.longRun(3, 100, 5000, false)
	near(t, "workers", s.workers, .8, .003)
	spread := .9 * .9 / 2 // of the sum of two
	near(t, "in the system", (s.memory-.1)/.01, .8+.64*(1+spread)/2/.2, .04)
}

func TestSerialResource(t *testing.T) {
	p := plain()
	p.Lock, p.LockSpread = .0085, .5
	s := p.longRun(3, 100, 5000, false)
	near(t, "in the system", (s.memory-.1)/.01, 4+5+p.inLock(100), .04)
}

func TestServerWorksOnAfterTimeouts(t *testing.T) {
	p := plain()
	p.Workers, p.Backlog, p.Timeout = 20, 100, .5
	e := newEngine(&p, rand.New(rand.NewPCG(1, 1)))
	e.offer(300) // capacity is 125
	e.advance(100)
	if used := e.cpu / 100; used < .98 {
		t.Errorf("it used %.2f of its core under overload", used)
	}
	if share := float64(e.failed) / float64(e.done); share < .9 {
		t.Errorf("%.2f of requests failed; all should have timed out or been refused", share)
	}
	if ended := e.done; e.sent-ended > 120 {
		t.Errorf("%d of %d requests never ended", e.sent-ended, e.sent)
	}
}

func TestHangoverNeedsCalm(t *testing.T) {
	p := plain()
	p.Hangover, p.HangoverCalm = .25, 5
	e := newEngine(&p, rand.New(rand.NewPCG(1, 1)))
	steps := []struct {
		rate, until float64
		hung        bool
	}{{50, 10, false}, {300, 12, false}, {300, 16, true}, {0, 22, true}, {10, 60, false}}
	for _, s := range steps {
		e.offer(s.rate)
		e.advance(s.until)
		if e.hung != s.hung {
			t.Fatalf("after %v s at %v/s: hangover %v", s.until, s.rate, e.hung)
		}
	}
}

func TestColdStartDecaysByRequest(t *testing.T) {
	p := plain()
	p.Cold, p.ColdRequests = .4, 500
	e := newEngine(&p, rand.New(rand.NewPCG(1, 1)))
	e.advance(1000)
	if e.cold != .4 {
		t.Errorf("idle time warmed it to %v", e.cold)
	}
	e.offer(50)
	e.advance(1100)
	near(t, "cold", e.cold, .4*math.Exp(-e.asked/500), 1e-6)
}

func TestNeighbourIsNotOwnUse(t *testing.T) {
	p := plain()
	p.Steal, p.StealOn, p.StealOff = .05, 10, 10
	s := p.longRun(1, 100, 3000, false)
	near(t, "cpu", s.cpu, .8, .002)
	if without := func() float64 { q := plain(); return q.longRun(1, 100, 3000, false).workers }(); s.workers <= without {
		t.Errorf("a neighbour that steals does not slow requests: %v busy against %v", s.workers, without)
	}
}

func TestTruthByFormula(t *testing.T) {
	p := plain()
	got, _ := p.truth(5, false, effort{300, 3e4})
	near(t, "rate", got.Rate, .9/.008, .003)
	if got.Signal != stress.CPU {
		t.Errorf("%v binds", got.Signal)
	}
	near(t, "slope", got.Slope, 1, .05)
	p = plain()
	p.CPU, p.Wait, p.Workers, p.Backlog, p.Nominal = .0001, .1, 20, 1000, 180
	got, _ = p.truth(5, false, effort{300, 3e4})
	near(t, "rate", got.Rate, 18/(.0001/(1-.018)+.1), .003)
	if got.Signal != stress.Workers {
		t.Errorf("%v binds", got.Signal)
	}
}

func TestTruthsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := New(OneCoreLow, 3)
	want := Truth{Rate: 12.5, Signal: stress.CPU, Slope: 1, Failed: .001, Start: 1, Max: 30}
	(&Truths{Dir: dir}).write(s.key("truth"), want)
	kept := &Truths{Dir: dir}
	if got := kept.Of(s); got != want {
		t.Errorf("folder: %v, not %v", got, want)
	}
	kept.Dir = ""
	if got := kept.Of(s); got != want {
		t.Errorf("memory: %v, not %v", got, want)
	}
	if other := New(OneCoreLow, 4); other.Fingerprint() == s.Fingerprint() {
		t.Error("two servers, one fingerprint")
	}
}

func TestWindowIsWhole(t *testing.T) {
	s := New(Wide, 3)
	for i := range 20 {
		o := s.Window(200)
		if o.Window.Seconds() != 1 || o.Asked != 200 {
			t.Fatalf("window %d: %+v", i, o.Window)
		}
		if i < 3 {
			continue
		}
		for _, name := range []stress.Signal{stress.CPU, stress.Workers, stress.Memory, stress.Errors, stress.LatencyP99} {
			if _, ok := o.Pressure[name]; !ok {
				t.Errorf("window %d has no %s", i, name)
			}
		}
		l := o.Latency
		if l.Count != o.Done || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max || l.Mean <= 0 {
			t.Errorf("window %d: latency %+v", i, l)
		}
		near(t, "cpu", o.Work["cpu_seconds"]/float64(s.p.Cores), o.Signals[stress.CPU], 1e-9)
	}
}

func TestArrivals(t *testing.T) {
	// Poisson counts have their mean as variance; even arrivals have none.
	spread := func(even bool) (mean, variance float64) {
		s := New(Wide, 5)
		if even {
			s.Even()
		}
		const n = 400
		for range n {
			x := float64(s.Window(50).Sent)
			mean += x / n
			variance += x * x / n
		}
		return mean, variance - mean*mean
	}
	mean, variance := spread(false)
	near(t, "Poisson mean", mean, 50, .03)
	near(t, "Poisson variance", variance, 50, .25)
	mean, variance = spread(true)
	near(t, "even mean", mean, 50, .001)
	if variance > .1 {
		t.Errorf("even arrivals vary by %v", variance)
	}
}

func TestQueues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h timers
	var q fifo[int]
	var want []float64
	pushed, popped := 0, 0
	for range 5000 {
		if r.IntN(3) > 0 {
			at := r.Float64()
			h.push(timer{at: at})
			want = append(want, at)
			q.push(pushed)
			pushed++
		} else if len(h) > 0 {
			slices.Sort(want)
			if got := h.pop().at; got != want[0] {
				t.Fatalf("popped %v, not %v", got, want[0])
			}
			want = want[1:]
			if got := q.pop(); got != popped {
				t.Fatalf("popped %v, not %v", got, popped)
			}
			popped++
		}
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got/want-1) > within {
		t.Errorf("%s: %v, want %v within %v", what, got, want, within)
	}
}
