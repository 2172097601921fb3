package shift

import (
	"math"
	"slices"
	"time"

	"saturate/loadgen/shift/balancer"
)

// An ask is what one member asks for at a moment.
type ask struct {
	rate  float64 // req/s; 0 is the weight as found
	drain bool    // no new traffic at all
	gain  float64 // see bid
}

// weights turns what the members of a set ask for into their weights, again and
// again: it remembers what it set, so that weights change when they must.
type weights struct {
	bounds
	found []int
	rest  float64 // the siblings' weights
	least int     // the lowest weight that leaves a server in place
	band  float64

	set   []int
	asked []ask
}

func newWeights(b balancer.Backend, set []string, c Config, delay time.Duration) weights {
	w := weights{bounds: c.bounds(b), least: b.MinWeight, band: bandFast, asked: make([]ask, len(set)), rest: weightOf(siblingsOf(b, set))}
	if delay >= slowDelay {
		w.band = bandSlow
	}
	for _, name := range set {
		s, _ := b.Server(name)
		w.found = append(w.found, s.Weight)
	}
	w.set = slices.Clone(w.found)
	return w
}

// next returns the weights, and of each member why it cannot have what it asks
// for, where total is the backend's traffic as so many requests tell.
func (w *weights) next(asks []ask, total, requests float64) (weights []int, capped []string) {
	bids := make([]bid, len(asks))
	anew := make([]bool, len(asks))
	rest := w.rest
	for i, a := range asks {
		anew[i] = a.rate != w.asked[i].rate || a.drain != w.asked[i].drain
		bids[i] = bid{found: w.found[i], rate: a.rate, gain: a.gain}
		if a.drain {
			bids[i] = bid{found: min(w.least, w.found[i]), gain: 1}
		}
	}
	exact := weigh(bids, rest, total, w.bounds)
	band := math.Max(w.band, bandNoise/math.Sqrt(math.Max(requests, 1)))
	w.set = whole(bids, exact, w.set, anew, rest, w.bounds, band)
	copy(w.asked, asks)
	sum := rest
	for _, weight := range w.set {
		sum += float64(weight)
	}
	capped = make([]string, len(asks))
	for i := range bids {
		capped[i] = bids[i].bound(exact[i], w.set[i], sum, total, w.bounds)
	}
	return slices.Clone(w.set), capped
}
