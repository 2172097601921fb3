package appweight

import (
	"fmt"
	"math"
	"sort"
)

// The claim that power is computed for: a difference that does not exist is
// claimed in one comparison of twenty, one that does is seen in four of five.
const (
	confidence = .95
	power      = .80
)

// A Design is what each of two groups is measured with.
type Design struct {
	// Servers of each group, and restarts of each server.
	Servers, Restarts int
	// Same says that both groups are measured on the same servers, so that what
	// the servers differ by cancels.
	Same bool
}

// A Plan is a design and the smallest change that it sees.
type Plan struct {
	Design
	// Detectable is that change as a share: .03 is 3 %.
	Detectable float64
}

// An UnreachableError says that no number of repeats would see a change.
type UnreachableError struct {
	Change float64
	Why    string
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("a change of %.3g%% is out of reach: %s", 100*e.Change, e.Why)
}

// Detectable is the smallest change between two groups of this design that is
// seen with 80 % power at a confidence of 95 %, as a share; NaN where the spread
// is not known.
func (s Spread) Detectable(d Design) float64 { return s.parts.detectable(d) }

func (c components) detectable(d Design) float64 {
	n, r := float64(d.Servers), float64(d.Restarts)
	between, within := c.between, c.within
	if c.dfWithin == 0 { // not told apart: that restarts help cannot be assumed
		r = 1
	}
	if d.Same || d.Servers == 1 {
		if c.dfWithin == 0 {
			within = between // an upper bound, since both are inside
		}
		between = 0
	}
	// Welch's degrees of freedom lie between n-1 and 2(n-1), as the two sides'
	// variances happen to come out; this is about where they do.
	df := 2 * (n - 1) * n / (n + 1)
	switch {
	case d.Servers == 1:
		df = 2 * (r - 1)
	case d.Same:
		df = 2*n*r - n - 1
	}
	if df < 1 || between+within <= 0 {
		return math.NaN()
	}
	return detectable(math.Sqrt(2*(between/n+within/(n*r))), df, confidence)
}

// detectable is the smallest change seen with a standard error of the logarithm:
// the noncentrality at which the noncentral t exceeds the critical value with
// 80 % (Abramowitz & Stegun 1964, 26.7.10).
func detectable(se, df, level float64) float64 {
	t := quantile(level, df)
	return math.Expm1((t*(1-1/(4*df)) + quantile(2*power-1, 0)*math.Sqrt(1+t*t/(2*df))) * se)
}

// mostHolds is as far as a plan goes: nobody measures more.
const mostHolds = 1000

// Needed is the cheapest design, in holds, that sees a change of so much (.03 is
// 3 %). Restarts per server follow from what they differ by against what
// servers do, the square root of the variances' ratio where a server costs no
// more than a restart (Kalibera & Jones 2013). With one server measured it is
// restarts of that server. It fails with an [*UnreachableError].
func (s Spread) Needed(change float64, same bool) (Plan, error) {
	if s.Servers == 1 {
		return s.parts.needed(change, Design{Servers: 1, Same: same})
	}
	return s.parts.needed(change, Design{Same: same})
}

// needed grows the restarts of a design of one server, else its servers.
func (c components) needed(change float64, d Design) (Plan, error) {
	if c.between+c.within <= 0 {
		return Plan{}, &UnreachableError{change, "nothing was repeated, so the spread is not known: repeat three times or more first"}
	}
	single := d.Servers == 1
	restarts := 1
	if c.within > 0 && !d.Same {
		restarts = int(min(5, max(1, math.Round(math.Sqrt(c.within/max(c.between, 1e-12))))))
	}
	plan := func(n int) Plan {
		d.Servers, d.Restarts = n, restarts
		if single {
			d.Servers, d.Restarts = 1, n
		}
		return Plan{d, c.detectable(d)}
	}
	most := mostHolds / restarts
	if n := 2 + sort.Search(most-1, func(i int) bool { return plan(i+2).Detectable <= change }); n <= most {
		return plan(n), nil
	}
	return Plan{}, &UnreachableError{change, fmt.Sprintf("it takes more than %d holds on each side", mostHolds)}
}
