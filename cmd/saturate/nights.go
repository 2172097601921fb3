package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"saturate/appweight"
	"saturate/history"
	"saturate/record"
	"saturate/report"
	"saturate/scenarios"
)

// past is the history that a record is the last of; nil where there is none, or
// it is off. One that cannot be read is told of: the record stands by itself.
func past(ctx context.Context, env *environment, h historyFlags, r *record.Record) *report.Trend {
	var t *report.Trend
	err := consult(ctx, env, h, func(db *history.DB) (err error) {
		t, err = trend(context.WithoutCancel(ctx), db, r)
		return err
	})
	if err != nil {
		warnOf(env.stderr, fmt.Errorf("the nights before are not shown: %w", err))
	}
	return t
}

// baseline is the record that the requirements are held against; nil where none
// of them wants one, or there is none, which is told.
func baseline(ctx context.Context, env *environment, h historyFlags, s *scenarios.Scenario, requirements []appweight.Requirement) *record.Record {
	if !slices.ContainsFunc(requirements, func(q appweight.Requirement) bool { return q.Baseline }) {
		return nil
	}
	var found *record.Record
	err := consult(ctx, env, h, func(db *history.DB) error {
		doc, ok, err := db.Baseline(ctx, s.Name)
		if err == nil && ok {
			found, err = doc.Record()
		}
		return err
	})
	if found == nil && err == nil {
		err = hint(fmt.Errorf("the history has no baseline for %s", s.Name), "name one: saturate history baseline RECORD")
	}
	if err != nil {
		warnOf(env.stderr, fmt.Errorf("a requirement against the baseline is undecided: %w", err))
	}
	return found
}

// consult reads the history, unless it is off.
func consult(ctx context.Context, env *environment, h historyFlags, read func(*history.DB) error) error {
	path, err := h.file(env)
	if err != nil || path == history.Off {
		return err
	}
	return h.read(context.WithoutCancel(ctx), env, read)
}

// trend is the history that a record is the last of: the nights of the same
// scenario on the same generation of servers under the same terms, what changed
// and what was marked. It is nil where the history does not have the record, or
// only it, and where the record is no night's: a check, or a side of a comparison.
func trend(ctx context.Context, db *history.DB, r *record.Record) (*report.Trend, error) {
	entries, err := db.Entries(ctx, history.Filter{Scenario: r.Scenario, Until: r.At.Add(time.Millisecond)})
	if err != nil {
		return nil, err
	}
	s := nightsOf(entries, r.ID)
	if len(s.nights) < 2 {
		return nil, nil
	}
	config := appweight.DefaultNights
	if config.Scenarios, err = watched(ctx, db, r.At); err != nil {
		return nil, err
	}
	found, err := appweight.FindChanges(s.nights, config)
	if err != nil {
		return nil, err
	}
	marks, err := db.Marks(ctx, history.Filter{Scenario: r.Scenario, Since: s.nights[0].At, Until: r.At})
	if err != nil {
		return nil, err
	}
	t := newTrend(s, found, marks)
	t.Name = "users per server"
	if !s.scored {
		t.Name = r.Load.Unit
	}
	if r.Goal != nil {
		t.Goals = standing(*r.Goal, s.nights, found)
	}
	return t, nil
}

// watched is how many scenarios ran in the two days before: with many of them
// each must be surer, so that all together page no more often.
func watched(ctx context.Context, db *history.DB, at time.Time) (int, error) {
	entries, err := db.Entries(ctx, history.Filter{Since: at.Add(-48 * time.Hour), Until: at.Add(time.Millisecond)})
	if err != nil {
		return 0, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		if nightly(e) {
			names[e.Scenario+"\x00"+e.Generation] = true
		}
	}
	return max(1, len(names)), nil
}

func newTrend(s series, found appweight.Trend, marks []history.Mark) *report.Trend {
	nights := s.nights
	t := &report.Trend{Missing: s.without != ""}
	for i, n := range nights {
		v, sure := found.Values[i], s.sure[i]
		t.Nights = append(t.Nights, report.Night{At: n.At, Value: v, Lo: v * sure.lo, Hi: v * sure.hi, ID: n.ID})
	}
	change := func(c appweight.Change, page bool) report.Change {
		return report.Change{Before: nights[c.Since-1].At, After: nights[c.Since].At, Ratio: c.Ratio, P: c.P, Page: page, Found: nights[c.Found].At}
	}
	for _, c := range found.Changes {
		t.Changes = append(t.Changes, change(c, true))
	}
	if found.Watch != nil {
		t.Changes = append(t.Changes, change(*found.Watch, false))
	}
	for _, m := range marks {
		t.Marks = append(t.Marks, report.Mark{At: m.At, Text: m.Text})
	}
	if drop, ok := found.Smallest(7); ok {
		t.SmallestDrop = drop
	}
	t.Verdict = verdictOf(nights, found, t.Marks)
	if t.Missing {
		t.Verdict = fmt.Sprintf("This night has no number (%s) and does not count. Before it: %s", s.without, t.Verdict)
	}
	t.Warnings = append(s.warnings, found.Warnings...)
	return t
}

// verdictOf says in a sentence or two what the nights say.
func verdictOf(nights []appweight.Night, found appweight.Trend, marks []report.Mark) string {
	day := func(i int) string { return nights[i].At.Format("2 Jan") }
	var text string
	switch n := len(found.Changes); {
	case n > 0:
		c := found.Changes[n-1]
		text = fmt.Sprintf("Changed by %+.1f%% between %s and %s, called on %s.", 100*(c.Ratio-1), day(c.Since-1), day(c.Since), day(c.Found))
		for _, m := range marks {
			if m.At.After(nights[c.Since-1].At) && !m.At.After(nights[c.Since].At) {
				text += fmt.Sprintf(" In between: %s.", m.Text)
			}
		}
	case found.Needs > 0:
		text = early(found.Values)
	default:
		text = fmt.Sprintf("No change in %d nights.", len(nights))
	}
	if w := found.Watch; w != nil {
		text += fmt.Sprintf(" It may have dropped by %.1f%% since %s (p %.1g): being watched.", 100*(1-w.Ratio), day(w.Since), w.P)
		if r := found.Rerun; r != nil {
			text += fmt.Sprintf(" To settle it, measure what ran on %s and on %s in turn: some %d pairs.", day(r.Old), day(r.New), r.Pairs)
		}
	}
	if found.Needs > 0 {
		a := "a"
		if len(found.Changes) > 0 {
			a = "another"
		}
		text += fmt.Sprintf(" It takes %s before %s change can be told from chance.", count(found.Needs, "more night"), a)
	}
	return text
}

// early is all that can be said while the nights are too few to call a change:
// how the last compares with those before, chance and all.
func early(values []float64) string {
	last := len(values) - 1
	var logs float64
	for _, v := range values[:last] {
		logs += math.Log(v) / float64(last)
	}
	return fmt.Sprintf("The last of %d nights is %+.1f%% against those before.", len(values), 100*(values[last]/math.Exp(logs)-1))
}

// standing says where the score stands against a goal.
func standing(g record.Goal, nights []appweight.Night, found appweight.Trend) []string {
	s, err := appweight.Goal(g).Stand(nights, found)
	if errors.Is(err, appweight.ErrNoNights) {
		return []string{"goal: " + err.Error()}
	}
	words := map[appweight.Outcome]string{appweight.Met: "met", appweight.Missed: "not yet met", appweight.Undecided: "not sure yet"}
	var all []string
	since := g.Since.Format(time.DateOnly)
	if g.Improvement > 0 {
		all = append(all, fmt.Sprintf("goal: %+.3g%% since %s: at %+.1f%% (%+.1f%% to %+.1f%%), %s", 100*float64(g.Improvement), since,
			100*(s.Ratio-1), 100*(s.Interval.Lo-1), 100*(s.Interval.Hi-1), words[s.Improvement]))
	}
	if g.RegressionBudget > 0 {
		words[appweight.Missed] = "overdrawn"
		all = append(all, fmt.Sprintf("goal: regressions since %s of %.3g%% at most: %.1f%% (%.1f%% to %.1f%%) in %s, %s", since,
			100*float64(g.RegressionBudget), 100*s.Spent, 100*s.SpentLo, 100*s.SpentHi, count(len(s.Drops), "drop"), words[s.Budget]))
	}
	return append(all, s.Warnings...)
}
