package contest

import (
	"math"
	"slices"

	"saturate/ramp"
	"saturate/stress"
)

// mlr searches as MLRsearch does (draft-ietf-bmwg-mlrsearch-15 and the defaults
// of its library 1.2.1): trials of one second, the first at the maximum; a load
// is an upper or lower bound when its trials decide the exceed ratio whatever
// the rest of the duration sum brought; two targets with shorter sums and wider
// brackets come before the final one. A trial is bad here when a signal's mean
// is over its limit or too many requests failed, not when packets are lost.
type mlr struct {
	outcome
	min, max float64
	level    float64
	loads    []load
	target   int
	stretch  float64 // of the width, growing while a bound is looked for
	worst    stress.Signal
}

// load is what the trials at one load showed, in seconds.
type load struct{ rate, good, bad float64 }

// mlrTargets are the duration sums (s) and relative widths; the final one's are
// the library's defaults.
func mlrTargets() []struct{ sum, width float64 } {
	return []struct{ sum, width float64 }{{1, .02}, {math.Sqrt(21), .01}, {21, .005}}
}

const exceedRatio = .5

func newMLR(start, most float64) *mlr {
	return &mlr{min: start / 10, max: most, level: most, stretch: 1}
}

// lower reports whether the load is a lower bound even if all further trials were bad.
func (l load) lower(sum float64) bool {
	all := math.Max(sum, l.good+l.bad)
	return (all-l.good)/all <= exceedRatio
}

// upper reports whether it is an upper bound even if all further trials were good.
func (l load) upper(sum float64) bool {
	return l.bad/math.Max(sum, l.good+l.bad) > exceedRatio
}

func (m *mlr) Next() ramp.Step { return ramp.Step{Level: m.level} }

func (m *mlr) Observe(o stress.Observation) {
	var trial reading
	trial.add(o)
	signal, p := trial.worst()
	at := m.at(m.level)
	if p > 1 {
		at.bad++
		m.worst = signal
	} else {
		at.good++
	}
	if len(m.loads) == 1 && at.bad == 1 {
		// The second load is what the first let through.
		m.level = clamp(float64(o.Done-o.Failed), m.min, m.max*.99)
		return
	}
	m.choose()
}

// at finds or adds a load; loads are in order.
func (m *mlr) at(rate float64) *load {
	i, ok := slices.BinarySearchFunc(m.loads, rate, func(l load, r float64) int {
		switch {
		case l.rate < r:
			return -1
		case l.rate > r:
			return 1
		}
		return 0
	})
	if !ok {
		m.loads = slices.Insert(m.loads, i, load{rate: rate})
	}
	return &m.loads[i]
}

// bounds are the relevant ones for a target: the smallest upper bound, and the
// largest lower bound below it; 0 where there is none.
func (m *mlr) bounds(target int) (lower, upper float64) {
	sum := mlrTargets()[target].sum
	for _, l := range m.loads {
		if l.upper(sum) {
			return lower, l.rate
		}
		if l.lower(sum) {
			lower = l.rate
		}
	}
	return lower, 0
}

// choose selects the next load, or ends the search.
func (m *mlr) choose() {
	for {
		target := mlrTargets()[m.target]
		if now := m.at(m.level); !now.lower(target.sum) && !now.upper(target.sum) {
			return // not decided yet
		}
		lower, upper := m.bounds(m.target)
		switch {
		case upper > 0 && upper <= m.min:
			*m.at(m.min) = load{rate: m.min} // what an earlier load left behind; once more
			m.level = m.min
			return
		case lower < m.max && (upper == 0 || lower == 0):
			m.level = m.outward(lower, upper, target.width)
			return
		case lower < m.max && upper/lower-1 > target.width:
			m.level = math.Sqrt(lower * upper)
			m.stretch = 1
			return
		case m.target == len(mlrTargets())-1 && lower == m.max:
			m.result = &ramp.Result{Ending: ramp.AtLeast}
			return
		case m.target == len(mlrTargets())-1:
			m.result = found(lower, lower, upper, m.worst)
			return
		}
		m.target++
		m.stretch = 1
		m.level = lower // the earlier target's, to be confirmed
	}
}

// outward looks for a missing bound: at the earlier target's, else further and
// further away.
func (m *mlr) outward(lower, upper, width float64) float64 {
	var before, above float64
	if m.target > 0 {
		before, above = m.bounds(m.target - 1)
	}
	switch {
	case upper == 0 && above > lower:
		return above
	case lower == 0 && before > 0 && before < upper:
		return before
	}
	by := 1 + width*m.stretch
	m.stretch *= 2 // the expansion coefficient
	if upper == 0 {
		return math.Min(lower*by, m.max)
	}
	return math.Max(upper/by, m.min)
}

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }
