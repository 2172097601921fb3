package probe

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"saturate/stress"
)

const (
	// Interval is the time between samples.
	Interval = 200 * time.Millisecond
	// keep is how many samples wait for a Take: five minutes.
	keep = 1500
	// rest is how long a lazy source is left alone once it was read, so that at
	// the sampler's pace it is in every other sample: a window's difference loses
	// nothing by that, and watching costs a third less.
	rest = Interval * 3 / 2
)

// A reader reads one source of the kernel's into a sample. It does not block.
type reader interface {
	read(*stress.Sample) error
}

// A Source tells how one source is doing.
type Source struct {
	// Name is what is read: "cgroup web", "uwsgi 127.0.0.1:1717".
	Name string
	// Required sources are part of the lease: where one is silent for 600 ms
	// there is to be no traffic.
	Required bool
	// Named sources are pages that the scenario names; the others were found.
	Named bool
	// Err is why it could not be read the last time, an *Error; nil where it
	// could.
	Err error
	// Age is the time since it was last read; -1 where it never was.
	Age time.Duration
}

// A watched is a kernel source with its state.
type watched struct {
	Source
	reader
	last time.Duration // on the sampler's clock; -1 never
	lazy bool          // read at half the pace
	due  time.Duration // when a lazy one is to be read again
}

// A Sampler reads a target five times a second.
type Sampler struct {
	scope  Scope
	boot   string
	clock  func() time.Duration // of this host, monotonic
	kept   keptFiles
	kernel []*watched
	counts *instructions // nil: none are counted
	pages  []*poller
	cancel context.CancelFunc
	ctx    context.Context
	done   sync.WaitGroup

	serving sync.Once // the pages
	closing sync.Once
	closed  error

	mu      sync.Mutex
	seq     uint64
	fresh   time.Duration // of the last complete kernel sample; -1 never
	samples []stress.Sample
	err     error
}

// Start begins to sample; it is called once.
func (s *Sampler) Start() {
	s.serving.Do(s.serve)
	s.guard("kernel", func() {
		clock := time.NewTicker(Interval)
		defer clock.Stop()
		for {
			s.tick()
			select {
			case <-clock.C:
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// serve has the pages read whenever they are asked.
func (s *Sampler) serve() {
	for _, p := range s.pages {
		s.guard(p.name, func() { p.poll(s.ctx) })
	}
}

// Once takes one sample now, for who has a clock of his own and calls it
// instead of Start and Take, never twice at a time. With patience the status
// pages are asked first and have so long to answer; without, what they said to
// the Once before is in the sample, and they are asked for the next. Its error
// is that of Err.
func (s *Sampler) Once(patience time.Duration) (sample stress.Sample, err error) {
	s.serving.Do(s.serve)
	defer func() {
		if v := recover(); v != nil {
			s.broke("kernel", v)
		}
		err = s.Err()
	}()
	if patience > 0 {
		s.await(patience)
	}
	return s.read(patience <= 0), nil
}

// await asks all pages and waits for their answers, for so long at most.
func (s *Sampler) await(patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	var answers []<-chan struct{}
	for _, p := range s.pages {
		answers = append(answers, p.ask())
	}
	for _, answered := range answers {
		select {
		case <-answered:
		case <-late.C:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// guard runs f until it ends. A panic in it ends the sampler: a probe that has
// gone wrong watches no longer, and who relies on it has to know at once.
func (s *Sampler) guard(name string, f func()) {
	s.done.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				s.broke(name, v)
			}
		}()
		f()
	})
}

// broke ends the sampler over a panic in a probe.
func (s *Sampler) broke(name string, v any) {
	s.mu.Lock()
	if s.err == nil {
		s.err = &Panic{Probe: name, Value: v, Stack: string(debug.Stack())}
	}
	s.mu.Unlock()
	s.cancel()
}

// tick takes one sample and keeps it for Take.
func (s *Sampler) tick() {
	sample := s.read(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.samples = append(s.samples, sample); len(s.samples) > keep {
		s.samples = s.samples[1:]
	}
}

// read takes one sample. What the pages delivered since the last one goes in
// first and only then are they asked again: so their values are always one
// tick old, and differences between samples are not blurred by how fast a page
// happened to answer.
func (s *Sampler) read(ask bool) stress.Sample {
	sample := newSample(s.clock())
	sample.Boot = s.boot
	complete := true
	health := make(map[*watched]error, len(s.kernel))
	for _, w := range s.kernel {
		if w.lazy && sample.At < w.due {
			continue
		}
		w.due = sample.At + rest
		err := w.read(&sample)
		if health[w] = err; err != nil && w.Required {
			complete = false
		}
	}
	for _, p := range s.pages {
		p.merge(&sample)
		if ask {
			p.ask()
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for w, err := range health {
		w.note(sample.At, err)
	}
	if complete {
		s.fresh = sample.At
	}
	s.seq++
	sample.Seq = s.seq
	return sample
}

func newSample(at time.Duration) stress.Sample {
	return stress.Sample{
		At:       at,
		Counters: make(map[stress.Counter]float64),
		Gauges:   make(map[stress.Gauge]float64),
	}
}

func (w *watched) note(at time.Duration, err error) {
	if err == nil {
		w.last, w.Err = at, nil
		return
	}
	w.Err = fail(w.Name, err)
}

// Take returns the samples since the last Take, the oldest first. Where nobody
// takes them, those of the last five minutes are kept.
func (s *Sampler) Take() []stress.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.samples
	s.samples = nil
	return taken
}

// Fresh is the age of the last sample that every required source of the kernel
// is in; the largest duration before the first.
func (s *Sampler) Fresh() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh < 0 {
		return math.MaxInt64
	}
	return s.clock() - s.fresh
}

// Err is why no sample will come any more, a *Panic. It is nil while they come.
func (s *Sampler) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Gone is why the target is no more: the first process of its tree, or the last
// of its control group, has ended. It is nil while they live or are not known.
func (s *Sampler) Gone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.kernel {
		if errors.Is(w.Err, ErrGone) {
			return w.Err
		}
	}
	return nil
}

// Sources tells how each source is doing: the kernel's, then the pages.
func (s *Sampler) Sources() []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Source
	for _, w := range s.kernel {
		src := w.Source
		src.Age = age(s.clock(), w.last)
		all = append(all, src)
	}
	for _, p := range s.pages {
		all = append(all, p.source())
	}
	return all
}

func age(now, last time.Duration) time.Duration {
	if last < 0 {
		return -1
	}
	return now - last
}

// Scopes are whose work the samples tell, by its unit: the CPU time of a
// control group, say, and the instructions of the whole machine.
func (s *Sampler) Scopes() map[string]string {
	scopes := map[string]string{"cpu_seconds": string(s.scope)}
	if s.counts != nil {
		scopes["instructions"] = s.counts.label
	}
	return scopes
}

// Close ends the sampling and waits for it to end. To close again does nothing.
func (s *Sampler) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

// close closes the pages first: some of their goroutines wait for that.
func (s *Sampler) close() error {
	s.cancel()
	var errs []error
	for _, p := range s.pages {
		errs = append(errs, p.page.Close())
	}
	s.done.Wait()
	for _, w := range s.kernel {
		if c, ok := w.reader.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	s.kept.Close()
	return errors.Join(errs...)
}
