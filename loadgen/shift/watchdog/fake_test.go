package watchdog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"saturate/loadgen/shift/balancer"
)

// A fake is a load balancer. Its fields are as an operator sees and changes them.
type fake struct {
	mu      sync.Mutex
	boot    string
	min     int
	most    int
	fixed   string
	delay   time.Duration
	servers map[string]balancer.Server
	initial map[string]balancer.Server // of its configuration
	refuses error                      // what it answers to every set
	away    error                      // what it answers to everything
	hangs   bool                       // it answers nothing, until told otherwise
	late    []func()                   // sets that it had not read when we hung up
	slow    time.Duration              // how long a set takes
	deaf    bool                       // it says that it has set what it has not
	sets    []map[string]int           // that came
}

func newFake(weights map[string]int) *fake {
	f := &fake{boot: "1@0", most: 256, delay: 100 * time.Millisecond, servers: make(map[string]balancer.Server)}
	for name, w := range weights {
		f.servers[name] = balancer.Server{Name: name, Weight: w, Initial: w, MaxConns: 500, Status: balancer.Up, Detail: "UP"}
	}
	f.initial = maps.Clone(f.servers)
	return f
}

// six is a backend of six servers with weight 100.
func six() *fake {
	weights := make(map[string]int)
	for i := range 6 {
		weights[fmt.Sprintf("s%d", i+1)] = 100
	}
	return newFake(weights)
}

// operator changes a server behind everybody's back.
func (f *fake) operator(name string, change func(*balancer.Server)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.servers[name]
	change(&s)
	f.servers[name] = s
}

// with changes the balancer itself.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// reload starts another process, with the weights of the configuration, or with
// those that stand, from a state file.
func (f *fake) reload(stateFile bool) {
	f.with(func() {
		f.boot += "'"
		if !stateFile {
			f.servers = maps.Clone(f.initial)
		}
	})
}

func (f *fake) weight(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[name].Weight
}

func (f *fake) maxConns(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[name].MaxConns
}

func (f *fake) weights() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]int)
	for name, s := range f.servers {
		all[name] = s.Weight
	}
	return all
}

// A line is one watchdog's way to the balancer. Cut, it is that of a process that
// was killed.
type line struct {
	*fake
	name string
	mu   sync.Mutex
	cut  bool
}

func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
}

func (l *line) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

var errAway = errors.New("connect: no such file or directory")

func (l *line) Name() string         { return l.name }
func (l *line) Delay() time.Duration { return l.delay }

// reach waits while the balancer hangs.
func (l *line) reach(ctx context.Context) error {
	for {
		l.fake.mu.Lock()
		away, hangs := l.away, l.hangs
		l.fake.mu.Unlock()
		switch {
		case l.dead():
			return errors.New("killed")
		case ctx.Err() != nil:
			return ctx.Err()
		case away != nil:
			return away
		case !hangs:
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (l *line) Read(ctx context.Context) (balancer.Backend, error) {
	if err := l.reach(ctx); err != nil {
		return balancer.Backend{}, err
	}
	f := l.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	b := balancer.Backend{At: time.Now(), Boot: f.boot, MaxWeight: f.most, MinWeight: f.min, Fixed: f.fixed}
	for _, name := range slices.Sorted(maps.Keys(f.servers)) {
		b.Servers = append(b.Servers, f.servers[name])
	}
	return b, nil
}

func (l *line) set(ctx context.Context, values map[string]int, change func(*balancer.Server, int)) error {
	f := l.fake
	do := func() error {
		f.sets = append(f.sets, maps.Clone(values))
		for _, name := range slices.Sorted(maps.Keys(values)) {
			s, ok := f.servers[name]
			if !ok {
				return fmt.Errorf("%s: %w", name, balancer.ErrUnknownServer)
			}
			change(&s, values[name])
			f.servers[name] = s
		}
		return nil
	}
	if err := l.reach(ctx); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.hangs { // it is in the socket's buffer
			f.late = append(f.late, func() { do() })
		}
		return err
	}
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.refuses != nil:
		return f.refuses
	case f.deaf:
		return nil
	}
	return do()
}

func (l *line) SetWeights(ctx context.Context, weights map[string]int) error {
	return l.set(ctx, weights, func(s *balancer.Server, w int) { s.Weight = w })
}

func (l *line) SetMaxConns(ctx context.Context, bounds map[string]int) error {
	return l.set(ctx, bounds, func(s *balancer.Server, n int) { s.MaxConns = n })
}

// A life is one watchdog, from its start to its end or its murder.
type life struct {
	*Watchdog
	t    *testing.T
	line *line
	log  []string
}

// live starts a watchdog on a folder.
func live(t *testing.T, f *fake, dir string, change func(*Config)) (*life, error) {
	l := &life{t: t, line: &line{fake: f, name: "fake " + dir}} // of its own on this machine
	c := Config{Dir: dir, Balancer: balancer.Config{Command: &balancer.Command{Get: []string{"x"}}}}
	var mu sync.Mutex
	c.Log = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		l.log = append(l.log, text)
	}
	if change != nil {
		change(&c)
	}
	var err error
	l.Watchdog, err = New(c, l.line)
	return l, err
}

func alive(t *testing.T, f *fake, dir string, change func(*Config)) *life {
	t.Helper()
	l, err := live(t, f, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// kill ends it as SIGKILL does: nothing that it had in mind is done any more.
func (l *life) kill() {
	l.line.hangUp()
	w := l.Watchdog
	w.mu.Lock()
	if w.hold != nil {
		w.hold.journal.close()
	}
	w.lock.release()
	w.mu.Unlock()
	w.quit()
}

// close ends it in peace.
func (l *life) close() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.Close(ctx, "the test is over"); err != nil {
		l.t.Error(err)
	}
}

func (l *life) begin(servers ...string) Begun {
	l.t.Helper()
	g, err := l.Begin(l.t.Context(), Begin{Holder: "test", Servers: servers})
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

func (l *life) push(epoch uint64, weights map[string]int) State {
	l.t.Helper()
	s, err := l.Push(l.t.Context(), Push{Epoch: epoch, Lease: time.Second, Weights: weights})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// idle waits until all is as found, and tells how the epoch ended.
func (l *life) idle() Ended {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := l.Idle(ctx); err != nil {
		l.t.Fatal(err)
	}
	s, err := l.State(l.t.Context())
	if err != nil || s.Last == nil {
		l.t.Fatalf("%+v, %v", s, err)
	}
	return *s.Last
}

// code wants a refusal.
func code(t *testing.T, err error, want Code) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != want {
		t.Fatalf("%v, want a refusal: %s", err, want)
	}
	return r
}

// folder is one for journals, of ours alone.
func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "live") }
