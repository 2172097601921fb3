package agent

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"saturate/stress"
	"saturate/stress/probe"
	"saturate/stress/probe/pmu"
)

const (
	// again is how long a target that could not be opened is left alone.
	again = time.Second
	// current is how old a sample may be and still answer a scrape: so often at
	// most does scraping make the probes read.
	current = time.Second
	// patience is how long a scrape waits for the status pages.
	patience = 500 * time.Millisecond
	// remembered is how far back a scrape looks for what the last samples lack,
	// such as a page that answers at every second of them.
	remembered = 2 * time.Second
)

// targetSource is the target as a whole, as a source.
const targetSource = "target"

// A target is a set of probes for as long as the agent lives. What it watches
// may not be up yet, may end and come again; it is opened anew then.
type target struct {
	config  probe.Config
	counter *counter
	now     func() time.Time
	open    func(probe.Config) (*probe.Sampler, error)

	mu      sync.Mutex
	sampler *probe.Sampler
	tried   time.Time // when it was opened last
	failed  error     // why it is not open
	jump    uint64    // of the sequence, for pauses
	recent  []reading // oldest first
	missing error     // why instructions are not counted, although they were to be
	errors  map[string]uint64
}

var errClosed = errors.New("the agent ends")

// A reading is a sample with what is known of its making.
type reading struct {
	stress.Sample
	taken    time.Time
	complete bool
	sources  []probe.Source
	scopes   map[string]string
	gone     error
	counters pmu.Totals // of the instructions, where there are any
	err      error      // a probe's panic
}

func newTarget(c probe.Config, i *counter) *target {
	return &target{config: c, counter: i, now: time.Now, errors: make(map[string]uint64),
		open: func(c probe.Config) (*probe.Sampler, error) { return probe.Open(c, probe.Target{}) }}
}

// ready opens the target where it is not open, or was and has ended.
func (t *target) ready() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reopen()
}

func (t *target) reopen() error {
	if t.sampler != nil && t.sampler.Err() == nil && t.sampler.Gone() == nil {
		return nil
	}
	now := t.now()
	if !t.tried.IsZero() && now.Sub(t.tried) < again {
		if t.sampler != nil {
			return nil // it has ended a moment ago: its readings say so
		}
		return t.failed
	}
	t.tried = now
	s, missing, err := t.try()
	if err != nil && t.sampler != nil {
		return nil // as long as nothing new is there, what ended is told
	}
	if err != nil {
		t.failed = err
		t.errors[targetSource]++
		return err
	}
	t.close()
	t.sampler, t.missing, t.failed = s, missing, nil
	return nil
}

// try opens the probes, without instructions where those are what fails.
func (t *target) try() (s *probe.Sampler, missing, err error) {
	if err := t.yield(); err != nil {
		return nil, nil, err
	}
	s, err = t.open(t.config)
	if err == nil || t.config.Instructions == off {
		return s, nil, err
	}
	without := t.config
	without.Instructions = off
	if s, second := t.open(without); second == nil {
		return s, err, nil
	}
	return nil, nil, err
}

// yield ends the probes of a target that has ended where the new ones need what
// they hold, the address that gunicorn sends to, if there is a target again.
func (t *target) yield() error {
	if t.sampler == nil || t.config.Gunicorn == nil {
		return nil
	}
	c := t.config
	c.Gunicorn, c.Instructions = nil, off
	s, err := t.open(c)
	if err != nil {
		return err
	}
	t.close()
	return s.Close()
}

// doubts are what cannot be read now and could be, or is of note all the same.
func (t *target) doubts() []error {
	if err := t.ready(); err != nil {
		return []error{err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sampler == nil {
		return nil
	}
	var all []error
	for _, src := range t.sampler.Sources() {
		var known *probe.Error
		if errors.As(src.Err, &known) && known.Hint() != "" {
			all = append(all, known)
		}
	}
	if t.missing != nil {
		all = append(all, uncounted(t.missing, true))
	}
	return all
}

// states is how the sources are doing, the counting of instructions among them:
// the target's, or else the machine's.
func (t *target) states() []probe.Source {
	all := t.sampler.Sources()
	if t.missing != nil {
		return append(all, probe.Source{Name: instructions, Err: uncounted(t.missing, true), Age: -1})
	}
	if src, _, ok := t.counter.source(); ok && t.config.Instructions == off {
		all = append(all, src)
	}
	return all
}

// pause makes the next sample's sequence jump: who differences samples must not
// take those on both sides for neighbours.
func (t *target) pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jump++
}

// sample reads the target now. Before, it was made ready.
func (t *target) sample() reading {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read(0)
}

func (t *target) read(patience time.Duration) reading {
	if t.sampler == nil {
		return reading{err: errClosed}
	}
	s, err := t.sampler.Once(patience)
	r := reading{Sample: s, taken: t.now(), complete: err == nil, err: err, scopes: t.sampler.Scopes(), gone: t.sampler.Gone()}
	if err != nil {
		return r
	}
	r.Seq += t.jump
	t.counter.fill(r.Sample, r.scopes)
	finite(r.Sample)
	r.sources = t.states()
	if _, r.counters, _ = t.counter.source(); t.config.Instructions != off {
		r.counters, _ = t.sampler.Instructions()
	}
	for _, src := range r.sources {
		if src.Err == nil {
			continue
		}
		t.errors[src.Name]++
		if src.Required {
			r.complete = false
		}
	}
	t.recent = slices.DeleteFunc(t.recent, func(old reading) bool { return r.taken.Sub(old.taken) > remembered || old.Boot != r.Boot })
	t.recent = append(t.recent, r)
	return r
}

// view is the target for a scrape: of the last moments where it is being
// sampled anyway, else read now. The second result counts the failed readings
// of each source. An error says why there is nothing to see.
func (t *target) view() (reading, map[string]uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reopen(); err != nil {
		return reading{}, maps.Clone(t.errors), err
	}
	if n := len(t.recent); n == 0 || t.now().Sub(t.recent[n-1].taken) >= current {
		if r := t.read(patience); r.err != nil {
			return r, maps.Clone(t.errors), nil
		}
	}
	last := t.recent[len(t.recent)-1]
	last.Counters, last.Gauges = make(map[stress.Counter]float64), make(map[stress.Gauge]float64)
	for _, r := range t.recent {
		if last.taken.Sub(r.taken) <= remembered {
			maps.Copy(last.Counters, r.Counters)
			maps.Copy(last.Gauges, r.Gauges)
		}
	}
	return last, maps.Clone(t.errors), nil
}

// close ends the probes.
func (t *target) close() {
	if t.sampler != nil {
		t.sampler.Close()
	}
	t.sampler, t.recent = nil, nil
}

// Close ends the probes for good.
func (t *target) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.close()
}
