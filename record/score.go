package record

import (
	"errors"
	"fmt"
	"math"

	"saturate/appweight"
	"saturate/ramp"
)

// A group is the targets that may be pooled: of one generation and one build.
type group struct {
	generation, build string
	targets           []*Target
}

func (r *Record) groups() []group {
	var groups []group
	for i := range r.Targets {
		t := &r.Targets[i]
		generation, build := r.label(t, "generation"), r.label(t, "build")
		found := false
		for j := range groups {
			if g := &groups[j]; g.generation == generation && g.build == build {
				g.targets, found = append(g.targets, t), true
			}
		}
		if !found {
			groups = append(groups, group{generation, build, []*Target{t}})
		}
	}
	return groups
}

// label is the target's own, or the run's.
func (r *Record) label(t *Target, name string) string {
	if v, ok := t.Labels[name]; ok {
		return v
	}
	return r.Labels[name]
}

// score computes AppWeight for each group that has an answer.
func (r *Record) score(fleet appweight.Fleet) {
	groups := r.groups()
	if len(groups) > 1 {
		fleet.Servers = 0 // how many it has of each kind is not known
	}
	for _, g := range groups {
		s, warnings, err := g.score(fleet)
		for _, w := range warnings {
			r.warn("%s", w)
		}
		if err != nil {
			var mix *appweight.MixError
			if errors.As(err, &mix) {
				err = fmt.Errorf("%w; %s", err, mix.Hint())
			}
			r.warn("no AppWeight%s: %v", g.of(), err)
			continue
		}
		r.AppWeight = append(r.AppWeight, s)
	}
}

func (g group) of() string {
	if g.generation == "" {
		return ""
	}
	return " of " + g.generation
}

// score is the group's: from the targets that found their limit, or, where none
// did, a bound from those that were not brought to it.
func (g group) score(fleet appweight.Fleet) (Score, []string, error) {
	for _, ending := range []ramp.Ending{ramp.Found, ramp.AtLeast} {
		work, interval, servers, repeats, err := g.work(ending, fleet.Unit)
		if err != nil {
			return Score{}, nil, err
		}
		if repeats == 0 {
			continue
		}
		s, err := appweight.Compute(work, fleet, interval)
		if err != nil {
			return Score{}, nil, err
		}
		out := Score{Generation: g.generation, Build: g.build, Ending: ending, UsersPerServer: s.UsersPerServer,
			Work: Work{Unit: work.Unit, Scope: work.Scope, PerSecond: work.PerSecond}, WorkPerUser: s.WorkPerUser,
			MinimumServers: s.MinimumServers, Headroom: s.Headroom, Servers: servers, Repeats: repeats}
		if iv := s.Interval; iv.Hi > 0 && ending == ramp.Found {
			out.Interval = &Interval{Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, Basis: iv.Basis}
		}
		return out, s.Warnings, nil
	}
	return Score{}, nil, errors.New("no capacity was found")
}

// work is N of a group's targets with this ending: the geometric mean over
// servers with the interval over servers, or over restarts, or of the hold.
func (g group) work(ending ramp.Ending, unit string) (work appweight.Work, iv appweight.Interval, servers, repeats int, err error) {
	var values [][]float64
	var last Repeat
	for _, t := range g.targets {
		var own []float64
		for _, r := range t.Counting() {
			switch {
			case r.Ending != ending:
				continue
			case r.Work == nil || r.Work.Unit != unit:
				return work, iv, 0, 0, fmt.Errorf("the fleet's figure is in %s, which %s did not deliver", unit, t.Name)
			case repeats > 0 && r.Work.Scope != work.Scope:
				return work, iv, 0, 0, fmt.Errorf("%s counts %q, another target %q: they do not compare", t.Name, r.Work.Scope, work.Scope)
			}
			own, last = append(own, r.Work.PerSecond), r
			work = appweight.Work{Unit: unit, Scope: r.Work.Scope}
			repeats++
		}
		if len(own) > 0 {
			values = append(values, own)
		}
	}
	if repeats == 0 {
		return work, iv, 0, 0, nil
	}
	work.PerSecond, iv, err = appweight.Pool(values, level)
	if errors.Is(err, appweight.ErrTooFew) {
		return work, withinHold(work.PerSecond, last.Sustained), len(values), repeats, nil
	}
	return work, iv, len(values), repeats, err
}

// withinHold is the hold's own interval, about the work.
func withinHold(work float64, s *Sustained) appweight.Interval {
	if s.Interval == nil || s.AtLimit <= 0 {
		return appweight.Interval{}
	}
	return appweight.Interval{Lo: work * s.Interval.Lo / s.AtLimit, Hi: work * s.Interval.Hi / s.AtLimit,
		Level: s.Interval.Level, Basis: appweight.WithinHold}
}

// Facts are what requirements can be about.
func (r *Record) Facts() map[string][]appweight.Fact {
	facts := map[string][]appweight.Fact{"ending": {{Word: string(r.Ending)}}}
	add := func(name string, f appweight.Fact) { facts[name] = append(facts[name], f) }
	for _, s := range r.AppWeight {
		f := appweight.Fact{Of: s.Generation, Value: s.UsersPerServer, Lo: s.UsersPerServer, Hi: s.UsersPerServer}
		switch {
		case s.Ending == ramp.AtLeast:
			f.Hi, f.Bound = math.Inf(1), true
		case s.Interval != nil:
			f.Lo, f.Hi = s.Interval.Lo, s.Interval.Hi
		}
		add("appweight", f)
		servers := appweight.Fact{Of: s.Generation, Value: s.MinimumServers, Lo: s.MinimumServers, Hi: s.MinimumServers}
		switch {
		case s.Ending == ramp.AtLeast:
			servers.Lo, servers.Bound = 0, true
		case s.Interval != nil && r.Fleet != nil: // the more users a server has, the fewer servers
			needed := func(users float64) float64 { return math.Ceil(r.Fleet.ActiveUsers / max(0, users) * (1 - 1e-12)) }
			servers.Lo, servers.Hi = needed(s.Interval.Hi), needed(s.Interval.Lo)
		}
		add("minimum_servers", servers)
	}
	for i := range r.Targets {
		r.Targets[i].facts(add)
	}
	return facts
}

func (t *Target) facts(add func(string, appweight.Fact)) {
	exact := func(v float64) appweight.Fact { return appweight.Fact{Of: t.Name, Value: v, Lo: v, Hi: v} }
	var lowest float64
	for _, r := range t.Repeats {
		if r.Break > 0 && (lowest == 0 || r.Break < lowest) {
			lowest = r.Break
		}
	}
	if lowest > 0 {
		add("break", exact(lowest))
	}
	if t.Ending == ramp.AtMost && lowest > 0 {
		bound := appweight.Fact{Of: t.Name, Value: lowest, Hi: lowest, Bound: true}
		add("sustained.rate", bound)
		add("sustained.at_limit", bound)
	}
	if s := t.Sustained(); s != nil && (t.Ending == ramp.Found || t.Ending == ramp.AtLeast) {
		rate, atLimit := exact(s.Rate), exact(s.AtLimit)
		switch {
		case t.Ending == ramp.AtLeast:
			rate.Hi, rate.Bound = math.Inf(1), true
			atLimit = rate
		case s.Interval != nil:
			atLimit.Lo, atLimit.Hi = s.Interval.Lo, s.Interval.Hi
			rate.Lo, rate.Hi = s.Rate*s.Interval.Lo/s.AtLimit, s.Rate*s.Interval.Hi/s.AtLimit
		}
		add("sustained.rate", rate)
		add("sustained.at_limit", atLimit)
	}
	for _, r := range t.Counting() {
		if r.Bottleneck != nil {
			add("bottleneck", appweight.Fact{Of: t.Name, Word: r.Bottleneck.Name, Also: []string{string(r.Bottleneck.Signal)}})
		}
		if r.Cost != nil {
			add("cost", exact(r.Cost.PerRequest))
		}
		add("failed_share", exact(r.FailedShare))
	}
}
