package demo

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// counts are what the server knows of itself. The seconds are integrals over
// time, exact at any instant, requests under way included.
type counts struct {
	mu          sync.Mutex
	since       time.Time // the integrals are of the time until here
	workers     int64     // busy now
	bytes       int64     // that requests hold now
	requests    uint64
	busySeconds float64
	byteSeconds float64
}

func (c *counts) start(now time.Time) { c.since = now }

// advance brings the integrals to now. The caller has the lock.
func (c *counts) advance(now time.Time) {
	if d := now.Sub(c.since).Seconds(); d > 0 {
		c.busySeconds += d * float64(c.workers)
		c.byteSeconds += d * float64(c.bytes)
		c.since = now
	}
}

func (c *counts) busy(now time.Time, by int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(now)
	c.workers += by
}

// memory adds to what requests hold and returns all of it.
func (c *counts) memory(now time.Time, by int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(now)
	c.bytes += by
	return c.bytes
}

func (c *counts) request() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
}

// Figures are what the server has spent since it started, by its own count.
// Divided by Requests they are what a request costs: a limit divided by that is
// the rate at which the limit is reached.
type Figures struct {
	Requests    uint64
	BusySeconds float64 // of workers, summed
	CPUSeconds  float64 // of the process
	ByteSeconds float64 // of the memory that requests held
	WorkersBusy int64   // now
	Held        int64   // bytes that requests hold now
	Anonymous   int64   // bytes of anonymous memory of the process, now: Held, the base, the runtime's; 0 where unreadable
}

// Figures reads the counters.
func (s *Server) Figures() Figures {
	c := &s.count
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(time.Now())
	return Figures{
		Requests: c.requests, BusySeconds: c.busySeconds, ByteSeconds: c.byteSeconds, WorkersBusy: c.workers, Held: c.bytes,
		CPUSeconds: cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID).Seconds(), Anonymous: anonymous(),
	}
}

// anonymous is RssAnon of /proc/self/status.
func anonymous() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	line, _, _ := strings.Cut(rest, "kB")
	kb, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// ServeHTTP serves the figures in the Prometheus text format.
func (s *Server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f := s.Figures()
	var page bytes.Buffer
	for _, m := range []struct {
		name, kind, help string
		value            float64
	}{
		{"demo_workers", "gauge", "Workers there are.", float64(s.config.Workers)},
		{"demo_workers_busy", "gauge", "Workers that have a connection.", float64(f.WorkersBusy)},
		{"demo_worker_busy_seconds_total", "counter", "Time that workers had a connection, summed.", f.BusySeconds},
		{"demo_requests_total", "counter", "Requests carried out.", float64(f.Requests)},
		{"demo_memory_held_bytes", "gauge", "Memory that requests hold.", float64(f.Held)},
		{"demo_memory_byte_seconds_total", "counter", "Memory that requests held, summed over time.", f.ByteSeconds},
		{"process_cpu_seconds_total", "counter", "CPU time spent.", f.CPUSeconds},
		{"process_anonymous_memory_bytes", "gauge", "Anonymous memory in use.", float64(f.Anonymous)},
	} {
		fmt.Fprintf(&page, "# HELP %s %s\n# TYPE %[1]s %[3]s\n%[1]s %[4]s\n", m.name, m.help, m.kind, strconv.FormatFloat(m.value, 'g', -1, 64))
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(page.Bytes())
}
