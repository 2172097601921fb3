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
//	GET  /v1/alive             {}, without a word with the balancer
//	GET  /v1/state             State
//	POST /v1/begin  Begin      Begun
//	POST /v1/push   Push       State
//	POST /v1/end    End        Ended
//
// What is refused has a status of 4xx or 5xx and a Refusal. Durations are in
// nanoseconds.

// A Begin asks for a backend. It is granted for [FirstLease]; the first push has
// to come before that.
type Begin struct {
	// Holder says who asks, for the journal and for others who ask meanwhile.
	Holder string `json:"holder"`
	// Servers are those to be squeezed; no other's weight is ever set. At least
	// one server of the backend is not among them.
	Servers []string `json:"servers"`
	// Caps are at most the watchdog's own; a zero field is the watchdog's.
	Caps Caps `json:"caps"`
	// MaxConns are the valves to set while it lasts, by server of Servers; none
	// is none.
	MaxConns map[string]int `json:"max_conns,omitempty"`
}

// Caps bound what a squeeze may do; the watchdog holds them whatever it is asked.
type Caps struct {
	// Times is the most that a weight may be raised to, as a multiple of the one found.
	Times float64 `json:"times"`
	// Share is the most of the backend's weight that one server may have, from 0
	// to 1.
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
// nothing: everything is as found. One that the balancer refuses renews nothing.
type Push struct {
	Epoch uint64 `json:"epoch"`
	// Seq is the push's number within its epoch: one that arrives after a later one
	// is refused. 0 is none. A [Client] numbers them by itself.
	Seq uint64 `json:"seq,omitempty"`
	// Lease is at most [LongestLease]. It begins when the push arrives.
	Lease   time.Duration  `json:"lease"`
	Weights map[string]int `json:"weights"`
}

// A State is what stands now.
type State struct {
	// Name is the backend's.
	Name string `json:"name"`
	// Epoch of the holder, 0 where nobody holds the backend.
	Epoch  uint64 `json:"epoch"`
	Holder string `json:"holder,omitempty"`
	// Restoring: an epoch has ended and its weights are being put back. Nobody
	// holds the backend then, and nobody is granted it.
	Restoring bool `json:"restoring,omitempty"`
	// Backend is the last reading, at most 200 ms old, or Delay where that is more.
	Backend balancer.Backend `json:"backend"`
	// Pushed is what was asked for last and capped, by server; only those that
	// differ from the ones found.
	Pushed map[string]int `json:"pushed,omitempty"`
	// Pending: the balancer has not yet taken what was pushed last.
	Pending bool `json:"pending,omitempty"`
	// Trouble is why the balancer cannot be read or set now.
	Trouble string `json:"trouble,omitempty"`
	// Last is how the epoch before ended, or is ending.
	Last *Ended `json:"last,omitempty"`
}

// An End gives a backend back. To end what has ended already tells how it did.
type End struct {
	Epoch uint64 `json:"epoch"`
	// Why, for the journal and the record; "the run ended" where it is empty.
	Why string `json:"why,omitempty"`
}

// Ended says how an epoch ended.
type Ended struct {
	Epoch  uint64 `json:"epoch"`
	Holder string `json:"holder,omitempty"`
	// Why: "the run ended", "the lease ended", "s2 is down", "somebody else set
	// the weight of s1 to 40", ...
	Why string `json:"why"`
	// Restored is true once every weight and valve was read back as found, but
	// for what somebody else had set meanwhile.
	Restored bool `json:"restored"`
	// Respected are the servers whose weight or valve somebody else had set, or
	// taken away: theirs is left as it is. Servers tells of each.
	Respected []string `json:"respected,omitempty"`
	// Took is from the decision to the reading that confirmed it.
	Took time.Duration `json:"took"`
	// Servers are those that were squeezed, and others that were respected.
	Servers []Return `json:"servers,omitempty"`
}

// A Return is what became of one server's weight.
type Return struct {
	Server string `json:"server"`
	// Found is the weight before the epoch, Stood the one when it had ended,
	// Stands the one that was read last.
	Found  int `json:"found"`
	Stood  int `json:"stood"`
	Stands int `json:"stands"`
	// Left is why it is not as found; empty where it is.
	Left string `json:"left,omitempty"`
}

// A Refusal is the answer to what cannot be done. It is an error.
type Refusal struct {
	Code Code   `json:"code"`
	Why  string `json:"why"`
	// Remedy is what to do about it; empty where nobody knows.
	Remedy string `json:"hint,omitempty"`
	// Ended tells of the epoch, where it is dead.
	Ended *Ended `json:"ended,omitempty"`
}
