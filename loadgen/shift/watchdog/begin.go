package watchdog

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"saturate/loadgen/shift/balancer"
)

// longestHolder is the length of a holder's name, at most, in bytes.
const longestHolder = 200

// Begin grants a backend. The journal is on the disk before anything is set.
// Errors are *Refusal; after one nothing was changed, or it is being put back.
func (w *Watchdog) Begin(ctx context.Context, b Begin) (Begun, error) {
	b.Caps = b.Caps.withDefaults(w.config.Caps)
	for _, bad := range []*Refusal{b.check(), b.Caps.check(), b.Caps.within(w.config.Caps)} {
		if bad != nil {
			return Begun{}, bad
		}
	}
	if busy := w.enter(); busy != nil {
		return Begun{}, busy
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.starting = false
		w.tell()
	}()
	found, err := w.read(ctx, 0)
	if err != nil {
		return Begun{}, disobeyed("the balancer cannot be read", err)
	}
	if bad := b.fits(found, w.balancer); bad != nil {
		return Begun{}, bad
	}
	if err := w.step("begin: read"); err != nil {
		return Begun{}, refuse(NoBalancer, "%v", err)
	}
	h, bad := w.write(b, found)
	if bad != nil {
		return Begun{}, bad
	}
	begun, err := w.grant(h)
	if err == nil {
		err = w.step("begin: granted")
	}
	return begun, err
}

// enter makes sure that nobody else holds the backend, or begins to.
func (w *Watchdog) enter() *Refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closing:
		return refuse(Busy, "the watchdog is ending")
	case w.hold != nil && w.hold.ended != nil:
		return refuse(Busy, "what epoch %d of %s left is being put back: %s", w.hold.head.Epoch, w.hold.head.Holder, w.hold.ended.Why).
			hinted("wait until it is; \"saturate restore --list\" tells how it goes")
	case w.hold != nil:
		return refuse(Busy, "%s squeezes %s since %s", w.hold.head.Holder, w.Name(), w.hold.head.Began.Format(time.TimeOnly)).
			hinted("wait for its end, or stop it: saturate restore")
	case w.starting:
		return refuse(Busy, "somebody else begins just now")
	}
	w.starting = true
	return nil
}

// check is what can be told without the balancer.
func (b Begin) check() *Refusal {
	switch {
	case b.Holder == "" || len(b.Holder) > longestHolder:
		return refuse(BadRequest, "a holder has to say who it is, in at most %d bytes", longestHolder)
	case slices.ContainsFunc([]rune(b.Holder), func(r rune) bool { return !unicode.IsPrint(r) }):
		return refuse(BadRequest, "a holder has to say who it is in letters that can be printed")
	case len(b.Servers) == 0:
		return refuse(BadRequest, "no server is named")
	}
	seen := make(map[string]bool)
	for _, name := range b.Servers {
		if seen[name] {
			return refuse(BadRequest, "%s is named twice", name)
		}
		seen[name] = true
	}
	for name, most := range b.MaxConns {
		if !seen[name] {
			return refuse(BadRequest, "max_conns names %s, which is not to be squeezed", name)
		}
		if most < 1 {
			return refuse(BadRequest, "max_conns of %s: %d lets nothing through", name, most)
		}
	}
	return nil
}

// fits refuses a backend that is not as it should be before a squeeze, and caps
// that it does not meet as it is.
func (b Begin) fits(found balancer.Backend, by balancer.Balancer) *Refusal {
	if found.Fixed != "" {
		return refuse(NoBalancer, "its weights cannot be set: %s", found.Fixed)
	}
	if _, ok := by.(balancer.Valve); !ok && len(b.MaxConns) > 0 {
		return refuse(BadRequest, "this balancer has no valve").hinted("leave max_conns out")
	}
	for _, name := range b.Servers {
		if _, ok := found.Server(name); !ok {
			return refuse(BadRequest, "%s is no server of the backend", name).hinted("it has " + list(found))
		}
	}
	total, siblings := 0, 0
	for _, s := range found.Servers {
		named := slices.Contains(b.Servers, s.Name)
		switch {
		case s.Status != balancer.Up:
			return refuse(NotUp, "%s is %s", s.Name, s.StatusText()).hinted("a backend is squeezed when all its servers are up")
		case s.Backup && named:
			return refuse(NotUp, "%s is a backup: it has no traffic to begin with", s.Name)
		case s.Backup:
			continue
		case s.Weight == 0:
			return refuse(NotUp, "%s has weight 0: somebody took it out of the traffic", s.Name).hinted("a backend is squeezed when all its servers take part")
		case !named:
			siblings++
		}
		total += s.Weight
	}
	if siblings == 0 {
		return refuse(TooMuch, "no sibling is left to carry what the servers do not").hinted("squeeze fewer at once")
	}
	for _, name := range b.Servers {
		if s, _ := found.Server(name); float64(s.Weight) > b.Caps.Share*float64(total) {
			return refuse(TooMuch, "%s has %.3g %% of the backend's weight as it is, and %.3g %% are allowed",
				name, 100*float64(s.Weight)/float64(total), 100*b.Caps.Share).hinted("max_share has to be more than what a server has to begin with")
		}
	}
	return nil
}

// list names the servers of a backend, as many as a line takes.
func list(b balancer.Backend) string {
	text := ""
	for i, s := range b.Servers {
		switch {
		case i > 0 && len(text) > 60:
			return text + ", ..."
		case i > 0:
			text += ", "
		}
		text += s.Name
	}
	return text
}

// write makes the epoch, and its journal.
func (w *Watchdog) write(b Begin, found balancer.Backend) (*hold, *Refusal) {
	now := time.Now()
	found.Servers = slices.Clone(found.Servers)
	for i := range found.Servers {
		found.Servers[i].Times = nil // long, and nothing to put back
	}
	w.mu.Lock()
	// More than any before, also where somebody took the journal away.
	epoch := max(w.epoch+1, uint64(max(0, now.UnixMilli())))
	w.mu.Unlock()
	h := newHold(head{
		Epoch: epoch, Name: w.Name(), Balancer: w.config.Balancer, Holder: b.Holder, PID: os.Getpid(),
		Began: now, Servers: b.Servers, MaxConns: b.MaxConns, Caps: b.Caps, Found: found,
	}, w.balancer.Delay())
	err := w.step("begin: journal")
	var j *journal
	if err == nil {
		j, err = createJournal(w.path, h.head)
	}
	if err != nil {
		return nil, refuse(NoJournal, "what is found cannot be written down, so nothing is changed: %v", err)
	}
	h.ctx, h.cancel = context.WithCancel(w.ctx)
	h.until = now.Add(b.Caps.For)
	h.span, h.lease = FirstLease, now.Add(FirstLease+patience) // the valves come first
	w.mu.Lock()
	defer w.mu.Unlock()
	h.journal = j
	w.epoch, w.hold = epoch, h
	w.logf("epoch %d: %s squeezes %s", epoch, b.Holder, strings.Join(b.Servers, ", "))
	if w.closing {
		w.end(h, "the watchdog is ending")
	}
	return h, nil
}

// grant sets the valves and starts the first lease.
func (w *Watchdog) grant(h *hold) (Begun, error) {
	err := w.step("begin: journal written")
	if err == nil && len(h.head.MaxConns) > 0 {
		setting, cancel := context.WithTimeout(h.ctx, patience)
		err = w.balancer.(balancer.Valve).SetMaxConns(setting, h.head.MaxConns)
		cancel()
	}
	if err == nil {
		err = w.step("begin: valves set")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.end(h, "the valves could not be set: "+err.Error())
	}
	if h.ended != nil {
		ended := *h.ended
		r := refuse(Busy, "the epoch ended before it began: %s", h.ended.Why)
		if err != nil {
			r = disobeyed("the valves could not be set", err)
		}
		r.Ended = &ended
		return Begun{}, r
	}
	h.lease = time.Now().Add(FirstLease)
	h.good = h.lease
	w.watch(h)
	return Begun{Epoch: h.head.Epoch, Found: h.head.Found, Delay: h.delay}, nil
}

// watch ends the epoch when its time is up, whatever else is under way. With the
// lock.
func (w *Watchdog) watch(h *hold) {
	due := h.lease
	if h.until.Before(due) {
		due = h.until
	}
	time.AfterFunc(time.Until(due), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.hold == h {
			w.expire(time.Now())
		}
	})
}
