package record

import (
	"math"

	"saturate/appweight"
	"saturate/ramp"
)

// A Spread says what a score varies by, and so what would make it surer.
type Spread struct {
	// Parts are the sources whose share is known; shares are of the variance.
	Parts []SpreadPart `json:"parts"`
	// Unknown has a sentence, with the remedy, for each source that is not.
	Unknown []string `json:"unknown,omitempty"`
	// Detectable is the smallest change, as a share, that two such measurements
	// would tell from chance four times in five; absent where that is not known.
	Detectable float64 `json:"detectable,omitempty"`
}

// A SpreadPart is one source: servers, restarts, hold, fleet; "servers and
// restarts" where each server ran once.
type SpreadPart struct {
	Source string `json:"source"`
	// SD is by how much one differs from another, as a share; Share is this
	// source's of the score's variance.
	SD    float64 `json:"sd"`
	Share float64 `json:"share"`
}

// spread splits the variance of every score that comes from more than one hold.
func (r *Record) spread(groups []group, fleet appweight.Fleet) {
	for i := range r.AppWeight {
		s := &r.AppWeight[i]
		for _, g := range groups {
			if g.generation == s.Generation && g.build == s.Build && s.Ending == ramp.Found && s.Repeats > 1 {
				s.Spread = g.spread(s.Work.Unit, fleet)
			}
		}
	}
}

func (g group) spread(unit string, fleet appweight.Fleet) *Spread {
	var servers [][]appweight.Hold
	restarts := 0
	for _, t := range g.targets {
		var own []appweight.Hold
		for _, r := range t.Counting() {
			if w := r.WorkIn(unit); w != nil && r.Ending == ramp.Found {
				own = append(own, appweight.Hold{Value: w.PerSecond, SE: holdError(r.Sustained)})
			}
		}
		if len(own) > 0 {
			servers = append(servers, own)
			restarts = max(restarts, len(own))
		}
	}
	split := appweight.SplitVariance(servers, appweight.FleetNoise{Work: fleet.SE})
	out := &Spread{Unknown: split.Unknown}
	for _, p := range split.Parts {
		out.Parts = append(out.Parts, SpreadPart{Source: p.Source, SD: brief(p.SD), Share: brief(p.Share)})
	}
	if d := split.Detectable(appweight.Design{Servers: len(servers), Restarts: restarts}); d > 0 && !math.IsInf(d, 0) {
		out.Detectable = brief(d)
	}
	return out
}

// holdError is the standard error of a hold's rate, as a share of it, from the
// interval about its limit; 0 where it has none.
func holdError(s *Sustained) float64 {
	if s == nil || s.Interval == nil || !(s.Interval.Lo > 0) {
		return 0
	}
	const normal = 1.959964 // of a level of .95
	return math.Log(s.Interval.Hi/s.Interval.Lo) / 2 / normal
}
