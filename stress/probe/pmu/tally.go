package pmu

import "time"

// A tally sums up what the counters of a Meter tell. It never falls.
type tally struct {
	plans  []plan // in use, and smaller ones
	opened bool   // once; from then on what is counted changes only where it must

	total    [kinds]float64
	lost     time.Duration
	reopened int

	// Of the last interval:
	enabled, missed time.Duration // CPU time to be counted, and not counted
	starved         bool          // a counter never ran
	running         float64       // the smallest share
}

// begin starts an interval.
func (t *tally) begin() { t.enabled, t.missed, t.starved, t.running = 0, 0, false, 1 }

// brief is an enabled time whose share of running says nothing.
const brief = time.Millisecond

// add adds what one counter counted while it was enabled for so long and ran
// for a share of that.
func (t *tally) add(grown [kinds]float64, enabled time.Duration, share float64) {
	t.enabled += enabled
	if share == 0 {
		t.lost += enabled
		t.missed += enabled
		t.starved = t.starved || enabled >= patience
	}
	if enabled >= brief {
		t.running = min(t.running, share)
	}
	for k, v := range grown {
		t.total[k] += v
	}
}

// shrink goes over to a smaller plan where a counter never got to run: other
// users hold so many counters that the whole group finds no room. It reports
// whether there is one.
func (t *tally) shrink() bool {
	if !t.starved || len(t.plans) == 1 {
		return false
	}
	t.plans = t.plans[1:]
	return true
}

// short is the error that too much of the interval is missing, if it is: more
// than a hundredth.
func (t *tally) short() error {
	if t.missed*100 <= t.enabled {
		return nil
	}
	return starved(t.missed, t.enabled)
}

func (t *tally) totals(counters int) Totals {
	in := t.plans[0]
	all := Totals{
		Instructions: t.total[instructions], UserInstructions: t.total[userInstructions], Cycles: t.total[cycles],
		HasUser: in.has(userInstructions), HasCycles: in.has(cycles),
		Running: t.running, Lost: t.lost, Counters: counters, Reopened: t.reopened,
	}
	if in[0].bits == userOnly {
		all.UserInstructions, all.HasUser = all.Instructions, true
	}
	return all
}
