package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"saturate/ramp"
	"saturate/scenarios"
	"saturate/stress"
)

// A squeezeView shows one of several targets that are measured at once. It is a
// view for one target's goroutine; all of a squeeze share a screen.
type squeezeView struct {
	screen *screen
	name   string
	weight func() int // that the balancer has for it now

	step ramp.Step
	seen []stress.Observation
	last string // the target's part of the picture
}

// A screen is where several targets are shown: a picture that is redrawn on a
// terminal, lines elsewhere, nothing where nobody watches.
type screen struct {
	mu      sync.Mutex
	all     view
	lines   io.Writer // nil where no lines are written
	picture *picture  // nil where none is drawn
	members []*squeezeView
}

func newSqueezeViews(all view, targets []scenarios.Target) []*squeezeView {
	s := &screen{all: all}
	switch v := all.(type) {
	case *lines:
		s.lines = v.w
	case *picture:
		s.picture = v
	}
	for _, t := range targets {
		s.members = append(s.members, &squeezeView{screen: s, name: t.Name, weight: func() int { return 0 }})
	}
	return s.members
}

func (v *squeezeView) begin(string) {}

func (v *squeezeView) note(format string, args ...any) {
	v.screen.mu.Lock()
	defer v.screen.mu.Unlock()
	v.screen.all.note("%s: "+format, append([]any{v.name}, args...)...)
}

// show takes the state after a window of this target.
func (v *squeezeView) show(p ramp.Progress) {
	weight := v.weight()
	v.screen.mu.Lock()
	defer v.screen.mu.Unlock()
	v.step, v.seen = p.Step, append(v.seen, p.Seen)
	v.last = v.state(p, weight)
	if p.Next.Phase != p.Step.Phase || p.Next.Level != p.Step.Level {
		v.line(weight)
	}
	v.screen.draw()
}

// end leaves nothing of this target in the picture.
func (v *squeezeView) end() {
	weight := v.weight()
	v.screen.mu.Lock()
	defer v.screen.mu.Unlock()
	v.line(weight)
	v.last = ""
	v.screen.draw()
}

// line tells of a step that is over: the rate is what the server was really given.
func (v *squeezeView) line(weight int) {
	if len(v.seen) == 0 || v.screen.lines == nil {
		v.seen = v.seen[:0]
		return
	}
	first, last := v.seen[0], v.seen[len(v.seen)-1]
	seconds := (last.Window.End - first.Window.Start).Seconds()
	fmt.Fprintf(v.screen.lines, "  %s  %-10s %-9s %8.1f req/s  weight %3d  %4.0f s  %s\n", clockTime(last.Window.End),
		v.name, v.step.Phase, rateOf(v.seen), weight, seconds, describe(v.seen))
	v.seen = v.seen[:0]
}

// rateOf is what a server was given over some windows, in req/s.
func rateOf(seen []stress.Observation) float64 {
	var sent, seconds float64
	for _, o := range seen {
		sent += float64(o.Sent)
		seconds += o.Window.Seconds()
	}
	if seconds == 0 {
		return 0
	}
	return sent / seconds
}

// state is this target's part of the picture.
func (v *squeezeView) state(p ramp.Progress, weight int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s  %-10s %-9s %8.1f req/s  weight %3d", clockTime(p.Elapsed), v.name, p.Next.Phase, rateOf([]stress.Observation{p.Seen}), weight)
	if p.Seen.Latency.Count > 0 {
		fmt.Fprintf(&b, "   p99 %s", round(p.Seen.Latency.P99))
	}
	fmt.Fprintf(&b, "  failed %d\n", p.Seen.Failed)
	var told []string
	if p.Next.Left > 0 {
		told = append(told, fmt.Sprintf("about %s left", clockTime(p.Next.Left)))
	}
	for _, why := range []string{p.Next.Why, p.Seen.Capped, string(p.Seen.Void)} {
		if why != "" {
			told = append(told, why)
		}
	}
	if len(told) > 0 {
		fmt.Fprintf(&b, "        %s\n", strings.Join(told, "; "))
	}
	if name, most := p.Seen.Max(); name != "" {
		fmt.Fprintf(&b, "        %-16s %s %4.0f%% of its limit\n", name, bar(most), 100*most)
	}
	return b.String()
}

// draw redraws the picture of all targets; the lock is held.
func (s *screen) draw() {
	if s.picture == nil {
		return
	}
	var b strings.Builder
	for _, m := range s.members {
		b.WriteString(m.last)
	}
	s.picture.draw(b.String())
}
