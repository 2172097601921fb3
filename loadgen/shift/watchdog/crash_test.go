package watchdog

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dies is the Step of a watchdog that is killed when it comes to a point for the
// nth time.
type dies struct {
	mu    sync.Mutex
	point string
	nth   int
	seen  map[string]int
	born  chan struct{} // life is there
	life  *life
}

func (d *dies) step(point string) error {
	d.mu.Lock()
	d.seen[point]++
	now := point == d.point && d.seen[point] == d.nth
	d.mu.Unlock()
	if now {
		if point != "start: locked" {
			<-d.born
			d.life.kill()
		}
		runtime.Goexit()
	}
	return nil
}

// squeeze is what a controller does: two servers up, one back, both up, the end.
// It stops where the watchdog does not answer any more.
func squeeze(w *Watchdog, t *testing.T) {
	done := make(chan struct{})
	go func() { // the watchdog may end the goroutine that asks
		defer close(done)
		g, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1", "s2"}, MaxConns: map[string]int{"s1": 32, "s2": 32}})
		if err != nil {
			return
		}
		for i, weights := range []map[string]int{nil, {"s1": 120, "s2": 110}, {"s1": 130}, {"s1": 150, "s2": 150}} {
			if _, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: weights}); err != nil {
				return
			}
			time.Sleep(time.Duration(i) * 100 * time.Millisecond)
		}
		w.End(t.Context(), End{Epoch: g.Epoch})
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
}

// Killed at every step of a squeeze, and at every step of putting back what the
// killed one left: the next watchdog puts it right, and the epoch is dead.
func TestKilledAtEveryStep(t *testing.T) {
	seen := map[string]int{}
	synctest.Test(t, func(t *testing.T) { // what steps there are
		d := &dies{seen: seen}
		w := alive(t, six(), folder(t), func(c *Config) { c.Step = d.step })
		squeeze(w.Watchdog, t)
		w.close()
	})
	for _, point := range Points() {
		if seen[point] == 0 {
			t.Errorf("a squeeze does not come by %q", point)
		}
	}
	for point := range seen {
		if !slices.Contains(Points(), point) {
			t.Errorf("%q is not among Points", point)
		}
	}
	tries := 0
	for _, point := range Points() {
		for nth := 1; nth <= seen[point]; nth++ {
			tries++
			t.Run(fmt.Sprintf("%s %d", point, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { killedAt(t, point, nth, "", 0) })
			})
		}
	}
	for _, point := range []string{"push: weights set", "begin: valves set", "restore: weights set"} {
		for _, second := range []string{"start: locked", "restore: begins", "restore: read", "restore: weights set", "restore: valves set", "restore: verified", "restore: finished"} {
			tries++
			t.Run(point+", then "+second, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { killedAt(t, point, 1, second, 1) })
			})
		}
	}
	t.Logf("killed at %d steps", tries)
}

// killedAt runs a squeeze whose watchdog is killed, and perhaps the next one too.
func killedAt(t *testing.T, point string, nth int, second string, again int) {
	f, dir := six(), folder(t)
	if w := mortal(t, f, dir, point, nth); w != nil {
		squeeze(w.Watchdog, t)
	}
	left := f.weights()
	if second != "" {
		mortal(t, f, dir, second, again)
		time.Sleep(10 * time.Second)
	}
	start := time.Now()
	w := alive(t, f, dir, nil)
	if err := w.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("put back after %v", d)
	}
	for name, weight := range f.weights() {
		if weight != 100 || f.maxConns(name) != 500 {
			t.Errorf("%s has weight %d, maxconn %d; the killed left %v", name, weight, f.maxConns(name), left)
		}
	}
	s, err := w.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Last != nil {
		if !s.Last.Restored || len(s.Last.Respected) > 0 {
			t.Errorf("%+v", s.Last)
		}
		_, err := w.Push(t.Context(), Push{Epoch: s.Last.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}})
		code(t, err, DeadEpoch)
	}
	g := w.begin("s1")
	if s.Last != nil && g.Epoch <= s.Last.Epoch {
		t.Errorf("epoch %d after %d", g.Epoch, s.Last.Epoch)
	}
	w.close()
}

// mortal is a watchdog that is killed at a point; nil where that is at its birth.
func mortal(t *testing.T, f *fake, dir, point string, nth int) *life {
	d := &dies{point: point, nth: nth, seen: make(map[string]int), born: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err := live(t, f, dir, func(c *Config) { c.Step = d.step })
		if err != nil {
			t.Error(err)
			return
		}
		d.life = l
		close(d.born)
	}()
	<-done
	return d.life
}
