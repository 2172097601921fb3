package watchdog

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen/shift/balancer"
)

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1", "s2")
		if g.Epoch == 0 || len(g.Found.Servers) != 6 || g.Delay != f.delay {
			t.Errorf("%+v", g)
		}
		s := w.push(g.Epoch, map[string]int{"s1": 150})
		if f.weight("s1") != 150 || s.Pushed["s1"] != 150 || len(s.Pushed) != 1 || s.Pending || s.Epoch != g.Epoch || s.Holder != "test" {
			t.Errorf("%v, %+v", f.weights(), s)
		}
		w.push(g.Epoch, map[string]int{"s2": 120})
		if f.weight("s1") != 100 || f.weight("s2") != 120 {
			t.Errorf("a server that is not named: %v", f.weights())
		}
		sets := len(f.sets)
		w.push(g.Epoch, map[string]int{"s2": 120})
		if len(f.sets) != sets {
			t.Error("the same again is set again")
		}
		e, err := w.End(t.Context(), End{Epoch: g.Epoch})
		if err != nil || !e.Restored || e.Why != "the run ended" || len(e.Respected) != 0 || f.weight("s2") != 100 {
			t.Errorf("%+v, %v, %v", e, err, f.weights())
		}
		if len(e.Servers) != 2 || e.Servers[1] != (Return{Server: "s2", Found: 100, Stood: 120, Stands: 100}) {
			t.Errorf("%+v", e.Servers)
		}
		again, err := w.End(t.Context(), End{Epoch: g.Epoch})
		if err != nil || again.Why != e.Why || !again.Restored {
			t.Errorf("ended twice: %+v, %v", again, err)
		}
		_, err = w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
		if r := code(t, err, DeadEpoch); r.Ended == nil || r.Ended.Why != e.Why {
			t.Errorf("%+v", r)
		}
		if next := w.begin("s1"); next.Epoch <= g.Epoch {
			t.Errorf("epoch %d after %d", next.Epoch, g.Epoch)
		}
		w.close()
		if f.weight("s1") != 100 {
			t.Error(f.weights())
		}
	})
}

// Everything that ends an epoch by itself: all is put back, somebody else's change
// stays, and the epoch is dead for ever.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name      string
		happens   func(f *fake)
		lease     time.Duration // that somebody goes on renewing; 0: nobody does
		within    time.Duration
		why       string
		respected string
		want      map[string]int // other than 100
	}{
		{name: "the lease ends", within: 1100 * time.Millisecond, why: "the lease ended"},
		{name: "down", happens: func(f *fake) {
			f.operator("s4", func(s *balancer.Server) { s.Status, s.Detail = balancer.Down, "DOWN 1/2" })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "s4 is down (DOWN 1/2)"},
		{name: "a health check flips", happens: func(f *fake) {
			f.operator("s1", func(s *balancer.Server) { s.Status, s.Detail = balancer.Failing, "UP 2/3" })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "s1 is failing (UP 2/3)"},
		{name: "drain", happens: func(f *fake) {
			f.operator("s3", func(s *balancer.Server) { s.Status, s.Detail = balancer.Drain, "" })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "s3 is drain"},
		{name: "another sets the weight of the squeezed", happens: func(f *fake) {
			f.operator("s1", func(s *balancer.Server) { s.Weight = 40 })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "somebody else set the weight of s1 to 40", respected: "s1", want: map[string]int{"s1": 40}},
		{name: "another sets it to what was found", happens: func(f *fake) {
			f.operator("s1", func(s *balancer.Server) { s.Weight = 100 })
		}, lease: time.Second, within: time.Second, why: "s1 has weight 100 again, and not 150: somebody else set it, or the balancer does not do as it is told"},
		{name: "it has a weight of before", happens: func(f *fake) {
			f.operator("s1", func(s *balancer.Server) { s.Weight = 120 })
		}, lease: time.Second, within: time.Second, why: "s1 has weight 120 again, and not 150: somebody else set it, or the balancer does not do as it is told"},
		{name: "another sets the weight of a sibling", happens: func(f *fake) {
			f.operator("s5", func(s *balancer.Server) { s.Weight = 0 })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "somebody else set the weight of s5 to 0", respected: "s5", want: map[string]int{"s5": 0}},
		{name: "another sets the valve of a sibling", happens: func(f *fake) {
			f.operator("s5", func(s *balancer.Server) { s.MaxConns = 7 })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "somebody else set maxconn of s5 to 7", respected: "s5"},
		{name: "another sets the valve of the squeezed", happens: func(f *fake) {
			f.operator("s1", func(s *balancer.Server) { s.MaxConns = 7 })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "somebody else set maxconn of s1 to 7", respected: "s1"},
		{name: "reloaded", happens: func(f *fake) { f.reload(false) },
			lease: time.Second, within: 300 * time.Millisecond, why: "the balancer was reloaded"},
		{name: "reloaded with a state file", happens: func(f *fake) { f.reload(true) },
			lease: time.Second, within: 300 * time.Millisecond, why: "the balancer was reloaded"},
		{name: "a server is taken away", happens: func(f *fake) { f.with(func() { delete(f.servers, "s2") }) },
			lease: time.Second, within: 300 * time.Millisecond, why: "s2 is no longer a server of the backend", respected: "s2"},
		{name: "a server is added", happens: func(f *fake) {
			f.operator("s7", func(s *balancer.Server) { *s = balancer.Server{Name: "s7", Weight: 100, Status: balancer.Up} })
		}, lease: time.Second, within: 300 * time.Millisecond, why: "s7 is a new server of the backend"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := six()
				w := alive(t, f, folder(t), nil)
				b := Begin{Holder: "test", Servers: []string{"s1", "s2"}, MaxConns: map[string]int{"s1": 32}}
				g, err := w.Begin(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				w.push(g.Epoch, map[string]int{"s1": 120, "s2": 110})
				w.push(g.Epoch, map[string]int{"s1": 150, "s2": 130})
				time.Sleep(700 * time.Millisecond) // what was before may not be read any more
				w.push(g.Epoch, map[string]int{"s1": 150, "s2": 130})
				if c.happens != nil {
					c.happens(f)
				}
				at := time.Now()
				for c.lease > 0 && time.Since(at) < c.within {
					_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: c.lease, Weights: map[string]int{"s1": 150, "s2": 130}})
					if err != nil {
						code(t, err, DeadEpoch)
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				e := w.idle()
				if e.Why != c.why || !e.Restored || strings.Join(e.Respected, " ") != c.respected {
					t.Errorf("%+v", e)
				}
				if took := time.Since(at); took > c.within+100*time.Millisecond {
					t.Errorf("put back after %v", took)
				}
				for name, got := range f.weights() {
					want, ok := c.want[name]
					if !ok {
						want = 100
					}
					if got != want {
						t.Errorf("%s has %d, want %d", name, got, want)
					}
				}
				if c.respected != "s1" && f.maxConns("s1") != 500 {
					t.Errorf("the valve stands at %d", f.maxConns("s1"))
				}
				sets := len(f.sets)
				time.Sleep(10 * time.Second)
				_, err = w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
				if r := code(t, err, DeadEpoch); r.Ended == nil || !strings.Contains(r.Why, c.why) {
					t.Errorf("%+v", r)
				}
				if len(f.sets) != sets {
					t.Error("something is pushed after the end")
				}
				w.close()
			})
		})
	}
}

// A reload that brings the configuration's weights, where others had been set
// before: they are what would stand there without us.
func TestReloadBringsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		f.operator("s1", func(s *balancer.Server) { s.Weight = 80 })
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1", "s2")
		w.push(g.Epoch, map[string]int{"s1": 120, "s2": 130})
		f.reload(false)
		e := w.idle()
		if !e.Restored || strings.Join(e.Respected, " ") != "s1" || f.weight("s1") != 100 || f.weight("s2") != 100 {
			t.Errorf("%+v, %v", e, f.weights())
		}
		if !strings.Contains(e.Servers[0].Left, "reloaded, and has weight 100") {
			t.Errorf("%+v", e.Servers)
		}
		w.close()
	})
}

func TestRefusals(t *testing.T) {
	ok := Begin{Holder: "test", Servers: []string{"s1"}}
	for _, c := range []struct {
		name    string
		happens func(f *fake, b *Begin)
		want    Code
		says    string
	}{
		{"nobody asks", func(_ *fake, b *Begin) { b.Holder = "" }, BadRequest, "who it is"},
		{"an unprintable name", func(_ *fake, b *Begin) { b.Holder = "a\x1b[2J" }, BadRequest, "printed"},
		{"no server", func(_ *fake, b *Begin) { b.Servers = nil }, BadRequest, "no server"},
		{"twice", func(_ *fake, b *Begin) { b.Servers = []string{"s1", "s1"} }, BadRequest, "twice"},
		{"a stranger", func(_ *fake, b *Begin) { b.Servers = []string{"s9"} }, BadRequest, "s9 is no server"},
		{"all of them", func(_ *fake, b *Begin) { b.Servers = []string{"s1", "s2", "s3", "s4", "s5", "s6"} }, TooMuch, "no sibling"},
		{"valve of another", func(_ *fake, b *Begin) { b.MaxConns = map[string]int{"s2": 5} }, BadRequest, "s2"},
		{"a shut valve", func(_ *fake, b *Begin) { b.MaxConns = map[string]int{"s1": 0} }, BadRequest, "nothing through"},
		{"more than is allowed", func(_ *fake, b *Begin) { b.Caps.Times = 3.5 }, TooMuch, "allows 3"},
		{"a larger share", func(_ *fake, b *Begin) { b.Caps.Share = .26 }, TooMuch, "allows 25 %"},
		{"longer", func(_ *fake, b *Begin) { b.Caps.For = time.Hour }, TooMuch, "allows 20m"},
		{"nonsense", func(_ *fake, b *Begin) { b.Caps.Times = math.NaN() }, BadRequest, "NaN"},
		{"a share that it has already", func(_ *fake, b *Begin) { b.Caps.Share = .1 }, TooMuch, "16.7 %"},
		{"drain", func(f *fake, _ *Begin) {
			f.operator("s4", func(s *balancer.Server) { s.Status, s.Detail = balancer.Drain, "DRAIN (agent)" })
		}, NotUp, "s4 is drain (DRAIN (agent))"},
		{"maintenance", func(f *fake, _ *Begin) {
			f.operator("s1", func(s *balancer.Server) { s.Status, s.Detail = balancer.Maintenance, "MAINT" })
		}, NotUp, "s1 is maintenance"},
		{"weight 0", func(f *fake, _ *Begin) { f.operator("s1", func(s *balancer.Server) { s.Weight = 0 }) }, NotUp, "s1 has weight 0"},
		{"a sibling's weight is 0", func(f *fake, _ *Begin) { f.operator("s5", func(s *balancer.Server) { s.Weight = 0 }) }, NotUp, "s5 has weight 0"},
		{"a backup", func(f *fake, _ *Begin) { f.operator("s1", func(s *balancer.Server) { s.Backup = true }) }, NotUp, "backup"},
		{"fixed", func(f *fake, _ *Begin) { f.fixed = "static-rr" }, NoBalancer, "static-rr"},
		{"away", func(f *fake, _ *Begin) { f.away = errAway }, NoBalancer, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, b := six(), ok
				c.happens(f, &b)
				w := alive(t, f, folder(t), nil)
				_, err := w.Begin(t.Context(), b)
				if r := code(t, err, c.want); !strings.Contains(r.Why, c.says) {
					t.Errorf("%q does not say %q", r.Why, c.says)
				}
				if len(f.sets) != 0 {
					t.Errorf("set: %v", f.sets)
				}
				w.close()
			})
		})
	}
}

func TestPushRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		for _, c := range []struct {
			push Push
			want Code
		}{
			{Push{Epoch: g.Epoch, Weights: map[string]int{"s1": 120}}, TooMuch},
			{Push{Epoch: g.Epoch, Lease: -1}, TooMuch},
			{Push{Epoch: g.Epoch, Lease: LongestLease + 1}, TooMuch},
			{Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 120, "s2": 120}}, TooMuch},
			{Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": -1}}, BadRequest},
			{Push{Epoch: g.Epoch + 1, Lease: time.Second}, DeadEpoch},
			{Push{Epoch: 0, Lease: time.Second}, DeadEpoch},
		} {
			_, err := w.Push(t.Context(), c.push)
			code(t, err, c.want)
		}
		if len(f.sets) != 0 {
			t.Errorf("set: %v", f.sets)
		}
		for _, late := range []struct {
			seq uint64
			ok  bool
		}{{7, true}, {6, false}, {7, false}, {0, true}, {8, true}} {
			_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Seq: late.seq, Lease: time.Second})
			if (err == nil) != late.ok {
				t.Errorf("push %d: %v", late.seq, err)
			}
		}
		if s := w.push(g.Epoch, map[string]int{"s1": 10_000}); s.Pushed["s1"] != 166 || f.weight("s1") != 166 {
			t.Errorf("clamped to %v, set to %d", s.Pushed, f.weight("s1"))
		}
		_, err := w.Begin(t.Context(), Begin{Holder: "another", Servers: []string{"s2"}})
		if r := code(t, err, Busy); !strings.Contains(r.Why, "test squeezes") {
			t.Error(r.Why)
		}
		if _, err := live(t, f, w.config.Dir, nil); err == nil || code(t, err, Busy).Remedy == "" {
			t.Errorf("two watchdogs on one backend: %v", err)
		}
		if _, err := New(Config{Dir: folder(t)}, w.line); err == nil || code(t, err, Busy).Remedy == "" {
			t.Errorf("two watchdogs on one backend, with two folders: %v", err)
		}
		w.close()
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}, Caps: Caps{For: 10 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for err == nil {
			_, err = w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120}})
			time.Sleep(200 * time.Millisecond)
		}
		code(t, err, DeadEpoch)
		if e := w.idle(); e.Why != "10s are over" || f.weight("s1") != 100 || time.Since(start) > 11*time.Second {
			t.Errorf("%+v after %v", e, time.Since(start))
		}
		w.close()
	})
}

// The first lease ends too, where nobody pushes.
func TestFirstLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		if _, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}, MaxConns: map[string]int{"s1": 20}}); err != nil {
			t.Fatal(err)
		}
		if f.maxConns("s1") != 20 {
			t.Errorf("the valve stands at %d", f.maxConns("s1"))
		}
		start := time.Now()
		if e := w.idle(); e.Why != "the lease ended" || f.maxConns("s1") != 500 || time.Since(start) > FirstLease+500*time.Millisecond {
			t.Errorf("%+v after %v", e, time.Since(start))
		}
		w.close()
	})
}

// A push that the balancer refuses renews nothing.
func TestRefusedPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := six()
		w := alive(t, f, folder(t), nil)
		g := w.begin("s1")
		w.push(g.Epoch, map[string]int{"s1": 120})
		f.with(func() { f.refuses = balancer.ErrBudget })
		_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 130}})
		code(t, err, NoBudget)
		f.with(func() { f.refuses = errors.New("no") })
		start := time.Now()
		for {
			_, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 130}})
			var r *Refusal
			if errors.As(err, &r) && r.Code == DeadEpoch {
				break
			}
			code(t, err, NoBalancer)
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(start); d > 1100*time.Millisecond {
			t.Errorf("the epoch lasted %v", d)
		}
		time.Sleep(3 * time.Second)
		if f.weight("s1") != 120 {
			t.Error("it was set")
		}
		f.with(func() { f.refuses = nil })
		if e := w.idle(); !strings.HasPrefix(e.Why, "the lease ended: the balancer does not take the weights") || f.weight("s1") != 100 {
			t.Errorf("%+v, %v", e, f.weights())
		}
		w.close()
	})
}
