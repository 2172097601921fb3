package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"saturate/record"
)

// A Trend is a score night by night, with what is known of its changes.
type Trend struct {
	// Name is what is drawn ("users per server"), oldest first.
	Name   string
	Nights []Night
	// Changes and Marks are set beside the nights.
	Changes []Change
	Marks   []Mark
	// Verdict is one sentence on what the nights say; SmallestDrop the share by
	// which the score could have fallen unseen, 0 where that is not known.
	Verdict      string
	SmallestDrop float64
	// Goals says for each goal where the score stands against it.
	Goals []string
	// Missing says that the record itself is none of the nights, since it has no
	// number; Verdict has the reason.
	Missing bool
	// Warnings are doubts about the nights.
	Warnings []string
}

// A Night is one run's score; Lo and Hi are 0 where it has no interval.
type Night struct {
	At            time.Time
	Value, Lo, Hi float64
	ID            string
}

// A Change is a step of the score between two nights.
type Change struct {
	// Before and After are the last night of the old level and the first of the new.
	Before, After time.Time
	// Found is the night that called it.
	Found time.Time
	// Ratio is the new level over the old, P how often chance alone does that.
	Ratio, P float64
	// Page tells that it is sure enough to wake somebody.
	Page bool
}

// A Mark is something that was done to the fleet: a rollout, a switch.
type Mark struct {
	At   time.Time
	Text string
}

// nights writes what the nights say.
func (p *page) nights(t *Trend) {
	if t == nil || len(t.Nights) < 2 {
		return
	}
	p.gap()
	style := ""
	if n := len(t.Changes); n > 0 && t.called(t.Changes[n-1]) {
		style = red
	}
	p.line("nights", style, "%s", t.Verdict)
	if t.SmallestDrop > 0 {
		p.line("", "", "a drop of %s or more would be seen within 7 nights, four times in five", record.Share(t.SmallestDrop))
	}
	for _, text := range append(slices.Clone(t.Goals), t.Warnings...) {
		p.line("", "", "%s", text)
	}
}

// called tells whether it is this very night that calls a change.
func (t *Trend) called(c Change) bool {
	return c.Page && !t.Missing && c.Found.Equal(t.Nights[len(t.Nights)-1].At)
}

type nightsView struct {
	*Trend
	Chart template.HTML
	Last  Night
}

func newNightsView(t *Trend) *nightsView {
	if t == nil || len(t.Nights) < 2 {
		return nil
	}
	return &nightsView{Trend: t, Chart: nights(t), Last: t.Nights[len(t.Nights)-1]}
}

// nights draws the score over the nights with its intervals, what changed and
// what was marked.
func nights(t *Trend) template.HTML {
	var values []float64
	for _, n := range t.Nights {
		values = append(values, n.Value)
		if n.Hi > 0 {
			values = append(values, n.Lo, n.Hi)
		}
	}
	first, last := t.Nights[0].At, t.Nights[len(t.Nights)-1].At
	days := func(at time.Time) float64 { return at.Sub(first).Hours() / 24 }
	x := axis{0, max(days(last), 1), marginLeft, wideWidth - 20}
	c := sized(t.Name+" over the nights", wideWidth, chartHeight, x, plotY(around(values, 0, 0)))
	c.rows(c.y.ticks(), t.Name, tick)
	for _, at := range dates(first, last) {
		c.text("tick middle", x.at(days(at)), plotBottom+15, at.Format("2 Jan"))
	}
	for _, m := range t.Marks {
		if d := days(m.At); d >= 0 && d <= x.hi {
			c.line("mark", x.at(d), marginTop, x.at(d), plotBottom)
			c.dot("mark", dot{d, c.y.hi, m.At.Format("2 Jan 15:04") + ": " + m.Text}, 4)
		}
	}
	for _, change := range t.Changes {
		class, word := "watch", "watched"
		if change.Page {
			class, word = "page", "changed"
		}
		c.band(class, days(change.Before), days(change.After), true, fmt.Sprintf("%s by %+.1f%% between %s and %s (p %.1g)",
			word, 100*(change.Ratio-1), change.Before.Format("2 Jan"), change.After.Format("2 Jan"), change.P))
	}
	var dots []dot
	for _, n := range t.Nights {
		d := days(n.At)
		if n.Hi > 0 {
			c.line("whisker", x.at(d), c.y.at(n.Lo), x.at(d), c.y.at(n.Hi))
		}
		dots = append(dots, dot{d, n.Value, fmt.Sprintf("%s: %s %s (record %s)", n.At.Format("2 Jan 2006"), figure(n.Value), t.Name, n.ID)})
	}
	c.path("main", dots)
	return c.html()
}

// dates are at most five days to name under the nights.
func dates(first, last time.Time) []time.Time {
	n := int(math.Ceil(last.Sub(first).Hours() / 24))
	every := max(1, (n+4)/5)
	var all []time.Time
	for d := 0; d <= n; d += every {
		all = append(all, first.AddDate(0, 0, d))
	}
	return all
}
