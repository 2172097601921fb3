package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A tally counts what becomes of hits until it is read.
type tally struct {
	names []string
	// longest is the largest time that a histogram holds, in microseconds.
	longest int64

	mu  sync.Mutex
	now Answers
}

func newTally(m *mix, timeout time.Duration) *tally {
	t := &tally{longest: (2*timeout + 2*time.Second).Microseconds()}
	for i := range m.kinds {
		t.names = append(t.names, m.kinds[i].name)
	}
	t.now = t.empty()
	return t
}

func (t *tally) empty() Answers {
	return Answers{
		Latency: t.histogram(), Service: t.histogram(), Lag: t.histogram(),
		ByName: make(map[string]*Named, len(t.names)), Causes: map[string]uint64{},
	}
}

// histogram keeps three digits from a microsecond to the longest time.
func (t *tally) histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, t.longest, 3) }

func (t *tally) record(h *hdrhistogram.Histogram, d time.Duration) {
	// The value is inside the bounds, so there is no error to look at.
	_ = h.RecordValue(min(max(1, d.Microseconds()), t.longest))
}

// take returns what was counted since the last take.
func (t *tally) take() Answers {
	fresh := t.empty()
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.now
	t.now = fresh
	return a
}

func (t *tally) sent() {
	t.mu.Lock()
	t.now.Sent++
	t.mu.Unlock()
}

// An outcome is what became of one sent hit.
type outcome struct {
	kind                  int
	latency, service, lag time.Duration
	cause                 string // "" is an expected answer
	reconnected           bool
}

func (t *tally) ended(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	named := t.now.ByName[t.names[o.kind]]
	if named == nil {
		named = &Named{Latency: t.histogram(), Service: t.histogram()}
		t.now.ByName[t.names[o.kind]] = named
	}
	t.now.Done++
	named.Done++
	t.record(t.now.Lag, o.lag)
	if o.reconnected {
		t.now.Reconnects++
	}
	if o.cause != "" {
		t.now.Failed++
		named.Failed++
		t.now.Causes[o.cause]++
		if o.cause == causeTimeout || o.cause == causeConnect {
			t.now.Timeouts++
		}
		return
	}
	t.record(t.now.Latency, o.latency)
	t.record(t.now.Service, o.service)
	t.record(named.Latency, o.latency)
	t.record(named.Service, o.service)
}
