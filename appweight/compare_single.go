package appweight

import "math"

// Assume gives the difference of two single holds the interval that it has where
// restarts differ by [RestartSD], since nothing measured says by how much they do.
// own are the holds' own standard errors, as shares. There is still no P: the
// spread is not the data's.
func (d Difference) Assume(level float64, own ...float64) Difference {
	variance := 2 * RestartSD * RestartSD
	for _, se := range own {
		variance += se * se
	}
	d.SE = math.Sqrt(variance)
	half := quantile(level, 0) * d.SE
	d.Interval = Interval{Lo: d.Ratio * math.Exp(-half), Hi: d.Ratio * math.Exp(half), Level: level, Basis: Assumed}
	d.Detectable = detectable(d.SE, math.Inf(1), level)
	d.Need = nil
	spread := components{within: variance / 2, dfWithin: 1}
	if plan, err := spread.needed(math.Expm1(math.Abs(math.Log(d.Ratio))), Design{Servers: 1}); err == nil && !d.Real() {
		d.Need = &plan
	}
	return d
}
