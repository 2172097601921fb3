package watchdog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"saturate/loadgen/shift/balancer"
)

const (
	// FirstLease is what a begin is granted.
	FirstLease = 2 * time.Second
	// LongestLease is the most that a push may ask for.
	LongestLease = 5 * time.Second

	// interval is the time between two readings of a backend that is held.
	interval = 200 * time.Millisecond
	// answerWithin is how long a push waits for the balancer to take it.
	answerWithin = 300 * time.Millisecond
	// patience is how long one reading or setting may take in the end. Balancers
	// have time-outs of their own, far shorter.
	patience = 30 * time.Second
)

// Config says what a watchdog holds, and what it allows.
type Config struct {
	// Balancer is the backend.
	Balancer balancer.Config `json:"balancer"`
	// Dir is the folder of journals and locks; see [StateDir].
	Dir string `json:"dir"`
	// Caps are the most that a Begin may ask for; zero fields are DefaultCaps'.
	Caps Caps `json:"caps"`
	// Socket is where it answers on this machine; by default in Dir.
	Socket string `json:"socket,omitempty"`
	// Listen is host:port for other machines, by mutual TLS alone, which the file
	// WebConfig describes in the format of Prometheus' exporter-toolkit. Empty is
	// none.
	Listen    string `json:"listen,omitempty"`
	WebConfig string `json:"web_config,omitempty"`
	// Log is told what happens, a line each; nil is silent.
	Log func(line string) `json:"-"`
	// Step is for tests: it is called at each of Points, and an error is taken for
	// the failure of what comes next.
	Step func(point string) error `json:"-"`
}

// A Watchdog holds one backend on behalf of one holder at a time. Its methods may
// be called at the same time.
type Watchdog struct {
	config   Config
	balancer balancer.Balancer
	lock     *lock
	path     string // of the journal

	listeners []net.Listener

	ctx  context.Context // ends with the process's wish to end
	quit context.CancelFunc
	work sync.WaitGroup
	kick chan struct{} // the setter has something to do

	reading sync.Mutex // one reading for all who want one

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew whenever something below changes
	closing  bool
	starting bool // a Begin is under way
	epoch    uint64
	hold     *hold // nil: as found
	last     *Ended
	backend  balancer.Backend
	readAt   time.Time
	took     time.Duration // of the last reading
	trouble  string
}

// Open opens the balancer and takes the backend's lock. Where an epoch was left
// unfinished, the watchdog begins at once to put its weights back, and goes on
// until they are. Errors are *Refusal where somebody else has the lock.
func Open(c Config) (*Watchdog, error) {
	b, err := balancer.Open(c.Balancer)
	if err != nil {
		return nil, err
	}
	return New(c, b)
}

// New is Open with a balancer that is open already.
func New(c Config, b balancer.Balancer) (*Watchdog, error) {
	c.Caps = c.Caps.withDefaults(DefaultCaps())
	if bad := c.Caps.check(); bad != nil {
		return nil, bad
	}
	if err := makeFolder(c.Dir); err != nil {
		return nil, err
	}
	files := filesOf(c.Dir, b.Name())
	if c.Socket == "" {
		c.Socket = files.socket
	}
	w := &Watchdog{config: c, balancer: b, path: files.journal, kick: make(chan struct{}, 1), changed: make(chan struct{})}
	l, err := acquire(files.lock, b.Name())
	if err != nil {
		return nil, err
	}
	w.lock = l
	defer func() {
		if w.ctx == nil { // nothing came of it
			l.release()
		}
	}()
	if err := w.recover(); err != nil {
		return nil, err
	}
	w.ctx, w.quit = context.WithCancel(context.Background())
	w.work.Go(w.setter)
	w.work.Go(w.poller)
	return w, nil
}

// recover takes up what the journal says.
func (w *Watchdog) recover() error {
	if err := w.step("start: locked"); err != nil {
		return err
	}
	if err := w.lock.sign(owner{PID: os.Getpid(), Since: time.Now(), Socket: w.config.Socket}); err != nil {
		return refuse(NoJournal, "%v", err)
	}
	p, err := readJournal(w.path)
	if err != nil {
		return refuse(NoJournal, "%v", err).
			hinted("it says which weights were found: read it, look at the balancer, and move it away when all is as it should be")
	}
	if p == nil {
		return nil
	}
	w.epoch, w.last = p.Epoch, p.ended
	if p.ended != nil {
		return nil
	}
	h := newHold(p.head, w.balancer.Delay())
	if h.journal, err = openJournal(w.path); err != nil {
		return refuse(NoJournal, "%v", err)
	}
	h.ours, h.left, h.leftV, h.doubtful, h.shaky = p.ours, p.left, p.leftV, true, true
	why := p.why
	if why == "" {
		why = fmt.Sprintf("the watchdog (process %d) was ended", p.PID)
	}
	w.hold = h
	w.logf("epoch %d of %s was left unfinished: putting it back", h.head.Epoch, h.head.Holder)
	w.end(h, why)
	return nil
}

// Name is the backend's.
func (w *Watchdog) Name() string { return w.balancer.Name() }

// Socket is the path of the watchdog's socket on this machine.
func (w *Watchdog) Socket() string { return w.config.Socket }

// Alive returns when the watchdog could do something; one that hangs does not.
func (w *Watchdog) Alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

// Idle waits until nobody holds the backend and all is as found.
func (w *Watchdog) Idle(ctx context.Context) error {
	return w.wait(ctx, func() bool { return w.hold == nil && !w.starting })
}

// Close ends the epoch, for the reason given, waits until everything is as found
// and lets the backend go. Where ctx ends before, the error says so; the journal
// stays unfinished then, for the next watchdog.
func (w *Watchdog) Close(ctx context.Context, why string) error {
	w.mu.Lock()
	w.closing = true
	if w.hold != nil {
		w.end(w.hold, why)
	}
	w.mu.Unlock()
	err := w.Idle(ctx)
	w.quit()
	w.work.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold != nil {
		w.hold.journal.close()
	}
	w.lock.release()
	if err != nil {
		r := refuse(NoBalancer, "not everything of %s is known to be as found", w.Name())
		if w.trouble != "" {
			r.Why += ": " + w.trouble
		}
		return r.hinted("saturate restore")
	}
	return nil
}

// wait returns when done, which is called with the lock, is true, or ctx ends.
func (w *Watchdog) wait(ctx context.Context, done func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := done(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tell wakes all who wait. With the lock.
func (w *Watchdog) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// end decides that an epoch has ended: from here on nothing is pushed under it,
// what is under way for it is given up, and the setter puts everything back. With
// the lock, and once for a hold; later reasons do not count.
func (w *Watchdog) end(h *hold, why string) {
	if h.ended != nil {
		return
	}
	h.since = time.Now()
	h.ended = &Ended{Epoch: h.head.Epoch, Holder: h.head.Holder, Why: why}
	w.last = h.ended
	h.cancel()
	w.logf("epoch %d ended: %s", h.head.Epoch, why)
	w.tell()
}

// expire ends the epoch whose time is up. With the lock.
func (w *Watchdog) expire(now time.Time) {
	h := w.hold
	if h == nil || h.ended != nil {
		return
	}
	unread := max(h.span, 3*w.pause(), 3*w.took)
	switch {
	case !now.Before(h.until):
		w.end(h, fmt.Sprintf("%v are over", h.head.Caps.For))
	case !now.Before(h.lease) && h.failure != nil:
		w.end(h, "the lease ended: "+h.failure.Why)
	case !now.Before(h.lease):
		w.end(h, "the lease ended")
	case now.Sub(w.readAt) >= unread:
		w.end(h, fmt.Sprintf("the balancer could not be read for %v: %s", unread, cmp.Or(w.trouble, "it does not answer")))
	}
}

// pause is the time between two readings.
func (w *Watchdog) pause() time.Duration { return max(interval, w.balancer.Delay()) }

// State is what stands now. Where nobody holds the backend, and the last reading
// is older than it would be else, it is read.
func (w *Watchdog) State(ctx context.Context) (State, error) {
	w.mu.Lock()
	held := w.hold != nil
	w.mu.Unlock()
	if !held {
		w.read(ctx, w.pause())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state(), nil
}

// state is with the lock.
func (w *Watchdog) state() State {
	s := State{Name: w.Name(), Backend: w.backend, Trouble: w.trouble}
	if w.last != nil {
		last := *w.last
		s.Last = &last
	}
	if h := w.hold; h != nil && h.ended != nil {
		s.Restoring = true
	} else if h != nil {
		s.Epoch, s.Holder = h.head.Epoch, h.head.Holder
		s.Pushed, s.Pending = maps.Clone(h.pushed()), h.done < h.wished
	}
	return s
}

// read reads the backend, unless it was read so long ago or later.
func (w *Watchdog) read(ctx context.Context, age time.Duration) (balancer.Backend, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	w.mu.Lock()
	b, fresh := w.backend, !w.readAt.IsZero() && time.Since(w.readAt) < age && w.trouble == ""
	w.mu.Unlock()
	if fresh {
		return b, nil
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	b, err := w.balancer.Read(bounded)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil { // else nobody wants to know any more
			w.trouble = err.Error()
		}
		return b, err
	}
	w.backend, w.readAt, w.trouble = b, time.Now(), ""
	w.took = w.readAt.Sub(start)
	return b, nil
}

// step is where a test may end the process, or have the next step fail.
func (w *Watchdog) step(point string) error {
	if w.config.Step == nil {
		return nil
	}
	return w.config.Step(point)
}

func (w *Watchdog) logf(format string, args ...any) {
	if w.config.Log != nil {
		w.config.Log(fmt.Sprintf(format, args...))
	}
}

// Points are the steps at which Config.Step is called, in their usual order.
func Points() []string {
	return []string{
		"start: locked",
		"begin: read", "begin: journal", "begin: journal written", "begin: valves set", "begin: granted",
		"push: accepted", "push: read", "push: journal written", "push: weights set", "push: in force",
		"restore: begins", "restore: read", "restore: weights set", "restore: valves set", "restore: verified", "restore: finished",
	}
}

func makeFolder(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return refuse(NoJournal, "%v", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return refuse(NoJournal, "%v", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return refuse(NoJournal, "%v", err)
	case !info.IsDir() || info.Mode().Perm()&0o077 != 0:
		return refuse(NoJournal, "%s is not a folder of ours alone (mode 0700)", path).hinted("chmod 700 " + path)
	}
	return nil
}
