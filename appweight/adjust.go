package appweight

import (
	"cmp"
	"math"
	"slices"
)

// A CostPoint is a step of a target's ramp: what it did per second, and for how
// many requests.
type CostPoint struct {
	PerSecond float64 // work, in the unit and scope of the curve
	Rate      float64 // requests finished per second
	SE        float64 // standard error of the logarithm of the cost
}

// Cost is the work of one request.
func (p CostPoint) Cost() float64 { return p.PerSecond / p.Rate }

// CostAtWork reads a target's curve where it did so much work per second: what a
// request cost there, and the standard error of its logarithm. Between two
// points requests rise in a line with the work, as they do where each costs the
// same above what the target spends for itself.
//
// A curve that bends is off by some part of the difference to a line drawn through
// the costs, half of which counts as error. Where much more load is hardly more
// work, work tells little of the load: the points' errors grow by the cost of a
// request over that of one more. Nothing is said of what lies outside the points,
// nor where work falls as the load rises.
func CostAtWork(curve []CostPoint, perSecond float64) (cost, se float64, ok bool) {
	points := slices.DeleteFunc(slices.Clone(curve), func(p CostPoint) bool { return !positive(p.PerSecond) || !positive(p.Rate) })
	slices.SortStableFunc(points, func(a, b CostPoint) int { return cmp.Compare(a.PerSecond, b.PerSecond) })
	next := slices.IndexFunc(points, func(p CostPoint) bool { return p.PerSecond >= perSecond })
	if next == 0 && points[0].PerSecond == perSecond && len(points) > 1 {
		next = 1
	}
	if next < 1 {
		return 0, 0, false
	}
	a, b := points[next-1], points[next]
	t := (perSecond - a.PerSecond) / (b.PerSecond - a.PerSecond)
	oneMore := (b.PerSecond - a.PerSecond) / (b.Rate - a.Rate)
	if !positive(oneMore) {
		return 0, 0, false
	}
	cost = perSecond / (a.Rate + t*(b.Rate-a.Rate))
	bend := math.Log((a.Cost()+t*(b.Cost()-a.Cost()))/cost) / 2
	return cost, math.Hypot(math.Hypot((1-t)*a.SE, t*b.SE)*max(1, cost/oneMore), bend), true
}

// An Adjustment is by what a score is to be multiplied since the fleet's figures
// were taken at another load than the target's hold.
//
// A request costs a busy server less: it wakes up less often and does more at a
// time. A fleet that is not fully used spends more per user than it would if it
// were, and the score, which takes I/U for what a user costs, comes out too low.
//
//	adjusted = AppWeight * c(at the fleet's load) / c(at the hold)
type Adjustment struct {
	Factor float64
	// SE is the standard error of the factor's logarithm.
	SE float64
}

// leastAdjustment is the least that matters: the halves of a hold may differ by
// as much.
const leastAdjustment = .01

// Adjust compares what a request costs at the fleet's work per server with what
// it costs in the hold. ok is false where the curve does not reach there.
func Adjust(curve []CostPoint, hold CostPoint, fleetPerServer float64) (a Adjustment, ok bool) {
	cost, se, ok := CostAtWork(append(slices.Clone(curve), hold), fleetPerServer)
	if !ok {
		return Adjustment{}, false
	}
	return Adjustment{Factor: cost / hold.Cost(), SE: math.Hypot(se, hold.SE)}, true
}

// PoolAdjustments is the geometric mean of several holds' adjustments. Its error
// is theirs or, where they differ by more than that, their spread's.
func PoolAdjustments(all []Adjustment) (a Adjustment, ok bool) {
	if len(all) == 0 {
		return Adjustment{}, false
	}
	var logs []float64
	var within float64
	for _, a := range all {
		logs = append(logs, math.Log(a.Factor))
		within += a.SE * a.SE
	}
	n := float64(len(all))
	mean, variance := meanVariance(logs)
	return Adjustment{Factor: math.Exp(mean), SE: max(math.Sqrt(within)/n, math.Sqrt(variance/n))}, true
}

// CombineAdjustments is what adjustments of parts come to for their sum: each part
// of it, the work of a generation say, is divided by its own factor. The same
// adjustment of two parts is wrong for both alike.
func CombineAdjustments(parts []float64, all []Adjustment) Adjustment {
	var before, after, variance float64
	left := map[Adjustment]float64{}
	for i, part := range parts {
		before += part
		after += part / all[i].Factor
		left[all[i]] += part / all[i].Factor
	}
	for a, part := range left {
		variance += math.Pow(part/after*a.SE, 2)
	}
	return Adjustment{Factor: before / after, SE: math.Sqrt(variance)}
}

// Falls tells whether the cost of a request falls towards the hold, by more than
// the uncertainty of 95 % and than what does not matter; Rises the opposite.
func (a Adjustment) Falls() bool { return math.Log(a.Factor) > a.matters() }

// Rises tells whether the cost rises towards the hold: the score is too high.
func (a Adjustment) Rises() bool { return math.Log(a.Factor) < -a.matters() }

func (a Adjustment) matters() float64 { return max(quantile(.95, 0)*a.SE, leastAdjustment) }

// Apply adjusts a score and its interval, which grows by the adjustment's own
// uncertainty. A score without an interval gets none.
func (a Adjustment) Apply(usersPerServer float64, iv Interval) (float64, Interval) {
	adjusted := usersPerServer * a.Factor
	if !positive(iv.Lo) || !(iv.Level > 0 && iv.Level < 1) {
		return adjusted, Interval{}
	}
	own := quantile(iv.Level, 0) * a.SE
	below, above := math.Hypot(math.Log(usersPerServer/iv.Lo), own), math.Hypot(math.Log(iv.Hi/usersPerServer), own)
	iv.Lo, iv.Hi = adjusted*math.Exp(-below), adjusted*math.Exp(above)
	return adjusted, iv
}
