package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A Stratum is a population of servers that searches are compared on.
type Stratum int

// The strata: cores, and the rate at which a server's first limit is reached.
const (
	Wide       Stratum = iota // 4-32 cores, 120-900 req/s
	OneCore                   // one core, 120-900 req/s
	OneCoreMid                // one core, 40-120 req/s
	OneCoreLow                // one core, 8-40 req/s
)

// Strata lists all of them.
func Strata() []Stratum { return []Stratum{Wide, OneCore, OneCoreMid, OneCoreLow} }

func (s Stratum) String() string {
	return [...]string{"4-32 cores, 120-900/s", "1 core, 120-900/s", "1 core, 40-120/s", "1 core, 8-40/s"}[s]
}

// Short is a name for flags and benchmarks.
func (s Stratum) Short() string {
	return [...]string{"wide", "one", "mid", "low"}[s]
}

// StratumNamed finds a stratum by its short name.
func StratumNamed(short string) (Stratum, error) {
	for _, s := range Strata() {
		if s.Short() == short {
			return s, nil
		}
	}
	return 0, fmt.Errorf("no stratum %q: wide, one, mid or low", short)
}

func (s Stratum) rates() (lo, hi float64) {
	switch s {
	case OneCoreMid:
		return 40, 120
	case OneCoreLow:
		return 8, 40
	}
	return 120, 900
}

// A Kind is what is meant to give out first. The truth may differ: it is
// measured, not drawn.
type Kind string

// The kinds of server. A lock server has a serial resource that no signal
// shows: everything looks well until shortly before the end, the knee.
const (
	KindCPU    Kind = "cpu"
	KindWorker Kind = "worker"
	KindMemory Kind = "mem"
	KindLock   Kind = "lock"
	KindMixed  Kind = "mixed"
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{KindCPU, KindWorker, KindMemory, KindLock, KindMixed} }

// The limits of a healthy server, as shares.
const (
	limit      = .90 // of CPU, workers and memory
	errorLimit = .005
)

// A profile is everything that is drawn about a server. Times are seconds of a
// warm, calm server.
type profile struct {
	Kind    Kind
	Nominal float64 // req/s that the first limit was laid out for
	Cores   int
	Workers int

	CPU, CPUSpread   float64 // mean and coefficient of variation of the CPU demand
	Wait, WaitSpread float64 // of the wait for a backend, worker in hand
	Lock, LockSpread float64 // of holding the serial resource, worker in hand

	MemoryBase, MemoryPer float64 // shares of the limit: idle, and a request in the system

	Backlog int
	Timeout float64
	Retry   float64 // chance that a failed attempt is made again, a retry budget
	Backoff float64 // before it is

	Cold, ColdRequests  float64 // extra cost after a start, and in how many requests it falls to 1/e
	Noise, NoiseTime    float64 // AR(1) noise of the cost: standard deviation and seconds
	Steal               float64 // share of the CPUs that a neighbour takes while it runs
	StealOn, StealOff   float64 // its mean times
	Hangover            float64 // extra cost after an overload
	HangoverCalm        int     // calm seconds that end it
	StartShare, MaxRate float64 // of the truth: a careful first rate and what the user thinks is the most
}

// draw lays a server out so that its first limit is reached near the nominal rate.
func draw(s Stratum, r *rand.Rand) profile {
	lo, hi := s.rates()
	p := profile{
		Kind:    Kinds()[r.IntN(len(Kinds()))],
		Nominal: logUniform(r, lo, hi),
		Cores:   1,
	}
	if s == Wide {
		p.Cores = int(math.Round(logUniform(r, 4, 32)))
	}
	p.CPUSpread, p.WaitSpread, p.LockSpread = uniform(r, .3, 1.2), uniform(r, .3, 1.2), uniform(r, .2, 1)
	p.client(r, p.layOut(r))
	p.vices(r)
	p.StartShare, p.MaxRate = uniform(r, .03, .20), uniform(r, 1.2, 3)
	return p
}

// room is by how much each resource could take more than the nominal rate.
type room struct{ cpu, workers, memory float64 }

func (p *profile) room(r *rand.Rand) room {
	m := room{uniform(r, 1.3, 3), uniform(r, 1.3, 3), uniform(r, 1.3, 3)}
	switch p.Kind {
	case KindCPU:
		m.cpu = 1
	case KindWorker:
		m.workers = 1
	case KindMemory:
		m.memory = 1
	case KindLock:
		m.cpu = uniform(r, 1.15, 2.5)
	case KindMixed:
		m = room{uniform(r, 1, 1.2), uniform(r, 1, 1.2), uniform(r, 1, 1.2)}
		least := min(m.cpu, m.workers, m.memory)
		m.cpu, m.workers, m.memory = m.cpu/least, m.workers/least, m.memory/least
	}
	return m
}

// longestWait keeps the tail of a wait away from the timeouts.
const longestWait = .8

// layOut chooses demands, workers and memory, and returns how many requests it
// then expects inside at the nominal rate.
func (p *profile) layOut(r *rand.Rand) float64 {
	m := p.room(r)
	rate, k := p.Nominal, float64(p.Cores)
	p.CPU = limit * k / (rate * m.cpu)
	if p.Kind == KindLock {
		p.Lock = 1 / (rate * uniform(r, 1.02, 1.12))
	}
	onCPU := inProcessorSharing(p.Cores, limit/m.cpu) + p.inLock(rate)

	if p.Kind == KindWorker {
		least := math.Max(onCPU/limit*1.15+1, 4)
		if k > 1 {
			least = math.Max(least, 6)
		}
		most := math.Max(least, math.Min(4*k+12, longestWait*rate/limit))
		p.Workers = int(math.Round(logUniform(r, least, most)))
		p.Wait = math.Max(limit*float64(p.Workers)-onCPU, .05) / rate
	} else {
		waiting := p.CPU * uniform(r, .2, 3)
		if p.Kind == KindMemory {
			waiting = logUniform(r, .02, .5) + 2/rate
		}
		p.Wait = math.Min(waiting, longestWait)
		p.Workers = int(math.Ceil((onCPU + rate*p.Wait) * m.workers / limit))
	}
	inside := onCPU + rate*p.Wait
	p.MemoryBase = uniform(r, .1, .5)
	p.MemoryPer = (limit - p.MemoryBase) / (inside * m.memory)
	return inside
}

// A client waits for so many times what a request takes at the nominal rate,
// if that is not too long for anybody: else timeouts would be the first limit
// of every slow server.
const (
	patience       = 5
	longestTimeout = 10.0
)

// client chooses what the other end of the wire does.
func (p *profile) client(r *rand.Rand, inside float64) {
	p.Backlog = int(math.Round(logUniform(r, 64, 1024)))
	p.Timeout = []float64{2, 3, 5, 10}[r.IntN(4)]
	for p.Timeout < longestTimeout && (p.tail() > .001 || p.Timeout < patience*inside/p.Nominal) {
		p.Timeout = math.Min(longestTimeout, p.Timeout*1.5)
	}
	for p.tail() > .0015 {
		p.WaitSpread *= .85
	}
	if r.Float64() < .3 {
		p.Retry, p.Backoff = uniform(r, .02, .10), .2
	}
}

// tail is the share of waits beyond the timeout: a floor under the failures
// that no rate takes away.
func (p *profile) tail() float64 {
	mu, sigma := lognormal(p.Wait, p.WaitSpread)
	return .5 * math.Erfc((math.Log(p.Timeout)-mu)/sigma/math.Sqrt2)
}

// vices chooses what makes a server differ from a formula.
func (p *profile) vices(r *rand.Rand) {
	if r.Float64() < .6 {
		p.Cold, p.ColdRequests = uniform(r, .05, .5), logUniform(r, 100, 2000)
	}
	p.Noise, p.NoiseTime = uniform(r, 0, .02), uniform(r, 1, 12)
	if r.Float64() < .3 {
		p.Steal, p.StealOn, p.StealOff = uniform(r, .02, .08), uniform(r, 3, 20), uniform(r, 5, 40)
	}
	if r.Float64() < .5 {
		p.Hangover, p.HangoverCalm = uniform(r, .05, .30), 3+r.IntN(13)
	}
}

func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func logUniform(r *rand.Rand, lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, r.Float64())
}

// lognormal gives the parameters of a lognormal by mean and coefficient of variation.
func lognormal(mean, spread float64) (mu, sigma float64) {
	v := math.Log1p(spread * spread)
	return math.Log(mean) - v/2, math.Sqrt(v)
}

// inProcessorSharing is the mean number of jobs on so many cores at the
// utilisation: busy cores and, by Erlang's C, the queue of M/M/k, which
// processor sharing does not change.
func inProcessorSharing(cores int, utilisation float64) float64 {
	a := float64(cores) * utilisation
	b := 1.0 // Erlang's B by its recursion
	for i := 1; i <= cores; i++ {
		b = a * b / (float64(i) + a*b)
	}
	c := b / (1 - utilisation*(1-b))
	return a + c*utilisation/(1-utilisation)
}

// inLock is the mean number of requests at the serial resource, by
// Pollaczek and Khinchine.
func (p *profile) inLock(rate float64) float64 {
	if p.Lock == 0 {
		return 0
	}
	u := rate * p.Lock
	return u + u*u*(1+p.LockSpread*p.LockSpread)/2/(1-u)
}
