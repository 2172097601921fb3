package appweight

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Side is one of two generations or builds that are compared.
type Side struct {
	Name  string
	Terms Terms
	// Servers that it was measured on.
	Servers []Server
}

// A Server is one server's figures of a side: work or requests per second, or
// cost of a request. One value a restart.
type Server struct {
	Name   string
	Values []float64
}

// A Difference is what a comparison found. Ratios are of the new side by the
// base.
type Difference struct {
	Ratio float64
	// Interval is the ratio's; its zero value says that there is none.
	Interval Interval
	// P is how probable so large a difference is between equals; NaN where there
	// is no interval.
	P float64
	// SE is the standard error of the ratio's logarithm.
	SE float64
	// Detectable is the smallest change, as a share, that this comparison would
	// have seen four times in five; NaN where that is not known.
	Detectable float64
	// Need is what it takes to see a difference as large as the one found; nil
	// where it is seen, or out of reach.
	Need *Plan
	// Warnings are doubts that do not prevent the comparison.
	Warnings []string
}

// Real tells whether the two differ: the interval leaves 1 out.
func (d Difference) Real() bool {
	return d.Interval.Lo > 1 || d.Interval.Hi > 0 && d.Interval.Hi < 1
}

// Times is the difference with the ratio and its interval multiplied by an
// exact factor, such as the ratio of the cores. What it means to differ from 1
// is then another question, so P is none.
func (d Difference) Times(k float64) Difference {
	d.Ratio *= k
	d.Interval.Lo *= k
	d.Interval.Hi *= k
	d.P, d.Detectable, d.Need = math.NaN(), math.NaN(), nil
	return d
}

// An effect is a difference of logarithms before it is put into words.
type effect struct {
	diff, variance, df float64
	basis              string
	warning            string
}

// Compare tells by how much the new side differs from the base, on the
// logarithms of each server's mean, since servers and restarts are what figures
// vary by.
//
//   - The same servers on both sides: an additive model takes each server's own
//     level away; the error is what is left (two-way layout, least squares;
//     with one restart a side it is the paired t test).
//   - Different servers: Welch's t test on the servers' means (Welch 1947; its
//     degrees of freedom by Satterthwaite 1946).
//   - One server on each side: Welch's test on restarts, of these servers alone.
//   - One server against several: as if it came from servers that spread as the
//     others do.
//
// It fails with [*DifferError] where the two do not compare, with [ErrUndefined]
// where a figure is not positive, and with [ErrTooFew], the ratio and a plan
// beside it, where nothing was repeated.
func Compare(base, new Side, level float64) (Difference, error) {
	if err := base.Terms.Differ(new.Terms); err != nil {
		return Difference{}, err
	}
	a, errA := base.logs()
	b, errB := new.logs()
	if err := errors.Join(errA, errB); err != nil {
		return Difference{}, err
	}
	var e effect
	same := len(a) > 1 && sameServers(base.Servers, new.Servers)
	if same {
		e = additive(a, match(base.Servers, new.Servers, b))
	} else {
		e = welch(a, b)
	}
	d := e.difference(level)
	spread := split(a, b)
	if !d.Real() {
		if plan, err := spread.needed(math.Expm1(math.Abs(e.diff)), Design{Same: same, Servers: min(len(a), len(b))}); err == nil {
			d.Need = &plan
		}
	}
	if d.Interval.Basis == "" {
		return d, fmt.Errorf("%w: one value on a side says nothing of how values vary", ErrTooFew)
	}
	return d, nil
}

// logs are the logarithms by server, of those that have values.
func (s Side) logs() ([][]float64, error) {
	var all [][]float64
	for _, server := range s.Servers {
		var own []float64
		for _, v := range server.Values {
			if !positive(v) {
				return nil, fmt.Errorf("%w: %s has %g", ErrUndefined, server.Name, v)
			}
			own = append(own, math.Log(v))
		}
		if len(own) == 0 {
			return nil, fmt.Errorf("%w: %s has no value", ErrUndefined, server.Name)
		}
		all = append(all, own)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s has no server", ErrUndefined, s.Name)
	}
	return all, nil
}

// sameServers tells whether both sides have exactly the same, by name.
func sameServers(a, b []Server) bool {
	names := map[string]bool{}
	for _, s := range a {
		names[s.Name] = true
	}
	for _, s := range b {
		if !names[s.Name] {
			return false
		}
		delete(names, s.Name)
	}
	return len(a) == len(b) && len(names) == 0
}

// match puts b's logarithms into the order of a's servers.
func match(a, b []Server, logs [][]float64) [][]float64 {
	at := map[string]int{}
	for i, s := range b {
		at[s.Name] = i
	}
	var out [][]float64
	for _, s := range a {
		out = append(out, logs[at[s.Name]])
	}
	return out
}

// additive fits log = server + side: a[s] and b[s] are of the same server.
func additive(a, b [][]float64) effect {
	var weights, sum, rss, n float64
	diffs, ws := make([]float64, len(a)), make([]float64, len(a))
	for s := range a {
		ma, va := meanVariance(a[s])
		mb, vb := meanVariance(b[s])
		na, nb := float64(len(a[s])), float64(len(b[s]))
		diffs[s], ws[s] = mb-ma, na*nb/(na+nb)
		sum += ws[s] * diffs[s]
		weights += ws[s]
		rss += va*(na-1) + vb*(nb-1)
		n += na + nb
	}
	diff := sum / weights
	for s := range diffs {
		rss += ws[s] * (diffs[s] - diff) * (diffs[s] - diff)
	}
	df := n - float64(len(a)) - 1
	return effect{diff: diff, variance: rss / df / weights, df: df, basis: SameServers,
		warning: "the two were not interleaved, so whatever else changed between them counts too: run --against measures them in turn"}
}

// welch compares sides of different servers, or of one server each.
func welch(a, b [][]float64) effect {
	if len(a) == 1 && len(b) == 1 {
		e := twoSample(a[0], b[0])
		e.basis = Restarts
		e.warning = "one server on each side: how servers differ is not in the interval"
		return e
	}
	e := twoSample(means(a), means(b))
	e.basis = Servers
	if len(a) == 1 || len(b) == 1 {
		e.warning = "one side has one server only, which is taken to come from servers that spread as the other side's do"
	}
	return e
}

func means(servers [][]float64) []float64 {
	var out []float64
	for _, restarts := range servers {
		mean, _ := meanVariance(restarts)
		out = append(out, mean)
	}
	return out
}

// twoSample is Welch's; with a single value on one side that takes the other's
// variance. The degrees of freedom are 0 where neither has any.
func twoSample(a, b []float64) effect {
	ma, va := meanVariance(a)
	mb, vb := meanVariance(b)
	na, nb := float64(len(a)), float64(len(b))
	e := effect{diff: mb - ma}
	switch {
	case na == 1 && nb == 1:
	case na == 1:
		e.variance, e.df = vb*(1+1/nb), nb-1
	case nb == 1:
		e.variance, e.df = va*(1+1/na), na-1
	default:
		va, vb = va/na, vb/nb
		e.variance = va + vb
		e.df = (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
	}
	return e
}

// difference puts an effect into ratios.
func (e effect) difference(level float64) Difference {
	d := Difference{Ratio: math.Exp(e.diff), P: math.NaN(), Detectable: math.NaN(), SE: math.Sqrt(e.variance)}
	if !(e.df > 0) {
		return d
	}
	half := quantile(level, e.df) * d.SE
	d.Interval = Interval{Lo: math.Exp(e.diff - half), Hi: math.Exp(e.diff + half), Level: level, Basis: e.basis, DF: e.df}
	d.P = 1
	if e.diff != 0 {
		d.P = 2 * upperTail(math.Abs(e.diff)/d.SE, e.df)
	}
	d.Detectable = detectable(d.SE, e.df, level)
	if e.warning != "" {
		d.Warnings = append(d.Warnings, e.warning)
	}
	return d
}

// upperTail is the probability that Student's t exceeds a value.
func upperTail(t, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(-t)
}
