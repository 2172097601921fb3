package appweight

import (
	"maps"
	"math"
	"slices"
)

// ownDoubt is how many nights' worth of doubt a server's own level begins with:
// the variance of one night on one server by that of servers, (1.2 %/2 %)^2.
// A server that ran many nights has its own level, one that ran once shares it
// with its night.
const ownDoubt = .36

// A reading is one server's logarithm in one night.
type reading struct {
	night, server int
	value         float64
}

// levels are the nights' logarithms with what servers differ by taken away: the
// fixed effects of the nights in log = night + server, the servers' being random
// (Henderson's mixed model equations, Biometrics 31, 1975, solved by turns). It
// does not matter then which servers a night had. residual is by how much a
// server in a night differs from both; 0 where each night had one server.
func levels(nights []Night) (x []float64, residual float64) {
	all, servers := readings(nights)
	x, own := make([]float64, len(nights)), make([]float64, servers)
	for range 500 {
		moved := atNights(x, own, all)
		ofServers(own, x, all)
		if moved < 1e-9 {
			break
		}
	}
	var ss float64
	for _, r := range all {
		e := r.value - x[r.night] - own[r.server]
		ss += e * e
	}
	if df := len(all) - len(nights) - servers + 1; df > 0 {
		residual = math.Sqrt(ss / float64(df))
	}
	return x, residual
}

func readings(nights []Night) (all []reading, servers int) {
	index := map[string]int{}
	for t, night := range nights {
		for _, name := range slices.Sorted(maps.Keys(night.Servers)) { // sums come out the same each time
			if _, ok := index[name]; !ok {
				index[name] = len(index)
			}
			all = append(all, reading{t, index[name], math.Log(night.Servers[name])})
		}
	}
	return all, len(index)
}

// atNights sets the nights' levels to their means beyond the servers' own, and
// returns the furthest that one moved.
func atNights(x, own []float64, all []reading) (moved float64) {
	sum, n := make([]float64, len(x)), make([]float64, len(x))
	for _, r := range all {
		sum[r.night] += r.value - own[r.server]
		n[r.night]++
	}
	for t := range x {
		v := sum[t] / n[t]
		moved = max(moved, math.Abs(v-x[t]))
		x[t] = v
	}
	return moved
}

// ofServers sets the servers' own levels, drawn towards none.
func ofServers(own, x []float64, all []reading) {
	sum, n := make([]float64, len(own)), make([]float64, len(own))
	for _, r := range all {
		sum[r.server] += r.value - x[r.night]
		n[r.server]++
	}
	for s := range own {
		own[s] = sum[s] / (n[s] + ownDoubt)
	}
}
