package loadgen

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A tally counts what becomes of hits until it is read. Counting allocates only
// for the first hit of a kind, and for causes not seen before.
type tally struct {
	names []string
	// longest is the largest time that a histogram holds, in microseconds.
	longest int64

	mu sync.Mutex
	counts
}

// counts are those since the last reading.
type counts struct {
	now      Answers
	kinds    []*Named       // by kind; nil before its first hit
	statuses map[int]uint64 // unexpected ones
}

func newTally(m *mix, timeout time.Duration) *tally {
	t := &tally{longest: (2*timeout + 2*time.Second).Microseconds()}
	for i := range m.kinds {
		t.names = append(t.names, m.kinds[i].name)
	}
	t.counts = t.fresh(make([]*Named, len(t.names)))
	return t
}

// fresh has histograms ready for the kinds that were seen lately.
func (t *tally) fresh(seen []*Named) counts {
	c := counts{
		now:   Answers{Latency: t.histogram(), Service: t.histogram(), Lag: t.histogram(), Causes: map[string]uint64{}},
		kinds: make([]*Named, len(seen)), statuses: map[int]uint64{},
	}
	for i, kind := range seen {
		if kind != nil {
			c.kinds[i] = t.named()
		}
	}
	return c
}

func (t *tally) named() *Named { return &Named{Latency: t.histogram(), Service: t.histogram()} }

// histogram keeps three digits from a microsecond to the longest time.
func (t *tally) histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, t.longest, 3) }

func (t *tally) record(h *hdrhistogram.Histogram, d time.Duration) {
	// The value is inside the bounds, so there is no error to look at.
	_ = h.RecordValue(min(max(1, d.Microseconds()), t.longest))
}

// take returns what was counted since the last take.
func (t *tally) take() Answers {
	t.mu.Lock()
	seen := slices.Clone(t.kinds)
	t.mu.Unlock()
	next := t.fresh(seen) // while nobody waits for the lock

	t.mu.Lock()
	last := t.counts
	t.counts = next
	t.mu.Unlock()

	last.now.ByName = make(map[string]*Named, len(t.names))
	for i, kind := range last.kinds {
		if kind != nil && kind.Done > 0 {
			last.now.ByName[t.names[i]] = kind
		}
	}
	for status, n := range last.statuses {
		last.now.Causes[statusCause(status)] += n
	}
	return last.now
}

func (t *tally) sent() {
	t.mu.Lock()
	t.now.Sent++
	t.mu.Unlock()
}

// An outcome is what became of one sent hit: an expected answer, where it has
// neither cause nor status.
type outcome struct {
	kind                  int
	latency, service, lag time.Duration
	cause                 string
	status                int // an unexpected one
	reconnected           bool
}

func (t *tally) ended(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	named := t.kinds[o.kind]
	if named == nil {
		named = t.named()
		t.kinds[o.kind] = named
	}
	t.now.Done++
	named.Done++
	t.record(t.now.Lag, o.lag)
	if o.reconnected {
		t.now.Reconnects++
	}
	if o.cause != "" || o.status != 0 {
		t.now.Failed++
		named.Failed++
		t.failed(o)
		return
	}
	t.record(t.now.Latency, o.latency)
	t.record(t.now.Service, o.service)
	t.record(named.Latency, o.latency)
	t.record(named.Service, o.service)
}

func (t *tally) failed(o outcome) {
	switch {
	case o.status != 0:
		t.statuses[o.status]++
		return
	case o.cause == causeTimeout, o.cause == causeConnect:
		t.now.Timeouts++
	}
	t.now.Causes[o.cause]++
}

// include counts the answers of another tally in.
func (a *Answers) include(more Answers) {
	a.Sent += more.Sent
	a.Done += more.Done
	a.Failed += more.Failed
	a.Timeouts += more.Timeouts
	a.Unsent += more.Unsent
	a.Dropped += more.Dropped
	a.Reconnects += more.Reconnects
	a.InFlight += more.InFlight
	a.Latency.Merge(more.Latency)
	a.Service.Merge(more.Service)
	a.Lag.Merge(more.Lag)
	for name, n := range more.ByName {
		if into := a.ByName[name]; into != nil {
			into.Done += n.Done
			into.Failed += n.Failed
			into.Latency.Merge(n.Latency)
			into.Service.Merge(n.Service)
		} else {
			a.ByName[name] = n
		}
	}
	for cause, n := range more.Causes {
		a.Causes[cause] += n
	}
}

// drop counts hits that found no connection.
func (a *Answers) drop(n uint64) {
	if n == 0 {
		return
	}
	a.Dropped += n
	a.Done += n
	a.Failed += n
	a.Causes[causeRoom] += n
}
