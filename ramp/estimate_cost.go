package ramp

import "math"

// A server's cost per request is not one number: after a saturation it may
// stand higher for a while, the hangover. Limits are wanted for the warm and
// calm server, but a search cannot always measure there: at 10 req/s on one
// core a server held near its limit is saturated for 3 s in the normal course.

// A hangover is what the pool's requests cost more than a calm server's.
type hangover struct {
	share float64 // of the pool's requests, that came after a saturation
	extra float64 // believed extra cost of the pool, share of the calm cost
	se    float64 // of the belief
	seen  float64 // the extra cost as it was measured; NaN where it was not
	error float64 // the measurement's standard error
}

const (
	// The prior: whether there is one, and what it adds where there is.
	hangoverOdds              = .5
	hangoverMean, hangoverDev = .15, .10
	// hangoverShare is how much of the pool must follow a saturation for the
	// question to arise.
	hangoverShare = .2
	// Calm costs are read at these shares of the rate: a cost may depend on the
	// load, but near the limit the calm windows are those with cheap requests.
	calmAbove, calmBelow = .3, .87
	// warmRequests are spent on a cold start, and rather more where there are
	// enough after them.
	warmRequests, warmerRequests = 300, 1200
	fewestCalm, fewestWarm       = 150, 500
)

type spending struct{ work, requests float64 }

func (s *spending) add(r *reading) {
	s.work += r.work
	s.requests += r.done
}

// hangover compares the cost of the pool, at rate x, with that of calm windows.
func (s *Search) hangover(x float64, pool func(*reading) bool) hangover {
	var work, done, tainted, n float64
	var calm, warm spending
	for i := range s.log.rows {
		r := &s.log.rows[i]
		n += r.done
		switch {
		case r.work == 0 || r.void:
		case pool(r):
			work += r.work
			done += r.done
			if r.tainted {
				tainted += r.done
			}
		case !r.tainted && n > warmRequests && r.level > calmAbove*x && r.level < calmBelow*x:
			calm.add(r)
			if n > warmerRequests {
				warm.add(r)
			}
		}
	}
	h := hangover{share: ratio(tainted, done), seen: math.NaN()}
	if h.share < hangoverShare {
		return h
	}
	if warm.requests > fewestWarm {
		calm = warm
	}
	if calm.requests < fewestCalm {
		h.se = hangoverMean // it may be anything
		return h
	}
	h.seen = work/done/(calm.work/calm.requests) - 1
	h.error = s.spread(pool) * math.Sqrt(1/done+1/calm.requests)
	h.extra, h.se = believe(h.seen, h.error, h.share)
	return h
}

// believe weighs "there is none" against "it adds something" by Bayes' rule,
// both with normal likelihoods, and returns the mean and deviation.
func believe(seen, se, share float64) (mean, dev float64) {
	m, d := hangoverMean*share, hangoverDev*share
	wide := math.Hypot(se, d)
	density := func(v, m, s float64) float64 { return math.Exp(-(v-m)*(v-m)/(2*s*s)) / s }
	p := hangoverOdds * density(seen, m, wide)
	p /= p + (1-hangoverOdds)*density(seen, 0, se)
	if math.IsNaN(p) {
		p = 1 // both are beyond belief: what was seen is
	}
	w := d * d / (wide * wide)
	post := math.Max(0, m+w*(seen-m))
	mean = p * post
	return mean, math.Sqrt(p*w*se*se + p*(1-p)*post*post)
}

// spread is the coefficient of variation of one request's work, from blocks of
// windows: in a single one the work and the requests are not quite the same.
func (s *Search) spread(pool func(*reading) bool) float64 {
	const block = 10
	var works, dones []float64
	var work, done float64
	k := 0
	for i := range s.log.rows {
		if r := &s.log.rows[i]; r.work > 0 && pool(r) {
			if k%block == 0 {
				works, dones = append(works, 0), append(dones, 0)
			}
			k++
			works[len(works)-1] += r.work
			dones[len(dones)-1] += r.done
			work += r.work
			done += r.done
		}
	}
	var v float64
	for i := range works {
		d := works[i] - work/done*dones[i]
		v += d * d
	}
	return math.Sqrt(math.Max(v/done, 0)) / (work / done)
}
