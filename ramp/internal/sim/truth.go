package sim

import (
	"math"
	"math/rand/v2"

	"saturate/stress"
)

// A Truth is what a server can do, measured on itself without a search.
type Truth struct {
	// Rate is the largest at which, in the long run, warm and without hangover,
	// every signal's mean is at most its limit and failures are at most .5 %;
	// req/s, to .2 % or so.
	Rate float64 `json:"rate"`
	// Signal is the one that binds there.
	Signal stress.Signal `json:"signal"`
	// Slope is that signal's log(pressure) over log(rate), between .95 of the
	// rate and the rate: 1 for a straight line through nothing, less where
	// there is a base, more before a knee.
	Slope float64 `json:"slope"`
	// Failed is the share of requests that fail at .95 of the rate, warm and
	// without hangover: what no search can avoid.
	Failed float64 `json:"failed"`
	// Start is a careful first level and Max what the user takes for the most.
	Start float64 `json:"start"`
	Max   float64 `json:"max"`
}

// An effort is how long the runs are that measure a truth: seconds and
// requests, whichever takes longer.
type effort struct{ seconds, requests float64 }

func (f effort) at(rate float64) float64 { return math.Max(f.seconds, f.requests/rate) }

func short() effort { return effort{150, 2e4} }
func long() effort  { return effort{4000, 4e5} }

const (
	truthWithin   = .001 // of the rate
	leastPressure = .001 // for a slope: errors may be none at all
)

// Truth measures the server. It takes some seconds; see Truths.
func (s *Server) Truth() Truth {
	t, _ := s.p.truth(s.seed(), false, long())
	return t
}

// TruthHangover is the long-run capacity of the server as it is: pushed over
// now and then by its own bursts, it may carry less than Truth's rate.
func (s *Server) TruthHangover() float64 {
	if s.p.Hangover == 0 {
		return s.Truth().Rate
	}
	_, rate := s.p.truth(s.seed(), true, long())
	return rate
}

func (s *Server) seed() uint64 { return s.Number<<8 | uint64(s.Stratum) }

// truth finds where the largest long-run pressure is 1. All runs share their
// random numbers, so that their differences are those of the rates.
func (p *profile) truth(seed uint64, hangover bool, f effort) (Truth, float64) {
	long := func(rate float64) steady { return p.longRun(seed, rate, f.at(rate), hangover) }
	guess := p.bracket(func(rate float64) steady { return p.longRun(seed, rate, short().at(rate), hangover) })
	// From two rates about the guess on by secants in logarithms.
	x0, x1 := math.Log(guess*.99), math.Log(guess)
	y0, last := math.Log(long(guess*.99).worst), long(guess)
	slope := 1.0
	for range 12 {
		y1 := math.Log(last.worst)
		if d := (y1 - y0) / (x1 - x0); x1 != x0 && d > .2 {
			slope = d
		}
		step := clamp(-y1/slope, -.03, .03)
		x0, y0 = x1, y1
		x1 += step
		if math.Abs(step) < truthWithin {
			break
		}
		last = long(math.Exp(x1))
	}
	rate := math.Exp(x1)
	if hangover {
		return Truth{}, rate
	}
	below := long(.95 * rate)
	return Truth{
		Rate: rate, Signal: last.signal,
		Slope:  math.Log(math.Max(below.pressure(last.signal), leastPressure)) / math.Log(.95),
		Failed: below.errors,
		Start:  p.StartShare * rate, Max: p.MaxRate * rate,
	}, rate
}

// bracket halves the range in which the short runs' worst pressure crosses 1.
func (p *profile) bracket(short func(float64) steady) float64 {
	lo, hi := p.Nominal, p.Nominal
	for short(lo).worst > 1 && lo > p.Nominal/10 {
		lo *= .8
	}
	for short(hi).worst < 1 && hi < p.Nominal*10 {
		hi *= 1.25
	}
	for hi/lo > 1.01 {
		mid := math.Sqrt(lo * hi)
		if short(mid).worst > 1 {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Sqrt(lo * hi)
}

// steady is a server's long run at one rate.
type steady struct {
	shares
	worst  float64 // pressure
	signal stress.Signal
}

// longRun is what the signals show in so many seconds at the rate. The chance
// of the draw is taken out by regression on what the requests brought in,
// whose expectation is known (control variates, batch by batch).
func (p *profile) longRun(seed uint64, rate, length float64, hangover bool) steady {
	e := newEngine(p, rand.New(rand.NewPCG(seed, 0x7247)))
	e.cold, e.mayHang = 0, hangover && p.Hangover > 0
	e.offer(rate)
	warm := math.Max(30, math.Min(length/20, 3000/rate))
	e.advance(warm)

	const batches = 100
	each := length / batches
	start := e.totals
	was := start
	rows := make([]controlled, batches)
	for i := range rows {
		e.advance(warm + float64(i+1)*each)
		rows[i] = p.control(was, e.totals, each, rate)
		was = e.totals
	}
	all := p.shares(start, was, length)
	s := steady{shares: shares{
		cpu:     adjusted(rows, func(r *controlled) float64 { return r.cpu }),
		workers: adjusted(rows, func(r *controlled) float64 { return r.workers }),
		memory:  adjusted(rows, func(r *controlled) float64 { return r.memory }),
		errors:  all.errors,
	}}
	for _, signal := range []stress.Signal{stress.CPU, stress.Workers, stress.Memory, stress.Errors} {
		if p := s.pressure(signal); p > s.worst {
			s.worst, s.signal = p, signal
		}
	}
	return s
}

// pressure is a signal over its limit.
func (s shares) pressure(of stress.Signal) float64 {
	switch of {
	case stress.CPU:
		return s.cpu / limit
	case stress.Workers:
		return s.workers / limit
	case stress.Memory:
		return s.memory / limit
	}
	return s.errors / errorLimit
}

// controlled is one batch: the signals' means, and how far that which came in
// was from its expectation.
type controlled struct {
	shares
	off [controls]float64
}

const controls = 4

func (p *profile) control(from, to totals, length, rate float64) controlled {
	n := rate * length
	c := controlled{shares: p.shares(from, to, length)}
	c.off = [controls]float64{
		(to.cpuAsked-from.cpuAsked)/(n*p.CPU) - 1,
		(to.waitAsked-from.waitAsked)/(n*p.Wait) - 1,
	}
	if p.Lock > 0 {
		c.off[2] = (to.lock-from.lock)/(n*p.Lock) - 1
	}
	if p.Steal > 0 {
		left := 1 - p.Steal*p.StealOn/(p.StealOn+p.StealOff)
		c.off[3] = (to.coreSeconds-from.coreSeconds)/(length*float64(p.Cores)*left) - 1
	}
	return c
}

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }
