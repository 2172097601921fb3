package ramp

import (
	"math"

	"saturate/stress"
)

// linear signals grow with the load itself; the others with what is in flight.
func linear(s stress.Signal) bool { return s == stress.CPU || s == stress.Network }

// idle is a signal's pressure with no load.
func (s *Search) idle(k int) float64 {
	p0 := s.log.sum(func(r *reading) bool { return r.phase == Idle }).p[k]
	if math.IsNaN(p0) {
		return 0
	}
	return p0
}

// noise is the standard error of a signal's mean pressure over the pool, with
// what the arrivals explain taken out.
func (s *Search) noise(k int, slope, x float64, pool func(*reading) bool) float64 {
	var e []float64
	for i := range s.log.rows {
		r := &s.log.rows[i]
		if pool(r) && k < len(r.p) && !math.IsNaN(r.p[k]) {
			e = append(e, r.p[k]-slope*(r.sent/r.dt-x))
		}
	}
	n := float64(len(e))
	// Slow noise of the server's lasts some 10 s; what one request brings in
	// lasts some hundreds of requests at low rates.
	lag := math.Max(math.Min(10, 1.3*math.Sqrt(n)), 300/x)
	return hac(e, int(math.Min(lag, n/6)))
}

// hac is the standard error of a mean of autocorrelated values (Newey and West
// 1987, Bartlett weights), with n/(n-lag-1) for the degrees of freedom.
func hac(e []float64, lag int) float64 {
	n := len(e)
	if n < lag+3 {
		return math.Inf(1)
	}
	mean := 0.0
	for _, v := range e {
		mean += v
	}
	mean /= float64(n)
	total := 0.0
	for l := 0; l <= lag; l++ {
		c := 0.0
		for t := l; t < n; t++ {
			c += (e[t] - mean) * (e[t-l] - mean)
		}
		if l > 0 {
			c *= 2 * (1 - float64(l)/float64(lag+1))
		}
		total += c
	}
	v := math.Max(total, 0) / float64(n) / float64(n-lag-1)
	return math.Sqrt(v)
}

// The hangover's corrections, research/search.md 7.
const (
	mostHangover  = 1.25
	leastHangover = .03
	fewestClean   = 150 // requests that a clean cost needs
)

// hangover corrects an estimate that was read while the server, pushed over by
// its own bursts, paid more for every request than it does in the long run:
// then it has two capacities. Costs compare better than pressures.
func (s *Search) hangover(e estimate, at sum, pool func(*reading) bool) estimate {
	dirty := s.log.sum(func(r *reading) bool { return pool(r) && r.tainted })
	x := at.rate()
	clean := s.log.sum(func(r *reading) bool {
		return !r.tainted && !r.void && !r.settling && (r.phase == Approach || r.phase == Hold) &&
			r.level > .45*x && r.level < 1.1*x
	})
	if dirty.done == 0 || clean.worked < fewestClean || clean.cost() == 0 || at.cost() == 0 {
		return e
	}
	k := math.Min(at.cost()/clean.cost(), mostHangover)
	se := .9 * math.Sqrt(1/at.worked+1/clean.worked)
	switch {
	case k-1 > math.Max(leastHangover, se):
		shrunk := 1 + (k-1)*(1-se*se/((k-1)*(k-1)))
		e.hangover = e.level
		e.level *= shrunk
		e.hi *= k + se
	case k > 1:
		e.hi *= k
	}
	return e
}
