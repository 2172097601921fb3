package watchdog

import (
	"context"
	"errors"
	"maps"
	"time"

	"saturate/loadgen/shift/balancer"
)

// Push sets weights for a lease. It returns when the balancer has taken them, at
// the latest after 300 ms, with Pending then. Errors are *Refusal.
func (w *Watchdog) Push(ctx context.Context, p Push) (State, error) {
	h, number, err := w.accept(p)
	if err != nil {
		return State{}, err
	}
	if err := w.step("push: accepted"); err != nil {
		return State{}, refuse(NoBalancer, "%v", err)
	}
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	w.wait(waiting, func() bool { return h.done >= number || h.ended != nil })
	if err := w.step("push: in force"); err != nil {
		return State{}, refuse(NoBalancer, "%v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case h.ended != nil:
		return State{}, w.dead(p.Epoch)
	case h.done == number && h.failure != nil:
		return State{}, h.failure
	}
	return w.state(), nil
}

// accept makes the push the wish, if it may be, and starts its lease.
func (w *Watchdog) accept(p Push) (h *hold, number int, err error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expire(now)
	h = w.hold
	switch {
	case h == nil || h.ended != nil || h.head.Epoch != p.Epoch:
		return nil, 0, w.dead(p.Epoch)
	case w.starting:
		return nil, 0, refuse(Busy, "the epoch has not begun yet")
	case p.Lease <= 0 || p.Lease > LongestLease:
		return nil, 0, refuse(TooMuch, "a lease of %v: it has to be more than 0, and at most %v", p.Lease, LongestLease)
	}
	if p.Seq != 0 && p.Seq <= h.seq {
		return nil, 0, refuse(BadRequest, "push %d of epoch %d comes after push %d", p.Seq, p.Epoch, h.seq)
	}
	h.seq = max(h.seq, p.Seq)
	for name, weight := range p.Weights {
		switch {
		case !h.squeezed(name):
			return nil, 0, refuse(TooMuch, "%s was not named when epoch %d began: its weight is not to be set", name, p.Epoch)
		case weight < 0:
			return nil, 0, refuse(BadRequest, "a weight of %d for %s makes no sense", weight, name)
		}
	}
	wish := h.head.Caps.cap(h.head.Found, h.head.Servers, p.Weights)
	h.span, h.lease = p.Lease, now.Add(p.Lease)
	w.watch(h)
	if same := maps.Equal(wish, h.wish); same && h.done < h.wished {
		return h, h.wished, nil // it is on its way
	}
	h.wish, h.failure = wish, nil
	h.wished++
	if len(h.due()) == 0 && h.stop == nil {
		h.done, h.good = h.wished, h.lease
		return h, h.wished, nil
	}
	if h.stop != nil && len(h.pushed()) == 0 {
		h.stop() // what raises a weight does not hold up what takes all back
	}
	w.tell()
	return h, h.wished, nil
}

// dead is the refusal of an epoch that is no more, or never was. With the lock.
func (w *Watchdog) dead(epoch uint64) *Refusal {
	r := refuse(DeadEpoch, "epoch %d is dead", epoch).hinted("nothing can be pushed under it any more: begin anew")
	if w.last != nil && w.last.Epoch == epoch {
		ended := *w.last
		r.Ended = &ended
		r.Why += ": " + ended.Why
	}
	return r
}

// setter carries out what is wished, and puts back what has ended, one thing
// after another.
func (w *Watchdog) setter() {
	for {
		w.mu.Lock()
		h := w.hold
		ending := h != nil && h.ended != nil && !w.starting
		wish := h != nil && h.ended == nil && h.done < h.wished
		w.mu.Unlock()
		switch {
		case ending:
			w.restore(h)
		case wish:
			w.apply(h)
		}
		if ending || wish {
			if w.ctx.Err() != nil {
				return
			}
			continue
		}
		select {
		case <-w.kick:
		case <-w.ctx.Done():
			return
		}
	}
}

// apply sets what is wished now.
func (w *Watchdog) apply(h *hold) {
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	w.mu.Lock()
	h.stop = cancel
	w.mu.Unlock()
	weights, number, err := w.change(ctx, h)
	w.mu.Lock()
	defer w.mu.Unlock()
	h.stop = nil
	h.done = number
	if err == nil {
		if len(weights) > 0 {
			h.took(weights, time.Now())
		}
		if h.wished == number {
			h.good = h.lease
		}
		w.tell()
		return
	}
	if h.doubtful {
		h.shaky = true
	}
	if h.ended != nil || h.wished > number { // given up, for that
		w.tell()
		return
	}
	if !errors.As(err, &h.failure) {
		h.failure = disobeyed("the balancer does not take the weights", err)
	}
	h.lease = h.good
	w.expire(time.Now())
	w.tell()
}

// change reads the backend, so that nobody else's change is overwritten, writes
// down what is to be set, and sets it. The number is that of the wish.
func (w *Watchdog) change(ctx context.Context, h *hold) (weights map[string]int, number int, err error) {
	b, err := w.read(ctx, 0)
	if err == nil {
		err = w.step("push: read")
	}
	if err == nil {
		w.consider(h, b)
	}
	w.mu.Lock()
	weights, number = h.due(), h.wished
	dead := h.ended != nil
	w.mu.Unlock()
	switch {
	case err != nil:
		return nil, number, disobeyed("the balancer cannot be read", err)
	case dead:
		return nil, number, context.Canceled
	case len(weights) == 0:
		return nil, number, nil
	}
	if err := h.journal.add(note{At: time.Now(), Set: weights}); err != nil {
		return nil, number, refuse(NoJournal, "what is to be set cannot be written down, so it is not set: %v", err)
	}
	if err := w.step("push: journal written"); err != nil {
		return nil, number, err
	}
	w.mu.Lock()
	h.attempt(weights)
	w.mu.Unlock()
	if err := w.balancer.SetWeights(ctx, weights); err != nil {
		return nil, number, err
	}
	return weights, number, w.step("push: weights set")
}

// consider ends the epoch where a reading says so.
func (w *Watchdog) consider(h *hold, b balancer.Backend) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.ended != nil {
		return
	}
	if why := h.judge(b, time.Now()); why != "" {
		w.end(h, why)
	}
}

// poller reads the backend while it is held.
func (w *Watchdog) poller() {
	for w.ctx.Err() == nil {
		w.mu.Lock()
		h := w.hold
		held := h != nil && h.ended == nil
		changed := w.changed
		w.mu.Unlock()
		if !held {
			select {
			case <-changed:
			case <-w.ctx.Done():
				return
			}
			continue
		}
		b, err := w.read(h.ctx, w.pause()/2)
		if err == nil {
			w.consider(h, b)
		}
		w.mu.Lock()
		w.expire(time.Now())
		w.mu.Unlock()
		select {
		case <-time.After(w.pause()):
		case <-h.ctx.Done():
		}
	}
}
