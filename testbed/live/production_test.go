package live

import (
	"context"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// sustained is about what one server can, in req/s; the shows measure it.
const sustained = 218

// A production is a bed with its crowd, and somebody who watches the weights.
type production struct {
	*Bed
	crowd *Crowd
	found map[string]State // before anybody touched it
	watch *watcher
	// still is how long the weights are watched once they are as found, and
	// stopped how long a controller that is stopped stays so.
	still, stopped time.Duration
}

// produce starts it, until the test ends.
func produce(t *testing.T, c Config, rate float64) *production {
	t.Helper()
	if _, err := program(); err != nil { // now, for it takes the CPUs that the servers will need
		t.Fatal(err)
	}
	c.Dir = shortDir(t)
	c.Testbed = ".."
	if c.Balancer == "" {
		c.Balancer = "haproxy"
	}
	if err := os.Chmod(c.Dir, 0o755); err != nil { // nginx's workers are somebody else
		t.Fatal(err)
	}
	bed, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	p := &production{Bed: bed, still: 5 * time.Second, stopped: 10 * time.Second}
	t.Cleanup(func() {
		if err := bed.Stop(); err != nil {
			t.Error(err)
		}
	})
	if p.found, err = bed.States(t.Context()); err != nil || len(p.found) != Count {
		t.Fatalf("the balancer tells of %v: %v", p.found, err)
	}
	p.crowd = StartCrowd(CrowdConfig{URL: bed.URL(), Rate: rate, Swing: .15, Day: 4 * time.Minute})
	p.watch = watchStates(bed)
	time.Sleep(8 * time.Second) // each of the servers' processes is slow at its first pages
	p.crowd.Turn()
	t.Cleanup(func() {
		users := p.crowd.Stop()
		p.watch.stop()
		if t.Failed() {
			for _, s := range bed.Servers {
				if err := s.child.Err(); err != nil {
					t.Errorf("%s has ended: %v", s.Name, err)
				}
			}
			t.Logf("the users since:\n%s\nweights:\n%s\nthe balancer's log ends with\n%s", users, p.watch, p.lastLog())
		}
	})
	return p
}

func (p *production) lastLog() string {
	text, err := os.ReadFile(p.Log())
	if err != nil {
		return err.Error()
	}
	var told []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, " front ") { // that is one of a request
			told = append(told, line)
		}
	}
	return strings.Join(told[max(0, len(told)-30):], "")
}

// A watcher reads what stands at the balancer, twenty times a second, and keeps
// what changed.
type watcher struct {
	cancel  context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	changes []change
	seen    time.Time // when it was last read
}

type change struct {
	at     time.Time
	states map[string]State
}

func watchStates(b *Bed) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			if states, err := b.States(ctx); err == nil {
				w.add(states)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *watcher) add(states map[string]State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = time.Now()
	if n := len(w.changes); n > 0 && maps.Equal(w.changes[n-1].states, states) {
		return
	}
	w.changes = append(w.changes, change{w.seen, states})
}

func (w *watcher) stop() {
	w.cancel()
	<-w.done
}

// now is what stands, and since when.
func (w *watcher) now() change {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.changes) == 0 {
		return change{}
	}
	return w.changes[len(w.changes)-1]
}

// since are the changes from a moment on, after what stood then.
func (w *watcher) since(at time.Time) []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := 0
	for i, c := range w.changes {
		if !c.at.After(at) {
			from = i
		}
	}
	return append([]change(nil), w.changes[from:]...)
}

// String is one line a change.
func (w *watcher) String() string {
	var b strings.Builder
	for _, c := range w.since(time.Time{}) {
		b.WriteString(c.at.Format("15:04:05.000 "))
		b.WriteString(weights(c.states))
		b.WriteByte('\n')
	}
	return b.String()
}
