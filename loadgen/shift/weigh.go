package shift

import (
	"fmt"
	"math"
)

// A bid is what one member of the set asks for.
type bid struct {
	found int     // weight as found; the least that it has
	rate  float64 // wished, req/s; 0 leaves the weight as found
	// gain is how many requests a unit of this server's weight gets, relative to
	// the siblings': 1 where shares follow the weights, as they do in round robin.
	gain float64
}

// bounds are what no weight may exceed, whoever asks.
type bounds struct {
	times float64 // the weight found
	share float64 // of all weights
	most  int     // what the balancer takes
}

// highest is the highest weight by all bounds but the share.
func (b bounds) highest(found int) float64 {
	return math.Max(float64(found), math.Min(b.times*float64(found), float64(b.most)))
}

// weigh divides total req/s over the siblings, whose weights add up to rest, and
// the bidders: it returns the weights, not rounded yet, with which each bidder
// has the rate that it wishes. Alone, and unbounded, that is
//
//	weight = rate / (total - rate) * rest
//
// Who asks for less than the weight found gives has the weight found, and who
// asks for more than the bounds allow has what they allow.
//
// All follow from one number, the traffic per unit of weight: it is where the
// siblings' traffic and everybody's bounded wish add up to the total.
func weigh(bids []bid, rest, total float64, b bounds) []float64 {
	exact := make([]float64, len(bids))
	if !(rest > 0) || !(total > 0) {
		for i := range bids {
			exact[i] = float64(bids[i].found)
		}
		return exact
	}
	// What the share allows depends on the sum of the weights, which depends on
	// what the share allows: from above, it settles at the highest that fits.
	sum := math.Inf(1)
	for range 100 {
		per := perWeight(bids, rest, total, b, sum)
		all := rest
		for i := range bids {
			exact[i] = bids[i].weight(per, b, sum)
			all += exact[i]
		}
		if all > sum*(1-1e-9) {
			break
		}
		sum = all
	}
	return exact
}

// weight is the bidder's, where a unit of weight gets so many req/s and the
// weights add up to sum.
func (d bid) weight(per float64, b bounds, sum float64) float64 {
	most := math.Max(float64(d.found), math.Min(b.highest(d.found), b.share*sum))
	return math.Max(float64(d.found), math.Min(d.rate/(per*d.gain), most))
}

// perWeight is the req/s that a sibling's unit of weight gets. The traffic that
// it stands for grows with it, so that halving the interval finds it.
func perWeight(bids []bid, rest, total float64, b bounds, sum float64) float64 {
	lo, hi := 0.0, total/rest
	for range 60 {
		per := (lo + hi) / 2
		traffic := per * rest
		for i := range bids {
			traffic += per * bids[i].gain * bids[i].weight(per, b, sum)
		}
		if traffic < total {
			lo = per
		} else {
			hi = per
		}
	}
	return hi
}

// whole rounds the weights down, so that nobody has more than the wish, and sees
// that none has more than its share even then. A weight that is set already
// stays where the exact one is off by less than the band, unless it was asked
// anew: weights that follow the traffic's noise are of no use to anybody.
func whole(bids []bid, exact []float64, set []int, anew []bool, rest float64, b bounds, band float64) []int {
	weights := make([]int, len(bids))
	for i := range bids {
		w := int(exact[i] + 1e-6)
		if now := set[i]; !anew[i] && w != now {
			if w > now && int(exact[i]*(1-band)) <= now || w < now && int(exact[i]*(1+band)) >= now {
				w = now
			}
		}
		weights[i] = min(max(w, bids[i].found), int(b.highest(bids[i].found)+1e-6))
	}
	for again := true; again; {
		again = false
		all := rest
		for _, w := range weights {
			all += float64(w)
		}
		for i, w := range weights {
			if most := max(bids[i].found, int(b.share*all+1e-6)); w > most {
				weights[i], again = most, true
			}
		}
	}
	return weights
}

// coarse is the part of a wish that a weight may fall short of unnoticed.
const coarse = .04

// bound says why a bidder cannot have what it wishes, "" where it can.
func (d bid) bound(exact float64, weight int, sum, total float64, b bounds) string {
	if d.rate <= 0 {
		return ""
	}
	others := sum - float64(weight)
	at := func(weight int) float64 {
		w := float64(weight) * d.gain
		return total * w / (others + w)
	}
	has := at(weight)
	switch {
	case d.rate*(1-coarse) <= has || weight > int(exact+1e-6):
		return ""
	case has > .9*total:
		return fmt.Sprintf("that is all of the traffic, %.4g req/s", total)
	case exact >= b.highest(d.found)-1e-6 && b.highest(d.found) < b.times*float64(d.found):
		return fmt.Sprintf("its weight is at %d, the most that the balancer takes", weight)
	case exact >= b.highest(d.found)-1e-6:
		return fmt.Sprintf("its weight is at %.3g times the one found, %d", b.times, d.found)
	case float64(weight+1) > b.share*(sum+1):
		return fmt.Sprintf("it has %.0f %% of the weight, and may have %.0f %%", 100*float64(weight)/sum, 100*b.share)
	case exact-float64(weight) > coarse*exact:
		return fmt.Sprintf("its weight can be %d or %d and nothing between: %.0f or %.0f req/s",
			weight, weight+1, has, at(weight+1))
	}
	return ""
}
