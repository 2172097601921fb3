package shift

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

var _ loadgen.Loader = (*Member)(nil)
var _ Watchdog = (*watchdog.Client)(nil)

// loose lets a server have almost everything.
func loose() Config {
	c := Default
	c.MaxWeight, c.MaxShare, c.Headroom = 20, .8, 1
	return c
}

// squeezing opens a squeeze on a fake of 600 req/s and lets a test have it.
func squeezing(t *testing.T, f func() *fake, c Config, set []string, do func(*fake, *Squeeze)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := f()
		s, err := Open(t.Context(), w, c, "a test", set)
		if err != nil {
			t.Fatal(err)
		}
		do(w, s)
		if _, err := s.Close(); err != nil && w.gone == nil && !w.unsure {
			t.Error(err)
		}
	})
}

func plain() *fake { return newFake(600, 10) }

// hold asks for levels for some seconds, as drivers do, and returns what the
// members counted in the last one.
func hold(s *Squeeze, seconds int, levels map[string]float64) map[string]loadgen.Answers {
	last := map[string]loadgen.Answers{}
	for range seconds {
		for range 5 {
			for name, level := range levels {
				s.Member(name).Turn(level, 500*time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond)
		}
		for name := range levels {
			last[name] = s.Member(name).Take()
		}
	}
	return last
}

func TestSqueezeGivesWhatIsAsked(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1", "s2"}, func(f *fake, s *Squeeze) {
		m := s.Member("s1")
		if m.Unit() != "req/s" || m.Delay() != 300*time.Millisecond || math.Abs(m.Found()-100) > 1 || s.Member("s3") != nil {
			t.Errorf("%s, %v, %.1f", m.Unit(), m.Delay(), m.Found())
		}
		if got := f.weights(); got != "[10 10 10 10 10 10]" {
			t.Errorf("weights in the quiet time: %s", got)
		}
		for _, c := range []struct {
			levels map[string]float64
			s1, s2 float64
		}{
			{map[string]float64{"s1": 200}, 200, 80},
			{map[string]float64{"s1": 200, "s2": 150}, 200, 150},
			{map[string]float64{"s1": 50, "s2": 150}, 90, 150}, // no less than the weight found gives
			{map[string]float64{"s1": 0, "s2": 0}, 100, 100},
			{map[string]float64{"s1": -3, "s2": math.NaN()}, 100, 100},
		} {
			got := hold(s, 6, map[string]float64{"s1": c.levels["s1"], "s2": c.levels["s2"]})
			for name, want := range map[string]float64{"s1": c.s1, "s2": c.s2} {
				if sent := float64(got[name].Sent); sent < .95*want-1 || sent > 1.02*want+1 {
					t.Errorf("%v: %s was sent %v, want %v", c.levels, name, sent, want)
				}
				if got[name].Failed != 0 || got[name].Capped != "" || got[name].Latency != nil {
					t.Errorf("%v: %+v", c.levels, got[name])
				}
			}
		}
	})
}

func TestLeaseEnds(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		hold(s, 2, map[string]float64{"s1": 200})
		if got := f.weights(); got != "[25 10 10 10 10 10]" {
			t.Errorf("squeezed: %s", got)
		}
		time.Sleep(800 * time.Millisecond)
		if got := f.weights(); got != "[10 10 10 10 10 10]" {
			t.Errorf("after the lease: %s", got)
		}
		hold(s, 1, map[string]float64{"s1": 200})
		if err := s.Member("s1").Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(300 * time.Millisecond)
		if got := f.weights(); got != "[10 10 10 10 10 10]" || s.Err() != nil {
			t.Errorf("after Close: %s, %v", got, s.Err())
		}
	})
}

func TestCapsAreTold(t *testing.T) {
	c := loose()
	c.MaxWeight, c.MaxShare = 3, .5
	squeezing(t, plain, c, []string{"s1"}, func(f *fake, s *Squeeze) {
		got := hold(s, 3, map[string]float64{"s1": 400})["s1"]
		if f.weights() != "[30 10 10 10 10 10]" || got.Capped != "its weight is at 3 times the one found, 10" || got.Limit != "" {
			t.Errorf("%s, %q", f.weights(), got.Capped)
		}
	})
}

func TestDrained(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1", "s2"}, func(f *fake, s *Squeeze) {
		for range 5 {
			s.Member("s1").Drain(500 * time.Millisecond)
			s.Member("s2").Turn(200, 500*time.Millisecond)
			time.Sleep(200 * time.Millisecond)
		}
		if got := f.weights(); got != "[0 20 10 10 10 10]" {
			t.Errorf("drained: %s", got)
		}
		time.Sleep(time.Second)
		if got := f.weights(); got != "[10 10 10 10 10 10]" {
			t.Errorf("put back: %s", got)
		}
	})
}

// TestUnevenBalancer: where a unit of weight brings less to a server that is
// slow, the rate asked for is had all the same.
func TestUnevenBalancer(t *testing.T) {
	uneven := func() *fake { f := plain(); f.gain["s1"] = .7; return f }
	squeezing(t, uneven, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		hold(s, 15, map[string]float64{"s1": 200})
		if got := hold(s, 1, map[string]float64{"s1": 200})["s1"].Sent; got < 190 || got > 204 {
			t.Errorf("sent %d", got)
		}
	})
}

func TestTrafficMoves(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		for range 60 {
			total, pushes := 0.0, 0
			f.do(func() {
				f.total *= 1.005
				total, pushes = f.total, len(f.pushed)
			})
			got := hold(s, 1, map[string]float64{"s1": 200})["s1"].Sent
			if pushes > 100 && (got < 185 || got > 210) {
				t.Fatalf("sent %d at %.0f req/s", got, total)
			}
		}
	})
}

func TestSqueezeEndsByItself(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(*fake)
		within time.Duration
		want   string
	}{
		{"dead epoch", func(f *fake) { f.dead = &watchdog.Ended{Epoch: 1, Why: "s4 is down", Restored: true} }, 400 * time.Millisecond,
			"the watchdog ended the squeeze: s4 is down"},
		{"another watchdog", func(f *fake) { f.broken = &watchdog.Refusal{Code: watchdog.DeadEpoch, Why: "epoch 1 is dead"} }, 400 * time.Millisecond,
			"knows nothing of the squeeze any more"},
		{"watchdog lost", func(f *fake) { f.broken = errNobody }, 2600 * time.Millisecond, "cannot be had for 2s: nobody answers"},
		{"siblings fail", func(f *fake) { f.failing["s5"] = .2 }, 3 * time.Second, "the siblings suffer: "},
		{"siblings slow", func(f *fake) { f.took["s2"], f.took["s3"] = 60*time.Millisecond, 60*time.Millisecond }, 8 * time.Second,
			"the siblings suffer: the p99 of their answers is 61ms, and was 20ms when it was quiet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			logged := func() *fake {
				f := plain()
				f.logged = true
				for _, s := range f.backend.Servers {
					f.took[s.Name] = 20 * time.Millisecond
				}
				return f
			}
			squeezing(t, logged, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
				hold(s, 10, map[string]float64{"s1": 200})
				if err := s.Err(); err != nil {
					t.Fatalf("too early: %v", err)
				}
				f.do(func() { c.happen(f) })
				start := time.Now()
				for s.Err() == nil && time.Since(start) < 20*time.Second {
					s.Member("s1").Turn(200, 500*time.Millisecond)
					time.Sleep(100 * time.Millisecond)
				}
				took := time.Since(start)
				var lost *Lost
				if err := s.Err(); !errors.As(err, &lost) || !strings.Contains(err.Error(), c.want) || took > c.within {
					t.Errorf("after %v: %v", took, err)
				}
				time.Sleep(300 * time.Millisecond)
				n := len(f.pushed)
				s.Member("s1").Turn(300, time.Second)
				time.Sleep(2 * time.Second)
				if len(f.pushed) != n {
					t.Errorf("%d pushes after the end", len(f.pushed)-n)
				}
				closed, err := s.Close()
				if err != nil || !closed.Restored || !strings.Contains(closed.Why, c.want) || f.weights() != "[10 10 10 10 10 10]" {
					t.Errorf("%+v, %v, %s", closed, err, f.weights())
				}
			})
		})
	}
}

// TestSlowSiblingsWithoutALog: the balancer's own mean is all there is.
func TestSlowSiblingsWithoutALog(t *testing.T) {
	slow := func() *fake {
		f := plain()
		for _, s := range f.backend.Servers {
			f.took[s.Name] = 20 * time.Millisecond
		}
		return f
	}
	squeezing(t, slow, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		f.do(func() { f.took["s1"] = time.Second }) // it is squeezed: it may
		hold(s, 10, map[string]float64{"s1": 200})
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		f.do(func() {
			for _, name := range s.watch.names {
				f.took[name] = 40 * time.Millisecond
			}
		})
		hold(s, 8, map[string]float64{"s1": 200})
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "in the mean, and took 20ms when it was quiet") {
			t.Errorf("%v", err)
		}
	})
}

func TestClosed(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		hold(s, 3, map[string]float64{"s1": 200})
		a, err := s.Close()
		b, again := s.Close()
		if err != nil || again != nil || a.Took != b.Took || len(f.ends) != 1 {
			t.Fatalf("%v, %v, %d ends", err, again, len(f.ends))
		}
		if a.Epoch != 1 || !a.Restored || a.Found["s1"] != 10 || a.Left["s1"] != 10 || a.Why != "the run ended" {
			t.Errorf("%+v", a)
		}
		if len(a.Weights) != 3 || a.Weights[1].Weights["s1"] != 25 || a.Weights[1].At < quietTime {
			t.Errorf("weights %+v", a.Weights)
		}
		if q, d := a.Siblings.Quiet, a.Siblings.During; math.Abs(q.Rate-500) > 5 || d.Rate > 480 || d.Rate < 390 || q.P99 != 0 || len(a.Siblings.Names) != 5 {
			t.Errorf("siblings %+v", a.Siblings)
		}
		if math.Abs(a.Total.From-600) > 5 || math.Abs(a.Total.Most-600) > 10 {
			t.Errorf("total %+v", a.Total)
		}
	})
}

// TestClosedAtOnce: what was raised last is told, though no reading of ours has it.
func TestClosedAtOnce(t *testing.T) {
	squeezing(t, plain, loose(), []string{"s1", "s2"}, func(f *fake, s *Squeeze) {
		s.Member("s1").Turn(200, time.Second)
		for f.weights() == "[10 10 10 10 10 10]" {
			time.Sleep(10 * time.Millisecond)
		}
		closed, err := s.Close()
		if err != nil || len(closed.Weights) != 3 {
			t.Fatalf("%v, weights %+v", err, closed.Weights)
		}
		raised, back := closed.Weights[1], closed.Weights[2].Weights
		if raised.Weights["s1"] != 25 || raised.Weights["s2"] != 10 || raised.At < quietTime || back["s1"] != 10 || back["s2"] != 10 {
			t.Errorf("weights %+v", closed.Weights)
		}
	})
}

func TestNotRestored(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*fake)
		want string
	}{
		{"the watchdog is not sure", func(f *fake) { f.unsure = true }, "the watchdog is still at it"},
		{"the watchdog is gone", func(f *fake) { f.gone = errNobody }, "nobody answers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			squeezing(t, plain, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
				hold(s, 2, map[string]float64{"s1": 200})
				f.do(func() { c.make(f) })
				closed, err := s.Close()
				left, ok := errors.AsType[*NotRestored](err)
				if !ok || closed.Restored || !strings.Contains(err.Error(), c.want) || !strings.Contains(left.Hint(), "saturate restore") {
					t.Errorf("%+v, %v", closed, err)
				}
			})
		})
	}
}

func TestOpenHoldsNothingWhereItRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := plain()
		f.backend.Servers[2].Status = balancer.Down
		if _, err := Open(t.Context(), f, loose(), "a test", []string{"s1"}); err == nil || f.epoch != 0 {
			t.Errorf("a sibling is down: %v, epoch %d", err, f.epoch)
		}
		f = newFake(.5, 10)
		_, err := Open(t.Context(), f, loose(), "a test", []string{"s1"})
		if refused, ok := errors.AsType[*Refused](err); !ok || refused.Hint() == "" || len(f.ends) != 1 {
			t.Errorf("no traffic: %v, %d ends", err, len(f.ends))
		}
		f = plain()
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(interrupted) })
		if _, err := Open(ctx, f, loose(), "a test", []string{"s1"}); !errors.Is(err, interrupted) || len(f.ends) != 1 {
			t.Errorf("interrupted: %v, %d ends", err, len(f.ends))
		}
	})
}

// TestCountsOfAWindow: readings come late and unevenly, by a clock of their own,
// and a window's counts are right all the same.
func TestCountsOfAWindow(t *testing.T) {
	odd := func() *fake { f := plain(); f.ahead, f.logged = -3*time.Hour, true; return f }
	squeezing(t, odd, loose(), []string{"s1"}, func(f *fake, s *Squeeze) {
		m := s.Member("s1")
		m.Take()
		var sent, done uint64
		for i := range 20 {
			time.Sleep(time.Second + time.Duration(i%3)*7*time.Millisecond)
			a := m.Take()
			if a.Sent < 97 || a.Sent > 104 {
				t.Errorf("window %d: sent %d", i, a.Sent)
			}
			if n := a.Latency.TotalCount(); n < 75 || n > 125 {
				t.Errorf("window %d: %d answers' times", i, n)
			}
			sent, done = sent+a.Sent, done+a.Done
		}
		if done != sent || sent < 2000 || sent > 2020 {
			t.Errorf("sent %d, done %d", sent, done)
		}
		f.do(func() { f.backend.Boot, f.counted["s1"] = "2", 5 })
		time.Sleep(time.Second)
		m.Take()
		time.Sleep(time.Second)
		if a := m.Take(); a.Sent < 90 || a.Sent > 110 {
			t.Errorf("after counters began anew: sent %d", a.Sent)
		}
	})
}
