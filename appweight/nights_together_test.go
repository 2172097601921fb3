package appweight

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTogether(t *testing.T) {
	trend := func(p float64) Trend {
		out := Trend{PageP: 1e-6}
		if p > 0 {
			out.Watch = &Change{P: p}
		}
		return out
	}
	for _, c := range []struct {
		name string
		p    []float64
		want []int
	}{
		{"none", []float64{0, 0}, nil},
		{"one", []float64{0, 2e-6}, nil},
		{"three at three times the threshold", []float64{2.9e-6, 0, 2.9e-6, 1.5e-6}, []int{0, 2, 3}},
		{"two of three", []float64{3.1e-6, 1.9e-6, 1.9e-6}, []int{1, 2}},
	} {
		var trends []Trend
		for _, p := range c.p {
			trends = append(trends, trend(p))
		}
		if got := Together(trends); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestShowTogether runs two hundred scenarios: quiet ones, and ones of which
// forty lose 1.5 % in the same night.
func TestShowTogether(t *testing.T) {
	const scenarios, hit = 200, 40
	config := DefaultNights
	config.Scenarios = scenarios
	n := trials(1, 30)
	rng := rand.New(rand.NewPCG(1, 1))
	var quiet, alone, together int
	for range n {
		all := make([][]Night, scenarios)
		for i := range all {
			x := leaning(.01, .2)(rng, quietNights+30)
			all[i] = history(x)
			if pages(t, all[i], config, quietNights) >= 0 {
				quiet++
			}
			for j := quietNights; i < hit && j < len(x); j++ {
				x[j] += math.Log(.985)
			}
			all[i] = history(x[:quietNights+7])
		}
		found := map[int]bool{}
		for i := range hit {
			if pages(t, all[i], config, quietNights) >= 0 {
				alone++
				found[i] = true
			}
		}
		for until := quietNights + 1; until <= quietNights+7; until++ {
			var trends []Trend
			for _, nights := range all {
				trend, err := FindChanges(nights[:until], config)
				if err != nil {
					t.Fatal(err)
				}
				trends = append(trends, trend)
			}
			for _, i := range Together(trends) {
				found[i] = found[i] || i < hit
			}
		}
		for i := range hit {
			if found[i] {
				together++
			}
		}
	}
	t.Logf("%d scenarios page %.2f times in thirty quiet nights; of %d that lose 1.5%% in one night %.0f%% are found within 7 nights, held together %.0f%%",
		scenarios, float64(quiet)/float64(n), hit, percent(alone, n*hit), percent(together, n*hit))
	if got := float64(quiet) / float64(n); got > 1+3/math.Sqrt(float64(n)) {
		t.Errorf("%d scenarios page %.2f times in thirty quiet nights", scenarios, got)
	}
	if together < alone+n*hit/20 {
		t.Errorf("held together %d are found, alone %d", together, alone)
	}
}
