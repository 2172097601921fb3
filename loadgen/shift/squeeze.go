// Package shift offers live traffic: it has a load balancer give servers more of
// their users' requests than their share, by their weights.
//
// It offers nothing of its own making, and never holds a balancer itself: a
// watchdog does, which grants weights for a second at a time and puts them back.
// It watches those servers of the backend that are not squeezed, and ends where
// they suffer. What a server can carry is not for it to say.
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

// A Watchdog holds the balancer; [watchdog.Client] is one.
type Watchdog interface {
	State(context.Context) (watchdog.State, error)
	Begin(context.Context, watchdog.Begin) (watchdog.Begun, error)
	Push(context.Context, watchdog.Push) (watchdog.State, error)
	End(context.Context, watchdog.End) (watchdog.Ended, error)
}

const (
	// tick is how often weights are pushed, lease how long they last without
	// another push, and lost how long a watchdog may be silent: its lease has
	// ended by then.
	tick  = 200 * time.Millisecond
	lease = time.Second
	lost  = 2 * time.Second
	// quietTime is how long the backend is watched before any change.
	quietTime = 10 * time.Second
	// ending is how long the watchdog may take to put everything back.
	ending = 12 * time.Second
	// slowDelay is that of a balancer for which a change of weights is dear;
	// bandSlow and bandFast are how far off a weight may be before it is set
	// anew without having been asked.
	slowDelay = time.Second
	// bandNoise widens the band where few requests tell the traffic.
	bandSlow, bandFast, bandNoise = .05, .015, 1.5
)

// Lost says why a squeeze ended by itself. The weights are back as they were
// found, or are being put back.
type Lost struct{ Why string }

func (e *Lost) Error() string { return e.Why }

// A Squeeze gives servers of one backend more of its traffic than their share.
// It pushes for as long as it is open; the weights follow from what its members
// ask for and from what the balancer counts.
type Squeeze struct {
	w       Watchdog
	config  Config
	epoch   uint64
	delay   time.Duration
	found   balancer.Backend
	plan    Plan
	set     []string
	members map[string]*Member

	mu      sync.Mutex
	ledger  ledger
	watch   watch
	gains   map[string]*gain
	weights weights
	log     []Weighed
	total   Total
	changed time.Duration // when a weight was last seen to change
	err     error
	stop    context.CancelFunc
	done    chan struct{} // the pushing has ended
	closing sync.Once
	closed  Closed
	left    error
}

// Weighed are the weights of the set from a moment on.
type Weighed struct {
	At      time.Duration // since the squeeze began
	Weights map[string]int
}

// Total is the backend's traffic, req/s: in the quiet time, at the end, and the
// least and most between.
type Total struct{ From, To, Least, Most float64 }

// Open asks for the backend, watches it for ten seconds without a change, and
// says in an error why there can be no squeeze: nothing is held then.
func Open(ctx context.Context, w Watchdog, c Config, holder string, set []string) (*Squeeze, error) {
	state, err := w.State(ctx)
	if err != nil {
		return nil, err
	}
	if all := standing(state.Backend, set); len(all) > 0 {
		return nil, errors.Join(all...)
	}
	ask := watchdog.Begin{Holder: holder, Servers: set, Caps: c.Caps()}
	if c.MaxConns > 0 {
		ask.MaxConns = map[string]int{}
		for _, name := range set {
			ask.MaxConns[name] = c.MaxConns
		}
	}
	begun, err := w.Begin(ctx, ask)
	if err != nil {
		return nil, err
	}
	s := newSqueeze(w, c, begun, set)
	pushing, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.push(pushing)
	if err := s.quiet(ctx); err != nil {
		_, left := s.Close()
		return nil, errors.Join(err, left)
	}
	return s, nil
}

func newSqueeze(w Watchdog, c Config, begun watchdog.Begun, set []string) *Squeeze {
	s := &Squeeze{w: w, config: c, epoch: begun.Epoch, delay: begun.Delay, found: begun.Found, set: slices.Clone(set),
		members: map[string]*Member{}, gains: map[string]*gain{}, done: make(chan struct{}),
		ledger: ledger{start: time.Now()}}
	for _, name := range set {
		s.members[name] = &Member{squeeze: s, server: name}
		s.gains[name] = &gain{}
	}
	for _, server := range siblingsOf(begun.Found, set) {
		s.watch.names = append(s.watch.names, server.Name)
	}
	s.weights = newWeights(begun.Found, set, c, begun.Delay)
	s.note(0, s.weightsOf(begun.Found))
	return s
}

// quiet waits for the time in which the siblings' figures and the rates as found
// are learnt, and then says what the squeeze may do.
func (s *Squeeze) quiet(ctx context.Context) error {
	over := time.NewTimer(quietTime)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.done:
		return s.Err()
	case <-over.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ledger.all)
	if n < 2 {
		return &Lost{"the balancer's counters were not read in " + quietTime.String()}
	}
	first, last := s.ledger.all[0], s.ledger.all[n-1]
	rates := map[string]float64{}
	for name, server := range last.by {
		rates[name] = float64(server.Requests-first.by[name].Requests) / (last.at - first.at).Seconds()
	}
	plan, err := Preflight(s.backend(last), rates, s.set, s.config)
	if err != nil {
		return err
	}
	s.plan = plan
	for name, m := range s.members {
		m.found = rates[name]
	}
	s.total = Total{From: plan.Total, To: plan.Total, Least: plan.Total, Most: plan.Total}
	s.watch.begin()
	return nil
}

// backend is a reading as the balancer told it.
func (s *Squeeze) backend(r reading) balancer.Backend {
	b := s.found
	b.Servers = nil
	for _, server := range s.found.Servers {
		b.Servers = append(b.Servers, r.by[server.Name])
	}
	return b
}

// push renews the lease five times a second until the squeeze ends.
func (s *Squeeze) push(ctx context.Context) {
	defer close(s.done)
	clock := time.NewTicker(tick)
	defer clock.Stop()
	heard := time.Now()
	for {
		p := watchdog.Push{Epoch: s.epoch, Lease: lease, Weights: s.wanted()}
		once, cancel := context.WithTimeout(ctx, lease)
		state, err := s.w.Push(once, p)
		cancel()
		if ctx.Err() != nil {
			return
		}
		refused, told := errors.AsType[*watchdog.Refusal](err)
		switch {
		case err == nil:
			heard = time.Now()
			if why := s.take(state); why != "" {
				s.lose("the siblings suffer: " + why)
				return
			}
		case told && refused.Ended != nil:
			s.lose("the watchdog ended the squeeze: " + refused.Ended.Why)
			return
		case told && refused.Code == watchdog.DeadEpoch:
			s.lose("the watchdog knows nothing of the squeeze any more: " + refused.Why)
			return
		case time.Since(heard) > lost:
			s.lose(fmt.Sprintf("the watchdog cannot be had for %v: %v", lost, err))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
	}
}

func (s *Squeeze) lose(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = &Lost{why}
}

// Err is why the squeeze ended by itself; nil while it goes on.
func (s *Squeeze) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wanted are the weights to push: those that differ from the ones found.
func (s *Squeeze) wanted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	asks := make([]ask, len(s.set))
	for i, name := range s.set {
		asks[i].rate, asks[i].drain = s.members[name].wish()
		asks[i].gain = s.gains[name].value()
	}
	total, requests := s.ledger.total()
	weights, capped := s.weights.next(asks, total, requests)
	push := map[string]int{}
	for i, name := range s.set {
		s.members[name].capped = capped[i]
		if weights[i] != s.weights.found[i] {
			push[name] = weights[i]
		}
	}
	return push
}

// take takes a reading in, and says why the siblings suffer.
func (s *Squeeze) take(state watchdog.State) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ledger.add(state.Backend) {
		return ""
	}
	if s.note(time.Since(s.ledger.start), s.weightsOf(state.Backend)) {
		s.changed = s.ledger.all[len(s.ledger.all)-1].at
	}
	if total, _ := s.ledger.total(); s.watch.begun && total > 0 {
		s.total.To = total
		s.total.Least, s.total.Most = min(s.total.Least, total), max(s.total.Most, total)
	}
	n := len(s.ledger.all)
	if n < 2 {
		return ""
	}
	now, last := s.ledger.all[n-1], s.ledger.all[n-2]
	herd := now.since(last, s.watch.names)
	if last.at-s.changed > s.delay+tick {
		for _, name := range s.set {
			got := float64(now.by[name].Requests - last.by[name].Requests)
			s.gains[name].add(got, herd.requests*float64(now.by[name].Weight)/s.weights.rest, herd.seconds)
		}
	}
	return s.watch.add(herd)
}

// note keeps the set's weights where they changed, and reports whether they did.
func (s *Squeeze) note(at time.Duration, weights map[string]int) bool {
	if n := len(s.log); n > 0 && maps.Equal(s.log[n-1].Weights, weights) {
		return false
	}
	s.log = append(s.log, Weighed{at, weights})
	return true
}

// Plan is what the squeeze may do.
func (s *Squeeze) Plan() Plan { return s.plan }

// Member is the loader of one server of the set; nil where it is none.
func (s *Squeeze) Member(server string) *Member { return s.members[server] }
