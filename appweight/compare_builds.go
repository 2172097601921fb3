package appweight

import (
	"math"
	"slices"
)

// CostAtRate reads a target's curve at a rate of requests: the work of one
// request there. Between two steps the work rises in a line with the rate, as it
// does where each request costs the same above what the target spends for
// itself. Nothing is said of rates outside the curve.
func CostAtRate(curve []CostPoint, rate float64) (cost float64, ok bool) {
	below, above := math.Inf(-1), math.Inf(1)
	var workBelow, workAbove float64
	for _, p := range curve {
		if !positive(p.PerSecond) || !positive(p.Rate) {
			continue
		}
		if p.Rate <= rate && p.Rate > below {
			below, workBelow = p.Rate, p.PerSecond
		}
		if p.Rate >= rate && p.Rate < above {
			above, workAbove = p.Rate, p.PerSecond
		}
	}
	switch {
	case math.IsInf(below, 0) || math.IsInf(above, 0):
		return 0, false
	case above == below:
		return workBelow / rate, true
	}
	return (workBelow + (workAbove-workBelow)*(rate-below)/(above-below)) / rate, true
}

// EqualLoad is the highest rate that every curve reaches, where the costs of two
// builds compare: a request costs a busy server less. ok is false where the
// curves have no rate in common.
func EqualLoad(curves ...[]CostPoint) (rate float64, ok bool) {
	least, most := 0.0, math.Inf(1)
	for _, curve := range curves {
		var rates []float64
		for _, p := range curve {
			if positive(p.PerSecond) && positive(p.Rate) {
				rates = append(rates, p.Rate)
			}
		}
		if len(rates) == 0 {
			return 0, false
		}
		least, most = max(least, slices.Min(rates)), min(most, slices.Max(rates))
	}
	return most, len(curves) > 0 && least <= most
}

// Rescore is the fleet as it would be with a build that it does not run yet: a
// request, and so a user, costs it c_new/c_old times as much. N hardly changes
// with code: a server that is short of CPU retires the same instructions per
// second whatever a request costs. [Compute] then gives the score that the fleet
// would have, and whoever prints it says so.
func Rescore(f Fleet, cost Difference) Fleet {
	k := cost.Ratio
	f.PerSecond *= k
	f.Generations = slices.Clone(f.Generations)
	for i := range f.Generations {
		f.Generations[i].PerSecond *= k
	}
	own, more := f.SE*f.SE, cost.SE*cost.SE
	f.SE = math.Sqrt(own + more)
	if share := part(own, f.DF) + part(more, cost.Interval.DF); share > 0 {
		f.DF = (own + more) * (own + more) / share
	}
	return f
}

// Hardware is what a server's figure can be divided by; 0 where not known.
type Hardware struct{ Cores, Watts, Price float64 }

// A PerUnit is a difference per core, per watt or per unit of currency.
type PerUnit struct {
	Of string // core, watt, price
	Difference
}

// Per are the differences per core, watt and price that both sides know.
func Per(d Difference, base, new Hardware) []PerUnit {
	var out []PerUnit
	for _, f := range []struct {
		of        string
		base, new float64
	}{{"core", base.Cores, new.Cores}, {"watt", base.Watts, new.Watts}, {"price", base.Price, new.Price}} {
		if positive(f.base) && positive(f.new) {
			out = append(out, PerUnit{f.of, d.Times(f.base / f.new)})
		}
	}
	return out
}
