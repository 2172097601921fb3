// Package watchdog holds a load balancer's weights on behalf of a run, and puts
// them back.
//
// It is the only one that speaks with the balancer. A controller asks it to
// begin, is given an epoch, and pushes weights under it, each for a short lease;
// when a lease ends, or anything is not as it should be, the watchdog puts the
// weights back as it found them, reads them back until it is so, and the epoch
// is dead: nothing can be pushed under it again. What it found is in a journal
// on disk before the first change.
package watchdog

import (
	"time"

	"saturate/loadgen/shift/balancer"
)

// The protocol is JSON over HTTP, on a UNIX socket or by mutual TLS:
//
//	GET  /v1/state             State
//	POST /v1/begin  Begin      Begun
//	POST /v1/push   Push       State
//	POST /v1/end    End        Ended
//
// What is refused has a status of 4xx or 5xx and a Refusal.

// A Begin asks for a backend.
type Begin struct {
	// Holder says who asks, for the journal and for others who ask meanwhile.
	Holder string `json:"holder"`
	// Servers are those to be squeezed; no other's weight is ever set.
	Servers []string `json:"servers"`
	Caps    Caps     `json:"caps"`
	// MaxConns are the valves to set while it lasts, by server; none is none.
	MaxConns map[string]int `json:"max_conns,omitempty"`
}

// Caps bound what a squeeze may do; the watchdog holds them whatever it is asked.
type Caps struct {
	// Times is the most that a weight may be raised to, as a multiple of the one found.
	Times float64 `json:"times"`
	// Share is the most of the backend's weight that one server may have.
	Share float64 `json:"share"`
	// For is how long the whole may last.
	For time.Duration `json:"for"`
}

// Begun grants a backend.
type Begun struct {
	Epoch uint64           `json:"epoch"`
	Found balancer.Backend `json:"found"`
	// Delay is how long a weight takes to act.
	Delay time.Duration `json:"delay"`
}

// A Push sets weights until the lease ends or another push comes. A server that
// it does not name has the weight found. An empty one renews the lease of
// nothing: everything is as found.
type Push struct {
	Epoch   uint64         `json:"epoch"`
	Lease   time.Duration  `json:"lease"`
	Weights map[string]int `json:"weights"`
}

// A State is what stands now.
type State struct {
	// Epoch of the holder, 0 where nobody holds the backend.
	Epoch   uint64           `json:"epoch"`
	Holder  string           `json:"holder,omitempty"`
	Backend balancer.Backend `json:"backend"`
	// Pushed is what was asked for last and capped: the weights in force, by
	// server; only those that differ from the ones found.
	Pushed map[string]int `json:"pushed,omitempty"`
	// Last is how the epoch before ended.
	Last *Ended `json:"last,omitempty"`
}

// An End gives a backend back.
type End struct {
	Epoch uint64 `json:"epoch"`
}

// Ended says how an epoch ended.
type Ended struct {
	Epoch uint64 `json:"epoch"`
	// Why: "the run ended", "the lease ended", "s2 is down", "somebody else set
	// the weight of s1 to 40", ...
	Why string `json:"why"`
	// Restored is true once every weight and valve was read back as found.
	// Respected are the servers whose weight somebody else had set meanwhile:
	// theirs is left as it is.
	Restored  bool     `json:"restored"`
	Respected []string `json:"respected,omitempty"`
	// Took is from the decision to the reading that confirmed it.
	Took time.Duration `json:"took"`
}

// A Refusal is the answer to what cannot be done.
type Refusal struct {
	// Code is busy, dead epoch, not up, caps, balancer, journal or bad request.
	Code string `json:"code"`
	Why  string `json:"why"`
	Hint string `json:"hint,omitempty"`
	// Ended tells of the epoch, where it is dead.
	Ended *Ended `json:"ended,omitempty"`
}
