package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// maxShared bounds the requests under way where they share connections: each
// takes a goroutine and some 20 kB.
const maxShared = 4096

// vegetaEngine is one vegeta attack for a whole run, with a pacer whose rate
// turns live. Hits have intended times; see queue for what becomes of them, and
// RoundTrip for the way of one.
type vegetaEngine struct {
	mix   *mix
	pool  *pool
	tally *tally
	self  *self
	start time.Time // all times of the queue count from here

	mu    sync.Mutex
	queue *queue

	started chan hit      // from the pacer to the round trips, in order
	wake    chan struct{} // something changed that the pacer waits for
	timer   *time.Timer   // the pacer's
	stall   time.Duration // the longest that the pacer's timer was late since the last Take; under mu

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when vegeta is done
}

var errClosed = errors.New("load taken away")

func newVegeta(c Config, target string, o Options) (*vegetaEngine, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a, err := prepare(ctx, c, target, o)
	if err != nil {
		cancel(errClosed)
		return nil, err
	}
	a.cancel = cancel
	if err := a.pool.ahead(ctx, o.DialAhead); err != nil {
		cancel(errClosed)
		a.pool.close()
		return nil, fmt.Errorf("dial ahead: %w", err)
	}
	go a.run()
	return a, nil
}

func prepare(ctx context.Context, c Config, target string, o Options) (*vegetaEngine, error) {
	w, err := newWire(ctx, c, target, o.Addr)
	if err != nil {
		return nil, err
	}
	w.keepAlive(!o.NoKeepAlive)
	m, err := newMix(c, w.base(), o.Seed)
	if err != nil {
		return nil, err
	}
	limit := o.limit(c)
	p := &pool{wire: w, limit: limit, share: 1}
	if c.HTTP2 && !o.NoKeepAlive {
		p.share = streams
	}
	room := max(limit, min(limit*p.share, maxShared))
	return &vegetaEngine{
		mix: m, pool: p, tally: newTally(m, c.Timeout), self: newSelf("/"),
		start:   time.Now(),
		queue:   newQueue(newSchedule(c.Arrivals, o.Seed), room, c.Timeout),
		started: make(chan hit, room), wake: make(chan struct{}, 1), timer: time.NewTimer(0),
		ctx: ctx, done: make(chan struct{}),
	}, nil
}

// run is the attack. Its workers only ever carry started hits, of which there
// are no more than the queue has room for; the slack lets a worker that is
// about to be free count as busy. So vegeta's own limit never binds.
func (a *vegetaEngine) run() {
	defer close(a.done)
	const slack = 64
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     a,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(1), vegeta.MaxWorkers(uint64(cap(a.started)+slack)), vegeta.MaxBody(0),
	)
	for range attacker.Attack(a.mix.next, a, 0, "") {
		// The round trip has counted what there is to count.
	}
	a.pool.close()
}

func (a *vegetaEngine) now() time.Duration { return time.Since(a.start) }

// Pace is the vegeta.Pacer: it returns when the next hit is to be sent. It
// waits by itself, because vegeta's own wait cannot be cut short.
func (a *vegetaEngine) Pace(time.Duration, uint64) (time.Duration, bool) {
	for {
		if a.ctx.Err() != nil {
			return 0, true
		}
		now := a.now()
		a.mu.Lock()
		h, ok := a.queue.start(now)
		wait, timed := a.queue.wait(now)
		a.mu.Unlock()
		if ok {
			a.started <- h // has room for all that the queue has room for
			return 0, false
		}
		a.sleep(now, wait, timed)
	}
}

// sleep waits until the wait is over, or forever, or until it is woken.
func (a *vegetaEngine) sleep(from, wait time.Duration, timed bool) {
	var alarm <-chan time.Time
	if timed {
		a.timer.Reset(wait)
		defer a.timer.Stop()
		alarm = a.timer.C
	}
	select {
	case <-alarm:
	case <-a.wake:
	case <-a.ctx.Done():
	}
	if late := a.now() - from - wait; timed && late > 0 {
		a.mu.Lock()
		a.stall = max(a.stall, late)
		a.mu.Unlock()
	}
}

// Rate is the rest of the vegeta.Pacer.
func (a *vegetaEngine) Rate(time.Duration) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queue.rate
}

// Unit is requests per second.
func (a *vegetaEngine) Unit() string { return "req/s" }

// Delay is none: the next hit is paced at the new level.
func (a *vegetaEngine) Delay() time.Duration { return 0 }

// Turn offers level requests per second for at most lease. Silence, be it
// level 0 or the end of the lease, also gives up the hits that still wait for a
// connection; they are counted nowhere. Levels are kept between 0.001 and a million.
func (a *vegetaEngine) Turn(level float64, lease time.Duration) {
	if a.ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	a.queue.turn(a.now(), level, lease)
	a.mu.Unlock()
	a.nudge()
}

func (a *vegetaEngine) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Take returns what has happened since the last Take.
func (a *vegetaEngine) Take() Answers {
	a.mu.Lock()
	unsent, dropped, outstanding := a.queue.reckon(a.now())
	stall := a.stall
	a.stall = 0
	a.mu.Unlock()

	got := a.tally.take()
	got.Unsent, got.InFlight = unsent, int64(outstanding)
	got.drop(dropped)
	a.self.judge(&got, stall, a.pool.size())
	return got
}

// Close takes the load away and gives up what is under way.
func (a *vegetaEngine) Close() error {
	a.cancel(errClosed)
	<-a.done
	a.mu.Lock()
	a.queue.abandon()
	a.mu.Unlock()
	return nil
}
