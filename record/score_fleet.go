package record

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// busierBy is by how much a server of the fleet may do more than one at its
// limit before the fleet's figures are doubted.
const busierBy = 1.05

// adjust finds by how much less a request costs the group's servers in the hold
// than at the fleet's load: by each repeat's own curve.
func (r *Record) adjust(g *group, fleet appweight.Fleet) {
	load, known := fleet.PerServer(g.generation)
	if !known {
		return
	}
	g.fleetLoad = load
	if load > busierBy*g.work.PerSecond {
		r.warn("a server%s in the fleet spends %s in the peak, more than one sustains at its limit (%s): check the number of servers and what is counted",
			g.of(), perSecond(load, fleet.Unit), perSecond(g.work.PerSecond, fleet.Unit))
		return
	}
	if fleet.Unit == appweight.Requests { // one is one at any load
		return
	}
	var all []appweight.Adjustment
	for _, t := range g.targets {
		for _, repeat := range t.Counting() {
			hold, ok := repeat.held(fleet.Unit)
			if !ok {
				continue
			}
			if a, ok := appweight.Adjust(repeat.Curve(fleet.Unit), hold, load); ok {
				all = append(all, a)
			}
		}
	}
	g.adjustment, g.adjustable = appweight.PoolAdjustments(all)
}

// adjustScore sets the load-adjusted score where it matters: with the fleet's
// work as it would be if every server were as busy as in the hold. A generation
// that was not measured is taken to be as this one.
func (r *Record) adjustScore(s *Score, g group, groups []group, fleet appweight.Fleet, iv appweight.Interval) {
	if !g.adjustable {
		return
	}
	parts, each := []float64{1}, []appweight.Adjustment{g.adjustment}
	if len(fleet.Generations) > 0 {
		parts, each = nil, nil
	}
	for _, part := range fleet.Generations {
		a := g.adjustment
		for _, other := range groups {
			if fleet.Matches(part, other.generation) && !fleet.Matches(part, g.generation) && other.outcome != nil && other.adjustable {
				a = other.adjustment
			}
		}
		parts, each = append(parts, part.PerSecond), append(each, a)
	}
	a := appweight.CombineAdjustments(parts, each)
	switch {
	case a.Rises():
		r.warn("a request costs %.2g%% more %s in the hold than at the fleet's load: the score%s is too high by about that",
			100*(1/a.Factor-1), fleet.Unit, g.of())
	case a.Falls():
		adjusted, own := a.Apply(s.UsersPerServer, iv)
		s.LoadAdjusted, s.LoadAdjustedInterval = adjusted, newInterval(own)
	}
}

// scoreFleet is the score of a fleet of several generations or regions, or why
// there is none.
func (r *Record) scoreFleet(groups []group, fleet appweight.Fleet) {
	var servers []appweight.Measured
	builds := map[string]string{}
	for _, g := range groups {
		if g.outcome == nil {
			continue
		}
		if other, twice := builds[g.generation]; twice && fleetHas(fleet, g.generation) {
			r.FleetScore = &FleetScore{Refused: fmt.Sprintf("generation %s was measured with the builds %s and %s, and which of them the fleet runs is not known; measure one of them (--target)",
				g.generation, cmp.Or(other, "(none)"), cmp.Or(g.build, "(none)"))}
			return
		}
		builds[g.generation] = g.build
		servers = append(servers, appweight.Measured{Generation: g.generation, Work: g.work, Interval: g.interval, Bound: g.ending == ramp.AtLeast})
	}
	m, err := appweight.Mix(servers, fleet)
	if err != nil {
		r.FleetScore = &FleetScore{Refused: hinted(err).Error()}
		return
	}
	for _, w := range m.Warnings {
		r.warn("%s", w)
	}
	r.FleetScore = newFleetScore(m)
	r.FleetScore.LoadAdjusted = adjusted(groups, m, fleet)
}

func fleetHas(f appweight.Fleet, generation string) bool {
	return slices.ContainsFunc(f.Generations, func(g appweight.Generation) bool { return f.Matches(g, generation) })
}

// adjusted is the fleet's score with each generation's need of servers lowered by
// what its own curve says; 0 where one of them says nothing, or all of it does not
// matter.
func adjusted(groups []group, m appweight.Mixed, fleet appweight.Fleet) float64 {
	var parts []float64
	var each []appweight.Adjustment
	for _, d := range m.Demands {
		i := slices.IndexFunc(groups, func(g group) bool {
			return g.outcome != nil && g.adjustable && fleet.Matches(d.Generation, g.generation)
		})
		if i < 0 {
			return 0
		}
		parts, each = append(parts, d.Equivalents), append(each, groups[i].adjustment)
	}
	if a := appweight.CombineAdjustments(parts, each); a.Falls() {
		return m.UsersPerServer * a.Factor
	}
	return 0
}

// mixOff is by how much the mix's cost of a request may be off the fleet's.
const mixOff = 1.10

// compareMix holds what a request of the mix costs against what one of the
// fleet's does, in the first unit and scope that both have: at the fleet's load
// where that is known and on the curve, else in the hold.
func (r *Record) compareMix(g group, fleets []appweight.Fleet) {
	if g.outcome == nil {
		return
	}
	repeat := g.first()
	for _, f := range fleets {
		theirs, ok := costInFleet(f, g.generation)
		hold, held := repeat.held(f.Unit)
		w := repeat.WorkIn(f.Unit)
		if !ok || !held || f.Scope != "" && f.Scope != w.Scope || f.Unit == appweight.Instructions && !sameISA(f, g.work.ISA) {
			continue
		}
		ours, at := hold.Cost(), "in the hold"
		if load, ok := f.PerServer(g.generation); ok {
			if c, _, ok := appweight.CostAtWork(append(repeat.Curve(f.Unit), hold), load); ok {
				ours, at = c, "at the fleet's load"
			}
		}
		if off := ours / theirs; off > mixOff || off < 1/mixOff {
			r.warn("a request of the %s costs %s %s%s, one of the fleet's %s (%+.0f%%): %s", r.traffic(), amount(ours, f.Unit), at, g.of(), amount(theirs, f.Unit),
				100*(off-1), r.mixMatters(repeat, off))
		}
		return
	}
}

// traffic names what the servers were measured with.
func (r *Record) traffic() string {
	if r.Load.Kind == LiveTraffic {
		return LiveTraffic
	}
	return "mix"
}

// mixMatters is what another cost of a request means for the score.
func (r *Record) mixMatters(repeat *Repeat, off float64) string {
	than, way := "cheaper", "high"
	if off > 1 {
		than, way = "dearer", "low"
	}
	switch b := repeat.Bottleneck; {
	case r.Fleet.Unit == appweight.Requests:
		return fmt.Sprintf("counted in requests, which are %s than the fleet's, the score is too %s by about as much", than, way)
	case b != nil && b.Signal == stress.CPU:
		return "CPU is the limit, so that the score hardly depends on it; the rate that is sustained does"
	case b != nil:
		return fmt.Sprintf("the limit is %s and not CPU, so that the score may be off by up to as much", b.Name)
	}
	return "the score may be off by up to as much"
}

// costInFleet is what a request costs the fleet, or where it is told apart the
// fleet's servers of the generation.
func costInFleet(f appweight.Fleet, generation string) (float64, bool) {
	if f.Unit == appweight.Requests {
		return 0, false
	}
	var work, requests float64
	for _, g := range f.Generations {
		if f.Matches(g, generation) {
			work, requests = work+g.PerSecond, requests+g.RequestsPerSecond
		}
	}
	if !(work > 0 && requests > 0) {
		work, requests = f.Total(), f.RequestsPerSecond
	}
	cost := work / requests
	return cost, work > 0 && requests > 0 && !math.IsInf(cost, 0)
}

func sameISA(f appweight.Fleet, isa string) bool {
	known := f.ISAs()
	return len(known) == 0 || len(known) == 1 && (isa == "" || isa == known[0])
}

// first is a repeat that the group's answer comes from.
func (g group) first() *Repeat {
	for _, t := range g.targets {
		for _, repeat := range t.Counting() {
			if repeat.Ending == g.ending {
				return &repeat
			}
		}
	}
	return &Repeat{}
}

// amount writes an amount of work for people.
func amount(v float64, unit string) string {
	if unit == appweight.CPUSeconds {
		return Seconds(v) + " of CPU"
	}
	for _, step := range []struct {
		size   float64
		prefix string
	}{{1e9, "G "}, {1e6, "M "}, {1e3, "k "}} {
		if v >= step.size {
			return fmt.Sprintf("%.3g %s%s", v/step.size, step.prefix, unit)
		}
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

func perSecond(v float64, unit string) string { return amount(v, unit) + " per second" }
