package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"

	"saturate/loadgen/internal/socket"
)

// connectionsPerShard keeps shards from being so many that hits wait for a
// connection in one while another has some free.
const connectionsPerShard = 32

// fastEngine is the load over HTTP/1.1 without TLS at the price of its system
// calls. Each shard of it is a thread with its part of the rate and of the
// connections, and shares nothing with the others.
type fastEngine struct {
	*plan
	self   *self
	shards []*shard
	close  sync.Once
}

// A plan is what all shards do.
type plan struct {
	mix       *mix
	requests  []prepared // by kind
	addr      socket.Address
	tcp       bool
	keepAlive bool
	timeout   time.Duration
	quantum   time.Duration
	start     time.Time // all times count from here
}

// prepared is a request of the mix, ready for the wire.
type prepared struct {
	bytes  []byte
	isHead bool
}

func (p *plan) now() time.Duration { return time.Since(p.start) }

func newFast(c Config, target string, o Options) (Loader, error) {
	w, err := newWire(context.Background(), c, target, o.Addr)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(c, w, o)
	if err != nil {
		return nil, err
	}
	f := &fastEngine{plan: p, self: newSelf("/")}
	// While a shard sleeps briefly it keeps its P, and while it is busy too: the
	// one more is for everybody else.
	addProcs(1)
	limit := o.limit(c)
	n := max(1, min(int(f.self.cpus()), limit/connectionsPerShard))
	for i := range n {
		q := newQueue(part(c.Arrivals, o.Seed, i, n), limit*(i+1)/n-limit*i/n, c.Timeout)
		s, err := newShard(p, q, chooser(o.Seed+uint64(i)))
		if err != nil {
			f.Close()
			return nil, err
		}
		f.shards = append(f.shards, s)
	}
	if err := f.ahead(min(o.DialAhead, limit)); err != nil {
		f.Close()
		return nil, fmt.Errorf("dial ahead: %w", err)
	}
	for _, s := range f.shards {
		s.start()
	}
	return f, nil
}

func newPlan(c Config, w *wire, o Options) (*plan, error) {
	addr, err := socket.Resolve(w.network, w.addr)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	m, err := newMix(c, w.base(), o.Seed)
	if err != nil {
		return nil, err
	}
	p := &plan{mix: m, addr: addr, tcp: w.network == "tcp", keepAlive: !o.NoKeepAlive,
		timeout: c.Timeout, quantum: c.Quantum, start: time.Now()}
	for i := range m.kinds {
		k := &m.kinds[i]
		b, err := k.bytes(o.NoKeepAlive)
		if err != nil {
			return nil, fmt.Errorf("request %q: %w", k.name, err)
		}
		p.requests = append(p.requests, prepared{b, k.target.Method == "HEAD"})
	}
	return p, nil
}

// ahead opens n connections before they are needed; the shards must not run yet.
func (f *fastEngine) ahead(n int) error {
	for i := range n {
		fd, err := socket.Dial(f.addr)
		if err == nil {
			if err = socket.Connected(fd, f.timeout); err != nil {
				socket.Close(fd)
			}
		}
		if err != nil {
			return err
		}
		if err := f.shards[i%len(f.shards)].adopt(fd); err != nil {
			return err
		}
	}
	return nil
}

// Unit is requests per second.
func (f *fastEngine) Unit() string { return "req/s" }

// Delay is none: the next hit is paced at the new level.
func (f *fastEngine) Delay() time.Duration { return 0 }

// Turn offers level requests per second for at most lease. Silence, be it
// level 0 or the end of the lease, also gives up the hits that still wait for a
// connection; they are counted nowhere. Levels are kept between 0.001 and a million.
func (f *fastEngine) Turn(level float64, lease time.Duration) {
	now, n := f.now(), float64(len(f.shards))
	for _, s := range f.shards {
		s.turn(now, clampRate(level)/n, lease)
	}
}

// Take returns what has happened since the last Take.
func (f *fastEngine) Take() Answers {
	var total Answers
	var stall time.Duration
	open := 0
	for i, s := range f.shards {
		got, n, late := s.take()
		if i == 0 {
			total = got
		} else {
			total.include(got)
		}
		open += n
		stall = max(stall, late)
	}
	f.self.judge(&total, stall, open)
	return total
}

// Close takes the load away and gives up what is under way.
func (f *fastEngine) Close() error {
	f.close.Do(func() {
		for _, s := range f.shards {
			s.stop()
		}
		addProcs(-1)
	})
	return nil
}
