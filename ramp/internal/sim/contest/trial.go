// Package contest lets searches run on the same simulated servers and scores
// what they say against what the servers can do. It has ports of other tools'
// searches, from their published descriptions, to compare with.
package contest

import (
	"math"
	"runtime"
	"sync"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/stress"
)

// An Entrant is a search that takes part.
type Entrant struct {
	Name string
	New  func(*sim.Server, sim.Truth) ramp.Searcher
	// Warm servers have neither cold start nor hangover.
	Warm bool
}

// Longest is how many seconds a search may take.
const Longest = 900

// A Trial is what came of one search on one server.
type Trial struct {
	Server uint64
	Run    uint64
	Kind   sim.Kind
	Truth  sim.Truth
	Result ramp.Result

	Answered bool    // found, with a number
	Error    float64 // estimate / truth - 1
	Lo, Hi   float64 // the interval, as shares of the truth
	Seconds  float64 // the whole search
	Above    float64 // seconds offered more than the truth
	Failed   float64 // share of requests
	Hold     float64 // seconds of the hold that counts
	Bound    float64 // standard error that the hold's requests allow at best, cpu only
}

// Right reports whether the search named what binds.
func (t Trial) Right() bool { return t.Result.Bottleneck == t.Truth.Signal }

// Covered reports whether the interval has the truth in it.
func (t Trial) Covered() bool { return t.Lo <= 1 && t.Hi >= 1 }

// Try runs one search on the server, freshly started.
func Try(s *sim.Server, truth sim.Truth, e Entrant, run uint64) Trial {
	s.Restart(run)
	if e.Warm {
		s.Warm()
	}
	t := Trial{Server: s.Number, Run: run, Kind: s.Kind(), Truth: truth}
	search := e.New(s, truth)
	var done, failed uint64
	for !search.Done() && t.Seconds < Longest {
		level := search.Next().Level
		o := s.Window(level)
		search.Observe(o)
		done += o.Done
		failed += o.Failed
		t.Seconds++
		if level > truth.Rate {
			t.Above++
		}
	}
	t.Failed = float64(failed) / math.Max(1, float64(done))
	t.read(search.Result(), s)
	return t
}

// read scores the answer.
func (t *Trial) read(r ramp.Result, s *sim.Server) {
	t.Result = r
	t.Hold = float64(r.To - r.From)
	if r.Ending != ramp.Found || r.Sustained == nil || !(r.Sustained.AtLimit > 0) {
		return
	}
	t.Answered = true
	t.Error = r.Sustained.AtLimit/t.Truth.Rate - 1
	t.Lo, t.Hi = r.Sustained.Interval.Lo/t.Truth.Rate, r.Sustained.Interval.Hi/t.Truth.Rate
	if t.Truth.Signal == stress.CPU && t.Hold > 0 {
		request, slow, tau := s.Noisy()
		t.Bound = math.Sqrt(request*request/(t.Truth.Rate*t.Hold) + 2*tau*slow*slow/t.Hold)
	}
}

// A Plan is which servers of a stratum to try, and how often each.
type Plan struct {
	Stratum sim.Stratum
	First   uint64
	Servers int
	Runs    int
	// Kinds, where set, are the only ones tried.
	Kinds []sim.Kind
}

// Carry runs every entrant on every server and returns the trials by entrant,
// in the order of servers and runs. It keeps all CPUs busy.
func (p Plan) Carry(truths *sim.Truths, entrants []Entrant) [][]Trial {
	byServer := make([][][]Trial, p.Servers)
	numbers := make(chan int)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := range numbers {
				byServer[i] = p.server(p.First+uint64(i), truths, entrants)
			}
		})
	}
	for i := range p.Servers {
		numbers <- i
	}
	close(numbers)
	all.Wait()

	out := make([][]Trial, len(entrants))
	for _, trials := range byServer {
		for e := range trials {
			out[e] = append(out[e], trials[e]...)
		}
	}
	return out
}

func (p Plan) server(number uint64, truths *sim.Truths, entrants []Entrant) [][]Trial {
	s := sim.New(p.Stratum, number)
	if !p.wanted(s.Kind()) {
		return nil
	}
	truth := truths.Of(s)
	out := make([][]Trial, len(entrants))
	for i, e := range entrants {
		for run := range p.Runs {
			out[i] = append(out[i], Try(s, truth, e, uint64(run)))
		}
	}
	return out
}

func (p Plan) wanted(k sim.Kind) bool {
	for _, w := range p.Kinds {
		if w == k {
			return true
		}
	}
	return len(p.Kinds) == 0
}
