package sim

import "math"

// adjusted is the mean of a batch value where every control has its expectation:
// the intercept of a least-squares fit (Lavenberg and Welch 1981).
func adjusted(rows []controlled, of func(*controlled) float64) float64 {
	const m = controls + 1
	var a [m][m + 1]float64 // normal equations and their right side
	for i := range rows {
		x := [m]float64{1}
		copy(x[1:], rows[i].off[:])
		y := of(&rows[i])
		for j := range m {
			for k := range m {
				a[j][k] += x[j] * x[k]
			}
			a[j][m] += x[j] * y
		}
	}
	return solve(&a)[0]
}

// solve is Gauss and Jordan with the pivots in place; a control that never
// varied, or is a combination of others, gets no weight.
func solve(a *[controls + 1][controls + 2]float64) (x [controls + 1]float64) {
	const m = controls + 1
	var scale, used [m]float64
	for j := range m {
		scale[j] = a[j][j]
	}
	for j := range m {
		if a[j][j] <= 1e-9*scale[j] || scale[j] == 0 {
			continue
		}
		used[j] = 1
		for i := range m {
			if i == j {
				continue
			}
			f := a[i][j] / a[j][j]
			for k := range m + 1 {
				a[i][k] -= f * a[j][k]
			}
		}
	}
	for j := range m {
		if used[j] == 1 {
			x[j] = a[j][m] / a[j][j]
		}
	}
	if math.IsNaN(x[0]) {
		return [m]float64{}
	}
	return x
}
