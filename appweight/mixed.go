package appweight

import (
	"fmt"
	"math"
	"slices"
)

// Measured is what one server of a generation was found to sustain: N.
type Measured struct {
	Generation string
	Work       Work
	// Interval is of Work, in its unit per second; its zero value says there is none.
	Interval Interval
	// Bound says that Work is a lower bound only: the limit was not found.
	Bound bool
}

// Mixed is the score of a fleet of several generations of servers.
//
//	M = sum over generations of I_g / N_g      fully used servers
//	AppWeight of the fleet = U / M             users per server
//
// Each generation's work is divided by its own server's, so that no work of
// different hardware is ever added up: M holds for fleets of several instruction
// sets, too.
type Mixed struct {
	UsersPerServer float64
	// Interval is in users per server; its zero value says there is none.
	Interval Interval
	// Bound says that UsersPerServer is a lower bound only.
	Bound bool
	// Equivalents are M: how many fully used servers the peak fills.
	Equivalents float64
	// MinimumServers carry the peak: each generation's and region's next whole
	// number, since no server is in two places.
	MinimumServers float64
	// Owned is how many servers the fleet has; 0 where that is not known, and
	// Headroom, the share of them that the peak does not need, is nil then.
	Owned    float64
	Headroom *float64
	Demands  []Demand
	Warnings []string
}

// A Demand is how many servers of a generation in a region the peak needs.
type Demand struct {
	Generation
	// Sustains is what one of them does per second: N of the generation.
	Sustains    float64
	Equivalents float64 // I/N
	// MinimumServers is the next whole number.
	MinimumServers float64
	Headroom       *float64 // of those owned; nil where their number is not known
}

// Mix scores a fleet by its generations, each by a server of its own. The
// generation of a server that the fleet has none of takes no part. It fails with
// an *UnmeasuredError where a generation has no server, and with the errors of
// Compute.
func Mix(servers []Measured, f Fleet) (Mixed, error) {
	if err := f.covered(); err != nil {
		return Mixed{}, err
	}
	if err := defined(figure{"the number of active users", f.ActiveUsers}); err != nil {
		return Mixed{}, err
	}
	var m Mixed
	var missing []string
	shares := make([]float64, len(servers)) // of M, by server
	for _, g := range f.Generations {
		i := slices.IndexFunc(servers, func(s Measured) bool { return s.Generation == g.Name })
		if i < 0 && len(servers) == 1 && f.Matches(g, servers[0].Generation) {
			i = 0
		}
		if i < 0 {
			if !slices.Contains(missing, g.Name) {
				missing = append(missing, g.Name)
			}
			continue
		}
		d, err := f.demand(g, servers[i].Work)
		if err != nil {
			return Mixed{}, err
		}
		shares[i] += d.Equivalents
		m.add(d)
	}
	if len(missing) > 0 {
		return Mixed{}, &UnmeasuredError{missing}
	}
	if err := defined(figure{"the number of servers that the peak fills", m.Equivalents}); err != nil {
		return Mixed{}, err
	}
	m.own(f)
	m.UsersPerServer = f.ActiveUsers / m.Equivalents
	for i, s := range servers {
		shares[i] /= m.Equivalents
		m.Bound = m.Bound || s.Bound && shares[i] > 0
	}
	if !m.Bound {
		m.Interval = mixedInterval(m.UsersPerServer, servers, shares, f)
	}
	m.Warnings = append(f.assumed(servers[0].Work), m.Warnings...)
	return m, nil
}

// demand is what one generation in one region needs of servers that do n.
func (f Fleet) demand(g Generation, n Work) (Demand, error) {
	isas := f.ISAs()
	if g.ISA != "" {
		isas = []string{g.ISA}
	} else if len(isas) > 1 {
		isas = nil // which of them is this generation's is not known
	}
	if err := f.counts(n, isas); err != nil {
		return Demand{}, fmt.Errorf("generation %s: %w", g.Name, err)
	}
	if !(g.PerSecond >= 0) || math.IsInf(g.PerSecond, 0) {
		return Demand{}, fmt.Errorf("%w: the work of generation %s is %g", ErrUndefined, g.Name, g.PerSecond)
	}
	if err := defined(figure{"the work of a server of generation " + g.Name, n.PerSecond}); err != nil {
		return Demand{}, err
	}
	d := Demand{Generation: g, Sustains: n.PerSecond, Equivalents: g.PerSecond / n.PerSecond}
	d.MinimumServers = ceil(d.Equivalents)
	d.Headroom = headroom(d.Equivalents, g.Servers)
	return d, nil
}

func headroom(needed, owned float64) *float64 {
	if !positive(owned) {
		return nil
	}
	left := 1 - needed/owned
	return &left
}

func (m *Mixed) add(d Demand) {
	m.Demands = append(m.Demands, d)
	m.Equivalents += d.Equivalents
	m.MinimumServers += d.MinimumServers
	if d.Headroom != nil && *d.Headroom < 0 {
		m.Warnings = append(m.Warnings, fmt.Sprintf("the peak needs %.0f servers of %s and the fleet has %.0f: check the fleet's figures",
			d.MinimumServers, d.Label(), d.Servers))
	}
}

// Label names the generation and the region.
func (g Generation) Label() string {
	name := g.Name
	if name == "" {
		name = "no generation"
	}
	if g.Region == "" {
		return name
	}
	return name + " in " + g.Region
}

// own counts the servers owned: the generations' where all are known, else the
// fleet's.
func (m *Mixed) own(f Fleet) {
	m.Owned = f.Servers
	var sum float64
	for _, g := range f.Generations {
		if !positive(g.Servers) {
			sum = math.NaN()
		}
		sum += g.Servers
	}
	if positive(sum) {
		m.Owned = sum
	}
	m.Headroom = headroom(m.Equivalents, m.Owned)
}

// bases in the order of what they cover, least first.
var bases = []string{WithinHold, Restarts, Servers}

// mixedInterval is the interval of a mixed fleet's score. The variance of log M
// is the sum of those of the generations' log N, each times its share of M
// squared, and the fleet's own is added; degrees of freedom by Welch and
// Satterthwaite. It covers what the least of the generations' covers. There is
// none where a generation has none.
func mixedInterval(score float64, servers []Measured, shares []float64, f Fleet) Interval {
	out := Interval{Level: servers[0].Interval.Level, Basis: Servers}
	below, above := variances{}, variances{}
	for i, s := range servers {
		iv := s.Interval
		if shares[i] == 0 {
			continue
		}
		if !positive(iv.Lo) || !(iv.Hi >= iv.Lo) || !(iv.Level > 0 && iv.Level < 1) {
			return Interval{}
		}
		t := quantile(iv.Level, iv.DF) / shares[i]
		below.add(math.Pow(math.Log(s.Work.PerSecond/iv.Lo)/t, 2), iv.DF)
		above.add(math.Pow(math.Log(iv.Hi/s.Work.PerSecond)/t, 2), iv.DF)
		out.Level = iv.Level
		if slices.Index(bases, iv.Basis) < slices.Index(bases, out.Basis) {
			out.Basis = iv.Basis
		}
	}
	below.add(f.SE*f.SE, f.DF)
	above.add(f.SE*f.SE, f.DF)
	out.DF = below.df()
	out.Lo, out.Hi = score*math.Exp(-below.half(out.Level)), score*math.Exp(above.half(out.Level))
	return out
}

// variances is a sum of variances with the degrees of freedom of each.
type variances struct{ variance, parts float64 }

func (v *variances) add(variance, df float64) {
	v.variance += variance
	v.parts += part(variance, df)
}

func (v *variances) df() float64 {
	if v.parts == 0 {
		return 0
	}
	return v.variance * v.variance / v.parts
}

func (v *variances) half(level float64) float64 {
	return quantile(level, v.df()) * math.Sqrt(v.variance)
}
