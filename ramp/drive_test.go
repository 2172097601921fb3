package ramp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen"
	"saturate/stress"
)

// meter is a loader that records what it was told, and for how long it would
// have sent load.
type meter struct {
	level   float64
	until   time.Time
	offered []offer
	late    string  // why the generator was the limit
	failed  float64 // part of the answers
}

type offer struct {
	at    time.Time
	level float64
}

func (m *meter) Unit() string         { return "req/s" }
func (m *meter) Delay() time.Duration { return 0 }
func (m *meter) Close() error         { return nil }
func (m *meter) Take() loadgen.Answers {
	return loadgen.Answers{Sent: uint64(m.now()), Done: uint64(m.now()), Failed: uint64(m.now() * m.failed), Limit: m.late}
}
func (m *meter) Turn(l float64, d time.Duration) {
	m.level, m.until = l, time.Now().Add(d)
	m.offered = append(m.offered, offer{time.Now(), l})
}

// now is the load on its way at this moment.
func (m *meter) now() float64 {
	if time.Now().After(m.until) {
		return 0
	}
	return m.level
}

// scripted is a target whose samples a test decides on.
type scripted struct {
	start  time.Time
	seq    uint64
	silent time.Duration // since start; 0 never
	until  time.Duration // the silence's end; 0 never
	oom    time.Duration
	broken error
}

func (p *scripted) Err() error { return p.broken }

func (p *scripted) Fresh() time.Duration {
	if since := time.Since(p.start); p.silent > 0 && since > p.silent && (p.until == 0 || since < p.until) {
		return since - p.silent
	}
	return 0
}

func (p *scripted) Take() []stress.Sample {
	if p.Fresh() > 0 {
		return nil
	}
	p.seq++
	since := time.Since(p.start)
	s := stress.Sample{At: since, Seq: p.seq,
		Counters: map[stress.Counter]float64{stress.CPUSeconds: since.Seconds() * .4, stress.OOMKills: 0},
		Gauges:   map[stress.Gauge]float64{stress.CPULimit: 1}}
	if p.oom > 0 && since >= p.oom {
		s.Counters[stress.OOMKills] = 1
	}
	return []stress.Sample{s}
}

// steady asks for one level for a number of windows.
type steady struct {
	level   float64
	windows int
	seen    []stress.Observation
}

func (s *steady) Next() Step                   { return Step{Phase: Hold, Level: s.level} }
func (s *steady) Observe(o stress.Observation) { s.seen = append(s.seen, o) }
func (s *steady) Done() bool                   { return len(s.seen) >= s.windows }
func (s *steady) Result() Result               { return Result{Ending: Inconclusive} }

func driver(p *scripted) (*Driver, *meter) {
	m := &meter{}
	p.start = time.Now()
	return &Driver{Load: m, Probe: p, Limits: stress.NewLimits(stress.Default)}, m
}

func TestDriverSeesBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := driver(&scripted{})
		s := &steady{level: 50, windows: 5}
		windows, err := d.Run(t.Context(), s)
		if err != nil || len(windows) != 5 {
			t.Fatalf("%d windows, %v", len(windows), err)
		}
		for _, o := range s.seen[1:] {
			if w := o.Window.Seconds(); w < .9 || w > 1.1 {
				t.Errorf("a window of %.2f s", w)
			}
			if cpu := o.Signals[stress.CPU]; cpu < .39 || cpu > .41 {
				t.Errorf("cpu %.3f, want .4", cpu)
			}
			if o.Sent != 50 {
				t.Errorf("sent %d", o.Sent)
			}
		}
		if m.now() != 0 {
			t.Error("load is left behind")
		}
	})
}

func TestDriverLearnsNothingFromALateGenerator(t *testing.T) {
	for _, late := range []string{"", "it stood still"} {
		synctest.Test(t, func(t *testing.T) {
			d, m := driver(&scripted{})
			m.late, m.failed = late, .04
			s := &steady{level: 50, windows: 10}
			if _, err := d.Run(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			learnt := d.Limits.InForce()[stress.Errors] > .04
			if void := s.seen[5].Void == stress.GeneratorLate; void != (late != "") || learnt == void {
				t.Errorf("generator %q: void %v, base learnt %v", late, void, learnt)
			}
		})
	}
}

func TestDriverCutsAtAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := driver(&scripted{oom: 2300 * time.Millisecond})
		start := time.Now()
		s := &steady{level: 50, windows: 4}
		if _, err := d.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		var events int
		for _, o := range s.seen {
			events += len(o.Events)
			if len(o.Events) > 0 && o.Window.Seconds() > .9 {
				t.Errorf("the window of the event ran on for %.2f s", o.Window.Seconds())
			}
		}
		if events != 1 {
			t.Errorf("%d events, want the one kill", events)
		}
		for _, o := range m.offered {
			if at := o.at.Sub(start); o.level == 0 && at <= 2600*time.Millisecond {
				return
			}
		}
		t.Error("the load was not cut within a tick of the event")
	})
}

func TestDriverWithholdsWhenTheKernelIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := driver(&scripted{silent: 2 * time.Second})
		d.Silent = func() error { return errors.New("its agent has ended") }
		start := time.Now()
		s := &steady{level: 50, windows: 6}
		if _, err := d.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		cut := time.Duration(0)
		for _, o := range m.offered {
			if o.level == 0 {
				cut = o.at.Sub(start)
				break
			}
		}
		if cut == 0 || cut > 3*time.Second {
			t.Errorf("silent from 2 s on, load cut at %v", cut)
		}
		last := s.seen[len(s.seen)-1].Events
		if len(last) == 0 || last[0].Kind != stress.KernelSilent || !strings.HasSuffix(last[0].Detail, ": its agent has ended") {
			t.Errorf("events %+v", last)
		}
	})
}

// A machine that stands still for two seconds takes nobody's samples: that is
// not the target's silence. But until a new one is there no load is granted.
func TestDriverSurvivesItsOwnStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		d, m := driver(p)
		start, stood := time.Now(), false
		d.Progress = func(w Progress) {
			if stood || w.Elapsed < 2*time.Second {
				return
			}
			stood = true
			time.Sleep(2 * time.Second)
			p.silent = time.Since(start) - 2*time.Second // no sample since,
			p.until = time.Since(start) + 300*time.Millisecond
		}
		s := &steady{level: 50, windows: 8}
		if _, err := d.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		var load float64
		for _, o := range s.seen {
			if len(o.Events) > 0 {
				t.Errorf("events %v", o.Events)
			}
			load = o.Asked
		}
		withheld := false
		for _, o := range m.offered {
			if at := o.at.Sub(start); o.level == 0 && at > 4*time.Second && at < 5*time.Second {
				withheld = true
			}
		}
		if !stood || !withheld || load != 50 {
			t.Errorf("stood %v, load withheld %v, load at the end %v", stood, withheld, load)
		}
	})
}

func TestDriverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, m := driver(&scripted{})
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3500*time.Millisecond, func() { cancel(interrupted) })
		windows, err := d.Run(ctx, &steady{level: 50, windows: 100})
		if !errors.Is(err, interrupted) || len(windows) != 3 {
			t.Errorf("%v after %d windows", err, len(windows))
		}
		if m.now() != 0 {
			t.Error("load is left behind")
		}
	})
}

func TestDriverEndsWithItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{broken: errors.New("boom")}
		d, m := driver(p)
		if _, err := d.Run(t.Context(), &steady{level: 50, windows: 100}); !errors.Is(err, p.broken) {
			t.Errorf("error %v", err)
		}
		if m.now() != 0 {
			t.Error("load is left behind")
		}
	})
}
