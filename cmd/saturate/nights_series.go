package main

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"

	"saturate/appweight"
	"saturate/history"
	"saturate/record"
)

// A series is the nights that a record is the last of, oldest first: each
// server's users where all of them have a score, else what it sustains.
type series struct {
	nights []appweight.Night
	// sure are the nights' intervals.
	sure   []sure
	scored bool
	// without is why the record itself is none of them; "" where it is the last.
	without string
	// warnings name the records that were left out.
	warnings []string
}

// nightsOf are the nights of entries, which come newest first, with the terms and
// the generation of a record's own. A record whose ending is another has none of
// its own, and those before it stand.
func nightsOf(entries []history.Entry, id string) (s series) {
	i := slices.IndexFunc(entries, func(e history.Entry) bool { return e.ID == id })
	if i < 0 || !nightly(entries[i]) {
		return s
	}
	own, generation := entries[i], entries[i].Generation
	entries = slices.DeleteFunc(slices.Clone(entries), func(e history.Entry) bool {
		return !nightly(e) || e.Terms != own.Terms || e.Ending != record.Found || e.Sustained == nil
	})
	entries, s.warnings = sound(entries)
	if i = slices.IndexFunc(entries, func(e history.Entry) bool { return e.ID == id }); i >= 0 {
		own, generation = entries[i], entries[i].Generation
	} else if s.without = fmt.Sprintf("it ended %s", own.Ending); own.Ending == record.Found {
		s.without = "its figure is not above 0"
	}
	if i < 0 && len(entries) > 0 { // what was not reached may not have told its generation
		own, generation = entries[0], cmp.Or(generation, entries[0].Generation)
	}
	entries = slices.DeleteFunc(entries, func(e history.Entry) bool { return e.Generation != generation })
	slices.Reverse(entries)
	comparable := func(e history.Entry) bool {
		return e.AppWeight != nil && e.Work != nil && own.Work != nil && e.Work.Unit == own.Work.Unit && e.Work.Scope == own.Work.Scope
	}
	s.scored = !slices.ContainsFunc(entries, func(e history.Entry) bool { return !comparable(e) })
	for targets := range byRecord(entries) {
		s.nights = append(s.nights, newNight(targets, s.scored))
		s.sure = append(s.sure, newSure(targets, s.scored))
	}
	return s
}

// A sure is an interval by the figure that it is about; 0 where there is none.
type sure struct{ lo, hi float64 }

// newSure is the interval of a night's score, or of the rate of its one server.
func newSure(targets []history.Entry, scored bool) sure {
	e := targets[0]
	switch {
	case scored && e.AppWeight.Interval != nil:
		return sure{e.AppWeight.Interval.Lo / e.AppWeight.UsersPerServer, e.AppWeight.Interval.Hi / e.AppWeight.UsersPerServer}
	case !scored && len(targets) == 1 && e.Sustained.Interval != nil && e.Sustained.AtLimit > 0:
		return sure{e.Sustained.Interval.Lo / e.Sustained.AtLimit, e.Sustained.Interval.Hi / e.Sustained.AtLimit}
	}
	return sure{}
}

// nightly tells whether an entry is of a run that nights are made of: no check of
// a level, and no side of a comparison.
func nightly(e history.Entry) bool { return e.Held == 0 && e.InTurnWith == "" }

// sound leaves out the records with a figure that no server can have, and names
// them: one such must not cost the report all of the nights.
func sound(entries []history.Entry) (kept []history.Entry, warnings []string) {
	for targets := range byRecord(entries) {
		i := slices.IndexFunc(targets, func(e history.Entry) bool {
			return !(cmp.Or(e.Sustained.AtLimit, e.Sustained.Rate) > 0) || e.Work != nil && !(e.Work.PerSecond > 0) ||
				e.AppWeight != nil && !(e.AppWeight.UsersPerServer > 0)
		})
		if i < 0 {
			kept = append(kept, targets...)
			continue
		}
		warnings = append(warnings, fmt.Sprintf("record %s of %s is left out: it says that %s found its limit, with a figure that is not above 0",
			targets[i].ID, targets[i].At.Format("2 Jan 2006"), targets[i].Target))
	}
	return kept, warnings
}

// byRecord hands over the entries of one record after the other.
func byRecord(entries []history.Entry) iter.Seq[[]history.Entry] {
	return func(yield func([]history.Entry) bool) {
		for len(entries) > 0 {
			n := slices.IndexFunc(entries, func(e history.Entry) bool { return e.ID != entries[0].ID })
			if n < 0 {
				n = len(entries)
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// newNight is one record's targets. The score is of all of them; each has its
// part of it by the work that it can do.
func newNight(targets []history.Entry, scored bool) appweight.Night {
	n := appweight.Night{At: targets[0].At, ID: targets[0].ID, Servers: map[string]float64{}}
	var logs float64
	for _, e := range targets {
		n.Servers[e.Target] = cmp.Or(e.Sustained.AtLimit, e.Sustained.Rate)
		if scored {
			n.Servers[e.Target] = e.Work.PerSecond
			logs += math.Log(e.Work.PerSecond)
		}
	}
	if scored {
		typical := math.Exp(logs / float64(len(targets)))
		for _, e := range targets {
			n.Servers[e.Target] *= e.AppWeight.UsersPerServer / typical
		}
	}
	return n
}
