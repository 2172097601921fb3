// Package ramp finds the highest level that a target sustains.
//
// The search is pure: it has no clock and no socket, asks for one window of
// load at a time and is told what was observed, so that it runs against a
// simulated server at full speed. The driver joins it to a loader and to
// probes. Neither ever crosses the limit on purpose: a server pushed over is,
// for a while, another server.
package ramp

import (
	"time"

	"saturate/stress"
)

// A Phase says what a step is for.
type Phase string

// The phases of a run, in order; recover can follow any of the loaded ones but
// the reference.
const (
	Idle     Phase = "idle"     // no load, or live traffic as found: where each signal starts
	Approach Phase = "approach" // climbing on headroom
	Hold     Phase = "hold"     // the step whose measured part counts
	Recover  Phase = "recover"  // the load was cut; waiting for calm
	// Reference is after the answer: the level at which the target spends what a
	// server of the fleet does.
	Reference Phase = "reference"
	Done      Phase = "done"
)

// A Step is the load that the search asks for in the next window.
type Step struct {
	Phase Phase
	// Level to offer, in the loader's unit.
	Level float64
	// Drain asks for no load at all of a loader whose level 0 leaves some.
	Drain bool
	// Settling windows are not measured.
	Settling bool
	// Left is how long the search expects to need still, at least; for people.
	Left time.Duration
	// Why says in a few words what the step does; for people.
	Why string
}

// An Ending says how a run ended.
type Ending string

// The endings. Only Found has a bare number.
const (
	Found        Ending = "found"
	AtLeast      Ending = "at_least"     // the maximum level, or the generator, came first
	AtMost       Ending = "at_most"      // the first level already failed
	Inconclusive Ending = "inconclusive" // nothing can be said; Result.Why has the reason
)

// An Interval is where the true value lies with the given confidence.
type Interval struct {
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
	Level float64 `json:"level"` // .95
	// Basis says what the interval covers: "within hold", "restarts", "servers".
	Basis string `json:"basis"`
}

// Sustained is what a hold found.
type Sustained struct {
	// Rate is the hold's own rate: what was really served.
	Rate float64 `json:"rate"`
	// AtLimit is the estimate of the rate at pressure 1.0.
	AtLimit  float64  `json:"at_limit"`
	Interval Interval `json:"interval"`
	// Hangover is a second capacity: what the server sustains for a while after
	// it has been pushed over; 0 where none was seen.
	Hangover float64 `json:"hangover,omitempty"`
}

// A Trip is a cut of the load by the search's own lines.
type Trip struct {
	At    time.Duration `json:"at"`
	Level float64       `json:"level"`
	Why   string        `json:"why"`
}

// A Result is what the search found.
type Result struct {
	Ending Ending
	// Why is for people: the reason of any ending but Found, or a note to it.
	Why       string
	Sustained *Sustained // nil where nothing was held
	// Break is the lowest level seen to fail; 0 where none was.
	Break float64
	// Bottleneck is the signal whose limit is reached first, Runner the next,
	// and Headroom how far, as a share of its limit, the runner-up is from it.
	Bottleneck, Runner stress.Signal
	Headroom           float64
	// Hold is the measured part of the hold that counts: the observations'
	// indices [From, To) in the order they were given to Observe.
	From, To int
	Trips    []Trip
	// Notes are doubts: "hangover", "knee", "tripped late".
	Notes []string
}
