package record

import (
	"errors"
	"math"

	"saturate/appweight"
	"saturate/ramp"
)

// normal95 is how many standard errors an interval of the level above reaches
// to either side.
const normal95 = 1.96

// wholeFleet is what the facts of a fleet of several generations are of.
const wholeFleet = "the fleet"

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
		if r.FleetScore == nil {
			add("minimum_servers", r.serversFact(s))
		}
	}
	if f := r.FleetScore; f != nil && f.Refused == "" {
		users, servers := f.facts()
		add("appweight", users)
		add("minimum_servers", servers)
	}
	for i := range r.Targets {
		r.Targets[i].facts(add)
	}
	return facts
}

// serversFact is how many servers of one kind carry the fleet's peak: the more
// users a server has, the fewer.
func (r *Record) serversFact(s Score) appweight.Fact {
	f := appweight.Fact{Of: s.Generation, Value: s.MinimumServers, Lo: s.MinimumServers, Hi: s.MinimumServers}
	switch {
	case s.Ending == ramp.AtLeast:
		f.Lo, f.Bound = 0, true
	case s.Interval != nil && r.Fleet != nil:
		needed := func(users float64) float64 { return math.Ceil(r.Fleet.ActiveUsers / max(0, users) * (1 - 1e-12)) }
		f.Lo, f.Hi = needed(s.Interval.Hi), needed(s.Interval.Lo)
	}
	return f
}

// facts of a mixed fleet. Its servers are as uncertain as its score.
func (f *FleetScore) facts() (users, servers appweight.Fact) {
	users = appweight.Fact{Of: wholeFleet, Value: f.UsersPerServer, Lo: f.UsersPerServer, Hi: f.UsersPerServer}
	servers = appweight.Fact{Of: wholeFleet, Value: f.MinimumServers, Lo: f.MinimumServers, Hi: f.MinimumServers}
	switch iv := f.Interval; {
	case f.Ending == ramp.AtLeast:
		users.Hi, users.Bound = math.Inf(1), true
		servers.Lo, servers.Bound = 0, true
	case iv != nil:
		users.Lo, users.Hi = iv.Lo, iv.Hi
		servers.Lo, servers.Hi = math.Ceil(f.MinimumServers*f.UsersPerServer/iv.Hi), math.Ceil(f.MinimumServers*f.UsersPerServer/iv.Lo)
	}
	return users, servers
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
	if f, ok := t.costFact(); ok {
		add("cost", f)
	}
	for _, r := range t.Counting() {
		if r.Bottleneck != nil {
			add("bottleneck", appweight.Fact{Of: t.Name, Word: r.Bottleneck.Name, Also: []string{string(r.Bottleneck.Signal)}})
		}
		add("failed_share", exact(r.FailedShare))
	}
}

// costFact is what a request costs the target: of one hold with that hold's own
// error, of several their geometric mean with the interval over restarts.
func (t *Target) costFact() (appweight.Fact, bool) {
	var costs []float64
	var unit string
	var se float64
	for _, r := range t.Counting() {
		if r.Cost == nil || unit != "" && r.Cost.Unit != unit {
			continue
		}
		unit, se = r.Cost.Unit, r.CostSE[r.Cost.Unit]
		costs = append(costs, r.Cost.PerRequest)
	}
	v, iv, err := appweight.Pool([][]float64{costs}, level)
	switch {
	case err == nil:
		return appweight.Fact{Of: t.Name, Value: v, Lo: iv.Lo, Hi: iv.Hi}, true
	case !errors.Is(err, appweight.ErrTooFew):
		return appweight.Fact{}, false
	}
	off := math.Exp(normal95 * se)
	return appweight.Fact{Of: t.Name, Value: costs[0], Lo: costs[0] / off, Hi: costs[0] * off}, true
}
