package appweight

import "math"

// usualPairSD is what interleaved pairs differ by where a history does not tell.
const usualPairSD = .02

// watch sets what is watched: the best split where it is a drop below WatchP, or
// the last night alone where it is that far below.
func (t *Trend) watch(x []float64, start int, best step, residual float64) {
	since, p := -1, t.WatchP
	if v := best.p(); best.t < 0 && v < p {
		since, p = start+best.at, v
	}
	if v, ok := lastAlone(x[start:], best); ok && v < p {
		since, p = len(x)-1, v
	}
	if since < 0 {
		return
	}
	t.Watch = &Change{Since: since, Found: len(x) - 1, P: p}
	between(x[start:since], x[since:]).into(t.Watch)
	t.Rerun = &Rerun{Old: since - 1, New: len(x) - 1, SD: usualPairSD}
	if residual > 0 {
		t.Rerun.SD = math.Sqrt2 * residual // of a pair, which is two readings
	}
	t.Rerun.Pairs = DefaultPairTest.PairsFor(math.Expm1(math.Abs(math.Log(t.Watch.Ratio))), t.Rerun.SD)
}

// lastAlone is p of a last night that lies below all before it. It never pages:
// one night is an outlier as easily as a change.
func lastAlone(x []float64, best step) (p float64, ok bool) {
	n := len(x) - 1
	if n < leastBefore {
		return 1, false
	}
	y := x[max(0, n-lookBack):n]
	y = clip(y, runningMedians(y))
	mean, variance := meanVariance(y)
	a := float64(len(y))
	t := (x[n] - mean) / (max(finest, math.Sqrt(variance)) * math.Sqrt(1+1/a))
	return upperTail(-t, min(a-1, best.df)), t < 0
}

// Smallest is the smallest drop, as a share, that this history would call within
// so many nights four times in five; ok is false where it cannot call any.
func (t Trend) Smallest(nights int) (drop float64, ok bool) {
	if t.Needs > 0 || nights < leastAfter || !(t.SD > 0) {
		return 0, false
	}
	a := min(t.current, lookBack)
	called := quantile(1-2*t.PageP, t.df) * math.Sqrt(1/float64(a)+1/float64(nights)) * excess(a, nights, t.Lean)
	sure := quantile(2*power-1, 0) * math.Sqrt(ofMean(a, t.Lean)+ofMean(nights, t.Lean))
	return -math.Expm1(-(called + sure) * t.SD), true
}
