package contest

import (
	"fmt"
	"io"
	"math"
	"slices"

	"saturate/ramp/internal/sim"
)

// A Score sums trials up. Shares are shares, times seconds.
type Score struct {
	Runs, NoAnswer      int
	Med, P95, Max, Bias float64 // of the error's size; Bias is the median error
	T50, T95            float64
	Above50, Above95    float64
	Failed50, Failed95  float64
	Width, Coverage     float64
	Right               float64
	BoundMed, BoundP95  float64 // NaN unless every trial has a bound
	Hold50              float64
	TruthFailed95       float64
}

// Sum scores the trials.
func Sum(trials []Trial) Score {
	s := Score{Runs: len(trials)}
	var errors, signed, times, above, failed, width, floor, holds []float64
	covered, right := 0, 0
	for _, t := range trials {
		times, above, failed = append(times, t.Seconds), append(above, t.Above), append(failed, t.Failed)
		floor = append(floor, t.Truth.Failed)
		if !t.Answered {
			s.NoAnswer++
			continue
		}
		errors, signed = append(errors, math.Abs(t.Error)), append(signed, t.Error)
		width = append(width, t.Hi-t.Lo)
		holds = append(holds, t.Hold)
		if t.Covered() {
			covered++
		}
		if t.Right() {
			right++
		}
	}
	s.Med, s.P95, s.Max = quantile(errors, .5), quantile(errors, .95), quantile(errors, 1)
	s.Bias = quantile(signed, .5)
	s.T50, s.T95 = quantile(times, .5), quantile(times, .95)
	s.Above50, s.Above95 = quantile(above, .5), quantile(above, .95)
	s.Failed50, s.Failed95 = quantile(failed, .5), quantile(failed, .95)
	s.Width, s.Hold50 = quantile(width, .5), quantile(holds, .5)
	s.Coverage, s.Right = share(covered, len(errors)), share(right, len(errors))
	s.TruthFailed95 = quantile(floor, .95)
	s.BoundMed, s.BoundP95 = mixture(trials)
	return s
}

// mixture is what the errors' quantiles would be if each were normal with its
// trial's bound as standard error: a mixture, taken at 99 quantiles each.
func mixture(trials []Trial) (med, p95 float64) {
	var errors []float64
	for _, t := range trials {
		for i := 1; t.Bound > 0 && i < 100; i++ {
			errors = append(errors, t.Bound*math.Sqrt2*math.Erfinv(float64(i)/100))
		}
	}
	return quantile(errors, .5), quantile(errors, .95)
}

func share(n, of int) float64 { return float64(n) / float64(of) }

// quantile is the nearest rank's; NaN of nothing.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}

const header = "%-26s %5s %4s %6s %6s %6s %6s  %9s  %9s  %11s  %6s %6s %6s  %s\n"

// Header writes the columns' names.
func Header(w io.Writer) {
	fmt.Fprintf(w, header, "", "runs", "none", "med %", "p95 %", "max %", "bias %", "t50/t95 s", "above s", "failed %", "wide %", "cov %", "right%", "bound med/p95 % (hold)")
}

// Row writes a score.
func (s Score) Row(w io.Writer, name string) {
	limit := ""
	if !math.IsNaN(s.BoundMed) {
		limit = fmt.Sprintf("%.2f/%.2f (%.0f s)", 100*s.BoundMed, 100*s.BoundP95, s.Hold50)
	}
	fmt.Fprintf(w, header, name, fmt.Sprint(s.Runs), fmt.Sprint(s.NoAnswer),
		percent(s.Med, 2), percent(s.P95, 2), percent(s.Max, 1), percent(s.Bias, 2),
		fmt.Sprintf("%.0f/%.0f", s.T50, s.T95), fmt.Sprintf("%.0f/%.0f", s.Above50, s.Above95),
		percent(s.Failed50, 3)+"/"+percent(s.Failed95, 2),
		percent(s.Width, 1), percent(s.Coverage, 1), percent(s.Right, 0), limit)
}

func percent(v float64, digits int) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, 100*v)
}

// ByKind writes a row for all, for all but the serial resource, and for each
// kind; the bound stands where cpu binds.
func ByKind(w io.Writer, name string, trials []Trial, kinds bool) {
	all := Sum(trials)
	all.BoundMed = math.NaN()
	all.Row(w, name)
	if !kinds {
		return
	}
	only := func(keep func(Trial) bool) []Trial {
		var out []Trial
		for _, t := range trials {
			if keep(t) {
				out = append(out, t)
			}
		}
		return out
	}
	rest := Sum(only(func(t Trial) bool { return t.Kind != sim.KindLock }))
	rest.BoundMed = math.NaN()
	rest.Row(w, "  all but lock")
	for _, k := range sim.Kinds() {
		if of := only(func(t Trial) bool { return t.Kind == k }); len(of) > 0 {
			s := Sum(of)
			if k != sim.KindCPU {
				s.BoundMed = math.NaN()
			}
			s.Row(w, "  "+string(k))
		}
	}
}
