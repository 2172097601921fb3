package probe

import (
	"context"
	"strings"

	"saturate/stress"
)

// What nginx's stub_status tells. None of it is a worker: one that waits for
// an upstream is a connection like any other.
const (
	nginxActive   stress.Gauge   = "nginx_active"   // connections, the waiting ones included
	nginxReading  stress.Gauge   = "nginx_reading"  // of them, those whose request is being read
	nginxWriting  stress.Gauge   = "nginx_writing"  // those whose answer is awaited or written
	nginxWaiting  stress.Gauge   = "nginx_waiting"  // those kept alive
	nginxRequests stress.Counter = "nginx_requests" // of every location, this page too
	nginxDropped  stress.Counter = "nginx_dropped"  // connections accepted and not handled
)

// parseStubStatus reads the page:
//
//	Active connections: 22
//	server accepts handled requests
//	 3609 3609 3873
//	Reading: 0 Writing: 21 Waiting: 1
func parseStubStatus(text string, s *stress.Sample) error {
	f := strings.Fields(text)
	want := []struct {
		at      int
		before  string
		gauge   stress.Gauge
		counter stress.Counter
	}{
		{at: 2, before: "connections:", gauge: nginxActive},
		{at: 9, counter: nginxRequests},
		{at: 11, before: "Reading:", gauge: nginxReading},
		{at: 13, before: "Writing:", gauge: nginxWriting},
		{at: 15, before: "Waiting:", gauge: nginxWaiting},
	}
	wrong := hinted("name a location with stub_status on", "no stub_status page")
	if len(f) != 16 || f[4] != "accepts" || f[5] != "handled" || f[6] != "requests" {
		return wrong
	}
	for _, w := range want {
		v, err := parseNumber(f[w.at])
		if err != nil || w.before != "" && f[w.at-1] != w.before {
			return wrong
		}
		if w.gauge != "" {
			s.Gauges[w.gauge] = v
		} else {
			s.Counters[w.counter] = v
		}
	}
	accepts, err1 := parseNumber(f[7])
	handled, err2 := parseNumber(f[8])
	if err1 != nil || err2 != nil {
		return wrong
	}
	s.Counters[nginxDropped] = max(0, accepts-handled)
	return nil
}

// nginx reads a stub_status page.
type nginx struct{ *fetcher }

func (n nginx) read(ctx context.Context, s *stress.Sample) error {
	b, err := n.fetch(ctx)
	if err != nil {
		return err
	}
	return parseStubStatus(string(b), s)
}
