package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Figures are what users saw in one phase.
type Figures struct {
	Began, Ended time.Time
	// Done requests ended; Failed of them without the page.
	Done, Failed int
	// Late is how late the crowd itself was to send.
	Late *hdrhistogram.Histogram
	// By server, as the balancer's answers name it; "" answered by none.
	Servers map[string]*Seen
	// Failures are the first few, with the time.
	Failures []string
}

// Seen is what users saw of one server.
type Seen struct {
	Done, Failed int
	// Latency of the pages, from when they were meant to be asked for, in microseconds.
	Latency *hdrhistogram.Histogram
}

func newFigures() *Figures {
	return &Figures{Began: time.Now(), Late: newHistogram(), Servers: make(map[string]*Seen)}
}

// newHistogram holds up to a minute, in microseconds.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Microseconds(), 3)
}

func (f *Figures) add(server string, took, late time.Duration, err error) {
	s := f.Servers[server]
	if s == nil {
		s = &Seen{Latency: newHistogram()}
		f.Servers[server] = s
	}
	f.Done++
	s.Done++
	keep(f.Late, late)
	if err == nil {
		keep(s.Latency, took)
		return
	}
	f.Failed++
	s.Failed++
	if len(f.Failures) < 10 {
		f.Failures = append(f.Failures, fmt.Sprintf("%s after %s by %q: %v",
			time.Now().Format("15:04:05.000"), took.Round(time.Millisecond), server, err))
	}
}

func keep(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(min(max(1, d.Microseconds()), h.HighestTrackableValue())) // in its range: no error
}

// Seconds that the phase took.
func (f *Figures) Seconds() float64 { return f.Ended.Sub(f.Began).Seconds() }

// FailedShare is the share of users whose request failed.
func (f *Figures) FailedShare() float64 { return float64(f.Failed) / float64(max(1, f.Done)) }

// P99 is that of the servers named, taken together; 0 where none answered.
func (f *Figures) P99(servers ...string) time.Duration {
	all := newHistogram()
	for _, name := range servers {
		if s := f.Servers[name]; s != nil {
			all.Merge(s.Latency)
		}
	}
	return time.Duration(all.ValueAtQuantile(99)) * time.Microsecond
}

// String is a table for people.
func (f *Figures) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "server\treq/s\tfailed\tp50 ms\tp99 ms\t")
	for _, name := range slices.Sorted(maps.Keys(f.Servers)) {
		s := f.Servers[name]
		fmt.Fprintf(w, "%s\t%.1f\t%d\t%.0f\t%.0f\t\n", name, float64(s.Done)/f.Seconds(), s.Failed,
			float64(s.Latency.ValueAtQuantile(50))/1000, float64(s.Latency.ValueAtQuantile(99))/1000)
	}
	w.Flush()
	fmt.Fprintf(&b, "%d requests in %.0f s (%.1f/s), %d failed; sent late by %.1f ms (p99)\n",
		f.Done, f.Seconds(), float64(f.Done)/f.Seconds(), f.Failed, float64(f.Late.ValueAtQuantile(99))/1000)
	for _, problem := range f.Failures {
		fmt.Fprintln(&b, " ", problem)
	}
	return b.String()
}
