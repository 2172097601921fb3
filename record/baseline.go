package record

import (
	"math"

	"saturate/appweight"
)

// A Goal is where the score is to go, as the scenario had it.
type Goal = appweight.Goal

// HoldAgainst judges those of the requirements that are against a baseline, in
// the place of what [Record.Conclude] said of them. Without one, or where the two
// runs do not compare, they are undecided, with the reason.
func (r *Record) HoldAgainst(base *Record, requirements []appweight.Requirement) {
	if base == nil {
		return
	}
	for i, q := range requirements {
		if !q.Baseline || i >= len(r.Requirements) {
			continue
		}
		j := appweight.Judgement{Text: q.Text, Outcome: appweight.Undecided}
		if apart := r.apart(base, q.Name); apart != "" {
			j.Why = "the baseline " + base.ID + " does not compare: " + apart
		} else {
			j = q.JudgeAgainst(r.Facts(), base.Facts(), r.spreads(base))
		}
		r.Requirements[i] = Requirement{Text: j.Text, Outcome: j.Outcome, Why: j.Why}
	}
}

// apart is why two runs do not compare in what a requirement is about; "" where
// they do. Targets are held against those of their name, else of their
// generation. Where there is neither, two servers of the fleet may well differ,
// but not in what was asked of them.
func (r *Record) apart(base *Record, about string) string {
	for i := range r.Targets {
		mine := Measured{r, &r.Targets[i]}
		terms := mine.about(about)
		others, alike := base.like(mine)
		for _, other := range others {
			theirs := other.about(about)
			if !alike {
				theirs.Ending, theirs.ISA, theirs.CPU = terms.Ending, terms.ISA, terms.CPU
			}
			if err := theirs.Differ(terms); err != nil {
				return reasons(err)
			}
		}
	}
	return ""
}

// like are the targets that another is held against; alike says that they are of
// its name or generation.
func (r *Record) like(other Measured) (found []Measured, alike bool) {
	generation := other.Record.Label(other.Target, "generation")
	for _, same := range []func(*Target) bool{
		func(t *Target) bool { return t.Name == other.Target.Name },
		func(t *Target) bool { return r.Label(t, "generation") == generation },
	} {
		for i := range r.Targets {
			if same(&r.Targets[i]) {
				found = append(found, Measured{r, &r.Targets[i]})
			}
		}
		if len(found) > 0 {
			return found, true
		}
	}
	for i := range r.Targets {
		found = append(found, Measured{r, &r.Targets[i]})
	}
	return found, false
}

// about are a target's terms, with the unit of work that a requirement of this
// name depends on: a score on that of N, a cost on its own, a rate on none.
func (m Measured) about(name string) appweight.Terms {
	for _, r := range m.Target.Counting() {
		switch {
		case name == "cost" && r.Cost != nil:
			t := m.terms(&r, r.Cost.Unit)
			t.Unit = r.Cost.Unit
			return t
		case (name == "appweight" || name == "minimum_servers") && r.Work != nil:
			return m.terms(&r, r.Work.Unit)
		}
	}
	return m.terms(nil, "")
}

// spreads are what single holds leave out, by what a fact is of: how restarts
// differ, once for each side whose figure comes from one hold only. What comes
// from several servers or restarts has it in its interval.
func (r *Record) spreads(base *Record) map[string]float64 {
	single := map[string]float64{}
	for _, side := range []*Record{r, base} {
		seen := map[string]bool{}
		one := func(name string, of bool) {
			if of && !seen[name] {
				single[name]++
				seen[name] = true
			}
		}
		for i := range side.Targets {
			t := &side.Targets[i]
			one(t.Name, len(t.Counting()) == 1)
		}
		for _, s := range side.AppWeight {
			one(s.Generation, s.Interval == nil || s.Interval.Basis == appweight.WithinHold)
		}
		if f := side.FleetScore; f != nil {
			one(wholeFleet, f.Interval == nil || f.Interval.Basis == appweight.WithinHold)
		}
	}
	out := map[string]float64{}
	for name, n := range single {
		out[name] = math.Sqrt(n) * appweight.RestartSD
	}
	return out
}
