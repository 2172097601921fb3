package agent

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"saturate/stress"
	"saturate/stress/probe"
)

// protocol is the version of the stream. A client that does not know it reads
// nothing from it.
const protocol = 1

// A line is one line of the stream. Every line is a sample; a reader that wants
// no more may ignore the rest.
type line struct {
	stress.Sample
	// Complete: every required source of the kernel's is in the sample.
	Complete bool `json:"complete"`
	// Hello is in the first line of a stream.
	Hello *hello `json:"hello,omitempty"`
	// Sources are in the first line, in every fifth and whenever one changes.
	Sources []state `json:"sources,omitempty"`
	// Gone is the source that tells that the target has ended.
	Gone string `json:"gone,omitempty"`
	// Panic ends the stream.
	Panic *fault `json:"panic,omitempty"`
}

// A hello says what the stream is.
type hello struct {
	Protocol int               `json:"protocol"`
	Version  string            `json:"version"`  // of saturate
	Interval float64           `json:"interval"` // seconds between samples
	Scopes   map[string]string `json:"scopes"`   // by unit of work
	Info     map[string]string `json:"info"`     // what the machine is, as in saturate_host_info
	Streams  int               `json:"streams"`  // open now, this one among them
}

// A state is how a source is doing.
type state struct {
	Name     string  `json:"name"`
	Required bool    `json:"required,omitempty"`
	Named    bool    `json:"named,omitempty"`
	Error    string  `json:"error,omitempty"`
	Hint     string  `json:"hint,omitempty"`
	Age      float64 `json:"age"` // seconds; -1 never read
}

// A fault is a probe's panic.
type fault struct {
	Probe string `json:"probe"`
	Value string `json:"value"`
	Stack string `json:"stack"`
}

// A refusal is the body of an answer that is no stream.
type refusal struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	// Gone: the target has ended, or is not there yet.
	Gone string `json:"gone,omitempty"`
}

// states puts sources on the wire.
func states(sources []probe.Source) []state {
	all := make([]state, 0, len(sources))
	for _, src := range sources {
		s := state{Name: src.Name, Required: src.Required, Named: src.Named, Age: -1}
		if src.Age >= 0 {
			s.Age = src.Age.Seconds()
		}
		var known *probe.Error
		switch {
		case errors.As(src.Err, &known):
			s.Error, s.Hint = known.Err.Error(), known.Remedy
		case src.Err != nil:
			s.Error = src.Err.Error()
		}
		all = append(all, s)
	}
	return all
}

// source takes one off the wire, so long after it was put there.
func (s state) source(since time.Duration) probe.Source {
	src := probe.Source{Name: s.Name, Required: s.Required, Named: s.Named, Age: -1}
	if s.Age >= 0 {
		src.Age = time.Duration(s.Age*float64(time.Second)) + since
	}
	if s.Error != "" {
		src.Err = &probe.Error{Source: s.Name, Err: errors.New(s.Error), Remedy: s.Hint}
	}
	return src
}

// faultOf puts a probe's panic on the wire; nil where err is none.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	var bug *probe.Panic
	if !errors.As(err, &bug) {
		return &fault{Probe: targetSource, Value: err.Error()}
	}
	return &fault{Probe: bug.Probe, Value: fmt.Sprint(bug.Value), Stack: bug.Stack}
}

func (f *fault) err() error { return &probe.Panic{Probe: f.Probe, Value: f.Value, Stack: f.Stack} }

// goneOf is the source that tells that the target has ended; "" while it has not.
func goneOf(err error) string {
	var known *probe.Error
	switch {
	case !errors.Is(err, probe.ErrGone):
		return ""
	case errors.As(err, &known):
		return known.Source
	}
	return targetSource
}

// finite drops what JSON cannot say, such as a page's NaN: it was not read.
func finite(s stress.Sample) {
	maps.DeleteFunc(s.Counters, func(_ stress.Counter, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	maps.DeleteFunc(s.Gauges, func(_ stress.Gauge, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
