package rivals

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// found are the runs of each generator, by name, one for each round.
type found map[string][]run

// interleave runs all generators once in each round, in another order each time.
func (b *bed) interleave(t *testing.T, n int, serve func(t *testing.T) server, l load, all []generator) found {
	runs := make(found)
	for range n {
		for _, i := range rand.Perm(len(all)) {
			g := all[i]
			t.Run(g.name, func(t *testing.T) { // a fresh server for each
				runs[g.name] = append(runs[g.name], b.drive(t, serve(t), g, l, nil))
			})
		}
	}
	for _, g := range all {
		if len(runs[g.name]) != n {
			t.Fatalf("%s did not end every run", g.name)
		}
	}
	return runs
}

// sample is a figure of each of a generator's runs.
func (f found) sample(name string, figure func(run) float64) (s []float64) {
	for _, r := range f[name] {
		s = append(s, figure(r))
	}
	return s
}

// of is the median of a figure over a generator's runs.
func (f found) of(name string, figure func(run) float64) float64 {
	return median(f.sample(name, figure))
}

// ratio is the median, over the rounds, of what a request costs a rival over
// what it costs ours in the same round: above 1, ours is cheaper.
func (f found) ratio(rival, our string) float64 {
	var sample []float64
	for i, r := range f[rival] {
		sample = append(sample, r.cost()/f[our][i].cost())
	}
	return median(sample)
}

// spread is the least and the greatest of a figure.
func (f found) spread(name string, figure func(run) float64) string {
	s := f.sample(name, figure)
	return fmt.Sprintf("%.2f-%.2f", slices.Min(s), slices.Max(s))
}

// TestBesideFlatOut is what a request costs the generator where 50 connections
// carry all they can.
func TestBesideFlatOut(t *testing.T) {
	b := newBed(t)
	all, missing := had(fast, wrk, h2load, ab, fortio, vegeta, hey, k6, vegetaOurs)
	for _, s := range []struct {
		name  string
		serve func(t *testing.T) server
	}{
		{"the target that writes arrivals down", func(t *testing.T) server { return b.target(t) }},
		{"nginx", b.nginx},
	} {
		t.Run(s.name, func(t *testing.T) {
			load, n := quiet(t), rounds(3, 9)
			runs := b.interleave(t, n, s.serve, load50(0), all)
			tab := newTable(fmt.Sprintf("Flat out, 50 connections, %s, %d rounds; load average before: %s", s.name, n, load),
				"generator", "CPU us/request", "least-most", "its cost over ours", "asked", "requests/s", "server busy", "others' CPU")
			for _, g := range all {
				ratio := runs.ratio(g.name, fast.name)
				tab.row(g.name, fmt.Sprintf("%.2f", runs.of(g.name, run.cost)), runs.spread(g.name, run.cost), fmt.Sprintf("%.2f", ratio),
					tab.atLeast(goals[g.name], ratio), fmt.Sprintf("%.0f", runs.of(g.name, run.rate)),
					percent(runs.of(g.name, func(r run) float64 { return r.busy })), percent(runs.of(g.name, func(r run) float64 { return r.others })))
			}
			tab.print(t, machine(t), left(missing))
		})
	}
}

// goals are how many times ours a request is to cost others, at least.
var goals = map[string]float64{"wrk": .95, "h2load": 1.1, "fortio": 1.05, "vegeta": 2.7, "k6": 6}

func load50(rate float64) load {
	length := 2 * time.Second
	if long() {
		length = 5 * time.Second
	}
	return load{rate: rate, connections: 50, length: length}
}

// TestBesideOpen is what a request costs, and how late it comes, at a given rate.
func TestBesideOpen(t *testing.T) {
	b := newBed(t)
	all, missing := had(fast, exact, fortio, fortioUniform, vegeta, k6, vegetaOurs)
	for _, rate := range []float64{20_000, 50_000} {
		t.Run(fmt.Sprintf("%.0f", rate), func(t *testing.T) {
			before, n := quiet(t), rounds(3, 9)
			l := load50(rate)
			l.connections = 1000
			runs := b.interleave(t, n, func(t *testing.T) server { return b.target(t) }, l, all)
			tab := newTable(fmt.Sprintf("%.0f requests/s, evenly, %d rounds; load average before: %s", rate, n, before),
				"generator", "CPU us/request", "its cost over ours", "reached", "off", "lag p50 ms", "p99", "most", "connections", "others' CPU")
			for _, g := range all {
				reached := runs.of(g.name, run.rate)
				lag := func(q float64) string {
					return fmt.Sprintf("%.3f", runs.of(g.name, func(r run) float64 {
						return quantile(lags(r.arrivals, evenly(len(r.arrivals), rate)), q).Seconds() * 1e3
					}))
				}
				tab.row(g.name, fmt.Sprintf("%.2f", runs.of(g.name, run.cost)), fmt.Sprintf("%.2f", runs.ratio(g.name, fast.name)),
					fmt.Sprintf("%.1f", reached), fmt.Sprintf("%+.3f %%", 100*(reached/rate-1)), lag(.5), lag(.99), lag(1),
					fmt.Sprintf("%.0f", runs.of(g.name, func(r run) float64 { return float64(r.connections) })),
					percent(runs.of(g.name, func(r run) float64 { return r.others })))
			}
			tab.print(t, machine(t), left(missing))
		})
	}
}
