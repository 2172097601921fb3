package watchdog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"saturate/loadgen/shift/balancer"
)

// settle is how much longer than a balancer's delay a reading may still show the
// weight before.
const settle = 400 * time.Millisecond

// A hold is one epoch, from its begin until all is as found again. It is pure:
// its owner reads, sets and keeps the clock.
type hold struct {
	head    head
	journal *journal
	delay   time.Duration
	ctx     context.Context // of what is set under the epoch: it ends with it
	cancel  context.CancelFunc

	until time.Time     // the deadline of the whole
	lease time.Time     // the end of the lease
	good  time.Time     // the end of the last lease whose weights were in force
	span  time.Duration // the last lease's length

	// inForce are the weights that the balancer took last, of every server to be
	// squeezed. Where the outcome of a set is not known, doubtful is true, and
	// shaky as long as it may still turn out otherwise: what a balancer has not
	// read yet it may carry out after we have hung up.
	inForce         map[string]int
	doubtful, shaky bool
	// prior are other weights of ours that a reading may still show.
	prior map[string][]past

	// wish is what is to be in force, the number of it, and the number of the
	// last one that was carried out or failed, with its error.
	seq     uint64 // of the last push that was numbered
	wish    map[string]int
	wished  int
	done    int
	failure *Refusal
	stop    context.CancelFunc // ends the set that is under way; nil without one

	// The rest is of the ending.
	ended *Ended    // nil while it is held
	since time.Time // of the decision
	ours  map[string][]int
	stood balancer.Backend  // as it was read first afterwards
	left  map[string]string // why a server's weight stays as it is
	leftV map[string]string // the same for its valve
}

// A past is a weight that may still be read, until then; zero is for good.
type past struct {
	weight int
	until  time.Time
}

// newHold is a hold of what the head says, before anything was set.
func newHold(h head, delay time.Duration) *hold {
	o := &hold{
		head: h, delay: delay, cancel: func() {},
		inForce: make(map[string]int), prior: make(map[string][]past), ours: make(map[string][]int),
		left: make(map[string]string), leftV: make(map[string]string),
	}
	for _, name := range h.Servers {
		s, _ := h.Found.Server(name)
		o.inForce[name] = s.Weight
	}
	o.wish = o.inForce
	return o
}

// found is the weight as found.
func (h *hold) found(name string) int {
	s, _ := h.head.Found.Server(name)
	return s.Weight
}

func (h *hold) squeezed(name string) bool { return slices.Contains(h.head.Servers, name) }

// attempt is called before weights are set.
func (h *hold) attempt(weights map[string]int) {
	for name, w := range weights {
		if !slices.Contains(h.ours[name], w) {
			h.ours[name] = append(h.ours[name], w)
		}
		h.prior[name] = append(h.prior[name], past{weight: w})
	}
	h.doubtful = true
}

// took is called when the balancer has taken them.
func (h *hold) took(weights map[string]int, now time.Time) {
	until := now.Add(h.delay + settle)
	for name := range weights {
		h.prior[name] = append(h.prior[name], past{weight: h.inForce[name]})
		for i := range h.prior[name] {
			if p := &h.prior[name][i]; p.until.IsZero() {
				p.until = until
			}
		}
	}
	h.inForce = maps.Clone(h.inForce)
	maps.Copy(h.inForce, weights)
	h.doubtful = false
}

// maybe tells whether a reading may show a weight of ours other than the one in
// force.
func (h *hold) maybe(name string, weight int, now time.Time) bool {
	h.prior[name] = slices.DeleteFunc(h.prior[name], func(p past) bool { return !p.until.IsZero() && now.After(p.until) })
	return slices.ContainsFunc(h.prior[name], func(p past) bool { return p.weight == weight })
}

// due are the weights that have to be set for the wish.
func (h *hold) due() map[string]int {
	due := make(map[string]int)
	for name, w := range h.wish {
		if h.doubtful || h.inForce[name] != w {
			due[name] = w
		}
	}
	return due
}

// pushed are the wished weights that differ from those found.
func (h *hold) pushed() map[string]int {
	pushed := make(map[string]int)
	for name, w := range h.wish {
		if w != h.found(name) {
			pushed[name] = w
		}
	}
	return pushed
}

// judge tells why a reading ends the epoch; "" where it does not. What somebody
// else has set is noted, and left. A weight that we had set before is not
// somebody else's: it may be that a balancer has not done what it said it had.
func (h *hold) judge(b balancer.Backend, now time.Time) (why string) {
	say := func(format string, args ...any) {
		if why == "" {
			why = fmt.Sprintf(format, args...)
		}
	}
	reloaded := b.Boot != h.head.Found.Boot
	if reloaded {
		say("the balancer was reloaded")
	}
	for _, before := range h.head.Found.Servers {
		s, ok := b.Server(before.Name)
		switch {
		case !ok:
			say("%s is no longer a server of the backend", before.Name)
			continue
		case s.Status != balancer.Up:
			say("%s is %s", s.Name, s.StatusText())
		}
		if reloaded {
			continue // whose weight it is, the restoring finds out
		}
		w := h.inForceOf(s.Name)
		switch {
		case s.Weight == w || h.maybe(s.Name, s.Weight, now):
		case s.Weight == before.Weight || slices.Contains(h.ours[s.Name], s.Weight):
			say("%s has weight %d again, and not %d: somebody else set it, or the balancer does not do as it is told", s.Name, s.Weight, w)
		default:
			say("somebody else set the weight of %s to %d", s.Name, s.Weight)
			h.left[s.Name] = fmt.Sprintf("somebody else set it to %d", s.Weight)
		}
		if v, ok := h.head.MaxConns[s.Name]; s.MaxConns != before.MaxConns && !(ok && s.MaxConns == v) {
			say("somebody else set maxconn of %s to %d", s.Name, s.MaxConns)
			h.leftV[s.Name] = fmt.Sprintf("somebody else set its maxconn to %d", s.MaxConns)
		}
	}
	for _, s := range b.Servers {
		if _, ok := h.head.Found.Server(s.Name); !ok {
			say("%s is a new server of the backend", s.Name)
		}
	}
	return why
}

// inForceOf is the weight that a server of the backend should have.
func (h *hold) inForceOf(name string) int {
	if w, ok := h.inForce[name]; ok {
		return w
	}
	return h.found(name)
}
