package ramp

import (
	"saturate/stress"
)

// A Run is one search on one target, from its first window to its last.
type Run struct {
	Result
	// Windows are all that was seen, in order; Result.From and To index it.
	Windows []Window
	// Steps condense the windows of one level and phase.
	Steps []Seen
	// Measured condenses the part of the hold that counts.
	Measured stress.Summary
	// Verdict names the bottleneck.
	Verdict stress.Bottleneck
	// Limits are those in force at the end, by signal.
	Limits map[stress.Signal]float64
}

// A Seen is one step of a run and what came of it.
type Seen struct {
	Phase   Phase
	Level   float64
	Summary stress.Summary
	// Windows are those that the summary is of.
	Windows []stress.Observation
	Outcome stress.Outcome
	Why     []string
}

// Conclude joins what a search found with what was seen on the way. It is
// called for an interrupted search too; its result is then inconclusive.
func Conclude(r Result, windows []Window, limits map[stress.Signal]float64) Run {
	var all []stress.Observation // the search's: a reference is after its end
	for _, w := range windows {
		if w.Phase != Reference {
			all = append(all, w.Seen)
		}
	}
	run := Run{Result: r, Windows: windows, Limits: limits, Steps: steps(windows, limits)}
	run.From, run.To = max(0, min(r.From, len(all))), max(0, min(r.To, len(all)))
	if run.To > run.From {
		run.Measured = stress.Summarise(all[run.From:run.To])
	}
	from, to := run.From, run.To
	if r.Ending != Inconclusive { // void windows had no say in it, and have none in its name
		all, from, to = counted(all, from, to)
	}
	run.Verdict = stress.Name(all, from, to, limits)
	return run
}

// counted leaves the void windows out, and finds the hold among the others.
func counted(all []stress.Observation, from, to int) (kept []stress.Observation, first, last int) {
	for i, o := range all {
		if o.Void != "" {
			continue
		}
		if i < from {
			first++
		}
		if i < to {
			last++
		}
		kept = append(kept, o)
	}
	return kept, first, last
}

// steps groups neighbouring windows of one phase and level. Settling windows
// count as part of their step's time, and only the others are judged; a step without
// any that was cut has shown nothing.
func steps(windows []Window, limits map[stress.Signal]float64) []Seen {
	var out []Seen
	for from := 0; from < len(windows); {
		to := from
		var measured, whole []stress.Observation
		for ; to < len(windows) && windows[to].Phase == windows[from].Phase && windows[to].Seen.Asked == windows[from].Seen.Asked; to++ {
			whole = append(whole, windows[to].Seen)
			if !windows[to].Settling {
				measured = append(measured, windows[to].Seen)
			}
		}
		settled := len(measured) > 0
		if !settled {
			measured = whole
		}
		s := Seen{Phase: windows[from].Phase, Level: windows[from].Seen.Asked, Summary: stress.Summarise(measured), Windows: measured}
		s.Outcome, s.Why = stress.Judge(measured, limits)
		if cut := to < len(windows) && windows[to].Phase == Recover; cut && !settled && s.Outcome == stress.OutcomeSustained {
			s.Outcome, s.Why = stress.OutcomeInconclusive, []string{"the load was cut before it had settled"}
		}
		out = append(out, s)
		from = to
	}
	return out
}
