package ramp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"saturate/stress"
)

// A Check is the search of somebody who knows the level: it climbs to it, holds
// it, and says whether it was sustained. A number that saturate printed is
// checked with it.
type Check struct {
	level, seconds float64
	limits         func() map[stress.Signal]float64
	seen           []stress.Observation
	from           int // the first measured window
	ended          *Result
}

// NewCheck holds level for the given time. The limits are asked for at the end,
// when what they learn from the target is known.
func NewCheck(level float64, d time.Duration, limits func() map[stress.Signal]float64) *Check {
	return &Check{level: level, seconds: d.Seconds(), limits: limits}
}

// climb are the parts of the level on the way to it, and the seconds of each;
// the last is the settling at the level itself.
var climb = []struct{ part, seconds float64 }{{0, 3}, {.3, 6}, {.6, 4}, {.85, 4}, {1, 6}}

// Next is the load to offer in the next window.
func (c *Check) Next() Step {
	at := c.elapsed()
	if c.ended != nil {
		return Step{Phase: Done}
	}
	for _, s := range climb {
		if at -= s.seconds; at < -.05 {
			phase := Approach
			if s.part == 0 {
				phase = Idle
			}
			return Step{Phase: phase, Level: s.part * c.level, Settling: true, Why: "on the way to the level"}
		}
	}
	left := time.Duration((c.seconds - at) * float64(time.Second))
	return Step{Phase: Hold, Level: c.level, Left: max(0, left), Why: "is the level sustained?"}
}

// Observe takes what was seen. An instant event ends the check at once.
func (c *Check) Observe(o stress.Observation) {
	if c.ended != nil {
		return
	}
	step := c.Next()
	c.seen = append(c.seen, o)
	switch {
	case len(o.Events) > 0:
		how, e := AtMost, o.Events[0]
		if i := slices.IndexFunc(o.Events, unseen); i >= 0 {
			how, e = Inconclusive, o.Events[i]
		}
		c.end(how, step.Level, fmt.Sprintf("%s: %s", e.Kind, e.Detail))
	case step.Phase != Hold:
		c.from = len(c.seen)
	case c.measured() >= c.seconds-.05:
		c.judge()
	}
}

// unseen tells of an event after which nothing is known of the target's limit.
func unseen(e stress.Event) bool {
	return e.Kind == stress.TargetGone || e.Kind == stress.KernelSilent || e.Kind == stress.LoadLost
}

// Done reports whether the check has ended.
func (c *Check) Done() bool { return c.ended != nil }

// Result is at_least where the level was sustained, at_most where it was not.
func (c *Check) Result() Result {
	if c.ended == nil {
		return Result{Ending: Inconclusive, Why: "the check was not finished", From: c.from, To: len(c.seen)}
	}
	return *c.ended
}

func (c *Check) judge() {
	hold := c.seen[c.from:]
	if why, had := short(hold); why != "" {
		c.end(Inconclusive, c.level, fmt.Sprintf("no more than %.4g could be had: %s", had, why))
		return
	}
	limits := c.limits()
	if outcome, why := stress.Judge(hold, limits); outcome == stress.OutcomeInconclusive {
		c.end(Inconclusive, c.level, strings.Join(why, "; "))
		return
	}
	if ok, why := stress.Sustained(hold, limits); !ok {
		c.end(AtMost, c.level, strings.Join(why, "; "))
		return
	}
	c.end(AtLeast, c.level, fmt.Sprintf("the level was sustained for %.0f s", c.measured()))
}

// short says why most windows had less load than the level, and how much.
func short(windows []stress.Observation) (why string, had float64) {
	capped := 0
	for _, o := range windows {
		if o.Capped != "" {
			why, capped = o.Capped, capped+1
		}
	}
	if 2*capped < len(windows) {
		return "", 0
	}
	return why, stress.Summarise(windows).Rate
}

// end concludes what came of a level: the one checked, or one on the way to it.
func (c *Check) end(how Ending, level float64, why string) {
	c.ended = &Result{Ending: how, Why: why, From: c.from, To: len(c.seen)}
	switch how {
	case AtLeast:
		c.ended.Sustained = &Sustained{Rate: stress.Summarise(c.seen[c.from:]).Rate}
	case AtMost:
		c.ended.Break = level
	}
}

// elapsed is the time since the check began, measured the time at the level.
func (c *Check) elapsed() float64  { return seconds(c.seen) }
func (c *Check) measured() float64 { return seconds(c.seen[c.from:]) }

func seconds(windows []stress.Observation) float64 {
	var sum float64
	for _, o := range windows {
		sum += o.Window.Seconds()
	}
	return sum
}
