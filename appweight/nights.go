package appweight

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Night is one night's figures of one scenario on one kind of hardware. A
// night that found no capacity, or whose generator or hold was in doubt, is no
// night; nights may be missing.
type Night struct {
	At time.Time
	ID string
	// Servers are what each server sustained, or its users per server.
	Servers map[string]float64
}

// NightConfig says when a change is called.
type NightConfig struct {
	// PageP is below which p a drop pages, WatchP below which it is watched.
	PageP, WatchP float64
	// Scenarios is how many histories are watched together: with many of them
	// both thresholds are lowered, so that false pages do not grow with them.
	Scenarios int
}

// DefaultNights is what pages and is watched by default.
var DefaultNights = NightConfig{PageP: 1e-4, WatchP: 1e-3, Scenarios: 1}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake].
func (c NightConfig) Validate() error {
	var mistakes []error
	add := func(path, format string, args ...any) {
		mistakes = append(mistakes, &Mistake{path, fmt.Sprintf(format, args...), ""})
	}
	if !(c.PageP > 0 && c.PageP < .5) {
		add("page_p", "%g is not a small probability", c.PageP)
	}
	if !(c.WatchP >= c.PageP && c.WatchP < .5) {
		add("watch_p", "%g is not a probability above page_p", c.WatchP)
	}
	if c.Scenarios < 0 {
		add("scenarios", "%d is not a number of scenarios", c.Scenarios)
	}
	return errors.Join(mistakes...)
}

// familyP is what all scenarios together may spend a night (Bonferroni): two
// hundred of them then page falsely less than once in thirty nights.
const familyP = 4e-4

// Thresholds are PageP and WatchP as lowered for the number of scenarios.
func (c NightConfig) Thresholds() (page, watch float64) {
	page = min(c.PageP, familyP/float64(max(1, c.Scenarios)))
	return page, c.WatchP * page / c.PageP
}

// A Change is a step in a history: a drop pages, a rise is noted.
type Change struct {
	// Since is the first night of the new level and Found the night that called
	// it, as indices of the nights.
	Since, Found int
	// Before and After are the levels, Ratio is after by before. Since the place
	// was sought, the ratio tends to be a little large.
	Before, After, Ratio float64
	Interval             Interval
	// P is the split's on the night that called it.
	P float64
}

// Drop tells a change for the worse.
func (c Change) Drop() bool { return c.Ratio < 1 }

// A Rerun is what would settle a change that is only watched: the build or
// machine of the night Old against that of New, interleaved.
type Rerun struct {
	Old, New int // indices of nights
	// Pairs it would take in the median, with pairs of this standard deviation,
	// which is 2 % where the history does not tell.
	Pairs int
	SD    float64
}

// A Trend is what a history says.
type Trend struct {
	// Values are the nights' levels in the nights' unit, as if every night had
	// run on the same servers.
	Values []float64
	// Changes were called, oldest first.
	Changes []Change
	// Watch is a drop that may be one; nil where there is none. Rerun would
	// settle it.
	Watch *Change
	Rerun *Rerun
	// Needs is how many more nights it takes before a change can be called at
	// all; 0 where there are enough.
	Needs int
	// SD is what one night differs from another by, and Lean how much it leans on
	// the night before (a correlation). 0 where there are not enough.
	SD, Lean float64
	// PageP and WatchP are the thresholds in force.
	PageP, WatchP float64
	Warnings      []string

	current int     // nights since the last change
	df      float64 // of SD
}

// FindChanges replays a history, oldest night first, and calls what each night
// would have called. Servers' own levels are taken away with what all nights
// tell of them. It fails with [*Mistake] where c is not sound, and with
// [ErrUndefined] where a night has no figure or one that is not positive, and
// where nights are out of order.
func FindChanges(nights []Night, c NightConfig) (Trend, error) {
	if err := errors.Join(c.Validate(), sound(nights)); err != nil {
		return Trend{}, err
	}
	t := Trend{}
	t.PageP, t.WatchP = c.Thresholds()
	x, residual := levels(nights)
	for _, v := range x {
		t.Values = append(t.Values, math.Exp(v))
	}
	middle := runningMedians(x)
	var s stretch
	start := 0
	var last step
	var ok bool
	for n := 1; n <= len(x); n++ {
		if last, ok = s.find(x[start:n], middle[start:n]); !ok || !last.called(t.PageP) {
			continue
		}
		since := start + last.at
		t.Changes = append(t.Changes, Change{Since: since, Found: n - 1, P: last.p()})
		s = s.close(x[start:since])
		start = since
	}
	t.describe(x)
	t.current = len(x) - start
	if last, ok = s.find(x[start:], middle[start:]); !ok {
		t.Needs = s.needs(t.current)
		return t, nil
	}
	t.SD, t.Lean, t.df = last.sd, last.lean, last.df
	t.watch(x, start, last, residual)
	if t.Lean > 2*usualLean {
		t.Warnings = append(t.Warnings, fmt.Sprintf(
			"a night leans on the one before (correlation %.2f): something drifts, and small changes are harder to tell from it", t.Lean))
	}
	return t, nil
}

func sound(nights []Night) error {
	var wrong []error
	for i, n := range nights {
		if i > 0 && n.At.Before(nights[i-1].At) {
			wrong = append(wrong, fmt.Errorf("%w: night %s is out of order", ErrUndefined, n.ID))
		}
		if len(n.Servers) == 0 {
			wrong = append(wrong, fmt.Errorf("%w: night %s has no figure", ErrUndefined, n.ID))
		}
		for name, v := range n.Servers {
			if !positive(v) {
				wrong = append(wrong, fmt.Errorf("%w: night %s has %g for %s", ErrUndefined, n.ID, v, name))
			}
		}
	}
	return errors.Join(wrong...)
}

// needs is how many more nights a stretch of n needs.
func (s stretch) needs(n int) int {
	least := max(leastBefore+leastAfter, leastDF+2-int(s.df))
	return max(0, least-n)
}

// describe gives every change its levels, from all nights between its
// neighbours.
func (t *Trend) describe(x []float64) {
	for i := range t.Changes {
		from, to := 0, len(x)
		if i > 0 {
			from = t.Changes[i-1].Since
		}
		if i+1 < len(t.Changes) {
			to = t.Changes[i+1].Since
		}
		c := &t.Changes[i]
		between(x[from:c.Since], x[c.Since:to]).into(c)
	}
}

// A contrast is two stretches of nights held against each other.
type contrast struct{ before, after, se, df float64 }

// between compares the nights' means, single outliers clipped, with nights that
// lean on each other as much as these do.
func between(a, b []float64) contrast {
	a, b = clip(a, runningMedians(a)), clip(b, runningMedians(b))
	ma, va := meanVariance(a)
	mb, vb := meanVariance(b)
	na, nb := float64(len(a)), float64(len(b))
	c := contrast{before: ma, after: mb, df: na + nb - 2}
	lean := stretch{}.lean(a, b)
	variance := (va*(na-1) + vb*(nb-1)) / max(1, c.df)
	c.se = math.Sqrt(variance * (ofMean(len(a), lean) + ofMean(len(b), lean)))
	return c
}

func (c contrast) into(ch *Change) {
	ch.Before, ch.After, ch.Ratio = math.Exp(c.before), math.Exp(c.after), math.Exp(c.after-c.before)
	if c.df > 0 {
		half := quantile(confidence, c.df) * c.se
		ch.Interval = Interval{Lo: ch.Ratio * math.Exp(-half), Hi: ch.Ratio * math.Exp(half), Level: confidence, Basis: Nights, DF: c.df}
	}
}
