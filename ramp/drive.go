package ramp

import (
	"context"
	"fmt"
	"math"
	"time"

	"saturate/loadgen"
	"saturate/stress"
)

// A Searcher asks for load, a window at a time, and is told what was seen.
type Searcher interface {
	Next() Step
	Observe(stress.Observation)
	Done() bool
	Result() Result
}

// A Prober delivers the target's samples.
type Prober interface {
	// Take returns the samples since the last Take, oldest first.
	Take() []stress.Sample
	// Fresh is the age of the newest sample of the kernel's.
	Fresh() time.Duration
	// Err is why no sample will ever come again; nil while they do.
	Err() error
}

// A Drainer is a loader of live traffic, whose level 0 leaves the target what it
// had, and that can take even this away.
type Drainer interface{ Drain(lease time.Duration) }

// A Driver joins a search to a loader and a target's probes. It turns the
// load, cuts it at once on an instant event, and grants it only while the
// target is being watched; what the load should be is the search's to say.
type Driver struct {
	Load   loadgen.Loader
	Probe  Prober
	Limits *stress.Limits
	// Alive returns why the target is gone, or nil; it is asked five times a second.
	Alive func() error
	// Lost returns why the load can no longer be had, or nil; it is asked as often.
	Lost func() error
	// Floor is the rate that level 0 leaves the target, of live traffic.
	Floor float64
	// Silent returns why the target's kernel is not read, or nil where that is
	// not known; it is asked when its samples stay away.
	Silent func() error
	// Progress, where set, is called after every window.
	Progress func(Progress)
}

// Progress is what a person who watches wants to know after a window: what was
// asked, what was seen, and what is asked next.
type Progress struct {
	Step    Step
	Seen    stress.Observation
	Next    Step
	Elapsed time.Duration
}

// A Window is one window of a run: what was asked and what was seen.
type Window struct {
	Phase    Phase
	Settling bool
	Seen     stress.Observation
}

const (
	// tick is how often the driver looks; the probes sample as often.
	tick = 200 * time.Millisecond
	// window is the search's unit of time.
	window = time.Second
	// lease is how long a granted load lasts without another grant.
	lease = 500 * time.Millisecond
	// silence is how old the newest kernel sample may be under load. It is
	// longer than the lease, which has then ended by itself.
	silence = 600 * time.Millisecond
)

// Run drives the search to its end, or until ctx ends, which is returned as
// its error with the windows seen so far. No load is offered when it returns.
func (d *Driver) Run(ctx context.Context, s Searcher) ([]Window, error) {
	w := &watch{Driver: d, start: time.Now()}
	defer d.Load.Turn(0, lease)
	d.Probe.Take()
	d.Load.Take()
	clock := time.NewTicker(tick)
	defer clock.Stop()

	w.begin(s.Next())
	for {
		select {
		case <-ctx.Done():
			return w.seen, context.Cause(ctx)
		case <-clock.C:
		}
		if err := d.Probe.Err(); err != nil {
			return w.seen, fmt.Errorf("probes: %w", err)
		}
		w.look()
		if len(w.events) == 0 && time.Since(w.start)-w.from < window-tick/2 {
			w.grant()
			continue
		}
		step, o := w.step, w.end()
		s.Observe(o)
		next := s.Next()
		if !s.Done() {
			w.begin(next)
		}
		if d.Progress != nil {
			d.Progress(Progress{Step: step, Seen: o, Next: next, Elapsed: time.Since(w.start)})
		}
		if s.Done() {
			return w.seen, nil
		}
	}
}

// watch is the state of one window.
type watch struct {
	*Driver
	start   time.Time
	from    time.Duration // the window's start, since start
	step    Step
	samples []stress.Sample // the first is the last of the window before
	events  []stress.Event
	seen    []Window
	looked  time.Duration // when, since start
	woke    time.Duration // when we last had stood still, since start
	blind   bool          // the newest sample is too old to grant load on
}

func (w *watch) begin(step Step) {
	w.step, w.from, w.events = step, time.Since(w.start), nil
	if n := len(w.samples); n > 1 {
		w.samples = append(w.samples[:0], w.samples[n-1])
	}
	w.grant()
}

// grant renews the load's lease, if the target is being watched.
func (w *watch) grant() {
	level := w.step.Level
	if w.blind {
		level = 0
	}
	if d, ok := w.Load.(Drainer); ok && w.step.Drain {
		d.Drain(lease)
		return
	}
	w.Load.Turn(level, lease)
}

// look reads what the probes have and cuts the load where an event demands it.
func (w *watch) look() {
	fresh := w.Probe.Take()
	w.samples = append(w.samples, fresh...)
	if n := len(fresh); n > 0 {
		w.events = append(w.events, stress.Events(w.samples[max(0, len(w.samples)-n-1):])...)
	}
	// Where we stood still ourselves (a machine that was paused, a CPU that we
	// did not get), the probes did too: it says nothing of the target. The lease
	// has lapsed meanwhile; they have a moment for the next sample, without load.
	now, age := time.Since(w.start), w.Probe.Fresh()
	if now-w.looked > silence {
		w.woke = now
	}
	w.looked, w.blind = now, age > silence
	if w.blind && now-w.woke > silence {
		w.events = append(w.events, stress.Event{Kind: stress.KernelSilent, Detail: w.unheard(age)})
	}
	if w.Alive != nil {
		if err := w.Alive(); err != nil {
			w.events = append(w.events, stress.Event{Kind: stress.TargetGone, Detail: err.Error()})
		}
	}
	if w.Lost != nil {
		if err := w.Lost(); err != nil {
			w.events = append(w.events, stress.Event{Kind: stress.LoadLost, Detail: err.Error()})
		}
	}
	if len(w.events) > 0 {
		w.Load.Turn(0, lease)
	}
}

// unheard says for how long no sample has come, and why.
func (w *watch) unheard(age time.Duration) string {
	text := "no sample of the target's kernel"
	if age < math.MaxInt64 {
		text += fmt.Sprintf(" for %v", age.Round(10*time.Millisecond))
	}
	if w.Silent != nil {
		if err := w.Silent(); err != nil {
			text += fmt.Sprintf(": %v", err)
		}
	}
	return text
}

// end closes the window: both ends of the wire in one observation.
func (w *watch) end() stress.Observation {
	a := w.Load.Take()
	o := stress.Observation{
		Window: stress.Window{Start: w.from, End: time.Since(w.start)},
		Asked:  max(w.step.Level, w.Floor),
		Sent:   a.Sent, Done: a.Done, Failed: a.Failed, Unsent: a.Unsent,
		Events: w.events, Capped: a.Capped,
	}
	if a.Lag != nil {
		o.Lag = time.Duration(a.Lag.ValueAtQuantile(99)) * time.Microsecond
	}
	o.Latency = stress.Condense(a.Latency)
	if a.Limit != "" { // before the limits learn from the window what it cannot tell
		o.Void = stress.GeneratorLate
	}
	w.Limits.Complete(&o, w.samples)
	w.seen = append(w.seen, Window{Phase: w.step.Phase, Settling: w.step.Settling, Seen: o})
	return o
}
