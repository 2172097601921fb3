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
	apart := r.apart(base)
	for i, q := range requirements {
		if !q.Baseline || i >= len(r.Requirements) {
			continue
		}
		j := appweight.Judgement{Text: q.Text, Outcome: appweight.Undecided, Why: "the baseline " + base.ID + " does not compare: " + apart}
		if apart == "" {
			j = q.JudgeAgainst(r.Facts(), base.Facts(), r.spreads(base))
		}
		r.Requirements[i] = Requirement{Text: j.Text, Outcome: j.Outcome, Why: j.Why}
	}
}

// apart is why two runs do not compare; "" where they do.
func (r *Record) apart(base *Record) string {
	for i := range r.Targets {
		for j := range base.Targets {
			mine, theirs := Measured{r, &r.Targets[i]}, Measured{base, &base.Targets[j]}
			if mine.Target.Name != theirs.Target.Name {
				continue
			}
			if err := theirs.own().Differ(mine.own()); err != nil {
				return reasons(err)
			}
		}
	}
	return ""
}

// own are a target's terms, with its work in the unit of its score.
func (m Measured) own() appweight.Terms {
	for _, r := range m.Target.Counting() {
		if r.Work != nil {
			return m.terms(&r, r.Work.Unit)
		}
	}
	return m.terms(nil, "")
}

// spreads are what single holds leave out, by what a fact is of: how restarts
// differ, once for each side that has only one.
func (r *Record) spreads(base *Record) map[string]float64 {
	single := map[string]float64{}
	for _, side := range []*Record{r, base} {
		seen := map[string]bool{}
		for i := range side.Targets {
			t := &side.Targets[i]
			for _, name := range []string{t.Name, side.Label(t, "generation")} {
				if len(t.Counting()) == 1 && !seen[name] {
					single[name]++
					seen[name] = true
				}
			}
		}
	}
	out := map[string]float64{}
	for name, n := range single {
		out[name] = math.Sqrt(n) * appweight.RestartSD
	}
	return out
}
