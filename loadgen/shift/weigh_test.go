package shift

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// solve is one decision from scratch, as the first push takes it.
func solve(bids []bid, rest, total float64, b bounds) ([]int, []float64) {
	exact := weigh(bids, rest, total, b)
	set, anew := make([]int, len(bids)), make([]bool, len(bids))
	for i := range bids {
		set[i], anew[i] = bids[i].found, true
	}
	return whole(bids, exact, set, anew, rest, b, 0), exact
}

// rates are what weights come to: the traffic by weight, and by gain.
func rates(bids []bid, weights []int, rest, total float64) []float64 {
	sum := rest
	for i := range bids {
		sum += float64(weights[i]) * bids[i].gain
	}
	all := make([]float64, len(bids))
	for i := range bids {
		all[i] = total * float64(weights[i]) * bids[i].gain / sum
	}
	return all
}

func TestOneMemberIsTheFormula(t *testing.T) {
	loose := bounds{times: 1000, share: 1, most: 1 << 20}
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Float64Range(1, 1e5).Draw(t, "total")
		rest := float64(rapid.IntRange(1, 2000).Draw(t, "rest"))
		found := rapid.IntRange(1, 200).Draw(t, "found")
		rate := total * rapid.Float64Range(.01, .9).Draw(t, "share")
		got := weigh([]bid{{found: found, rate: rate, gain: 1}}, rest, total, loose)[0]
		want := math.Max(float64(found), math.Min(rate/(total-rate)*rest, 1000*float64(found)))
		if math.Abs(got-want) > 1e-6*want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

type problem struct {
	bids        []bid
	rest, total float64
	bounds
}

func drawProblem(t *rapid.T) problem {
	p := problem{total: rapid.Float64Range(1, 1e4).Draw(t, "total"), rest: float64(rapid.IntRange(1, 3000).Draw(t, "rest")),
		bounds: bounds{times: rapid.Float64Range(1.1, 20).Draw(t, "times"), share: rapid.Float64Range(.05, 1).Draw(t, "share"),
			most: rapid.SampledFrom([]int{10, 100, 256, 999}).Draw(t, "most")}}
	for range rapid.IntRange(1, 5).Draw(t, "members") {
		p.bids = append(p.bids, bid{found: rapid.IntRange(1, 10).Draw(t, "found"), gain: rapid.Float64Range(.5, 2).Draw(t, "gain"),
			rate: rapid.SampledFrom([]float64{0, 1, 1, 1}).Draw(t, "asks") * p.total * rapid.Float64Range(0, 1.2).Draw(t, "wish")})
	}
	return p
}

// TestWeights holds the weights to what is promised of them, whatever is asked.
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t)
		weights, exact := solve(p.bids, p.rest, p.total, p.bounds)
		sum := p.rest
		for _, w := range weights {
			sum += float64(w)
		}
		got := rates(p.bids, weights, p.rest, p.total)
		step := 0.0 // by how much rounding down the others may raise one
		for i := range weights {
			step += exact[i] - float64(weights[i])
		}
		for i, w := range weights {
			d := p.bids[i]
			switch {
			case w < d.found:
				t.Fatalf("%d is below the one found: %+v", w, d)
			case float64(w) > p.highest(d.found)+1e-6:
				t.Fatalf("%d is above %v", w, p.highest(d.found))
			case w > d.found && float64(w) > p.share*sum+1e-6:
				t.Fatalf("%d of %v is above the share of %v", w, sum, p.share)
			case d.rate == 0 && w != d.found:
				t.Fatalf("%d for nothing asked", w)
			case w > d.found && got[i] > d.rate*(1+step/p.rest*2)+1e-6:
				t.Fatalf("%v req/s for %v asked (%d)", got[i], d.rate, w)
			}
		}
		// A wish that no bound stops is had but for the rounding.
		for i, w := range weights {
			d := p.bids[i]
			free := float64(w+1) <= p.highest(d.found) && float64(w+1) <= p.share*sum
			if d.rate > 0 && free && got[i] < d.rate {
				next := slices.Clone(weights)
				next[i]++
				if more := rates(p.bids, next, p.rest, p.total)[i]; more < d.rate*(1-step/p.rest)-1e-6 {
					t.Fatalf("%v req/s for %v asked, and %v with one more", got[i], d.rate, more)
				}
			}
		}
	})
}

// TestWeightsAreMonotone: who asks for more never gets a smaller weight.
func TestWeightsAreMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t)
		before, _ := solve(p.bids, p.rest, p.total, p.bounds)
		i := rapid.IntRange(0, len(p.bids)-1).Draw(t, "who")
		p.bids[i].rate += p.total * rapid.Float64Range(0, .5).Draw(t, "more")
		if after, _ := solve(p.bids, p.rest, p.total, p.bounds); after[i] < before[i] {
			t.Fatalf("%d, and %d for more", before[i], after[i])
		}
	})
}

// TestWeightsStay: noise within the band does not move a weight, and a turn does.
func TestWeightsStay(t *testing.T) {
	b := bounds{times: 20, share: 1, most: 256}
	d := []bid{{found: 10, rate: 100, gain: 1}}
	for _, c := range []struct {
		name  string
		total float64
		set   int
		anew  bool
		want  int
	}{
		{"just asked", 310, 10, true, 47},
		{"as set", 310, 47, false, 47},
		{"a little less traffic", 306, 47, false, 47},
		{"a little more traffic", 314, 47, false, 47},
		{"much less traffic", 280, 47, false, 55},
		{"much more traffic", 350, 47, false, 40},
		{"asked anew", 306, 47, true, 48},
	} {
		exact := weigh(d, 100, c.total, b)
		if got := whole(d, exact, []int{c.set}, []bool{c.anew}, 100, b, .02); got[0] != c.want {
			t.Errorf("%s: %d, want %d (exactly %.2f)", c.name, got[0], c.want, exact[0])
		}
	}
}

func TestBound(t *testing.T) {
	wide := bounds{times: 100, share: .99, most: 256}
	for _, c := range []struct {
		name        string
		d           bid
		rest, total float64
		b           bounds
		want        string
	}{
		{"to be had", bid{20, 100, 1}, 100, 300, wide, ""},
		{"nothing asked", bid{20, 0, 1}, 100, 300, wide, ""},
		{"times", bid{20, 250, 1}, 100, 300, bounds{3, .99, 256}, "its weight is at 3 times the one found, 20"},
		{"share", bid{20, 250, 1}, 100, 300, bounds{30, .25, 256}, "it has 25 % of the weight, and may have 25 %"},
		{"most", bid{20, 280, 1}, 400, 300, bounds{30, .99, 256}, "its weight is at 256, the most that the balancer takes"},
		{"coarse", bid{1, 130, 1}, 5, 300, wide, "its weight can be 3 or 4 and nothing between: 112 or 133 req/s"},
		{"all", bid{20, 400, 1}, 10, 300, wide, "that is all of the traffic, 300 req/s"},
	} {
		weights, exact := solve([]bid{c.d}, c.rest, c.total, c.b)
		if got := c.d.bound(exact[0], weights[0], c.rest+float64(weights[0]), c.total, c.b); got != c.want {
			t.Errorf("%s: %q, want %q (weight %d of %.2f)", c.name, got, c.want, weights[0], exact[0])
		}
	}
}

// TestDrain: a drained member has the least weight, and the others theirs.
func TestDrain(t *testing.T) {
	w := weights{bounds: bounds{times: 3, share: .5, most: 256}, found: []int{10, 10}, rest: 80, band: .02, set: []int{10, 10}, asked: make([]ask, 2)}
	for _, c := range []struct {
		least int
		asks  []ask
		want  []int
	}{
		{0, []ask{{gain: 1}, {gain: 1}}, []int{10, 10}},
		{0, []ask{{drain: true, gain: 1}, {gain: 1}}, []int{0, 10}},
		{1, []ask{{drain: true, gain: 1}, {gain: 1}}, []int{1, 10}},
		{0, []ask{{drain: true, gain: 1}, {rate: 30, gain: 1}}, []int{0, 30}},
		{0, []ask{{gain: 1}, {gain: 1}}, []int{10, 10}},
	} {
		w.least = c.least
		if got, _ := w.next(c.asks, 100, 1e6); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.asks, got, c.want)
		}
	}
}
