package record

import (
	"maps"
	"math"
	"strconv"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// NewRepeat records one search and hold, the restart-th of its target. The
// scopes say whose work it is, by unit. All that was measured is kept; the work
// of the score is the best of it until the fleet's figures say what they can be
// held against.
func NewRepeat(run ramp.Run, restart int, scopes map[string]string) Repeat {
	r := Repeat{
		Restart: restart, Ending: run.Ending, Why: run.Why, Break: run.Break,
		Sustained: newSustained(run.Result), Measured: newWork(run.Measured, scopes), Cost: newCost(run.Measured),
		FailedShare: run.Measured.FailedShare(), Latency: newLatency(run.Measured.Latency),
		Signals: briefAll(run.Measured.Signals), Pressure: briefAll(run.Measured.Pressure),
		Limits: maps.Clone(run.Limits), Notes: run.Notes, HoldSeconds: run.Measured.Seconds,
	}
	if len(r.Measured) > 0 {
		best := r.Measured[0]
		r.Work = &best
	}
	if run.To > run.From && run.To <= len(run.Windows) {
		var hold []stress.Observation
		for _, w := range run.Windows[run.From:run.To] {
			hold = append(hold, w.Seen)
		}
		r.CostSE = costErrors(hold)
	}
	if b := run.Verdict; b.Name != "" {
		r.Bottleneck = &Bottleneck{Name: b.Name, Signal: b.Signal, Pressure: brief(b.Pressure), Sentence: b.Sentence, Evidence: b.Evidence}
		if b.Runner != "" {
			r.RunnerUp = &RunnerUp{Signal: b.Runner, Headroom: brief(b.Headroom)}
		}
	}
	for _, t := range run.Trips {
		r.Trips = append(r.Trips, Trip{AtSeconds: t.At.Seconds(), Level: brief(t.Level), Why: t.Why})
	}
	for _, s := range run.Steps {
		r.Steps = append(r.Steps, newStep(s))
	}
	for _, w := range run.Windows {
		r.Done += w.Seen.Done
		r.Failed += w.Seen.Failed
	}
	if n := len(run.Windows); n > 0 {
		r.DurationSeconds = (run.Windows[n-1].Seen.Window.End - run.Windows[0].Seen.Window.Start).Seconds()
	}
	return r
}

func newSustained(r ramp.Result) *Sustained {
	if r.Sustained == nil {
		return nil
	}
	s := &Sustained{Rate: r.Sustained.Rate, Hangover: r.Sustained.Hangover}
	if r.Ending == ramp.Found {
		s.AtLimit = r.Sustained.AtLimit
		if iv := r.Sustained.Interval; iv.Hi > 0 && !math.IsInf(iv.Hi, 0) {
			s.Interval = &Interval{Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, Basis: iv.Basis}
		}
	}
	return s
}

// newWork is what was read, best unit first.
func newWork(s stress.Summary, scopes map[string]string) []Work {
	var all []Work
	for _, u := range appweight.Units() {
		if v, ok := s.Work[u]; ok && v > 0 {
			all = append(all, Work{Unit: u, Scope: scopes[u], PerSecond: v}) // a request has no scope: it is one wherever it is counted
		}
	}
	return all
}

// WorkIn is the hold's work in a unit; nil where that was not read.
func (r *Repeat) WorkIn(unit string) *Work {
	for i := range r.Measured {
		if r.Measured[i].Unit == unit {
			return &r.Measured[i]
		}
	}
	if r.Work != nil && r.Work.Unit == unit { // a record of before Measured was kept
		return r.Work
	}
	return nil
}

func newCost(s stress.Summary) *Cost {
	unit, each := s.Cost()
	if unit == "" {
		return nil
	}
	return &Cost{Unit: unit, PerRequest: each}
}

func newLatency(l stress.Latency) *Latency {
	if l.Count == 0 {
		return nil
	}
	return &Latency{P50: l.P50.Seconds(), P90: l.P90.Seconds(), P99: l.P99.Seconds(), Max: l.Max.Seconds()}
}

func newStep(s ramp.Seen) Step {
	sum := s.Summary
	return Step{
		Phase: s.Phase, Level: brief(s.Level), Seconds: brief(sum.Seconds), Rate: brief(sum.Rate),
		Done: sum.Done, Failed: sum.Failed, Unsent: sum.Unsent,
		Signals: briefAll(sum.Signals), Pressure: briefAll(sum.Pressure),
		LatencyP50: sum.Latency.P50.Seconds(), LatencyP99: sum.Latency.P99.Seconds(),
		Cost: newCost(sum), Work: briefAll(sum.Work), CostSE: costErrors(s.Windows), Verdict: s.Outcome, Why: s.Why,
	}
}

// brief keeps six digits of a step's figure: no measurement has more, and a
// record is read by people too.
func brief(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return short
}

func briefAll[K comparable](m map[K]float64) map[K]float64 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[K]float64, len(m))
	for name, v := range m {
		out[name] = brief(v)
	}
	return out
}
