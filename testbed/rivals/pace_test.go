package rivals

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// lags are how late each arrival is on a schedule, sorted. Nobody knows from
// outside when the schedule began: the most punctual arrival of all is taken to
// be in time. Arrivals and schedule are in order, nanoseconds.
func lags(arrivals, intended []int64) []time.Duration {
	n := min(len(arrivals), len(intended))
	late := make([]time.Duration, n)
	for i := range late {
		late[i] = time.Duration(arrivals[i] - intended[i])
	}
	slices.Sort(late)
	for i := n - 1; i >= 0; i-- {
		late[i] -= late[0]
	}
	return late
}

// evenly is a schedule of n hits.
func evenly(n int, rate float64) []int64 {
	at := make([]int64, n)
	for i := range at {
		at[i] = int64(math.Round(float64(i) / rate * 1e9))
	}
	return at
}

// spans are the times between every k-th arrival, sorted, in seconds.
func spans(arrivals []int64, k int) (s []float64) {
	for i := k; i < len(arrivals); i += k {
		s = append(s, float64(arrivals[i]-arrivals[i-k])/1e9)
	}
	slices.Sort(s)
	return s
}

// quantile of a sorted sample; zero where there is none.
func quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func median(sample []float64) float64 {
	s := slices.Sorted(slices.Values(sample))
	if len(s)%2 == 0 && len(s) > 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return quantile(s, .5)
}

// poisson is the distribution of the time that k arrivals at a rate take.
func poisson(rate float64, k int) func(seconds float64) float64 {
	return func(seconds float64) float64 { return mathext.GammaIncReg(float64(k), rate*seconds) }
}

// kolmogorov returns how far a sorted sample is from a distribution, and how
// probable as much or more is where the sample is of it: Kolmogorov's limit with
// Stephens's correction for finite samples (J. R. Stat. Soc. B 32, 1970).
func kolmogorov(sorted []float64, cdf func(float64) float64) (d, p float64) {
	n := float64(len(sorted))
	for i, x := range sorted {
		f := cdf(x)
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	x := d * (math.Sqrt(n) + .12 + .11/math.Sqrt(n))
	if x < .2 { // the series does not converge there, and p is 1 to ten digits
		return d, 1
	}
	for k := 1.0; k <= 100; k++ {
		p += 2 * math.Pow(-1, k-1) * math.Exp(-2*k*k*x*x)
	}
	return d, min(1, max(0, p))
}

func TestLags(t *testing.T) {
	// Hits of 1000/s: the second 20 us late, the third 1 ms; all of them on the way for 50 us.
	arrivals := []int64{7_050_000, 8_070_000, 10_050_000}
	got := lags(arrivals, evenly(4, 1000))
	if want := []time.Duration{0, 20 * time.Microsecond, time.Millisecond}; !slices.Equal(got, want) {
		t.Errorf("lags %v, want %v", got, want)
	}
}

func TestKolmogorovTellsPoissonFromOthers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	exponential := func() float64 { return random.ExpFloat64() }
	for _, c := range []struct {
		name   string
		gap    func() float64 // of mean 1
		k      int
		passes bool
	}{
		{"exponential", exponential, 1, true},
		{"exponential, every tenth", exponential, 10, true},
		{"even", func() float64 { return 1 }, 1, false},
		{"uniform", func() float64 { return 2 * random.Float64() }, 10, false},
		{"5 % too slow", func() float64 { return 1.05 * random.ExpFloat64() }, 10, false},
		{"in pairs", func() float64 { return 2 * random.ExpFloat64() * float64(random.IntN(2)) }, 10, false},
	} {
		passed := 0
		for range 200 {
			at, arrivals := 0.0, []int64(nil)
			for range 10000 {
				at += c.gap()
				arrivals = append(arrivals, int64(at*1e6)) // 1000/s
			}
			if _, p := kolmogorov(spans(arrivals, c.k), poisson(1000, c.k)); p > .05 {
				passed++
			}
		}
		if c.passes && (passed < 175 || passed == 200) || !c.passes && passed > 5 {
			t.Errorf("%s: %d of 200 pass at .05", c.name, passed)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		sample []float64
		want   float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.sample); got != c.want {
			t.Errorf("median of %v: %v", c.sample, got)
		}
	}
}
