package appweight

import (
	"errors"
	"fmt"
	"math"
)

// A PairTest tells two builds or machines apart by interleaved pairs, and may
// be looked at after every one of them: it goes by an e-value, which keeps its
// promise whenever one stops (Ville's inequality), and not by a p-value, which
// being watched makes wrong one time in four.
type PairTest struct {
	// Alpha is the most often that two equals are called different, however
	// long one looks.
	Alpha float64
	// Margin is the change that is too small to matter, as a share: where the
	// whole interval lies within it the two are called the same. 0 is off.
	Margin float64
	// MinPairs are made in any case, MaxPairs are the most.
	MinPairs, MaxPairs int
}

// DefaultPairTest is the test that run --against makes.
var DefaultPairTest = PairTest{Alpha: .05, Margin: .01, MinPairs: 3, MaxPairs: 30}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake].
func (c PairTest) Validate() error {
	var mistakes []error
	add := func(path, problem, hint string) { mistakes = append(mistakes, &Mistake{path, problem, hint}) }
	if !(c.Alpha > 0 && c.Alpha < 1) {
		add("alpha", fmt.Sprintf("%g is not a probability", c.Alpha), "such as 0.05")
	}
	if !(c.Margin >= 0 && c.Margin < 1) {
		add("margin", fmt.Sprintf("%g is not a share", c.Margin), "such as 1%")
	}
	if c.MinPairs < 2 {
		add("min_pairs", fmt.Sprintf("%d pairs have no spread", c.MinPairs), "3 or more")
	}
	if c.MaxPairs < c.MinPairs {
		add("max_pairs", fmt.Sprintf("%d is less than min_pairs, %d", c.MaxPairs, c.MinPairs), "")
	}
	return errors.Join(mistakes...)
}

// A PairOutcome is what the pairs so far say.
type PairOutcome string

// The outcomes of a pair test. Open says: measure on.
const (
	Different PairOutcome = "different"
	Same      PairOutcome = "same"
	Open      PairOutcome = "open"
	Unsettled PairOutcome = "unsettled" // MaxPairs were not enough
)

// A PairVerdict is a pair test's after so many pairs.
type PairVerdict struct {
	Outcome PairOutcome
	Pairs   int
	// Ratio is new by base; Interval is valid at every look, and so wider than
	// one of a number of pairs fixed beforehand. It is zero where the pairs are
	// too few for one.
	Ratio    float64
	Interval Interval
	// SD is of the pairs' logarithms, E the evidence against their being equal:
	// two equals reach E = 20 one time in twenty at most.
	SD, E float64
	// More is how many more pairs a change of the size seen would take, in the
	// median; 0 where it is settled or cannot be.
	More int
}

// effectVariance is the prior variance of the change in units of the pairs'
// standard deviation. A change as large as that deviation takes 12 pairs in the
// median with anything from 1 to 4; more sees large changes sooner (seven times
// the deviation after 4 pairs in place of 5), less sees small ones sooner.
const effectVariance = 2.0

// evalue is the evidence of n pairs with Student's t against a mean of zero: the
// likelihood ratio of a mean of N(0, g sd^2) with the right Haar prior on sd
// (Gönen, Johnson, Lu & Westfall, The Bayesian Two-Sample t Test, American
// Statistician 59, 2005). That it is an e-process, so that one may stop at any
// time: Pérez-Ortiz, Lardy, de Heide & Grünwald, E-Statistics, Group Invariance
// and Anytime-Valid Testing, Annals of Statistics 52, 2024; Wang & Ramdas,
// Anytime-valid t-tests, 2023.
func evalue(n, t2 float64) float64 {
	if n < 2 {
		return 1
	}
	v, r := n-1, 1+n*effectVariance
	gain := math.Log((1 + t2/v) / (1 + t2/(v*r)))
	if math.IsInf(t2, 1) { // pairs that are all the same
		gain = math.Log(r)
	}
	return math.Exp(((v+1)*gain - math.Log(r)) / 2)
}

// bound is the t at which evalue reaches e: the half width, in standard errors,
// of the interval of all means that are not refuted (a confidence sequence).
// It is infinite where so few pairs cannot refute anything.
func bound(n, e float64) float64 {
	v, r := n-1, 1+n*effectVariance
	k := math.Exp((2*math.Log(e) + math.Log(r)) / (v + 1))
	if k >= r {
		return math.Inf(1)
	}
	return math.Sqrt(v * (k - 1) / (1 - k/r))
}

// Judge says what the pairs so far tell: the logarithm of new by base of each,
// in the order they were measured. Pairs of several servers are pooled, and the
// verdict is about these servers.
func (c PairTest) Judge(logRatios []float64) PairVerdict {
	mean, variance := meanVariance(logRatios)
	n := float64(len(logRatios))
	v := PairVerdict{Outcome: Open, Pairs: len(logRatios), Ratio: 1, E: 1}
	if n == 0 {
		return v
	}
	v.Ratio, v.SD = math.Exp(mean), math.Sqrt(variance)
	if v.Pairs >= max(2, c.MinPairs) {
		se := v.SD / math.Sqrt(n)
		if v.E = 1; mean != 0 {
			v.E = evalue(n, mean*mean/(se*se))
		}
		half := 0.0
		if se > 0 {
			half = bound(n, 1/c.Alpha) * se
		}
		if !math.IsInf(half, 1) {
			v.Interval = Interval{Lo: math.Exp(mean - half), Hi: math.Exp(mean + half), Level: 1 - c.Alpha, Basis: Pairs, DF: n - 1}
		}
		switch {
		case v.E >= 1/c.Alpha:
			v.Outcome = Different
			return v
		case c.Margin > 0 && v.Interval.Hi > 0 && v.Interval.Lo > 1-c.Margin && v.Interval.Hi < 1+c.Margin:
			v.Outcome = Same
			return v
		}
	}
	if v.Pairs >= c.MaxPairs {
		v.Outcome = Unsettled
	}
	if v.SD > 0 {
		v.More = max(0, c.PairsFor(math.Expm1(math.Abs(mean)), v.SD)-v.Pairs)
	}
	return v
}

// Stop is Judge as a rule: whether to measure no further pair, and why.
func (c PairTest) Stop(logRatios []float64) (stop bool, why string) {
	v := c.Judge(logRatios)
	if v.Outcome == Open {
		return false, ""
	}
	return true, v.String()
}

// String is the verdict in a sentence.
func (v PairVerdict) String() string {
	change := fmt.Sprintf("%+.2f%%", 100*(v.Ratio-1))
	if v.Interval.Hi > 0 {
		change += fmt.Sprintf(" (%+.2f%% to %+.2f%%)", 100*(v.Interval.Lo-1), 100*(v.Interval.Hi-1))
	}
	switch v.Outcome {
	case Different:
		return fmt.Sprintf("%s after %d pairs", change, v.Pairs)
	case Same:
		return fmt.Sprintf("no difference that matters: %s after %d pairs", change, v.Pairs)
	case Unsettled:
		return fmt.Sprintf("not settled after %d pairs: %s", v.Pairs, change)
	}
	return fmt.Sprintf("open after %d pairs", v.Pairs)
}

// mostPairs is as far as PairsFor counts.
const mostPairs = 100_000

// PairsFor is how many pairs it takes until a change of this size (.02 is 2 %)
// is called, in the median, where the pairs' logarithms have the standard
// deviation sd; 0 where it never is. The evidence's mean reaches the threshold
// after n pairs; as a random walk it is there sooner half of the time, by the
// median of the inverse Gaussian distribution of first passages (Chhikara &
// Folks 1989, taken as lognormal).
func (c PairTest) PairsFor(change, sd float64) int {
	effect := math.Abs(math.Log1p(change)) / sd
	if !(effect > 0) {
		return 0
	}
	for n := 2; n < mostPairs; n += 1 + n/100 {
		pairs := float64(n)
		if evalue(pairs, effect*effect*pairs) >= 1/c.Alpha {
			climb := math.Log(1/c.Alpha) + math.Log1p(pairs*effectVariance)/2
			return max(c.MinPairs, int(math.Ceil(pairs/math.Sqrt(1+2/climb))))
		}
	}
	return 0
}

// ABBA is the order of so many pairs, which go round the servers: true where the
// base comes first. Of two pairs in a row on the same server each order has one,
// so that what drifts in a line cancels; so has, of two servers in a row, one
// each, so that it nearly does wherever one stops. Which comes first is for the
// coin, so that nothing can follow the order.
func ABBA(pairs, servers int, coin func() bool) []bool {
	var order []bool
	var first bool
	for pair := range pairs {
		round, server := pair/servers, pair%servers
		if round%2 == 0 && server == 0 {
			first = coin()
		}
		order = append(order, first != ((round+server)%2 == 1))
	}
	return order
}
