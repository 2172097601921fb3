package record

import (
	"errors"
	"fmt"
	"slices"

	"saturate/appweight"
	"saturate/ramp"
)

// level is the confidence of every interval.
const level = .95

// worst orders endings: the first is what a run of several comes to.
var worst = []ramp.Ending{ramp.Inconclusive, ramp.AtMost, ramp.AtLeast, ramp.Found}

// Conclude draws the conclusions from the repeats: the endings of targets and
// run, the scores where there are fleet figures (in one unit or in several, of
// which the best that the targets have, too, is chosen), what became of the
// requirements, and doubts. Call it once, when every repeat is in.
func (r *Record) Conclude(fleets []appweight.Fleet, requirements []appweight.Requirement) {
	r.Ending = ramp.Found
	for i := range r.Targets {
		t := &r.Targets[i]
		t.Ending = t.ending()
		r.Ending = worst[min(slices.Index(worst, r.Ending), slices.Index(worst, t.Ending))]
	}
	if len(r.Targets) == 0 {
		r.Ending = ramp.Inconclusive
	}
	if len(fleets) > 0 {
		r.scores(fleets)
	}
	facts := r.Facts()
	for _, q := range requirements {
		j := q.Judge(facts)
		r.Requirements = append(r.Requirements, Requirement{Text: j.Text, Outcome: j.Outcome, Why: j.Why})
	}
	r.doubt()
}

// ending is the best of the repeats': a repeat that came to nothing takes
// nothing from one that found the answer. The doubts tell of it.
func (t *Target) ending() ramp.Ending {
	best := 0
	for _, r := range t.Repeats {
		best = max(best, slices.Index(worst, r.Ending))
	}
	return worst[best]
}

// Counting are the repeats that the target's answer comes from: those that
// ended as the target did.
func (t *Target) Counting() []Repeat {
	return slices.DeleteFunc(slices.Clone(t.Repeats), func(r Repeat) bool { return !t.counts(r) })
}

func (t *Target) counts(r Repeat) bool { return r.Ending == t.Ending && r.Sustained != nil }

// Sustained is what the target's repeats come to: of one hold its own figures,
// of several the geometric means with the interval over restarts. It is nil
// where nothing was held; a target that ended at_least has the largest bound.
func (t *Target) Sustained() *Sustained {
	repeats := t.Counting()
	switch {
	case len(repeats) == 0:
		return nil
	case len(repeats) == 1:
		return repeats[0].Sustained
	case t.Ending != ramp.Found:
		return slices.MaxFunc(repeats, func(a, b Repeat) int {
			if a.Sustained.Rate < b.Sustained.Rate {
				return -1
			}
			return 1
		}).Sustained
	}
	var rates, limits []float64
	var hangover float64
	for _, r := range repeats {
		rates = append(rates, r.Sustained.Rate)
		limits = append(limits, r.Sustained.AtLimit)
		hangover = max(hangover, r.Sustained.Hangover)
	}
	rate, _, errRate := appweight.Pool([][]float64{rates}, level)
	atLimit, iv, errLimit := appweight.Pool([][]float64{limits}, level)
	if errors.Join(errRate, errLimit) != nil {
		return repeats[0].Sustained
	}
	return &Sustained{Rate: rate, AtLimit: atLimit, Hangover: hangover,
		Interval: &Interval{Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, Basis: iv.Basis}}
}

// doubt collects what a reader should know before believing the figures.
func (r *Record) doubt() {
	for _, t := range r.Targets {
		for _, repeat := range t.Repeats {
			name := t.Name
			if len(t.Repeats) > 1 {
				name = fmt.Sprintf("%s, restart %d", t.Name, repeat.Restart)
			}
			if repeat.Ending != t.Ending {
				r.warn("%s ended %s and does not count: %s", name, repeat.Ending, repeat.Why)
			}
			for _, note := range repeat.Notes {
				r.warn("%s: %s", name, explain(note, repeat))
			}
		}
	}
}

func (r *Record) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Warnings, text) {
		r.Warnings = append(r.Warnings, text)
	}
}

// explain says for people what a search's note means.
func explain(note string, r Repeat) string {
	switch note {
	case "hangover":
		if r.Sustained != nil && r.Sustained.Hangover > 0 {
			return fmt.Sprintf("the server has two capacities: once pushed over it carries %.4g for a while", r.Sustained.Hangover)
		}
		return "the server has two capacities: once pushed over it carries less for a while"
	case "knee":
		return "the server gave way before its signals said so (a knee): the limit is where the load had to be cut"
	case "tripped late":
		return "the load had to be cut late in the hold: the answer is from the part before"
	}
	return note
}
