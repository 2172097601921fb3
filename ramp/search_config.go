package ramp

import (
	"math"
	"time"
)

// SearchConfig is what a search knows before it starts.
type SearchConfig struct {
	// Start is the first level and Max the highest ever offered, in the
	// loader's unit. A Start of 0 lets the search choose; a Max of 0 is no bound.
	Start, Max float64
	// Precision is quick, standard or long; anything else is standard.
	Precision string
	// Delay is how long the loader takes to act. The search waits three times
	// that after every turn, on top of its own settling.
	Delay time.Duration
	// LastKnown is the rate that this target sustained last time, 0 if unknown.
	// The search then starts at half of it.
	LastKnown float64
	// Cores is how many CPUs the target may use, 0 if unknown.
	Cores float64
	// Errors is the share of failures allowed above the base rate; 0 is .005.
	Errors float64
	// Floor is the rate that the target has whatever is asked, in the loader's
	// unit: that of live traffic with the weight as found. Above 0 it says that
	// the load is live: level 0 is not silence but the floor, which is where the
	// search starts, whatever Start and LastKnown say; what is asked may be more
	// than can be had; and each window's own rate is what counts.
	Floor float64
	// Within is how long the load can be had; 0 is no bound.
	Within time.Duration
	// Timeout is the longest that a request may take, 0 if unknown. Requests
	// in flight for half of it are a trip: failures would follow.
	Timeout time.Duration
}

// precision is how much a search spends on its answer. Seconds and requests
// are both lower bounds of a hold: noise falls with the number of requests at
// low rates, and with time (slow noise of the server's) at high ones.
type precision struct {
	hold, most float64 // a hold ends between these, seconds
	requests   float64 // the fewest requests of a hold
	half       float64 // half width of the interval that ends a hold early, share
	limit      float64 // the whole run, seconds; the hold gives way, not the answer
}

// precisions: figures for hold, most and half are research/search.md 2's
// frontier: 30 s of hold give 2.7 % at the 95th percentile, 60 s 1.9 %,
// 240 s 1 %.
var precisions = map[string]precision{
	"quick":    {hold: 18, most: 30, requests: 1000, half: .03, limit: 190},
	"standard": {hold: 45, most: 92, requests: 3000, half: .015, limit: 570},
	"long":     {hold: 120, most: 240, requests: 8000, half: .01, limit: 870},
}

// mostLevel is beyond any server: a level above it is a mistake.
const mostLevel = 1e9

// withDefaults replaces what is missing or makes no sense.
func (c SearchConfig) withDefaults() SearchConfig {
	positive := func(v float64) float64 {
		if v > 0 && v <= mostLevel {
			return v
		}
		return 0
	}
	c.Start, c.Max, c.LastKnown = positive(c.Start), positive(c.Max), positive(c.LastKnown)
	c.Cores, c.Errors, c.Floor = positive(c.Cores), positive(c.Errors), positive(c.Floor)
	if c.Errors == 0 {
		c.Errors = .005
	}
	if c.LastKnown > 0 {
		c.Start = c.LastKnown / 2
	}
	if c.Start == 0 {
		// Four requests a second and core: a page that costs more than a
		// fifth of a core's second is rare, and the climb from here triples.
		c.Start = 4 * math.Max(1, c.Cores)
	}
	if c.Max == 0 {
		c.Max = mostLevel
	}
	c.Start = math.Min(c.Start, c.Max)
	if c.Floor > 0 {
		c.Start, c.Max = c.Floor, math.Max(c.Floor, c.Max)
	}
	c.Delay = max(0, min(c.Delay, 10*time.Second))
	return c
}

func (c SearchConfig) precision() precision {
	p, ok := precisions[c.Precision]
	if !ok {
		p = precisions["standard"]
	}
	if c.Within > 0 {
		p.limit = math.Min(p.limit, c.Within.Seconds())
	}
	return p
}
