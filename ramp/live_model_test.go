package ramp_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
	"saturate/ramp/internal/sim"
	"saturate/stress"
)

// A backend is a model of servers behind a load balancer: real simulated ones for
// those that are squeezed and for one sibling, counters for the others; users
// whose number follows a day in fast motion; a balancer that takes its time; and
// the watchdog that holds it. It is driven by whoever looks at it.
type backend struct {
	mu      sync.Mutex
	start   time.Time
	at      time.Duration // how far it has been carried
	servers []*behind
	day     day
	delay   time.Duration
	most    int // the balancer's highest weight
	epoch   uint64
	until   time.Time // of the lease
	ended   *watchdog.Ended
	rng     *rand.Rand
}

// behind is one server of it.
type behind struct {
	name          string
	found, weight int
	due           []change // weights on their way
	server        *sim.Server
	requests      float64 // of one without a server
	times         map[int]uint64

	capacity float64
	above    float64   // seconds with more than the capacity
	busiest  float64   // the largest pressure over six seconds
	window   []float64 // pressures of the last seconds
	highest  float64   // rate
	cpu      float64   // seconds used so far
	workers  float64
}

type change struct {
	at     time.Duration
	weight int
}

// A day in fast motion is a wave; the requests' own noise comes with them.
type day struct {
	mean, swing   float64 // req/s; share of the mean
	period, phase float64 // seconds; radians
}

func (d day) rate(t time.Duration) float64 {
	return d.mean * (1 + d.swing*math.Sin(d.phase+2*math.Pi*t.Seconds()/d.period))
}

const step = 100 * time.Millisecond

// advance carries everything on to now; the lock is held.
func (b *backend) advance() {
	now := time.Since(b.start)
	if b.epoch > 0 && b.ended == nil && time.Now().After(b.until) {
		b.end("the lease ended")
	}
	for b.at+step <= now {
		b.at += step
		rate, sum := b.day.rate(b.at), 0.0
		for _, s := range b.servers {
			for len(s.due) > 0 && s.due[0].at <= b.at {
				s.weight, s.due = s.due[0].weight, s.due[1:]
			}
			sum += float64(s.weight)
		}
		for _, s := range b.servers {
			s.carry(rate*float64(s.weight)/sum, b)
		}
		if b.at%time.Second == 0 {
			for _, s := range b.servers {
				s.judge(rate * float64(s.weight) / sum)
			}
		}
	}
}

func (s *behind) carry(rate float64, b *backend) {
	if s.server == nil {
		mean := rate * step.Seconds()
		s.requests += math.Max(0, math.Round(mean+math.Sqrt(mean)*b.rng.NormFloat64()))
		return
	}
	s.server.Run(step, rate)
	for _, l := range s.server.Latencies() {
		s.times[bucketOf(l)]++
	}
}

// bucketOf is the balancer's; the last one is 357.
func bucketOf(seconds float64) int {
	d := time.Duration(seconds * float64(time.Second))
	return sort.Search(357, func(bucket int) bool { return balancer.Upper(bucket) >= d })
}

// judge keeps what a server went through, by the second.
func (s *behind) judge(rate float64) {
	if s.server == nil {
		return
	}
	s.highest = math.Max(s.highest, rate)
	if rate > s.capacity {
		s.above++
	}
	cpu, workers := s.server.Used()
	s.window = append(s.window, max(cpu-s.cpu, workers-s.workers)/sim.Limit)
	s.cpu, s.workers = cpu, workers
	if n := len(s.window); n >= 6 {
		sum := 0.0
		for _, p := range s.window[n-6:] {
			sum += p
		}
		s.busiest = math.Max(s.busiest, sum/6)
	}
}

func (b *backend) read() balancer.Backend {
	b.advance()
	all := balancer.Backend{At: b.start.Add(b.at), Boot: "1", MaxWeight: b.most, MinWeight: 0}
	for _, s := range b.servers {
		r := balancer.Server{Name: s.name, Weight: s.weight, Initial: s.found, Status: balancer.Up}
		if len(s.due) > 0 {
			r.Weight = s.due[len(s.due)-1].weight
		}
		if s.server == nil {
			r.Requests = uint64(s.requests)
		} else {
			sent, done, failed := s.server.Counted()
			r.Requests, r.Failed, r.InFlight = sent, failed, int(sent-done)
			r.Times = maps.Clone(s.times)
		}
		all.Servers = append(all.Servers, r)
	}
	return all
}

func (b *backend) set(weights map[string]int) {
	for _, s := range b.servers {
		w, ok := weights[s.name]
		if !ok {
			w = s.found
		}
		now := s.weight
		if len(s.due) > 0 {
			now = s.due[len(s.due)-1].weight
		}
		if w != now {
			s.due = append(s.due, change{b.at + b.delay, w})
		}
	}
}

func (b *backend) end(why string) {
	b.ended = &watchdog.Ended{Epoch: b.epoch, Why: why, Restored: true}
	b.set(nil)
}

// The watchdog's four questions.

func (b *backend) State(context.Context) (watchdog.State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return watchdog.State{Backend: b.read(), Last: b.ended}, nil
}

func (b *backend) Begin(_ context.Context, ask watchdog.Begin) (watchdog.Begun, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	b.until = time.Now().Add(2 * time.Second)
	return watchdog.Begun{Epoch: b.epoch, Found: b.read(), Delay: b.delay}, nil
}

func (b *backend) Push(_ context.Context, p watchdog.Push) (watchdog.State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.read()
	if b.ended != nil {
		return watchdog.State{}, &watchdog.Refusal{Code: watchdog.DeadEpoch, Why: "dead", Ended: b.ended}
	}
	b.until = time.Now().Add(p.Lease)
	b.set(p.Weights)
	return watchdog.State{Epoch: p.Epoch, Backend: now}, nil
}

func (b *backend) End(_ context.Context, e watchdog.End) (watchdog.Ended, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	if b.ended == nil {
		b.end("the run ended")
	}
	return *b.ended, nil
}

// A look is the probes of one of its servers.
type look struct {
	b *backend
	s *behind
}

func (l look) Fresh() time.Duration { return 0 }
func (l look) Err() error           { return nil }
func (l look) Take() []stress.Sample {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.b.advance()
	return []stress.Sample{l.s.server.Sample()}
}

// newBackend has the squeezed servers first, then a sibling like them, then
// counters. Use is the share of the servers' capacity that the users take.
func newBackend(k known, run uint64, squeezed, servers int, use float64, weight, most int, delay time.Duration) *backend {
	stratum, err := sim.StratumNamed(k.Stratum)
	if err != nil {
		panic(err)
	}
	rng := rand.New(rand.NewPCG(run, k.Number))
	b := &backend{start: time.Now(), delay: delay, most: most, rng: rng,
		day: day{mean: use * float64(servers) * k.Truth.Rate, swing: .05 + .15*rng.Float64(), period: 600 + 900*rng.Float64(), phase: 2 * math.Pi * rng.Float64()}}
	for i := range servers {
		s := &behind{name: fmt.Sprintf("s%d", i+1), found: weight, weight: weight, capacity: k.Truth.Rate, times: map[int]uint64{}}
		if i <= squeezed {
			s.server = sim.New(stratum, k.Number)
			s.server.Restart(run*16 + uint64(i))
		}
		b.servers = append(b.servers, s)
	}
	return b
}
