package record

import (
	"math"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// batches is how many parts of a step its cost's error is told by, at most:
// neighbouring seconds are alike, and count as one where there are many.
const batches = 10

// costErrors are the standard errors of the work per request, as shares of it, by
// unit: that of a ratio estimate, from the residuals of batches of windows. A
// step of one window has none.
func costErrors(windows []stress.Observation) map[string]float64 {
	var all map[string]float64
	for _, unit := range []string{appweight.Instructions, appweight.CPUSeconds} {
		if se, ok := costError(windows, unit); ok {
			if all == nil {
				all = map[string]float64{}
			}
			all[unit] = brief(se)
		}
	}
	return all
}

func costError(windows []stress.Observation, unit string) (float64, bool) {
	size := (len(windows) + batches - 1) / batches
	var parts []struct{ work, done float64 }
	var work, done float64
	for i, o := range windows {
		w, read := o.Work[unit]
		if !read {
			return 0, false
		}
		if i%size == 0 {
			parts = append(parts, struct{ work, done float64 }{})
		}
		last := &parts[len(parts)-1]
		last.work, last.done = last.work+w, last.done+float64(o.Done)
		work, done = work+w, done+float64(o.Done)
	}
	n := float64(len(parts))
	if n < 2 || !(work > 0) || !(done > 0) {
		return 0, false
	}
	var squares float64
	for _, p := range parts {
		residual := p.work - work/done*p.done
		squares += residual * residual
	}
	return math.Sqrt(squares*n/(n-1)) / work, true
}

// Curve is what a request cost the target at every step that was sustained, in
// the order of the run, in a unit that a counter gives.
func (r *Repeat) Curve(unit string) []appweight.CostPoint {
	var all []appweight.CostPoint
	for _, s := range r.Steps {
		se, known := s.CostSE[unit]
		work, done := s.Work[unit], s.Work[appweight.Requests]
		loaded := s.Phase == ramp.Approach || s.Phase == ramp.Hold || s.Phase == ramp.Reference
		if !known || !loaded || s.Verdict != stress.OutcomeSustained || !(work > 0) || !(done > 0) {
			continue
		}
		// Requests arrive by chance; the level is what they come to, unless they are
		// further from it than by chance, as live traffic is.
		rate := s.Level
		if math.Abs(done-rate) > 4*math.Sqrt(rate/s.Seconds) {
			rate = done
		}
		all = append(all, appweight.CostPoint{PerSecond: work / done * rate, Rate: rate, SE: se})
	}
	return all
}

// held is the hold's own point of the curve.
func (r *Repeat) held(unit string) (appweight.CostPoint, bool) {
	work, done := r.WorkIn(unit), r.WorkIn(appweight.Requests)
	se, known := r.CostSE[unit]
	if work == nil || done == nil || !known {
		return appweight.CostPoint{}, false
	}
	return appweight.CostPoint{PerSecond: work.PerSecond, Rate: done.PerSecond, SE: se}, true
}
