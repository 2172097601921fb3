package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"saturate/record"
)

// Text writes the summary that a person understands at once: what each target
// sustains, why not more, how sure that is, what it costs, and what would
// change it; then the score, the limits used, requirements and doubts.
func Text(w io.Writer, r *record.Record, o Options) error {
	p := &page{colour: o.Colour}
	p.line("scenario", "", "%s", about(r))
	if len(r.Targets) == 0 {
		p.line("no answer", bold, "nothing was measured")
	}
	for i := range r.Targets {
		p.gap()
		p.target(r, &r.Targets[i])
	}
	p.live(r)
	p.scores(r)
	p.nights(o.Trend)
	p.gap()
	p.limits(r)
	p.requirements(r)
	for i, warning := range r.Warnings {
		p.line(first(i, "doubts"), yellow, "%s", warning)
	}
	p.line("record", "", "%s", r.ID)
	return p.writeTo(w)
}

// about is the head line: what, when, how long, with what load.
func about(r *record.Record) string {
	parts := []string{r.Scenario, r.At.UTC().Format("2006-01-02 15:04 UTC"), span(r.DurationSeconds)}
	if r.Load.Kind != "" {
		parts = append(parts, r.Load.Kind)
	}
	if r.Load.Arrivals != "" {
		parts = append(parts, r.Load.Arrivals+" arrivals")
	}
	return strings.Join(parts, ", ")
}

func first(i int, label string) string {
	if i == 0 {
		return label
	}
	return ""
}

// target writes what was found of one target.
func (p *page) target(r *record.Record, t *record.Target) {
	name := t.Name
	if labels := pairs(t.Labels); labels != "" {
		name += " (" + labels + ")"
	}
	p.line("target", "", "%s", name)
	told := telling(t)
	p.answer(r.Load.Unit, t, told)
	if told == nil {
		return
	}
	if len(t.Repeats) > 1 {
		for i, repeat := range t.Repeats {
			p.line(first(i, "repeats"), "", "%s", one(repeat, r.Load.Unit))
		}
	}
	if b := told.Bottleneck; b != nil && (b.Name != record.NoneReached || t.Ending != record.Inconclusive) {
		p.line(label(t.Ending), "", "%s", bottleneck(*b))
		if len(b.Evidence) > 0 {
			p.line("also seen", "", "%s", strings.Join(b.Evidence, "; "))
		}
	}
	if n := told.RunnerUp; n != nil && n.Headroom > 0 && t.Ending == record.Found {
		p.line("next limit", "", "%s, with %s of it still free", n.Signal, record.Share(n.Headroom))
	}
	if t.Ending == record.Found || t.Ending == record.AtLeast {
		p.line("costs", "", "%s", costs(*told))
		if text := curve(told, r.Load.Unit); text != "" {
			p.line("", "", "%s", text)
		}
	}
	if text := advice(*told, r.Load); text != "" {
		p.line("to change it", "", "%s", text)
	}
}

// telling is the repeat that speaks for the target: the first of those that
// its answer comes from, else the first.
func telling(t *record.Target) *record.Repeat {
	if counting := t.Counting(); len(counting) > 0 {
		return &counting[0]
	}
	for i := range t.Repeats {
		if t.Repeats[i].Ending == t.Ending {
			return &t.Repeats[i]
		}
	}
	return nil
}

func label(e record.Ending) string {
	if e == record.Inconclusive {
		return "seen"
	}
	return "why not more"
}

// bottleneck is its name and sentence, the name once.
func bottleneck(b record.Bottleneck) string {
	if b.Name == record.NoneReached || b.Sentence == "" {
		return cmp.Or(b.Sentence, b.Name)
	}
	return b.Name + ": " + b.Sentence
}

// answer says what the target sustains. Only a limit that was found is a bare
// number.
func (p *page) answer(unit string, t *record.Target, told *record.Repeat) {
	s := t.Sustained()
	why := "nothing was measured"
	if told != nil && told.Why != "" {
		why = told.Why
	}
	switch {
	case t.Ending == record.Found && s != nil:
		p.line("sustains", bold, "%s %s, held %s", figure(s.Rate), unit, holds(t, told))
		if s.Interval != nil {
			p.line("", "", "%s %s at the limit itself (%s)", figure(s.AtLimit), unit, sure(s.Interval))
		}
		if s.Hangover > 0 {
			p.line("", "", "%s %s for a while after it was pushed over", figure(s.Hangover), unit)
		}
		if told.Break > 0 {
			p.line("", "", "%s %s was too much", figure(told.Break), unit)
		}
	case t.Ending == record.AtLeast && s != nil:
		p.line("sustains", bold, "at least %s %s", figure(s.Rate), unit)
		p.line("", "", "its limit was not found: %s", why)
	case t.Ending == record.AtMost:
		if told != nil && told.Break > 0 {
			p.line("sustains", bold, "less than %s %s", figure(told.Break), unit)
		} else {
			p.line("sustains", bold, "less than the first level")
		}
		p.line("", "", "%s", why)
	default:
		p.line("no answer", bold, "%s", why)
	}
}

// holds says how long, or how often, the answer was held.
func holds(t *record.Target, told *record.Repeat) string {
	if n := len(t.Counting()); n > 1 {
		return fmt.Sprintf("in %d runs", n)
	}
	return "for " + span(told.HoldSeconds)
}

// sure says how sure a figure is, and what of.
func sure(iv *record.Interval) string {
	covers := map[string]string{
		record.WithinHold: "within one hold: restarts and other servers vary more",
		record.Restarts:   "over restarts of this server",
		record.Servers:    "over servers",
	}
	return fmt.Sprintf("%s to %s with %.0f%% confidence, %s", figure(iv.Lo), figure(iv.Hi), 100*iv.Level, cmp.Or(covers[iv.Basis], iv.Basis))
}

// one is a repeat on one line.
func one(r record.Repeat, unit string) string {
	text := fmt.Sprintf("%d  %s", r.Restart, r.Ending)
	if s := r.Sustained; s != nil && r.Ending == record.Found {
		text += fmt.Sprintf(", %s %s", figure(s.Rate), unit)
	} else if s != nil {
		text += fmt.Sprintf(", %s %s or more", figure(s.Rate), unit)
	}
	if r.Bottleneck != nil {
		text += ", " + r.Bottleneck.Name
	}
	if r.Ending != record.Found && r.Why != "" {
		text += ": " + r.Why
	}
	return text
}

// costs is what a request costs the target and its client.
func costs(r record.Repeat) string {
	var parts []string
	if r.Cost != nil {
		parts = append(parts, cost(r.Cost.PerRequest, r.Cost.Unit)+" per request")
	}
	if l := r.Latency; l != nil {
		parts = append(parts, fmt.Sprintf("half of the answers within %s, 99%% within %s",
			record.Seconds(l.P50), record.Seconds(l.P99)))
	}
	return strings.Join(append(parts, record.Share(r.FailedShare)+" failed"), "; ")
}

// limits writes the limits that were used, and which signals were not read.
func (p *page) limits(r *record.Record) {
	for i := range r.Targets {
		told := telling(&r.Targets[i])
		if told == nil || len(told.Limits) == 0 {
			continue
		}
		name := "limits"
		if i > 0 {
			name = ""
		}
		var used, unread []string
		for _, s := range slices.Sorted(maps.Keys(told.Limits)) {
			if wasRead(*told, s) {
				used = append(used, fmt.Sprintf("%s %s", s, record.Value(s, told.Limits[s])))
			} else {
				unread = append(unread, string(s))
			}
		}
		text := cmp.Or(strings.Join(used, ", "), "none was read")
		if len(r.Targets) > 1 {
			text = r.Targets[i].Name + ": " + text
		}
		if len(unread) > 0 {
			text += "; not read: " + strings.Join(unread, ", ")
		}
		p.line(name, "", "%s", text)
	}
}

// wasRead tells whether a signal had a value at any time of the run.
func wasRead(r record.Repeat, name record.Signal) bool {
	_, held := r.Pressure[name]
	return held || slices.ContainsFunc(r.Steps, func(s record.Step) bool {
		_, ok := s.Pressure[name]
		return ok
	})
}

func (p *page) requirements(r *record.Record) {
	words := map[record.Outcome]struct{ word, style string }{
		record.Met: {"met", green}, record.Missed: {"MISSED", red}, record.Undecided: {"UNDECIDED", yellow},
	}
	for i, q := range r.Requirements {
		w := words[q.Outcome]
		p.line(first(i, "required"), w.style, "%s: %s; %s", w.word, q.Text, q.Why)
	}
}

// pairs writes labels in order.
func pairs(labels map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, k+" "+labels[k])
	}
	return strings.Join(all, ", ")
}
