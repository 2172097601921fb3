package record

import (
	"saturate/appweight"
	"saturate/ramp"
)

// Fleet is what production spends in its peak.
type Fleet struct {
	Unit  string `json:"unit"`
	Scope string `json:"scope,omitempty"`
	// Why says why it is not counted in a better unit.
	Why string `json:"why,omitempty"`
	// Window is the span that the figures are of; "" where they were given.
	Window string `json:"window,omitempty"`
	// PerSecond is the work of the whole fleet; 0 where it is instructions of
	// several sets, which have no sum.
	PerSecond         float64            `json:"per_second"`
	ActiveUsers       float64            `json:"active_users"`
	Servers           float64            `json:"servers,omitempty"`
	RequestsPerSecond float64            `json:"requests_per_second,omitempty"`
	Coverage          float64            `json:"coverage,omitempty"` // share of the servers that reported
	Generations       map[string]float64 `json:"by_generation,omitempty"`
	// Parts are the generations, each by region.
	Parts []FleetPart `json:"generations,omitempty"`
}

// A FleetPart is the servers of one generation in one region.
type FleetPart struct {
	Name              string  `json:"name"`
	Region            string  `json:"region,omitempty"`
	ISA               string  `json:"isa,omitempty"`
	PerSecond         float64 `json:"per_second"`
	Servers           float64 `json:"servers,omitempty"`
	RequestsPerSecond float64 `json:"requests_per_second,omitempty"`
}

// A Score is the AppWeight of one generation of servers with one build.
type Score struct {
	Generation string `json:"generation,omitempty"`
	Build      string `json:"build,omitempty"`
	// Ending is found, or at_least where the score is only a lower bound.
	Ending         ramp.Ending `json:"ending"`
	UsersPerServer float64     `json:"users_per_server"`
	Interval       *Interval   `json:"interval,omitempty"`
	// Work is N, and WorkPerUser I/U, of the arithmetic.
	Work        Work    `json:"work"`
	WorkPerUser float64 `json:"work_per_user"`
	// FleetLoad is what one such server of the fleet spends per second in the
	// peak, in the unit of Work; absent where that is not known.
	FleetLoad float64 `json:"fleet_load,omitempty"`
	// LoadAdjusted allows for a cost per request that falls with load; absent
	// where the load that the fleet's figures were taken at is not known, or
	// where it makes no difference that could be told.
	LoadAdjusted         float64   `json:"load_adjusted,omitempty"`
	LoadAdjustedInterval *Interval `json:"load_adjusted_interval,omitempty"`
	// MinimumServers of this kind alone would carry the whole fleet's peak.
	// Headroom is absent where the fleet has other servers, too.
	MinimumServers float64  `json:"minimum_servers"`
	Headroom       *float64 `json:"headroom,omitempty"`
	// Servers and Repeats are how many it comes from.
	Servers int `json:"servers"`
	Repeats int `json:"repeats"`
	// Spread is what it varies by; absent where it comes from a single hold.
	Spread *Spread `json:"spread,omitempty"`
}

// A FleetScore is the AppWeight of a fleet of several generations or regions.
type FleetScore struct {
	// Refused says why there is none; all else is absent then.
	Refused string `json:"refused,omitempty"`
	// Ending is found, or at_least where the score is only a lower bound.
	Ending         ramp.Ending `json:"ending,omitempty"`
	UsersPerServer float64     `json:"users_per_server,omitempty"`
	Interval       *Interval   `json:"interval,omitempty"`
	LoadAdjusted   float64     `json:"load_adjusted,omitempty"` // as in Score
	// Equivalents is how many fully used servers the peak fills.
	Equivalents    float64  `json:"equivalents,omitempty"`
	MinimumServers float64  `json:"minimum_servers,omitempty"`
	Owned          float64  `json:"owned,omitempty"`
	Headroom       *float64 `json:"headroom,omitempty"`
	Demands        []Demand `json:"generations,omitempty"`
}

// A Demand is what the peak needs of one generation in one region.
type Demand struct {
	Name   string `json:"name"`
	Region string `json:"region,omitempty"`
	// PerSecond is what these servers spend, Sustains what one of them can.
	PerSecond      float64  `json:"per_second"`
	Sustains       float64  `json:"sustains"`
	Equivalents    float64  `json:"equivalents"`
	MinimumServers float64  `json:"minimum_servers"`
	Owned          float64  `json:"owned,omitempty"`
	Headroom       *float64 `json:"headroom,omitempty"`
}

func newFleet(f appweight.Fleet, why string) *Fleet {
	out := &Fleet{Unit: f.Unit, Scope: f.Scope, Why: why, Window: f.Window, PerSecond: f.Total(), ActiveUsers: f.ActiveUsers,
		Servers: f.Servers, RequestsPerSecond: f.RequestsPerSecond, Coverage: f.Coverage}
	for _, g := range f.Generations {
		if out.Generations == nil {
			out.Generations = map[string]float64{}
		}
		out.Generations[g.Name] += g.PerSecond
		out.Parts = append(out.Parts, FleetPart(g))
	}
	return out
}

func newFleetScore(m appweight.Mixed) *FleetScore {
	out := &FleetScore{Ending: ramp.Found, UsersPerServer: m.UsersPerServer, Interval: newInterval(m.Interval),
		Equivalents: m.Equivalents, MinimumServers: m.MinimumServers, Owned: m.Owned, Headroom: m.Headroom}
	if m.Bound {
		out.Ending = ramp.AtLeast
	}
	for _, d := range m.Demands {
		out.Demands = append(out.Demands, Demand{Name: d.Name, Region: d.Region, PerSecond: d.PerSecond, Sustains: d.Sustains,
			Equivalents: d.Equivalents, MinimumServers: d.MinimumServers, Owned: d.Servers, Headroom: d.Headroom})
	}
	return out
}

// newInterval keeps an interval that says something.
func newInterval(iv appweight.Interval) *Interval {
	if !(iv.Hi > 0) {
		return nil
	}
	return &Interval{Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, Basis: iv.Basis}
}
