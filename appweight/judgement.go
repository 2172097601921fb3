package appweight

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Fact is one figure or word that a run found, with what it is of: a target,
// or a generation of servers.
type Fact struct {
	Of    string
	Value float64
	// Lo and Hi are where the true value lies; both equal Value where it is
	// exact. An infinite one, or a zero Lo, is of a run that found a bound only.
	Lo, Hi float64
	// Bound says that Value is such a bound.
	Bound bool
	Word  string
	// Also are other words for the same thing.
	Also []string
}

// An Outcome says whether a requirement was met.
type Outcome string

// The outcomes. Undecided is neither a pass nor a failure: the run did not
// find what the requirement is about.
const (
	Met       Outcome = "met"
	Missed    Outcome = "missed"
	Undecided Outcome = "undecided"
)

// A Judgement is a requirement judged.
type Judgement struct {
	Text    string
	Outcome Outcome
	// Why gives the figures.
	Why string
}

// Judge holds the requirement against what a run found, by name. It is missed
// only where a whole interval is on the wrong side, and must be met by every
// fact of its name: one target too slow is a requirement missed. What is to be
// held against a baseline is undecided here.
func (r Requirement) Judge(found map[string][]Fact) Judgement {
	if r.Baseline {
		return Judgement{Text: r.Text, Outcome: Undecided, Why: "there is no baseline to hold it against"}
	}
	facts := found[r.Name]
	if len(facts) == 0 {
		return Judgement{Text: r.Text, Outcome: Undecided, Why: "the run did not find " + r.Name}
	}
	var worst Judgement
	for _, f := range facts {
		outcome, why := r.number(f)
		if r.Word != "" {
			outcome, why = r.word(f)
		}
		if f.Of != "" && len(facts) > 1 {
			why = f.Of + ": " + why
		}
		if worst.Outcome == "" || severity(outcome) > severity(worst.Outcome) {
			worst = Judgement{Text: r.Text, Outcome: outcome, Why: why}
		}
	}
	return worst
}

func severity(o Outcome) int { return slices.Index([]Outcome{Met, Undecided, Missed}, o) }

func (r Requirement) word(f Fact) (Outcome, string) {
	if f.Word == "" {
		return Undecided, "it is not known"
	}
	same := f.Word == r.Word || slices.Contains(f.Also, r.Word)
	if same == (r.Op == "==") {
		return Met, "it is " + f.Word
	}
	return Missed, "it is " + f.Word
}

func (r Requirement) number(f Fact) (Outcome, string) {
	holds := func(v float64) bool {
		switch r.Op {
		case ">=":
			return v >= r.Number
		case ">":
			return v > r.Number
		case "<=":
			return v <= r.Number
		}
		return v < r.Number
	}
	lo, hi := holds(f.Lo), holds(f.Hi)
	switch why := figures(f); {
	case math.IsNaN(f.Lo) || math.IsNaN(f.Hi):
		return Undecided, "it is not known"
	case lo && hi:
		return Met, why
	case !lo && !hi:
		return Missed, why
	case f.Bound:
		return Undecided, why + ": the run found a bound only"
	case holds(f.Value):
		return Met, why
	default:
		return Met, why + ": on the wrong side, but not by more than the uncertainty"
	}
}

// figures writes a fact's value and its bounds.
func figures(f Fact) string {
	v := func(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }
	switch {
	case f.Bound && math.IsInf(f.Hi, 1):
		return "it is at least " + v(f.Lo)
	case f.Bound:
		return "it is at most " + v(f.Hi)
	case f.Lo == f.Hi:
		return "it is " + v(f.Value)
	}
	return fmt.Sprintf("it is %s (%s to %s)", v(f.Value), v(f.Lo), v(f.Hi))
}
