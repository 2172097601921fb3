package watchdog

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen/shift/balancer"
)

// The balancer is away for a while: the weights are back soon after it is.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 150})
		f.with(func() { f.away = errAway })
		start := time.Now()
		for {
			// The weights stand, and their lease could be renewed without a word with
			// the balancer.
			_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
			if err != nil {
				code(t, err, DeadEpoch)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(start); d < 500*time.Millisecond || d > 1500*time.Millisecond {
			t.Errorf("the epoch ended after %v", d)
		}
		s, err := w.State(t.Context())
		if err != nil || !s.Restoring || s.Epoch != 0 || s.Trouble == "" || s.Last == nil || s.Last.Restored {
			t.Errorf("%+v, %v", s, err)
		}
		_, err = w.Begin(t.Context(), Begin{Holder: "another", Servers: []string{"s2"}})
		code(t, err, Busy)
		time.Sleep(time.Hour)
		f.with(func() { f.away = nil })
		back := time.Now()
		if e := w.idle(); !strings.HasPrefix(e.Why, "the balancer could not be read for 1s") || !e.Restored || time.Since(back) > 2*time.Second {
			t.Errorf("%+v after %v", e, time.Since(back))
		}
		if f.weight("s1") != 100 {
			t.Error(f.weights())
		}
		w.close()
	})
}

// A balancer that says nothing at all is not waited for.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 150})
		f.with(func() { f.hangs = true })
		for {
			if _, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}}); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		f.with(func() { f.hangs = false })
		back := time.Now()
		if e := w.idle(); e.Why != "the balancer could not be read for 1s: it does not answer" || f.weight("s1") != 100 || time.Since(back) > 2*time.Second {
			t.Errorf("%+v after %v", e, time.Since(back))
		}
		w.close()
	})
}

// A balancer that hangs carries out what it was told when it goes on, though
// nobody waits for it any more: what was put back is looked at again.
func TestLateSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), func(c *Config) {
			c.Step = func(point string) error {
				if point == "push: journal written" && f.weight("s1") == 120 {
					f.with(func() { f.hangs = true })
				}
				return nil
			}
		})
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 120})
		s := w.push(g.Epoch, map[string]int{"s1": 160})
		if !s.Pending {
			t.Error("what hangs has been done")
		}
		time.Sleep(5 * time.Second)
		f.with(func() { f.hangs = false })
		time.Sleep(600 * time.Millisecond) // it reads them from one socket before it reads the other's
		f.with(func() {
			for _, do := range f.late {
				do()
			}
		})
		if e := w.idle(); !e.Restored || f.weight("s1") != 100 {
			t.Errorf("%+v, %v", e, f.weights())
		}
		w.close()
	})
}

// A set that takes long does not hold up the lease, and what takes all back does
// not wait for it.
func TestSlowSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		f.slow = 3 * time.Second
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		start := time.Now()
		for range 20 { // renewed while the set goes on
			w.push(g.Epoch, map[string]int{"s1": 120})
			time.Sleep(200 * time.Millisecond)
		}
		if f.weight("s1") != 120 {
			t.Errorf("after %v: %v", time.Since(start), f.weights())
		}
		w.push(g.Epoch, map[string]int{"s1": 160})
		f.with(func() { f.slow = 0 })
		s := w.push(g.Epoch, nil)
		if f.weight("s1") != 100 || s.Pending {
			t.Errorf("%+v, %v", s, f.weights())
		}
		f.with(func() { f.slow = time.Minute })
		w.push(g.Epoch, map[string]int{"s1": 160})
		f.with(func() { f.slow = 0 })
		at := time.Now()
		if e := w.idle(); e.Why != "the lease ended" || f.weight("s1") != 100 || time.Since(at) > 3*time.Second {
			t.Errorf("%+v, %v", e, f.weights())
		}
		w.close()
	})
}

// Told to end while the balancer is away: it tries for as long as it may, says
// that it could not, and the next one does it.
func TestToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		dir := folder(t)
		w := alive(t, f, dir, nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 150})
		f.with(func() { f.away = errAway })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		r := code(t, w.Close(ctx, "told to end"), NoBalancer)
		if r.Remedy != "saturate restore" || time.Since(start) != 10*time.Second || f.weight("s1") != 150 {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
		f.with(func() { f.away = nil })
		next := alive(t, f, dir, nil)
		if e := next.idle(); e.Epoch != g.Epoch || e.Why != "told to end" || !e.Restored || f.weight("s1") != 100 {
			t.Errorf("%+v, %v", e, f.weights())
		}
		_, err := next.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
		code(t, err, DeadEpoch)
		if g2 := next.begin("s1"); g2.Epoch <= g.Epoch {
			t.Errorf("epoch %d after %d", g2.Epoch, g.Epoch)
		}
		next.close()
		last := alive(t, f, dir, nil)
		if s, err := last.State(t.Context()); err != nil || s.Last == nil || !s.Last.Restored || s.Restoring {
			t.Errorf("%+v, %v", s, err)
		}
		last.close()
	})
}

// The journal cannot be written: before the begin, nothing is changed.
func TestJournalFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), func(c *Config) {
			c.Step = func(point string) error {
				if point == "begin: journal" {
					return errors.New("no space left on device")
				}
				return nil
			}
		})
		_, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}, MaxConns: map[string]int{"s1": 3}})
		if r := code(t, err, NoJournal); !strings.Contains(r.Why, "nothing is changed") {
			t.Error(r.Why)
		}
		if len(f.sets) != 0 {
			t.Errorf("set: %v", f.sets)
		}
		w.close()
	})
}

// In the middle of an epoch nothing more is set, all is put back, and the epoch
// lasts until the journal says so.
func TestJournalFullLater(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 120})
		w.mu.Lock()
		j := w.hold.journal
		file := j.file
		j.file = full
		w.mu.Unlock()
		_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
		if r := code(t, err, NoJournal); !strings.Contains(r.Why, "so it is not set") || f.weight("s1") != 120 {
			t.Errorf("%s, %v", r.Why, f.weights())
		}
		time.Sleep(3 * time.Second)
		if s, err := w.State(t.Context()); err != nil || !s.Restoring || !strings.Contains(s.Trouble, "the journal cannot say so") || f.weight("s1") != 100 {
			t.Errorf("%+v, %v, %v", s, err, f.weights())
		}
		w.mu.Lock()
		j.file = file
		w.mu.Unlock()
		if e := w.idle(); !e.Restored || !strings.HasPrefix(e.Why, "the lease ended: what is to be set cannot be written down") {
			t.Errorf("%+v", e)
		}
		w.close()
	})
}

// The valves cannot be set: the begin is refused, and they are put back.
func TestValveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), func(c *Config) {
			c.Step = func(point string) error {
				if point == "begin: valves set" {
					return errors.New("the answer was lost")
				}
				return nil
			}
		})
		_, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}, MaxConns: map[string]int{"s1": 3}})
		code(t, err, NoBalancer)
		if e := w.idle(); !e.Restored || f.maxConns("s1") != 500 {
			t.Errorf("%+v, %d", e, f.maxConns("s1"))
		}
		w.close()
	})
}

// One server is gone when all is put back: the others are put back.
func TestOneIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), func(c *Config) {
			c.Step = func(point string) error {
				if point == "restore: read" {
					f.with(func() { delete(f.servers, "s1") })
				}
				return nil
			}
		})
		g := w.begin("s1", "s2")
		w.push(g.Epoch, map[string]int{"s1": 150, "s2": 150})
		e, err := w.End(t.Context(), End{Epoch: g.Epoch, Why: "enough"})
		if err != nil || !e.Restored || e.Why != "enough" || len(e.Respected) != 1 || f.weight("s2") != 100 {
			t.Errorf("%+v, %v, %v", e, err, f.weights())
		}
		w.close()
	})
}

// What an operator sets while weights are put back is theirs.
func TestOperatorWhileRestoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), func(c *Config) {
			c.Step = func(point string) error {
				if point == "restore: weights set" {
					f.operator("s1", func(s *balancer.Server) { s.Weight = 33 })
				}
				return nil
			}
		})
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 150})
		e, err := w.End(t.Context(), End{Epoch: g.Epoch})
		if err != nil || !e.Restored || strings.Join(e.Respected, "") != "s1" || f.weight("s1") != 33 {
			t.Errorf("%+v, %v, %v", e, err, f.weights())
		}
		w.close()
	})
}

// A balancer that says it has set what it has not: that is no operator's change,
// and nothing is as found until it shows.
func TestDoesNotObey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 150})
		time.Sleep(time.Second / 2)
		f.with(func() { f.deaf = true })
		w.push(g.Epoch, nil)
		for range 20 {
			w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second})
			time.Sleep(100 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		e, err := w.End(ctx, End{Epoch: g.Epoch})
		if err != nil || e.Restored || !strings.HasPrefix(e.Why, "s1 has weight 150 again, and not 100") {
			t.Errorf("%+v, %v", e, err)
		}
		if s, err := w.State(t.Context()); err != nil || !s.Restoring || !strings.Contains(s.Trouble, "does not show") {
			t.Errorf("%+v, %v", s, err)
		}
		f.with(func() { f.deaf = false })
		if e := w.idle(); !e.Restored || len(e.Respected) > 0 || f.weight("s1") != 100 {
			t.Errorf("%+v, %v", e, f.weights())
		}
		w.close()
	})
}
