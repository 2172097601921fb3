package contest

import (
	"math"

	"saturate/ramp"
	"saturate/stress"
)

// errorLimit is the share of failures that a rival's user allows.
const errorLimit = .005

// A reading sums windows of one level up, as the rivals see them: the signals'
// means against their limits, and the share of failures.
type reading struct {
	windows      int
	sent         uint64
	done, failed uint64
	pressure     map[stress.Signal]float64
}

func (r *reading) add(o stress.Observation) {
	if r.pressure == nil {
		r.pressure = map[stress.Signal]float64{}
	}
	r.windows++
	r.sent += o.Sent
	r.done += o.Done
	r.failed += o.Failed
	for _, s := range []stress.Signal{stress.CPU, stress.Workers, stress.Memory} {
		r.pressure[s] += o.Pressure[s]
	}
}

// of is the mean pressure of one signal.
func (r *reading) of(s stress.Signal) float64 {
	if s == stress.Errors {
		return float64(r.failed) / math.Max(1, float64(r.done)) / errorLimit
	}
	return r.pressure[s] / float64(r.windows)
}

// load is the signal of the server's with the largest mean pressure.
func (r *reading) load() (signal stress.Signal, pressure float64) {
	for _, s := range []stress.Signal{stress.CPU, stress.Workers, stress.Memory} {
		if p := r.of(s); p > pressure {
			signal, pressure = s, p
		}
	}
	return signal, pressure
}

// worst counts failures, too.
func (r *reading) worst() (stress.Signal, float64) {
	if signal, p := r.load(); p >= r.of(stress.Errors) {
		return signal, p
	}
	return stress.Errors, r.of(stress.Errors)
}

// found is a rival's answer.
func found(rate, lo, hi float64, bottleneck stress.Signal) *ramp.Result {
	return &ramp.Result{Ending: ramp.Found, Bottleneck: bottleneck, Sustained: &ramp.Sustained{
		Rate: rate, AtLimit: rate, Interval: ramp.Interval{Lo: lo, Hi: hi, Basis: "bracket"},
	}}
}

// An outcome is the part of a search that ends it.
type outcome struct{ result *ramp.Result }

// Done reports whether the search has ended.
func (e *outcome) Done() bool { return e.result != nil }

// Result is what was found.
func (e *outcome) Result() ramp.Result {
	if e.result == nil {
		return ramp.Result{Ending: ramp.Inconclusive, Why: "not finished"}
	}
	return *e.result
}
