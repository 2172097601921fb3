package appweight

import (
	"math"
)

// A Hold is one search and hold of one server, as the unit of repetition.
type Hold struct {
	// Value is what it sustained per second.
	Value float64
	// SE is the standard error of Value's logarithm as the seconds of this hold
	// tell; 0 where it is not known.
	SE float64
}

// FleetNoise are the standard errors of the logarithms of the fleet's work (I)
// and of its users (U); 0 where a figure is taken as given.
type FleetNoise struct{ Work, Users float64 }

// A Spread says how much of a score's variance comes from where.
type Spread struct {
	// Parts sum to the whole; a source that this run cannot tell of has none.
	Parts []Part
	// SE is the standard error of the score's logarithm: .01 is 1 %.
	SE float64
	// Servers and Holds are how many it comes from.
	Servers, Holds int
	// Unknown has a sentence, with the remedy, for each source without a part.
	Unknown []string

	parts components
}

// A Part is one source of a score's variance.
type Part struct {
	// Source is servers, restarts, hold, fleet or users; or "servers and
	// restarts" where each server ran once.
	Source string
	// SD is by how much one server, restart or hold differs from another: the
	// standard deviation of the logarithm, .02 is 2 %.
	SD float64
	// SE is what this leaves in the score, the others having been averaged over.
	SE float64
	// Share is this source's of the score's variance.
	Share float64
}

// SplitVariance takes the variance of a score apart by the analysis of variance
// of the holds' logarithms: the mean square within servers is that of restarts
// and holds, what the servers' means spread beyond it is that of servers
// (Searle, Casella & McCulloch, Variance Components, 1992, chapter 4; for
// benchmarks Kalibera & Jones, Rigorous Benchmarking in Reasonable Time, ISMM
// 2013). servers[s][r] is restart r of server s. A component that comes out
// below zero is zero.
func SplitVariance(servers [][]Hold, fleet FleetNoise) Spread {
	var logs [][]float64
	var hold float64
	holdKnown := true
	s := Spread{}
	for _, restarts := range servers {
		var own []float64
		for _, h := range restarts {
			own = append(own, math.Log(h.Value))
			hold += h.SE * h.SE
			holdKnown = holdKnown && h.SE > 0
			s.Holds++
		}
		if len(own) > 0 {
			logs = append(logs, own)
		}
	}
	if s.Servers = len(logs); s.Servers == 0 {
		return s
	}
	hold /= float64(s.Holds)
	c := split(logs)
	s.parts = c

	n := float64(s.Servers)
	add := func(source string, variance, averaged float64) {
		s.Parts = append(s.Parts, Part{Source: source, SD: math.Sqrt(variance), SE: math.Sqrt(variance * averaged)})
	}
	single := c.dfWithin == 0 // each server ran once: its restart is inside the servers' spread
	switch {
	case s.Servers > 1 && single:
		add("servers and restarts", max(0, c.between-hold), 1/n)
		s.Unknown = append(s.Unknown, "each server ran once, so servers and restarts cannot be told apart: a second restart of each would tell")
	case s.Servers > 1:
		add("servers", c.between, 1/n)
	default:
		s.Unknown = append(s.Unknown, "one server says nothing of how servers differ: measure three or more")
	}
	switch {
	case !single:
		add("restarts", max(0, c.within-hold), c.inverse/n)
		hold = min(hold, c.within)
	case s.Servers == 1:
		s.Unknown = append(s.Unknown, "one hold says nothing of how restarts differ: repeat it three times or more")
	}
	if holdKnown {
		add("hold", hold, c.inverse/n)
	}
	if fleet.Work > 0 {
		add("fleet", fleet.Work*fleet.Work, 1)
	}
	if fleet.Users > 0 {
		add("users", fleet.Users*fleet.Users, 1)
	}
	s.share()
	return s
}

func (s *Spread) share() {
	var total float64
	for _, p := range s.Parts {
		total += p.SE * p.SE
	}
	s.SE = math.Sqrt(total)
	for i := range s.Parts {
		if total > 0 {
			s.Parts[i].Share = s.Parts[i].SE * s.Parts[i].SE / total
		}
	}
}

// components are the variances of the logarithms within a server and between
// servers, with their degrees of freedom.
type components struct {
	between, within     float64
	dfBetween, dfWithin float64
	// inverse is the mean of 1/restarts over servers.
	inverse float64
}

// split estimates them from groups[g] of one generation or build each:
// groups[g][s][r]; what the groups' means differ by counts for nothing.
// Where no server ran twice, within is 0 and between holds both.
func split(groups ...[][]float64) components {
	var c components
	var ssBetween, servers float64
	for _, group := range groups {
		var means []float64
		for _, restarts := range group {
			mean, variance := meanVariance(restarts)
			means = append(means, mean)
			df := float64(len(restarts)) - 1
			c.within += variance * df
			c.dfWithin += df
			c.inverse += 1 / float64(len(restarts))
			servers++
		}
		_, variance := meanVariance(means)
		ssBetween += variance * float64(len(means)-1)
		c.dfBetween += float64(len(means) - 1)
	}
	c.inverse /= max(1, servers)
	c.within /= max(1, c.dfWithin)
	c.between = max(0, ssBetween/max(1, c.dfBetween)-c.within*c.inverse)
	return c
}
