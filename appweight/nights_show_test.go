package appweight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// trials is how many simulations a show makes: few of them by default, all with
// SATURATE_SHOWS=1, which prints the table too.
func trials(few, all int) int {
	if os.Getenv("SATURATE_SHOWS") != "" {
		return all
	}
	return few
}

// slack is what a share of n trials may be beside its limit by chance: three
// standard errors.
func slack(limit float64, n int) float64 {
	return 3 * math.Sqrt(limit*(1-limit)/float64(n))
}

// A lab makes the logarithms of a quiet history.
type lab func(rng *rand.Rand, n int) []float64

// leaning nights have a standard deviation and lean on the one before.
func leaning(sd, lean float64) lab {
	return func(rng *rand.Rand, n int) []float64 {
		x := make([]float64, n)
		e := sd * rng.NormFloat64()
		for i := range x {
			if i > 0 {
				e = lean*e + math.Sqrt(1-lean*lean)*sd*rng.NormFloat64()
			}
			x[i] = e
		}
		return x
	}
}

// heavy nights are Student's t with three degrees of freedom.
func heavy(sd float64) lab {
	return func(rng *rand.Rand, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = distuv.StudentsT{Sigma: sd / math.Sqrt(3), Nu: 3, Src: rng}.Rand()
		}
		return x
	}
}

// outliers lowers each night with probability p.
func outliers(l lab, p, by float64) lab {
	return func(rng *rand.Rand, n int) []float64 {
		x := l(rng, n)
		for i := range x {
			if rng.Float64() < p {
				x[i] -= by
			}
		}
		return x
	}
}

// wandering adds a random walk.
func wandering(l lab, step float64) lab {
	return func(rng *rand.Rand, n int) []float64 {
		x, w := l(rng, n), 0.0
		for i := range x {
			w += step * rng.NormFloat64()
			x[i] += w
		}
		return x
	}
}

// falling adds a drift.
func falling(l lab, nightly float64) lab {
	return func(rng *rand.Rand, n int) []float64 {
		x := l(rng, n)
		for i := range x {
			x[i] -= nightly * float64(i)
		}
		return x
	}
}

// history turns logarithms into nights of one server.
func history(x []float64) []Night {
	nights := make([]Night, len(x))
	for i, v := range x {
		nights[i] = night(i, map[string]float64{"web-1": 1000 * math.Exp(v)})
	}
	return nights
}

func night(i int, servers map[string]float64) Night {
	at := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC).AddDate(0, 0, i)
	return Night{At: at, ID: at.Format(time.DateOnly), Servers: servers}
}

// fleetOf turns logarithms into nights of several of many servers, which differ
// by 2 %, and by 1.2 % more from night to night.
func fleetOf(rng *rand.Rand, x []float64, each, many int) []Night {
	own := make([]float64, many)
	for i := range own {
		own[i] = .02 * rng.NormFloat64()
	}
	nights := make([]Night, len(x))
	for i, v := range x {
		servers := map[string]float64{}
		for _, s := range rng.Perm(many)[:each] {
			servers[fmt.Sprint("web-", s)] = 1000 * math.Exp(v+own[s]+.012*rng.NormFloat64())
		}
		nights[i] = night(i, servers)
	}
	return nights
}

// asOf makes nights of logarithms.
type asOf func(rng *rand.Rand, x []float64) []Night

// pages runs a history and returns the day of the first night of those from day
// first on that pages; -1 where none does.
func pages(t testing.TB, nights []Night, c NightConfig, first int) int {
	trend, err := FindChanges(nights, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range trend.Changes {
		day := int(nights[change.Found].At.Sub(night(0, nil).At).Hours() / 24)
		if day >= first && change.Drop() {
			return day
		}
	}
	return -1
}

const quietNights = 40 // before the thirty that are watched, or before the drop

func TestShowNights(t *testing.T) {
	one := func(_ *rand.Rand, x []float64) []Night { return history(x) }
	holes := func(rng *rand.Rand, x []float64) []Night {
		return slices.DeleteFunc(history(x), func(Night) bool { return rng.IntN(4) == 0 })
	}
	rotating := func(rng *rand.Rand, x []float64) []Night { return fleetOf(rng, x, 5, 8) }
	many := DefaultNights
	many.Scenarios = 200
	for _, c := range []struct {
		name   string
		lab    lab
		as     asOf
		config NightConfig
		quiet  float64    // at most this share of quiet stretches pages; 1 says that the lab is not quiet
		found  [2]float64 // at least these shares: a 2 % drop in 7 nights, a 1 % drop in 14
	}{
		{"sd 1 %, lean .2", leaning(.01, .2), one, DefaultNights, .06, [2]float64{.76, .36}},
		{"sd 2 %, lean .2", leaning(.02, .2), one, DefaultNights, .06, [2]float64{}},
		{"sd 1 %, lean 0", leaning(.01, 0), one, DefaultNights, .06, [2]float64{.76, .36}},
		{"sd 1 %, lean .4", leaning(.01, .4), one, DefaultNights, .20, [2]float64{.6, .3}},
		{"5 of 8 servers", leaning(.01, .2), rotating, DefaultNights, .06, [2]float64{.6, .3}},
		{"a quarter of nights missing", leaning(.01, .2), holes, DefaultNights, .06, [2]float64{.6, .3}},
		{"heavy tails", heavy(.01), one, DefaultNights, .06, [2]float64{.76, .36}},
		{"1 in 20 nights 5 sd low", outliers(leaning(.01, .2), .05, .05), one, DefaultNights, .20, [2]float64{}},
		{"1 in 50 nights 10 sd low", outliers(leaning(.01, .2), .02, .1), one, DefaultNights, .20, [2]float64{}},
		{"wandering .1 % a night", wandering(leaning(.01, .2), .001), one, DefaultNights, 1, [2]float64{}},
		{"falling .02 % a night", falling(leaning(.01, .2), .0002), one, DefaultNights, 1, [2]float64{}},
		{"one of 200", leaning(.01, .2), one, many, 1. / 200, [2]float64{.4, .1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := trials(40, 4000)
			rng := rand.New(rand.NewPCG(1, 1))
			var paged, early int
			for range n {
				x := c.lab(rng, quietNights+30)
				nights := c.as(rng, x)
				if pages(t, nights, c.config, quietNights) >= 0 {
					paged++
				}
				if at := pages(t, nights, c.config, 0); at >= 0 && at < 30 {
					early++
				}
			}
			line := fmt.Sprintf("%-26s quiet stretches that page: %.2f%% (a history's first: %.2f%%)", c.name, percent(paged, n), percent(early, n))
			within := []int{3, 7, 14}
			for i, drop := range []float64{.02, .01, .03} {
				var found [3]int
				for range n {
					x := c.lab(rng, quietNights+14)
					for j := quietNights; j < len(x); j++ {
						x[j] += math.Log1p(-drop)
					}
					at := pages(t, c.as(rng, x), c.config, quietNights)
					for w, nights := range within {
						if at >= 0 && at < quietNights+nights {
							found[w]++
						}
					}
				}
				line += fmt.Sprintf(" | %g%%: %.0f/%.0f/%.0f", 100*drop, percent(found[0], n), percent(found[1], n), percent(found[2], n))
				if i < 2 {
					if least, got := c.found[i], float64(found[1+i])/float64(n); got < least-slack(least, n) {
						t.Errorf("a drop of %g was found in time in %.2f of the histories, want %.2f", drop, got, least)
					}
				}
			}
			t.Log(line)
			if got := float64(paged) / float64(n); got > c.quiet+slack(c.quiet, n) {
				t.Errorf("%.3f of quiet stretches page, want at most %.3f", got, c.quiet)
			}
		})
	}
}

func percent(k, n int) float64 { return 100 * float64(k) / float64(n) }
