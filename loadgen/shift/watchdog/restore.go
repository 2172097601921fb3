package watchdog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"saturate/loadgen/shift/balancer"
)

const (
	// firstPause and lastPause are the time between two attempts at putting
	// everything back: the first, and the longest.
	firstPause, lastPause = 200 * time.Millisecond, time.Second
	// steady is how long what was put back has to stand where a set may still
	// take effect that nobody waits for any more.
	steady = time.Second
)

// End ends an epoch and waits until everything is as found, or ctx ends. One that
// has ended already is told of. Errors are *Refusal.
func (w *Watchdog) End(ctx context.Context, e End) (Ended, error) {
	why := e.Why
	if why == "" {
		why = "the run ended"
	}
	w.mu.Lock()
	switch h := w.hold; {
	case h != nil && h.head.Epoch == e.Epoch && w.starting:
		w.mu.Unlock()
		return Ended{}, refuse(Busy, "the epoch has not begun yet")
	case h != nil && h.head.Epoch == e.Epoch:
		w.end(h, why)
	case w.last == nil || w.last.Epoch != e.Epoch:
		defer w.mu.Unlock()
		return Ended{}, w.dead(e.Epoch)
	}
	last := w.last
	w.mu.Unlock()
	w.wait(ctx, func() bool { return last.Restored })
	w.mu.Lock()
	defer w.mu.Unlock()
	return *last, nil
}

// restore puts back what an epoch has left, until it is so.
func (w *Watchdog) restore(h *hold) {
	if err := w.note(h, note{Why: h.ended.Why}); err != nil {
		w.logf("%v", err) // the putting back does not wait for that
	}
	if w.step("restore: begins") != nil {
		return
	}
	said := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := w.putBack(h)
		if err == nil {
			return
		}
		if text := err.Error(); text != said && w.ctx.Err() == nil {
			said = text
			w.logf("epoch %d is not yet put back: %s", h.head.Epoch, text)
		}
		w.mu.Lock()
		w.trouble = err.Error()
		w.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-w.ctx.Done():
			return
		}
	}
}

// putBack makes one attempt; without an error, everything was read as found.
func (w *Watchdog) putBack(h *hold) error {
	weights, valves, err := w.owed(h)
	if err != nil {
		return err
	}
	if err := w.step("restore: read"); err != nil {
		return err
	}
	if err := w.setBack(h, weights, valves); err != nil {
		return err
	}
	for {
		weights, valves, err = w.owed(h)
		if err != nil {
			return err
		}
		if len(weights)+len(valves) > 0 {
			return fmt.Errorf("the balancer does not show the weights that were put back: %s", names(weights, valves))
		}
		if !h.shaky {
			break
		}
		h.shaky = false
		select {
		case <-time.After(steady):
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
	if err := w.step("restore: verified"); err != nil {
		return err
	}
	return w.finish(h)
}

// owed reads the backend, and tells what is to be set. What is found to be
// somebody else's is written down.
func (w *Watchdog) owed(h *hold) (weights, valves map[string]int, err error) {
	b, err := w.read(w.ctx, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("the balancer cannot be read: %w", err)
	}
	w.mu.Lock()
	if h.stood.Servers == nil {
		h.stood = b
	}
	before := len(h.left) + len(h.leftV)
	weights, valves = h.owed(b)
	noted := note{Left: maps.Clone(h.left), LeftV: maps.Clone(h.leftV)}
	w.mu.Unlock()
	if len(noted.Left)+len(noted.LeftV) > before {
		w.note(h, noted) // where it cannot be, the next life finds out anew
	}
	return weights, valves, nil
}

// setBack sets the weights, and then the valves. Where one server cannot be set,
// the others are.
func (w *Watchdog) setBack(h *hold, weights, valves map[string]int) error {
	err := w.setEach(weights, h.left, w.balancer.SetWeights)
	if err == nil {
		err = w.step("restore: weights set")
	}
	if err != nil {
		h.shaky = true
		return err
	}
	h.doubtful = false
	if valve, ok := w.balancer.(balancer.Valve); ok && len(valves) > 0 {
		if err := w.setEach(valves, h.leftV, valve.SetMaxConns); err != nil {
			return err
		}
	}
	return w.step("restore: valves set")
}

// note writes a note into the hold's journal.
func (w *Watchdog) note(h *hold, n note) error {
	n.At = time.Now()
	return h.journal.add(n)
}

// setEach sets all at once, and where that fails one by one.
func (w *Watchdog) setEach(values map[string]int, left map[string]string, set func(context.Context, map[string]int) error) error {
	if len(values) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	err := set(ctx, values)
	if err == nil {
		return nil
	}
	err = nil
	for _, name := range slices.Sorted(maps.Keys(values)) {
		one := set(ctx, map[string]int{name: values[name]})
		if errors.Is(one, balancer.ErrUnknownServer) {
			w.mu.Lock()
			left[name] = "it is no longer a server of the backend"
			w.mu.Unlock()
			continue
		}
		err = errors.Join(err, one)
	}
	return err
}

// finish writes down that everything is as found, and lets the backend go.
func (w *Watchdog) finish(h *hold) error {
	w.mu.Lock()
	ended := *h.ended
	ended.Restored, ended.Took = true, time.Since(h.since)
	ended.Servers, ended.Respected = h.account(h.stood, w.backend)
	w.mu.Unlock()
	if err := w.note(h, note{Ended: &ended}); err != nil {
		return fmt.Errorf("everything is as found, but the journal cannot say so: %w", err)
	}
	h.journal.close()
	if err := w.step("restore: finished"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	*h.ended = ended
	w.hold, w.trouble = nil, ""
	w.logf("epoch %d: everything is as found after %v%s", ended.Epoch, ended.Took.Round(time.Millisecond), leftBehind(ended))
	w.tell()
	return nil
}

// leftBehind says what is not as found, and why.
func leftBehind(e Ended) string {
	text := ""
	for _, r := range e.Servers {
		if r.Left != "" {
			text += fmt.Sprintf("; %s stays: %s", r.Server, r.Left)
		}
	}
	return text
}

func names(weights, valves map[string]int) string {
	both := maps.Clone(weights)
	maps.Copy(both, valves)
	return fmt.Sprint(slices.Sorted(maps.Keys(both)))
}
