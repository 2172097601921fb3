package ramp

import (
	"math"

	"saturate/stress"
)

// linear signals grow with the load itself; the others with what is in flight.
func linear(s stress.Signal) bool { return s == stress.CPU || s == stress.Network }

// idle is a signal's pressure with no load.
func (s *Search) idle(k int) float64 {
	if s.live() {
		return s.intercept(k)
	}
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
