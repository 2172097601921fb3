package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"

	"saturate/stress"
)

// A statsdMetric is one line of statsd: name:value|type.
type statsdMetric struct {
	name, kind string
	value      float64
	rate       float64 // sample rate: one line stands for 1/rate
}

// parseStatsd reads "name:value|type", with "|@rate" and "|#tags" behind it.
func parseStatsd(line string) (statsdMetric, bool) {
	name, rest, found := strings.Cut(strings.TrimSpace(line), ":")
	fields := strings.Split(rest, "|")
	if !found || len(fields) < 2 {
		return statsdMetric{}, false
	}
	m := statsdMetric{name: name, kind: fields[1], rate: 1}
	var err error
	if m.value, err = strconv.ParseFloat(fields[0], 64); err != nil || math.IsNaN(m.value) || math.IsInf(m.value, 0) {
		return statsdMetric{}, false
	}
	for _, f := range fields[2:] {
		if text, found := strings.CutPrefix(f, "@"); found {
			if m.rate, err = strconv.ParseFloat(text, 64); err != nil || !(m.rate > 0 && m.rate <= 1) {
				return statsdMetric{}, false
			}
		}
	}
	return m, true
}

// gunicorn counts what gunicorn tells by statsd. It sends the time that a
// worker spent on a request when the request ends: so over a while the sum of
// these times per second is the mean number of busy workers (Little's law).
type gunicorn struct {
	conn    net.PacketConn
	workers float64

	mu             sync.Mutex
	heard          bool
	seconds, count float64
	err            error
}

// listenGunicorn takes the place of the statsd server at c.Statsd.
func listenGunicorn(c Gunicorn) (*gunicorn, error) {
	conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", c.Statsd)
	if err != nil {
		return nil, fail("gunicorn "+c.Statsd, hinted("saturate takes the place of the statsd server: choose a free port and start gunicorn with --statsd-host of the same", "%w", err))
	}
	g := &gunicorn{conn: conn, workers: float64(c.Workers)}
	if udp, ok := conn.(*net.UDPConn); ok {
		// Room for a second of a fast server; the kernel may grant less, and
		// then a burst may lose some lines.
		_ = udp.SetReadBuffer(4 << 20)
	}
	return g, nil
}

// listen receives until the connection is closed.
func (g *gunicorn) listen() {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := g.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			g.mu.Lock()
			g.err = err
			g.mu.Unlock()
			return
		}
		g.take(string(buf[:n]))
	}
}

// take counts one datagram. The names end in gunicorn.request.duration and
// gunicorn.requests, behind a prefix of the user's.
func (g *gunicorn) take(datagram string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for line := range strings.Lines(datagram) {
		m, ok := parseStatsd(line)
		switch {
		case !ok || m.value < 0:
		case m.kind == "ms" && strings.HasSuffix(m.name, "gunicorn.request.duration"):
			g.seconds += m.value / 1000 / m.rate
			g.heard = true
		case m.kind == "c" && strings.HasSuffix(m.name, "gunicorn.requests"):
			g.count += m.value / m.rate
			g.heard = true
		}
	}
}

func (g *gunicorn) read(_ context.Context, s *stress.Sample) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return g.err
	}
	if !g.heard {
		return hinted(fmt.Sprintf("start gunicorn with --statsd-host %s", g.conn.LocalAddr()), "no request has been reported yet")
	}
	s.Counters[stress.WorkerBusySeconds] = g.seconds
	s.Counters[stress.ServerRequests] = g.count
	s.Gauges[stress.WorkersTotal] = g.workers
	return nil
}

// Close stops the listening.
func (g *gunicorn) Close() error { return g.conn.Close() }
