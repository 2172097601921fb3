package sim

import (
	"slices"
	"time"

	"saturate/stress"
)

// A server behind a load balancer is not driven window by window: its traffic
// changes at any moment, and probes and balancer each look when they like.

// MemoryShare is memory as a gauge of the server's own, with the limit [Limit].
// As bytes the judge would see it coming, which Truth does not.
const MemoryShare stress.Gauge = "memory_share"

// Limit is that of CPU, workers and memory, as shares.
const Limit = limit

// Run carries the server on by d while requests arrive at the rate, in req/s. Do
// not mix it with Window.
func (s *Server) Run(d time.Duration, rate float64) {
	s.e.offer(rate)
	s.e.advance(s.e.now + d.Seconds())
}

// Counted are the requests so far, by those who sent them.
func (s *Server) Counted() (sent, done, failed uint64) {
	return s.e.sent, s.e.done, s.e.failed
}

// Latencies are the times of the answers since the last call, in seconds.
func (s *Server) Latencies() []float64 {
	all := slices.Clone(s.e.latency)
	s.e.latency = s.e.latency[:0]
	return all
}

// Used is how long the CPUs and the workers were busy so far, as seconds of all
// of them.
func (s *Server) Used() (cpu, workers float64) {
	return s.e.cpu / float64(s.p.Cores), s.e.busySeconds / float64(s.p.Workers)
}

// Sample is what probes read: raw counters, and as gauges what was between the
// last sample and this one.
func (s *Server) Sample() stress.Sample {
	was, is := s.since, s.e.totals
	at := seconds(s.e.now)
	x := stress.Sample{At: at, Seq: s.seq,
		Counters: map[stress.Counter]float64{stress.CPUSeconds: is.cpu, stress.WorkerBusySeconds: is.busySeconds},
		Gauges:   map[stress.Gauge]float64{stress.CPULimit: float64(s.p.Cores), stress.WorkersTotal: float64(s.p.Workers)},
	}
	if dt := s.e.now - s.sampled; dt > 0 {
		x.Gauges[MemoryShare] = s.p.MemoryBase + s.p.MemoryPer*(is.insideSeconds-was.insideSeconds)/dt
	}
	s.since, s.sampled = is, s.e.now
	s.seq++
	return x
}
