// Package sim is a server to search: K cores that share, C synchronous
// workers, a backlog, clients that time out and try again, a backend, memory,
// and what makes real servers differ from formulas: cold starts, slow noise,
// neighbours, a serial resource that no signal shows, and the hangover, a time
// after an overload in which every request costs more.
//
// It is deterministic: a stratum, a number and a run's number give the same
// server and the same traffic. It knows nothing of searches.
package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"saturate/stress"
)

// A Server is one simulated server under load.
type Server struct {
	Stratum Stratum
	Number  uint64

	p     profile
	e     *engine
	since totals // at the start of the window
	block struct{ done, failed uint64 }
	errs  float64 // share of failures of the last whole block, NaN before

	seq     uint64  // of the next sample
	sampled float64 // when the last one was taken
}

// New is a stratum's server with the number, freshly started, under Poisson
// arrivals of the run 0.
func New(stratum Stratum, number uint64) *Server {
	s := &Server{Stratum: stratum, Number: number}
	s.p = draw(stratum, rand.New(rand.NewPCG(number, 0x5a7+uint64(stratum))))
	s.Restart(0)
	return s
}

// Restart starts the server anew, cold, with the traffic and the noise of another run.
func (s *Server) Restart(run uint64) {
	s.e = newEngine(&s.p, rand.New(rand.NewPCG(s.Number<<8|uint64(s.Stratum), 1+run)))
	s.e.keep = true
	s.since, s.errs = totals{}, math.NaN()
	s.seq, s.sampled = 0, 0
	s.block.done, s.block.failed = 0, 0
}

// Even spaces the arrivals evenly from now on, as simple load generators do.
func (s *Server) Even() { s.e.even = true }

// Warm takes away, until the next restart, the cold start and the hangover: the
// server then behaves as Truth measured it.
func (s *Server) Warm() { s.e.cold, s.e.mayHang = 0, false }

// Kind is what the server was laid out to lack.
func (s *Server) Kind() Kind { return s.p.Kind }

// Cores is how many CPUs it has.
func (s *Server) Cores() int { return s.p.Cores }

// Timeout is the client's.
func (s *Server) Timeout() time.Duration { return seconds(s.p.Timeout) }

// Noisy is the spread of the cost per request: the coefficient of variation of
// one request's CPU demand, and the standard deviation and time constant
// (seconds) of the slow noise.
func (s *Server) Noisy() (request, slow, tau float64) {
	return s.p.CPUSpread, s.p.Noise, s.p.NoiseTime
}

// errorBlock is how many finished requests a share of failures needs.
const errorBlock = 200

// p99Answers is how many answers a window's p99 needs; its limit is generous,
// so that the timeout's failures always come first.
const (
	p99Answers  = 100
	latencyRoom = 1.25 // of the timeout
)

// Window carries the server through one second at the level, in req/s, and
// tells what both ends of the wire saw.
func (s *Server) Window(level float64) stress.Observation {
	start := math.Round(s.e.now)
	s.e.latency = s.e.latency[:0]
	s.e.offer(level)
	s.e.advance(start + 1)

	was, is := s.since, s.e.totals
	s.since = is
	o := stress.Observation{
		Window:  stress.Window{Start: seconds(start), End: seconds(start + 1)},
		Asked:   level,
		Sent:    is.sent - was.sent,
		Done:    is.done - was.done,
		Failed:  is.failed - was.failed,
		Latency: condense(s.e.latency),
		Work: map[string]float64{
			"cpu_seconds": is.cpu - was.cpu,
			"requests":    float64(is.done - was.done),
		},
	}
	shares := s.p.shares(was, is, 1)
	o.Signals = map[stress.Signal]float64{
		stress.CPU: shares.cpu, stress.Workers: shares.workers, stress.Memory: shares.memory,
	}
	o.Pressure = map[stress.Signal]float64{
		stress.CPU: shares.cpu / limit, stress.Workers: shares.workers / limit, stress.Memory: shares.memory / limit,
	}
	if e := s.errors(o.Done, o.Failed); !math.IsNaN(e) {
		o.Signals[stress.Errors], o.Pressure[stress.Errors] = e, e/errorLimit
	}
	if o.Latency.Count >= p99Answers {
		p99 := o.Latency.P99.Seconds()
		o.Signals[stress.LatencyP99], o.Pressure[stress.LatencyP99] = p99, p99/(latencyRoom*s.p.Timeout)
	}
	return o
}

// errors is the share of failures in the last block of finished requests.
func (s *Server) errors(done, failed uint64) float64 {
	s.block.done += done
	s.block.failed += failed
	if s.block.done >= errorBlock {
		s.errs = float64(s.block.failed) / float64(s.block.done)
		s.block.done, s.block.failed = 0, 0
	}
	return s.errs
}

// shares are the means of the signals over some time.
type shares struct{ cpu, workers, memory, errors float64 }

func (p *profile) shares(from, to totals, seconds float64) shares {
	s := shares{
		cpu:     (to.cpu - from.cpu) / seconds / float64(p.Cores),
		workers: (to.busySeconds - from.busySeconds) / seconds / float64(p.Workers),
		memory:  p.MemoryBase + p.MemoryPer*(to.insideSeconds-from.insideSeconds)/seconds,
	}
	if done := to.done - from.done; done > 0 {
		s.errors = float64(to.failed-from.failed) / float64(done)
	}
	return s
}

// condense sorts the latencies and takes the nearest ranks.
func condense(latency []float64) stress.Latency {
	n := len(latency)
	if n == 0 {
		return stress.Latency{}
	}
	slices.Sort(latency)
	sum := 0.0
	for _, l := range latency {
		sum += l
	}
	at := func(q float64) time.Duration {
		return seconds(latency[max(0, int(math.Ceil(q*float64(n)))-1)])
	}
	return stress.Latency{
		Count: uint64(n), Mean: seconds(sum / float64(n)),
		P50: at(.50), P90: at(.90), P99: at(.99), Max: seconds(latency[n-1]),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
