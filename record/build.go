package record

import (
	"maps"
	"math"
	"strconv"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// NewRepeat records one search and hold, the restart-th of its target. Its work
// is counted in unit, the fleet's; where that is "" or was not read, in the best
// that was: instructions, then CPU seconds, then requests. The scopes say whose
// work it is, by unit.
func NewRepeat(run ramp.Run, restart int, unit string, scopes map[string]string) Repeat {
	r := Repeat{
		Restart: restart, Ending: run.Ending, Why: run.Why, Break: run.Break,
		Sustained: newSustained(run.Result), Work: newWork(run.Measured, unit, scopes), Cost: newCost(run.Measured),
		FailedShare: run.Measured.FailedShare(), Latency: newLatency(run.Measured.Latency),
		Signals: briefAll(run.Measured.Signals), Pressure: briefAll(run.Measured.Pressure),
		Limits: maps.Clone(run.Limits), Notes: run.Notes, HoldSeconds: run.Measured.Seconds,
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

func newWork(s stress.Summary, unit string, scopes map[string]string) *Work {
	for _, u := range []string{unit, appweight.Instructions, appweight.CPUSeconds, appweight.Requests} {
		if v, ok := s.Work[u]; ok && v > 0 {
			return &Work{Unit: u, Scope: scopes[u], PerSecond: v} // a request has no scope: it is one wherever it is counted
		}
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
		Cost: newCost(sum), Verdict: s.Outcome, Why: s.Why,
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

func briefAll(m map[stress.Signal]float64) map[stress.Signal]float64 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[stress.Signal]float64, len(m))
	for name, v := range m {
		out[name] = brief(v)
	}
	return out
}
