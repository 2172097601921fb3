package shift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

// A fake is a watchdog and the backend behind it: requests go by weight, without
// noise, and everything else is as a test says.
type fake struct {
	mu      sync.Mutex
	backend balancer.Backend
	total   float64            // req/s
	gain    map[string]float64 // requests per unit of weight, 1 where absent
	failing map[string]float64 // share
	took    map[string]time.Duration
	logged  bool // answers' times are known
	delay   time.Duration
	ahead   time.Duration // of the watchdog's clock
	at      time.Time
	counted map[string]float64
	failed  map[string]float64

	epoch   uint64
	last    watchdog.Push
	pushed  []time.Time
	dead    *watchdog.Ended
	broken  error // what pushes come to
	set     []string
	gone    error // what everything comes to
	ends    []watchdog.End
	unsure  bool // nothing is read back
	written []map[string]int
}

func newFake(total float64, weight int) *fake {
	f := &fake{backend: six(weight), total: total, gain: map[string]float64{}, failing: map[string]float64{}, took: map[string]time.Duration{},
		counted: map[string]float64{}, failed: map[string]float64{}, delay: 100 * time.Millisecond, at: time.Now()}
	return f
}

// read carries the counters on to now.
func (f *fake) read() balancer.Backend {
	now := time.Now()
	dt, sum := now.Sub(f.at).Seconds(), 0.0
	f.at = now
	pull := func(s balancer.Server) float64 {
		if g, ok := f.gain[s.Name]; ok {
			return g * float64(s.Weight)
		}
		return float64(s.Weight)
	}
	for _, s := range f.backend.Servers {
		sum += pull(s)
	}
	b := f.backend
	b.At = now.Add(f.ahead)
	b.Servers = slices.Clone(b.Servers)
	for i := range b.Servers {
		s := &b.Servers[i]
		rate := f.total * pull(*s) / sum
		f.counted[s.Name] += rate * dt
		f.failed[s.Name] += rate * dt * f.failing[s.Name]
		s.Requests, s.Failed = uint64(f.counted[s.Name]), uint64(f.failed[s.Name])
		s.InFlight = int(rate * f.took[s.Name].Seconds())
		s.Response = f.took[s.Name]
		if f.logged {
			bucket := 0
			for balancer.Upper(bucket) < f.took[s.Name] {
				bucket++
			}
			times := maps.Clone(f.backend.Servers[i].Times)
			if times == nil {
				times = map[int]uint64{}
			}
			var n uint64
			for _, k := range times {
				n += k
			}
			times[bucket] += s.Requests - n
			s.Times, f.backend.Servers[i].Times = times, times
		}
	}
	return b
}

func (f *fake) put(weights map[string]int, found int) {
	for i := range f.backend.Servers {
		s := &f.backend.Servers[i]
		s.Weight = found
		if w, ok := weights[s.Name]; ok {
			s.Weight = w
		}
	}
	f.written = append(f.written, maps.Clone(weights))
}

func (f *fake) State(context.Context) (watchdog.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return watchdog.State{Backend: f.read()}, f.gone
}

func (f *fake) Begin(_ context.Context, b watchdog.Begin) (watchdog.Begun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
	f.set = b.Servers
	return watchdog.Begun{Epoch: f.epoch, Found: f.read(), Delay: f.delay}, f.gone
}

func (f *fake) Push(_ context.Context, p watchdog.Push) (watchdog.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.pushed = p, append(f.pushed, time.Now())
	switch {
	case f.gone != nil:
		return watchdog.State{}, f.gone
	case f.dead != nil:
		return watchdog.State{}, &watchdog.Refusal{Code: watchdog.DeadEpoch, Why: "epoch 1 is dead", Ended: f.dead}
	case f.broken != nil:
		return watchdog.State{}, f.broken
	}
	now := f.read()
	f.put(p.Weights, 10)
	return watchdog.State{Epoch: p.Epoch, Backend: now, Pushed: p.Weights}, nil
}

func (f *fake) End(_ context.Context, e watchdog.End) (watchdog.Ended, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends = append(f.ends, e)
	if f.gone != nil {
		return watchdog.Ended{}, f.gone
	}
	var servers []watchdog.Return
	for _, name := range f.set {
		s, _ := f.backend.Server(name)
		servers = append(servers, watchdog.Return{Server: name, Found: 10, Stood: s.Weight, Stands: 10})
	}
	f.put(nil, 10)
	if f.dead != nil {
		return *f.dead, nil
	}
	why := e.Why
	if why == "" {
		why = "the run ended"
	}
	return watchdog.Ended{Epoch: e.Epoch, Why: why, Restored: !f.unsure, Took: time.Millisecond, Servers: servers}, nil
}

// weights are what stands.
func (f *fake) weights() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []int
	for _, s := range f.backend.Servers {
		all = append(all, s.Weight)
	}
	return fmt.Sprint(all)
}

func (f *fake) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

var errNobody = errors.New("nobody answers")
