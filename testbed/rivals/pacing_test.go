package rivals

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"saturate/loadgen"
)

// A pace is one that ours is asked to keep.
type pace struct {
	name           string
	rate           float64
	poisson, exact bool
	lag            float64 // milliseconds: its 99th percentile is to be no more
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
func (p pace) schedule(n int, seed uint64) []int64 {
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
	off                       float64 // from the rate, either way, as a share of it
	lag50, lag99, most, first float64 // milliseconds
	unsent                    float64 // hits
	others                    float64 // share of the machine's CPUs that others used
}

func (p pace) judge(t *testing.T, r run, seed uint64) paced {
	a, err := accountOf(r.output)
	if err != nil {
		t.Fatal(err)
	}
	n := len(r.arrivals)
	intended := p.schedule(n, seed)
	late := lags(r.arrivals, intended)
	in := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	return paced{
		off:   math.Abs(float64(intended[n-1]-intended[0])/float64(r.arrivals[n-1]-r.arrivals[0]) - 1),
		lag50: in(quantile(late, .5)), lag99: in(quantile(late, .99)), most: in(quantile(late, 1)),
		first:  in(time.Duration(r.arrivals[0] - a.Began - intended[0])),
		unsent: float64(a.Unsent), others: r.others,
	}
}

// TestPacing is when our hits arrive, by the server's clock, from the first one on.
func TestPacing(t *testing.T) {
	b := newBed(t)
	paces := []pace{
		{name: "20,000/s even, exact", rate: 20_000, exact: true, lag: .15},
		{name: "20,000/s even", rate: 20_000, lag: .4},
		{name: "20,000/s Poisson, exact", rate: 20_000, poisson: true, exact: true, lag: .15},
		{name: "20,000/s Poisson", rate: 20_000, poisson: true, lag: .4},
		{name: "100,000/s even", rate: 100_000, lag: 1},
		{name: "100,000/s Poisson", rate: 100_000, poisson: true, lag: 1},
	}
	before, n, l := quiet(t), rounds(3, 9), load50(0)
	l.connections = 1000
	still := b.floor(t)
	runs := make(map[string][]paced)
	times := make(map[string][]float64) // that k hits took, of all rounds
	for round := range n {
		l.seed = uint64(round) // the same schedule again would be no further sample of arrivals
		for _, i := range rand.Perm(len(paces)) {
			p := paces[i]
			t.Run(p.name, func(t *testing.T) {
				l.rate = p.rate
				r := b.drive(t, b.target(t), p.generator(), l, nil)
				runs[p.name] = append(runs[p.name], p.judge(t, r, l.seed))
				times[p.name] = append(times[p.name], spans(r.arrivals, p.bunch())...)
			})
		}
	}
	tab := newTable(fmt.Sprintf("Our pace, seen by the server, median of %d rounds of %v from the first hit on; load average before: %s", n, l.length, before),
		"pace", "rate off", "asked", "lag p50 ms", "p99", "asked", "met in rounds", "most", "first hit ms after its time", "unsent", "Kolmogorov-Smirnov, p", "asked", "others' CPU")
	for _, p := range paces {
		figure := func(f func(paced) float64) float64 {
			var sample []float64
			for _, r := range runs[p.name] {
				sample = append(sample, f(r))
			}
			return median(sample)
		}
		off, lag99 := figure(func(r paced) float64 { return r.off }), figure(func(r paced) float64 { return r.lag99 })
		kept := 0
		for _, r := range runs[p.name] {
			if r.lag99 <= p.lag {
				kept++
			}
		}
		var fit, fits string
		if p.poisson {
			fit, fits = p.fits(tab, times[p.name], p.bunch())
		}
		tab.row(p.name, fmt.Sprintf("%.4f %%", 100*off), tab.asked("0.1 %", off <= .001),
			fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.lag50 })), fmt.Sprintf("%.3f", lag99), tab.asked(fmt.Sprintf("%.2f", p.lag), lag99 <= p.lag), fmt.Sprintf("%d of %d", kept, n),
			fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.most })), fmt.Sprintf("%.3f", figure(func(r paced) float64 { return r.first })),
			fmt.Sprintf("%.0f", figure(func(r paced) float64 { return r.unsent })), fit, fits,
			percent(figure(func(r paced) float64 { return r.others })))
	}
	tab.print(t, machine(t), still, "Poisson: the times that 5 ms' worth of hits took in all rounds, against their gamma distribution.")
}

// bunch is so many hits that the time they take is long against the quantum.
func (p pace) bunch() int { return int(p.rate / 200) }

// fits holds the times that k hits took against a Poisson process. The level is low,
// because a table asks several times.
func (p pace) fits(tab *table, times []float64, k int) (fit, asked string) {
	slices.Sort(times)
	d, prob := kolmogorov(times, poisson(p.rate, k))
	return fmt.Sprintf("%.2f (distance %.4f)", prob, d), tab.asked("0.01 or more", prob >= .01)
}

// TestSpacing is the time between hits, at a rate where that is long against
// what a hit costs, so that single gaps show what is asked for: even ones are off
// by no more than a lag may be. With a quantum single gaps of a Poisson process are
// not exponential, as those shorter than it are stretched; TestPacing looks at longer ones.
func TestSpacing(t *testing.T) {
	b := newBed(t)
	before, l := quiet(t), load50(0)
	l.length *= 2
	l.seed = 1 // of a schedule that by itself has p .68 in the short form, .51 in the long one
	tab := newTable("Single gaps, 500/s, ms; load average before: "+before,
		"pace", "p1", "p10", "p50", "p90", "p99", "meant p1", "p10", "p50", "p90", "p99", "asked", "Kolmogorov-Smirnov, p", "asked")
	for _, p := range []pace{
		{name: "even, exact", rate: 500, exact: true, lag: .15}, {name: "even", rate: 500, lag: .4},
		{name: "Poisson, exact", rate: 500, poisson: true, exact: true}, {name: "Poisson", rate: 500, poisson: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			l.rate = p.rate
			r := b.drive(t, b.target(t), p.generator(), l, nil)
			cells := []string{p.name}
			gaps, meant := spans(r.arrivals, 1), spans(p.schedule(len(r.arrivals), l.seed), 1)
			for _, s := range [][]float64{gaps, meant} {
				for _, q := range []float64{.01, .1, .5, .9, .99} {
					cells = append(cells, fmt.Sprintf("%.3f", quantile(s, q)*1e3))
				}
			}
			var even, fit, fits string
			switch {
			case !p.poisson:
				off := max(quantile(meant, .01)-quantile(gaps, .01), quantile(gaps, .99)-quantile(meant, .99)) * 1e3
				even = tab.asked(fmt.Sprintf("+-%.2f", p.lag), off <= p.lag)
			case p.exact:
				fit, fits = p.fits(tab, gaps, 1)
			}
			tab.row(append(cells, even, fit, fits)...)
		})
	}
	tab.print(t, machine(t))
}
