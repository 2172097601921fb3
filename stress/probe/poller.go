package probe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"saturate/stress"
)

const (
	// pageTimeout ends a read of a page: one that takes longer tells of a time
	// long gone.
	pageTimeout = time.Second
	// stale is the age from which a page's gauges are worth nothing.
	stale = time.Second
)

// A page is a server's own account of itself. It may take its time.
type page interface {
	// read reads it into a sample that holds nothing else.
	read(context.Context, *stress.Sample) error
	Close() error
}

// A poller reads a page when asked, in a goroutine of its own.
type poller struct {
	name  string
	page  page
	clock func() time.Duration
	asked chan chan struct{} // one question waits at most; closed when it is answered

	mu   sync.Mutex
	got  stress.Sample // the last answer; At is when it was asked for
	used bool          // its counters are in a sample
	last time.Duration // -1: never answered
	err  error
}

func newPoller(name string, p page, clock func() time.Duration) *poller {
	return &poller{name: name, page: p, clock: clock, asked: make(chan chan struct{}, 1), last: -1}
}

// poll answers questions until ctx ends.
func (p *poller) poll(ctx context.Context) {
	for {
		select {
		case answered := <-p.asked:
			p.readOnce(ctx)
			close(answered)
		case <-ctx.Done():
			return
		}
	}
}

// ask has the page read again, unless a reading still waits to begin. What it
// returns is closed when that is done; nil where nothing was asked.
func (p *poller) ask() <-chan struct{} {
	answered := make(chan struct{})
	select {
	case p.asked <- answered:
		return answered
	default:
		return nil
	}
}

func (p *poller) readOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	got := newSample(p.clock())
	err := p.page.read(ctx, &got)

	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("no answer within %v", pageTimeout)
		}
		p.err = fail(p.name, err)
		return
	}
	p.got, p.used, p.last, p.err = got, false, p.clock(), nil
}

// merge puts the last answer into a sample: its gauges while they are not
// stale; its counters once, for a counter that stands still while nobody looks
// would show a server at rest and then one that works double. Deaths are an
// exception: they are counted one by one, and none may be lost in a gap. What
// the sample has already, from the kernel, stays.
func (p *poller) merge(s *stress.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if deaths, has := p.got.Counters[stress.WorkerDeaths]; has {
		s.Counters[stress.WorkerDeaths] = deaths
	}
	if p.last < 0 || s.At-p.got.At > stale {
		return
	}
	for name, v := range p.got.Gauges {
		if _, has := s.Gauges[name]; !has {
			s.Gauges[name] = v
		}
	}
	if p.used {
		return
	}
	p.used = true
	for name, v := range p.got.Counters {
		if _, has := s.Counters[name]; !has {
			s.Counters[name] = v
		}
	}
}

func (p *poller) source() Source {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Source{Name: p.name, Named: true, Err: p.err, Age: age(p.clock(), p.last)}
	if s.Err == nil && s.Age > stale {
		s.Err = fail(p.name, fmt.Errorf("no answer for %v", s.Age.Round(100*time.Millisecond)))
	}
	return s
}
