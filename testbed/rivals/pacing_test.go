package rivals

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"saturate/loadgen"
)

// A pace is one that ours is asked to keep.
type pace struct {
	name string
	rate float64
	poisson,
	exact bool
	lag time.Duration // its 99th percentile is to be no more; 0 for nothing asked
}

func (p pace) generator() generator {
	c := with("fast", loadgen.Default.Quantum)
	if p.poisson {
		c.Arrivals = "poisson"
	}
	if p.exact {
		c.Quantum = 0
	}
	return ours(p.name, c)
}

// schedule is when n hits are intended, from the turn of the rate on: what the
// seed makes of it, worked out here and not asked of the engine.
func (p pace) schedule(n int) []int64 {
	if !p.poisson {
		return evenly(n+1, p.rate)[1:]
	}
	random, at, intended := rand.New(rand.NewPCG(seed, 0)), 0.0, make([]int64, n)
	for i := range intended {
		at += random.ExpFloat64() / p.rate * 1e9
		intended[i] = int64(at)
	}
	return intended
}

// paced is how well a run kept its pace.
type paced struct {
	off                       float64 // share of the rate
	lag50, lag99, most, first float64 // milliseconds
	unsent                    float64 // hits
}

func (p pace) judge(t *testing.T, r run) paced {
	var a account
	if err := json.Unmarshal([]byte(r.output), &a); err != nil {
		t.Fatal(err)
	}
	n := len(r.arrivals)
	intended := p.schedule(n)
	late := lags(r.arrivals, intended)
	in := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	return paced{
		off:   float64(intended[n-1]-intended[0])/float64(r.arrivals[n-1]-r.arrivals[0]) - 1,
		lag50: in(quantile(late, .5)), lag99: in(quantile(late, .99)), most: in(quantile(late, 1)),
		first:  in(time.Duration(r.arrivals[0] - a.Began - intended[0])),
		unsent: float64(a.Unsent),
	}
}

// TestPacing is when our hits arrive, by the server's clock, from the first one on.
func TestPacing(t *testing.T) {
	b := newBed(t)
	paces := []pace{
		{name: "20,000/s even, exact", rate: 20_000, exact: true, lag: 150 * time.Microsecond},
		{name: "20,000/s even", rate: 20_000, lag: 400 * time.Microsecond},
		{name: "20,000/s Poisson, exact", rate: 20_000, poisson: true, exact: true, lag: 150 * time.Microsecond},
		{name: "20,000/s Poisson", rate: 20_000, poisson: true, lag: 400 * time.Microsecond},
		{name: "100,000/s even", rate: 100_000, lag: time.Millisecond},
		{name: "100,000/s Poisson", rate: 100_000, poisson: true, lag: time.Millisecond},
	}
	before, n, l := quiet(t), rounds(3, 9), load50(0)
	l.connections = 1000
	runs := make(map[string][]paced)
	fits := make(map[string][]string)
	for range n {
		for _, i := range rand.Perm(len(paces)) {
			p := paces[i]
			t.Run(p.name, func(t *testing.T) {
				l.rate = p.rate
				r := b.drive(t, b.target(t), p.generator(), l, nil)
				runs[p.name] = append(runs[p.name], p.judge(t, r))
				if p.poisson {
					// Every span holds so many hits that it is long against the quantum.
					k := int(p.rate / 200)
					_, fit := kolmogorov(spans(r.arrivals, k), poisson(p.rate, k))
					fits[p.name] = append(fits[p.name], fmt.Sprintf("%.2f", fit))
				}
			})
		}
	}
	tab := newTable(fmt.Sprintf("Our pace, seen by the server, median of %d rounds of %v from the first hit on; load average before: %s", n, l.length, before),
		"pace", "rate off", "lag p50 ms", "p99", "asked", "most", "first hit ms after its time", "unsent", "Kolmogorov-Smirnov, p")
	for _, p := range paces {
		figure := func(f func(paced) float64) float64 {
			var sample []float64
			for _, r := range runs[p.name] {
				sample = append(sample, f(r))
			}
			return median(sample)
		}
		lag99 := figure(func(r paced) float64 { return r.lag99 })
		tab.row(p.name, fmt.Sprintf("%+.4f %%", 100*figure(func(r paced) float64 { return r.off })),
			fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.lag50 })), fmt.Sprintf("%.3f", lag99), atMost(p.lag, lag99),
			fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.most })), fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.first })),
			fmt.Sprintf("%.0f", figure(func(r paced) float64 { return r.unsent })), strings.Join(fits[p.name], ", "))
	}
	tab.print(t, machine(t), "Poisson: the times that 5 ms' worth of hits took, against their gamma distribution.")
}

func atMost(asked time.Duration, got float64) string {
	if got > asked.Seconds()*1e3 {
		return fmt.Sprintf("%.2f: missed", asked.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f: met", asked.Seconds()*1e3)
}

// TestSpacing is the time between hits, at a rate where that is long against
// what a hit costs, so that single gaps show what is asked for.
func TestSpacing(t *testing.T) {
	b := newBed(t)
	before, l := quiet(t), load50(0)
	l.length *= 2
	tab := newTable("Single gaps, 500/s, ms; load average before: "+before, "pace", "p1", "p10", "p50", "p90", "p99", "asked p1", "p10", "p50", "p90", "p99", "Kolmogorov-Smirnov, p")
	for _, p := range []pace{
		{name: "even, exact", rate: 500, exact: true}, {name: "even", rate: 500},
		{name: "Poisson, exact", rate: 500, poisson: true, exact: true}, {name: "Poisson", rate: 500, poisson: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			l.rate = p.rate
			r := b.drive(t, b.target(t), p.generator(), l, nil)
			gaps, asked := spans(r.arrivals, 1), spans(p.schedule(len(r.arrivals)), 1)
			cells, fit := []string{p.name}, ""
			for _, s := range [][]float64{gaps, asked} {
				for _, q := range []float64{.01, .1, .5, .9, .99} {
					cells = append(cells, fmt.Sprintf("%.3f", quantile(s, q)*1e3))
				}
			}
			if p.poisson {
				d, prob := kolmogorov(gaps, poisson(p.rate, 1))
				fit = fmt.Sprintf("%.2f (distance %.4f)", prob, d)
			}
			tab.row(append(cells, fit)...)
		})
	}
	tab.print(t, machine(t))
}
