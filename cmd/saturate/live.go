package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"saturate/ramp"
	"saturate/stress"
)

// A view shows a run while it goes on. It writes to standard error only.
type view interface {
	// begin names what is measured next.
	begin(title string)
	// note tells a person something once.
	note(format string, args ...any)
	// show takes the state after a window.
	show(ramp.Progress)
	// end leaves the terminal as it should be.
	end()
}

// newView is a picture that is redrawn on a terminal, lines elsewhere.
func newView(w io.Writer, terminal, quiet bool) view {
	switch {
	case quiet:
		return noView{}
	case terminal:
		return &picture{w: w}
	default:
		return &lines{w: w}
	}
}

type noView struct{}

func (noView) begin(string)        {}
func (noView) note(string, ...any) {}
func (noView) show(ramp.Progress)  {}
func (noView) end()                {}

// lines writes a line for each step when it is over.
type lines struct {
	w    io.Writer
	step ramp.Step
	seen []stress.Observation
}

func (l *lines) begin(title string)              { fmt.Fprintln(l.w, title) }
func (l *lines) note(format string, args ...any) { fmt.Fprintf(l.w, "  "+format+"\n", args...) }

func (l *lines) show(p ramp.Progress) {
	l.step, l.seen = p.Step, append(l.seen, p.Seen)
	if p.Next.Phase != p.Step.Phase || p.Next.Level != p.Step.Level {
		l.end()
	}
}

func (l *lines) end() {
	if len(l.seen) == 0 {
		return
	}
	first, last := l.seen[0], l.seen[len(l.seen)-1]
	fmt.Fprintf(l.w, "  %s  %-9s %8.1f req/s  %4.0f s  %s\n", clockTime(last.Window.End),
		l.step.Phase, l.step.Level, (last.Window.End - first.Window.Start).Seconds(), describe(l.seen))
	l.seen = l.seen[:0]
}

// describe condenses windows of one level: latency, failures, pressures.
func describe(seen []stress.Observation) string {
	var sent, failed uint64
	latencies := make([]stress.Latency, 0, len(seen))
	sums, counts := map[stress.Signal]float64{}, map[stress.Signal]float64{}
	var events []string
	for _, o := range seen {
		sent, failed = sent+o.Sent, failed+o.Failed
		latencies = append(latencies, o.Latency)
		for s, p := range o.Pressure {
			sums[s] += p
			counts[s]++
		}
		for _, e := range o.Events {
			events = append(events, string(e.Kind))
		}
	}
	var b strings.Builder
	if l := stress.MergeLatency(latencies...); l.Count > 0 { // live traffic may have none
		fmt.Fprintf(&b, "p99 %6s  ", round(l.P99))
	}
	if sent > 0 {
		fmt.Fprintf(&b, "failed %d  ", failed)
	}
	for _, s := range byPressure(sums) {
		if p := sums[s] / counts[s]; shown(s, p) {
			fmt.Fprintf(&b, " %s %.2f", s, p)
		}
	}
	if len(events) > 0 {
		fmt.Fprintf(&b, "  !%s", strings.Join(slices.Compact(events), ", "))
	}
	return b.String()
}

// foremost are the signals that come first, in this order.
var foremost = []stress.Signal{stress.CPU, stress.Workers, stress.Memory, stress.LatencyP99, stress.Errors}

// byPressure orders signals: cpu, workers and memory first, the others by name,
// so that a line reads like the one above it.
func byPressure(p map[stress.Signal]float64) []stress.Signal {
	rank := func(s stress.Signal) int {
		if i := slices.Index(foremost, s); i >= 0 {
			return i
		}
		return len(foremost)
	}
	return slices.SortedFunc(maps.Keys(p), func(a, b stress.Signal) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

// shown tells whether a pressure is worth a person's look: those that come first
// always are, any other once it matters.
func shown(s stress.Signal, p float64) bool { return slices.Contains(foremost, s) || p >= .2 }

// picture redraws a few lines of a terminal.
type picture struct {
	w     io.Writer
	drawn int // lines to go up before the next picture
}

func (v *picture) begin(title string) {
	v.end()
	fmt.Fprintln(v.w, title)
}

func (v *picture) note(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.w, "  "+format+"\n", args...)
}

func (v *picture) clear() {
	if v.drawn > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// draw puts a picture in the place of the one before.
func (v *picture) draw(text string) {
	v.clear()
	v.drawn = strings.Count(text, "\n")
	io.WriteString(v.w, noWrap+text+wrap)
}

func (v *picture) show(p ramp.Progress) {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s  %-9s %8.1f req/s   p50 %s  p99 %s  failed %d", clockTime(p.Elapsed),
		p.Next.Phase, p.Next.Level, round(p.Seen.Latency.P50), round(p.Seen.Latency.P99), p.Seen.Failed)
	b.WriteString("\n")
	var told []string
	if p.Next.Left > 0 {
		told = append(told, fmt.Sprintf("about %s left", clockTime(p.Next.Left)))
	}
	if p.Next.Why != "" {
		told = append(told, p.Next.Why)
	}
	if len(told) > 0 {
		fmt.Fprintf(&b, "  %s\n", strings.Join(told, "; "))
	}
	for _, s := range byPressure(p.Seen.Pressure) {
		if !shown(s, p.Seen.Pressure[s]) {
			continue
		}
		fmt.Fprintf(&b, "  %-16s %s %4.0f%% of its limit\n", s, bar(p.Seen.Pressure[s]), 100*p.Seen.Pressure[s])
	}
	if p.Seen.Void != "" {
		fmt.Fprintf(&b, "  window does not count: %s\n", p.Seen.Void)
	}
	v.draw(b.String())
}

// Where the terminal is narrow, lines are cut at its edge: one that went on below
// would be more to clear than was counted.
const noWrap, wrap = "\x1b[?7l", "\x1b[?7h"

// end leaves no picture behind: the summary follows, or the next title.
func (v *picture) end() { v.clear() }

// bar draws pressure; the limit is its right edge, and what is beyond shows.
func bar(p float64) string {
	const width = 30
	n := min(max(int(p*width+.5), 0), width+6)
	if n <= width {
		return strings.Repeat("█", n) + strings.Repeat("·", width-n) + "|"
	}
	return strings.Repeat("█", width) + "|" + strings.Repeat("█", n-width)
}

func clockTime(d time.Duration) string {
	s := int(d.Seconds() + .5)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// round keeps three figures of a latency.
func round(d time.Duration) time.Duration {
	for unit := time.Second; unit > time.Microsecond; unit /= 10 {
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}
