package appweight

import (
	"fmt"
	"math"
	"strconv"
)

// RestartSD is what a hold on the same server differs by from restart to
// restart, as a standard deviation of logarithms, where nothing better is known.
const RestartSD = .012

// Against is the fact as a ratio to the same fact of an earlier run. The interval
// of a ratio follows from the two intervals, each side on its own: their lengths
// as logarithms add up as squares (MOVER: Zou & Donner, Statistics in Medicine
// 27, 2008; for ratios Donner & Zou, Statistical Methods in Medical Research 21,
// 2012). spread is the standard deviation of what they leave out: sqrt(2) times
// [RestartSD] where both are of a single hold. A bound by a bound is a bound.
func (f Fact) Against(base Fact, spread float64) Fact {
	out := Fact{Of: f.Of, Value: f.Value / base.Value, Bound: f.Bound || base.Bound}
	if out.Bound {
		out.Lo, out.Hi = f.Lo/base.Hi, f.Hi/base.Lo
		return out
	}
	more := quantile(confidence, 0) * spread
	length := func(a, b float64) float64 {
		return math.Sqrt(math.Pow(math.Log(a), 2) + math.Pow(math.Log(b), 2) + more*more)
	}
	out.Lo = out.Value * math.Exp(-length(f.Value/f.Lo, base.Hi/base.Value))
	out.Hi = out.Value * math.Exp(length(f.Hi/f.Value, base.Value/base.Lo))
	return out
}

// JudgeAgainst holds "NAME OP FACTOR * baseline" against what this run and the
// baseline's found, Number being the factor. As in [Requirement.Judge] it is
// missed only where the whole interval of the ratio is on the wrong side.
// spreads are those of [Fact.Against], by name of what a fact is of; a name that
// is absent has none. What the baseline did not find is undecided.
func (r Requirement) JudgeAgainst(found, baseline map[string][]Fact, spreads map[string]float64) Judgement {
	if r.Word != "" {
		return Judgement{Text: r.Text, Outcome: Undecided, Why: r.Name + " is a word and has no ratio"}
	}
	worst := Judgement{Text: r.Text, Outcome: Undecided, Why: "the run did not find " + r.Name}
	for i, f := range found[r.Name] {
		outcome, why := Undecided, "the baseline did not find "+r.Name
		base, ok := of(baseline[r.Name], f.Of)
		switch {
		case ok && base.Value == 0 && !base.Bound: // any part of nothing is nothing
			nothing := r
			nothing.Number = 0
			outcome, why = nothing.number(f)
			why += ", and the baseline's was 0"
		case ok:
			outcome, why = r.number(f.Against(base, spreads[f.Of]))
			why += fmt.Sprintf(" times the baseline's %s", strconv.FormatFloat(base.Value, 'g', 4, 64))
		}
		if len(found[r.Name]) > 1 && f.Of != "" {
			why = f.Of + ": " + why
		}
		if i == 0 || severity(outcome) > severity(worst.Outcome) {
			worst.Outcome, worst.Why = outcome, why
		}
	}
	return worst
}

// of is the fact of that name.
func of(facts []Fact, name string) (Fact, bool) {
	for _, f := range facts {
		if f.Of == name {
			return f, true
		}
	}
	return Fact{}, false
}
