package agent

import (
	"encoding/json"
	"sync"
	"time"

	"saturate/stress/probe"
)

const (
	// mostStreams is how many may be open: the controller's, and one to look on.
	mostStreams = 2
	// sourcesEvery is in how many lines the sources' state is told.
	sourcesEvery = 5
	// behind is how many lines a reader may be late before it is dropped.
	behind = 5
)

// Streams samples the target at the probes' pace while somebody reads, and hands
// the lines to all who do.
type streams struct {
	target  *target
	version string
	info    map[string]string

	mu      sync.Mutex
	open    map[chan []byte]bool
	running bool
	greet   bool   // somebody has not been told hello
	failing uint64 // which sources failed in the line before
	done    sync.WaitGroup
}

// join opens a stream; ok is false where there are enough. The channel is
// closed when there will be no more lines, or when its reader is too slow.
func (s *streams) join() (lines chan []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= mostStreams {
		return nil, false
	}
	lines = make(chan []byte, behind)
	s.open[lines] = true
	s.greet = true
	if !s.running {
		s.running = true
		s.done.Go(s.run)
	}
	return lines, true
}

// leave ends a stream.
func (s *streams) leave(lines chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(lines)
}

func (s *streams) drop(lines chan []byte) {
	if s.open[lines] {
		delete(s.open, lines)
		close(lines)
	}
}

// close ends all streams and waits for the sampling to end.
func (s *streams) close() {
	s.mu.Lock()
	for lines := range s.open {
		s.drop(lines)
	}
	s.mu.Unlock()
	s.done.Wait()
}

// count is how many are open.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// run samples until nobody reads.
func (s *streams) run() {
	s.target.pause()
	clock := time.NewTicker(probe.Interval)
	defer clock.Stop()
	for n := 0; s.send(n, s.target.sample()); n++ {
		<-clock.C
	}
}

// send hands a reading to all readers; it returns whether there is to be
// another.
func (s *streams) send(n int, r reading) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := line{Sample: r.Sample, Complete: r.complete, Gone: goneOf(r.gone), Panic: faultOf(r.err)}
	now := failing(r.sources)
	if s.greet || n%sourcesEvery == 0 || now != s.failing {
		l.Sources = states(r.sources)
	}
	if s.greet {
		l.Hello = &hello{Protocol: protocol, Version: s.version, Interval: probe.Interval.Seconds(), Scopes: r.scopes, Info: s.info, Streams: len(s.open)}
	}
	s.greet, s.failing = false, now
	text, err := json.Marshal(l)
	text = append(text, '\n')
	for lines := range s.open {
		select {
		case lines <- text:
		default:
			s.drop(lines)
		}
		if err != nil || r.err != nil {
			s.drop(lines)
		}
	}
	s.running = len(s.open) > 0
	return s.running
}

// failing has a bit for each source that failed, as far as there are bits.
func failing(sources []probe.Source) (bits uint64) {
	for i, src := range sources {
		if src.Err != nil {
			bits |= 1 << i
		}
	}
	return bits
}
