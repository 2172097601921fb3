package stress

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// An Outcome is the verdict on a window or a step.
type Outcome string

// The outcomes.
const (
	OutcomeSustained    Outcome = "sustained"
	OutcomeStressed     Outcome = "stressed"
	OutcomeInconclusive Outcome = "inconclusive"
)

const (
	// voidMost is the share of windows that may be void.
	voidMost = .10
	// sentLeast is the share of the asked hits that must have been sent.
	sentLeast = .99
	// halvesAgree is by how much the halves' cost per request may differ:
	// this share, or this many standard errors of the difference.
	halvesAgree, halvesErrors = .01, 2.5
)

// Judge says whether the windows of a step were sustained under the limits in
// force, and if not, why: the mean of a signal past its limit, or an instant
// event. Single windows may exceed. With too many void windows it cannot say.
func Judge(windows []Observation, limits map[Signal]float64) (Outcome, []string) {
	if len(windows) == 0 {
		return OutcomeInconclusive, []string{"nothing was measured"}
	}
	all := Summarise(windows)
	if n, most := all.Voided(); float64(n) > voidMost*float64(len(windows)) {
		return OutcomeInconclusive, []string{fmt.Sprintf("%d of %d windows are void (%s)", n, len(windows), most)}
	}
	why := exceeded(Summarise(valid(windows)), limits)
	for _, e := range all.Events {
		why = append(why, string(e.Kind)+": "+e.Detail)
	}
	if len(why) > 0 {
		return OutcomeStressed, why
	}
	return OutcomeSustained, nil
}

// valid leaves the void windows out.
func valid(windows []Observation) []Observation {
	return slices.DeleteFunc(slices.Clone(windows), func(o Observation) bool { return o.Void != "" })
}

// exceeded lists what was past its limit in the mean. Failures are counted over
// all the answers.
func exceeded(s Summary, limits map[Signal]float64) []string {
	var why []string
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		v, ok := s.Signals[name]
		if name == Errors {
			v, ok = s.FailedShare(), s.Done > 0
		}
		if ok && v > limits[name] {
			why = append(why, fmt.Sprintf("%s %s is past its limit of %s", name, Value(name, v), Value(name, limits[name])))
		}
	}
	return why
}

// Sustained is the check of a hold's measured part: what Judge asks, and that
// at least 99 % of the asked hits were sent and the halves' cost per request
// agree. How long a hold must be is for the search to say.
func Sustained(windows []Observation, limits map[Signal]float64) (ok bool, why []string) {
	_, why = Judge(windows, limits)
	s := Summarise(windows)
	if due := float64(s.Sent + s.Unsent); due > 0 && float64(s.Sent) < sentLeast*due {
		why = append(why, fmt.Sprintf("only %.1f%% of the asked hits were sent", 100*float64(s.Sent)/due))
	}
	if diff, allowed, ok := halves(windows); ok && math.Abs(diff) > allowed {
		why = append(why, fmt.Sprintf("the cost of a request changed by %+.1f%% between the halves (%.1f%% is allowed)", 100*diff, 100*allowed))
	}
	return len(why) == 0, why
}

// halves is the relative difference of the halves' cost per request, and what
// is allowed of it. None where no counter gives a cost.
func halves(windows []Observation) (diff, allowed float64, ok bool) {
	unit, cost := Summarise(windows).Cost()
	half := len(windows) / 2
	if unit == "" || half < 2 {
		return 0, 0, false
	}
	a, seA, okA := costOf(windows[:half], unit)
	b, seB, okB := costOf(windows[half:], unit)
	if !okA || !okB {
		return 0, 0, false
	}
	return (b - a) / cost, max(halvesAgree, halvesErrors*math.Hypot(seA, seB)/cost), true
}

// costOf is the ratio of the work to the requests of some windows, with the
// standard error of a ratio estimate (residuals about the ratio).
func costOf(windows []Observation, unit string) (cost, se float64, ok bool) {
	var work, done, squares, n float64
	for _, o := range windows {
		if w, has := o.Work[unit]; has {
			work, done, n = work+w, done+float64(o.Done), n+1
		}
	}
	if n < 2 || done == 0 {
		return 0, 0, false
	}
	cost = work / done
	for _, o := range windows {
		if w, has := o.Work[unit]; has {
			residual := w - cost*float64(o.Done)
			squares += residual * residual
		}
	}
	return cost, math.Sqrt(squares*n/(n-1)) / done, true
}
