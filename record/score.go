package record

import (
	"cmp"
	"errors"
	"fmt"

	"saturate/appweight"
	"saturate/ramp"
)

// A group is the targets that may be pooled: of one generation and one build,
// and what they come to.
type group struct {
	generation, build string
	targets           []*Target
	*outcome
}

// An outcome is N of a group's targets.
type outcome struct {
	ending           ramp.Ending
	work             appweight.Work
	interval         appweight.Interval
	servers, repeats int
	fleetLoad        float64 // work per second of such a server of the fleet; 0 where that is not known
	adjustment       appweight.Adjustment
	adjustable       bool
}

func (r *Record) groups() []group {
	var groups []group
	for i := range r.Targets {
		t := &r.Targets[i]
		generation, build := r.Label(t, "generation"), r.Label(t, "build")
		found := false
		for j := range groups {
			if g := &groups[j]; g.generation == generation && g.build == build {
				g.targets, found = append(g.targets, t), true
			}
		}
		if !found {
			groups = append(groups, group{generation: generation, build: build, targets: []*Target{t}})
		}
	}
	return groups
}

// Label is the target's own, or the run's.
func (r *Record) Label(t *Target, name string) string {
	if v, ok := t.Labels[name]; ok {
		return v
	}
	return r.Labels[name]
}

// EnvOf is the machine of a target.
func (r *Record) EnvOf(t *Target) Env {
	if t.Env != nil {
		return *t.Env
	}
	return r.Env
}

// scores computes AppWeight for each group that has an answer, and for the fleet,
// in the best unit that all of the targets and the fleet have.
func (r *Record) scores(fleets []appweight.Fleet) {
	measured := r.measured()
	fleet, why, err := appweight.Choose(measured, fleets)
	if len(measured) == 0 {
		fleet, why, err = fleets[0], "", nil // every group says why it has no answer
	}
	if err != nil {
		r.Fleet = newFleet(fleets[0], "")
		r.warn("no AppWeight: %v", hinted(err))
		return
	}
	r.Fleet = newFleet(fleet, why)
	groups := r.groups()
	failed := make([]error, len(groups))
	for i := range groups {
		failed[i] = r.measure(&groups[i], fleet, len(groups))
	}
	for i, g := range groups {
		if failed[i] == nil {
			failed[i] = r.score(g, groups, fleet)
		}
		if failed[i] != nil {
			r.warn("no AppWeight%s: %v", g.of(), hinted(failed[i]))
		}
	}
	if len(fleet.Generations) > 1 {
		r.scoreFleet(groups, fleet)
	}
	r.spread(groups, fleet)
	for _, g := range groups {
		r.compareMix(g, fleets)
	}
}

// hinted adds the remedy to an error that knows it.
func hinted(err error) error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return fmt.Errorf("%w; %s", err, h.Hint())
	}
	return err
}

// measured are the units that every repeat which counts has, with their scopes.
func (r *Record) measured() map[string]string {
	var common map[string]string
	for i := range r.Targets {
		for _, repeat := range r.Targets[i].Counting() {
			own := map[string]string{}
			for _, unit := range appweight.Units() {
				if w := repeat.WorkIn(unit); w != nil {
					own[unit] = w.Scope
				}
			}
			if common == nil {
				common = own
			}
			for unit := range common {
				if _, ok := own[unit]; !ok {
					delete(common, unit)
				}
			}
		}
	}
	return common
}

func (g *group) of() string {
	if g.generation == "" {
		return ""
	}
	return " of " + g.generation
}

// measure finds N of a group: from the targets that found their limit, or, where
// none did, a bound from those that were not brought to it.
func (r *Record) measure(g *group, fleet appweight.Fleet, groups int) error {
	for _, ending := range []ramp.Ending{ramp.Found, ramp.AtLeast} {
		n, err := r.outcome(g, ending, fleet.Unit)
		if err != nil {
			return err
		}
		if n.repeats == 0 {
			continue
		}
		g.outcome = &n
		if ending == ramp.Found && (groups == 1 || len(fleet.Generations) > 0) { // else each kind's load is not known
			r.adjust(g, fleet)
		}
		return nil
	}
	return errors.New("no capacity was found")
}

// score adds the group's.
func (r *Record) score(g group, groups []group, fleet appweight.Fleet) error {
	fleet.Servers = ownedAlike(fleet, g.generation, len(groups))
	s, err := appweight.Compute(g.work, fleet, g.interval)
	if err != nil {
		return err
	}
	for _, w := range s.Warnings {
		r.warn("%s", w)
	}
	out := Score{Generation: g.generation, Build: g.build, Ending: g.ending, UsersPerServer: s.UsersPerServer,
		Work: Work{Unit: g.work.Unit, Scope: g.work.Scope, PerSecond: g.work.PerSecond}, WorkPerUser: s.WorkPerUser, FleetLoad: g.fleetLoad,
		MinimumServers: s.MinimumServers, Headroom: s.Headroom, Servers: g.servers, Repeats: g.repeats}
	if g.work.Unit == appweight.Instructions {
		out.Work.ISA = g.work.ISA
	}
	if g.ending == ramp.Found {
		out.Interval = newInterval(s.Interval)
		r.adjustScore(&out, g, groups, fleet, s.Interval)
	}
	r.AppWeight = append(r.AppWeight, out)
	return nil
}

// ownedAlike is how many servers the fleet owns where all of them are of that
// generation; else 0.
func ownedAlike(fleet appweight.Fleet, generation string, groups int) float64 {
	switch kinds := fleet.Generations; {
	case groups > 1, len(kinds) > 1, len(kinds) == 1 && !fleet.Matches(kinds[0], generation):
		return 0
	case len(kinds) == 1:
		return cmp.Or(fleet.Servers, kinds[0].Servers)
	}
	return fleet.Servers
}

// outcome is N of a group's targets with this ending: the geometric mean over
// servers with the interval over servers, or over restarts, or of the hold. The
// repeats' work is from now on that in the unit.
func (r *Record) outcome(g *group, ending ramp.Ending, unit string) (outcome, error) {
	n := outcome{ending: ending}
	var values [][]float64
	var last Repeat
	for _, t := range g.targets {
		var own []float64
		for i := range t.Repeats {
			repeat := &t.Repeats[i]
			if !t.counts(*repeat) || repeat.Ending != ending {
				continue
			}
			if w := repeat.WorkIn(unit); w != nil {
				chosen := *w
				repeat.Work = &chosen
			} else {
				return n, fmt.Errorf("the fleet's figure is in %s, which %s did not deliver", unit, t.Name)
			}
			work := appweight.Work{Unit: unit, Scope: repeat.Work.Scope, ISA: r.EnvOf(t).ISA}
			switch {
			case n.repeats > 0 && work.Scope != n.work.Scope:
				return n, fmt.Errorf("%s counts %q, another target %q: they do not compare", t.Name, work.Scope, n.work.Scope)
			case n.repeats > 0 && work.ISA != n.work.ISA && unit == appweight.Instructions:
				return n, fmt.Errorf("%s is %s, another target of the generation %s: their instructions do not compare", t.Name, work.ISA, n.work.ISA)
			}
			n.work, last = work, *repeat
			own = append(own, repeat.Work.PerSecond)
			n.repeats++
		}
		if len(own) > 0 {
			values = append(values, own)
		}
	}
	if n.repeats == 0 {
		return n, nil
	}
	var err error
	n.servers = len(values)
	n.work.PerSecond, n.interval, err = appweight.Pool(values, level)
	if errors.Is(err, appweight.ErrTooFew) {
		n.interval, err = withinHold(n.work.PerSecond, last.Sustained), nil
	}
	return n, err
}

// withinHold is the hold's own interval, about the work.
func withinHold(work float64, s *Sustained) appweight.Interval {
	if s.Interval == nil || s.AtLimit <= 0 {
		return appweight.Interval{}
	}
	return appweight.Interval{Lo: work * s.Interval.Lo / s.AtLimit, Hi: work * s.Interval.Hi / s.AtLimit,
		Level: s.Interval.Level, Basis: appweight.WithinHold}
}
