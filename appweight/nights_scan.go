package appweight

import (
	"math"
	"slices"
)

// How nights are searched for a step. Tuned in simulation on nights that lean on
// the one before by .2; what each brought is in docs/statistics.md.
const (
	lookBack     = 90  // nights looked back on
	leastBefore  = 8   // nights that a step needs before it
	leastAfter   = 2   // and after it to page: one night is an outlier or a change
	recentNights = 21  // nights after it; an older one had its chance
	leastDF      = 12  // degrees of freedom of the nights' spread
	clipAt       = 2.5 // standard deviations from the running median
	around       = 3   // nights on either side that the median is of
	usualLean    = .2  // correlation with the night before that p is made for
	leanDoubt    = 30  // nights that this expectation weighs
	mostLean     = .8
	finest       = 1e-4 // of which no night varies less: figures are not known better
	pooledDF     = 40   // most that nights before the last change tell of the spread
)

// A stretch is the nights since the last change, and what those before it say of
// the nights' spread and of how much one leans on the one before.
type stretch struct {
	ss, df     float64 // sum of squares within earlier stretches
	cross, sum float64 // of neighbours' products, and of squares
	n          float64
}

// A step is the place where the nights before and after differ most.
type step struct {
	at    int     // the first night after
	shift float64 // mean after less mean before, of logarithms
	t, df float64 // t is below zero for a drop
	sd    float64
	lean  float64 // correlation with the night before
}

// p is the probability of so large a step in its direction, for one place that
// was fixed beforehand. That the place was sought is allowed for by the
// thresholds that p is held against.
func (s step) p() float64 { return upperTail(math.Abs(s.t), s.df) }

// called tells whether a step is one. A rise pages nobody and may wait: one that
// is none would make a drop of the return from it.
func (s step) called(page float64) bool {
	if s.t > 0 {
		page /= 10
	}
	return s.p() < page
}

// find is the step that x, the nights since the last change, speaks most for: the
// best split by Student's t with a common variance (Hawkins, Testing a Sequence
// of Observations for a Shift in Location, JASA 72, 1977; for benchmarks Fleming
// et al., Hunter, ICPE 2023). ok is false where the nights are too few.
// middle are the nights' running medians.
func (s stretch) find(x, middle []float64) (best step, ok bool) {
	skipped := max(0, len(x)-lookBack)
	y := clip(x[skipped:], middle[skipped:])
	n := len(y)
	best.df = float64(n) - 2 + s.df
	if best.df < leastDF {
		return step{}, false
	}
	var total, squares float64
	for _, v := range y {
		total += v - y[0]
		squares += (v - y[0]) * (v - y[0])
	}
	var head float64
	for k := 1; k <= n-leastAfter; k++ {
		head += y[k-1] - y[0]
		if k < leastBefore || n-k > recentNights {
			continue
		}
		a, b := float64(k), float64(n-k)
		ma, mb := head/a, (total-head)/b
		sd := max(finest, math.Sqrt(max(0, squares-a*ma*ma-b*mb*mb+s.ss)/best.df))
		if t := (mb - ma) / (sd * math.Sqrt(1/a+1/b)); math.Abs(t) > math.Abs(best.t) {
			best.at, best.shift, best.t, best.sd = k, mb-ma, t, sd
		}
	}
	if best.at == 0 {
		return step{}, false
	}
	best.lean = s.lean(y[:best.at], y[best.at:])
	best.t /= excess(best.at, n-best.at, best.lean)
	best.at += skipped
	return best, true
}

// close adds the nights of a stretch that a change ended.
func (s stretch) close(x []float64) stretch {
	y := clip(x, runningMedians(x))
	mean, variance := meanVariance(y)
	if df := float64(len(y)) - 1; df > 0 {
		s.ss, s.df = s.ss+variance*df, s.df+df
		if s.df > pooledDF {
			s.ss, s.df = s.ss*pooledDF/s.df, pooledDF
		}
	}
	s.neighbours(y, mean)
	return s
}

func (s *stretch) neighbours(y []float64, mean float64) {
	for i, v := range y {
		s.sum += (v - mean) * (v - mean)
		if i > 0 {
			s.cross += (v - mean) * (y[i-1] - mean)
		}
	}
	s.n += float64(len(y))
}

// lean is the correlation of a night with the one before, over all stretches:
// the sample's, whose bias of about -(2+4r)/n is taken back (Kendall, Note on
// Bias in the Estimation of Autocorrelation, Biometrika 41, 1954), drawn to the
// usual one.
func (s stretch) lean(stretches ...[]float64) float64 {
	for _, y := range stretches {
		mean, _ := meanVariance(y)
		s.neighbours(y, mean)
	}
	if !(s.sum > 0) {
		return usualLean
	}
	r := s.cross / s.sum
	r += (2 + 4*r) / s.n
	return min(mostLean, max(0, (r*s.n+usualLean*leanDoubt)/(s.n+leanDoubt)))
}

// ofMean is the variance of the mean of m nights by that of one, where each
// leans on the one before (Bartlett 1946).
func ofMean(m int, lean float64) float64 {
	sum, power := 1.0, 1.0
	for j := 1; j < m && power > 1e-6; j++ {
		power *= lean
		sum += 2 * (1 - float64(j)/float64(m)) * power
	}
	return sum / float64(m)
}

// excess is by how much t is too large where nights lean on each other more than
// usual.
func excess(a, b int, lean float64) float64 {
	if lean <= usualLean {
		return 1
	}
	return math.Sqrt((ofMean(a, lean) + ofMean(b, lean)) / (ofMean(a, usualLean) + ofMean(b, usualLean)))
}

// clip draws single nights that lie far from those around them to the running
// median, so that an outlier is no change (Hampel's identifier; Davies & Gather,
// JASA 88, 1993). A step keeps its height: the median steps with it. middle are
// the medians of nights that have others on both sides.
func clip(x, middle []float64) []float64 {
	n := len(x)
	if n < 2*around {
		return x
	}
	y, off := make([]float64, n), make([]float64, n)
	copy(y, middle[:n])
	var few [2*around + 1]float64
	for i := range x {
		if i < around || i+around >= n {
			y[i] = median(append(few[:0], x[max(0, i-around):min(n, i+around+1)]...))
		}
		off[i] = math.Abs(x[i] - y[i])
	}
	// 1.4826 makes a normal sample's median deviation its standard deviation, and
	// the median of seven, one of which is the night itself, takes a part of it.
	far := clipAt * max(finest, 1.4826*1.18*median(off))
	for i, v := range x {
		y[i] = min(max(v, y[i]-far), y[i]+far)
	}
	return y
}

// runningMedians are the medians of each night and those around it; the nights
// at the ends have none.
func runningMedians(x []float64) []float64 {
	middle := make([]float64, len(x))
	var few [2*around + 1]float64
	for i := around; i+around < len(x); i++ {
		middle[i] = median(append(few[:0], x[i-around:i+around+1]...))
	}
	return middle
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
