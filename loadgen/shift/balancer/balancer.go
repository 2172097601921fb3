// Package balancer speaks with load balancers: it reads what the servers of one
// backend do, and sets their weights.
//
// It decides nothing and remembers nothing: who may set what, and what is put
// back, is the watchdog's to know.
package balancer

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Balancer is one backend of a load balancer: the servers that share its
// traffic by weight.
type Balancer interface {
	// Name tells one backend from every other, for locks and journals.
	Name() string
	// Delay is how long a weight takes to act once it is set.
	Delay() time.Duration
	// Read returns the backend as it stands.
	Read(ctx context.Context) (Backend, error)
	// SetWeights sets the weights of the servers named, and returns when the
	// balancer has taken them. It does not read them back.
	SetWeights(ctx context.Context, weights map[string]int) error
}

// A Valve is a Balancer that can bound how many requests a server works on at
// once, so that what is too much waits at the balancer or goes elsewhere.
type Valve interface {
	SetMaxConns(ctx context.Context, bounds map[string]int) error
}

// A Backend is what a balancer tells of one backend at one moment. Counters are
// raw and cumulative; Boot changes when they begin anew.
type Backend struct {
	// At is when it was read, of this machine's clock.
	At time.Time `json:"at"`
	// Boot is the balancer's process that was asked; another one has counters,
	// and perhaps weights, of its own.
	Boot string `json:"boot"`
	// MinWeight and MaxWeight are the lowest and the highest weight that the
	// balancer takes; below MinWeight a server would have to be taken out.
	MinWeight int `json:"min_weight"`
	MaxWeight int `json:"max_weight"`
	// Algorithm shares the traffic out, in the balancer's own word; empty where
	// it does not tell.
	Algorithm string `json:"algorithm,omitempty"`
	// Fixed says why weights cannot be set while the balancer runs; empty where
	// they can. Doubts are what somebody who sets them should know.
	Fixed  string   `json:"fixed,omitempty"`
	Doubts []string `json:"doubts,omitempty"`
	// Queued requests wait at the balancer for any server; now.
	Queued int `json:"queued,omitempty"`
	// Failed are the answers with a status of 5xx that the backend's users got,
	// whoever made them; a request that went well with another server is none.
	Failed  uint64   `json:"failed"`
	Servers []Server `json:"servers"`
}

// Server is the server of that name; false where the backend has none.
func (b Backend) Server(name string) (Server, bool) {
	for _, s := range b.Servers {
		if s.Name == name {
			return s, true
		}
	}
	return Server{}, false
}

// A Server is one server of a backend.
type Server struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"` // host:port, where the balancer tells it
	// Weight as it was set last, whatever acts on it besides (a slow start), and
	// as the balancer's configuration has it, 0 where it does not tell. A weight
	// of 0 gets no new traffic.
	Weight  int `json:"weight"`
	Initial int `json:"initial,omitempty"`
	// MaxConns is the valve as it stands; 0 where there is none.
	MaxConns int    `json:"max_conns,omitempty"`
	Status   Status `json:"status"`
	// Detail is the balancer's own word for the status: "UP 1/3", "DRAIN (agent)".
	Detail string `json:"detail,omitempty"`
	Backup bool   `json:"backup,omitempty"`

	// Requests that the balancer gave to the server (where it counts them only
	// when they are answered, InFlight is 0), and those of them that the server
	// failed: no connection, no answer, a broken one, or a status of 5xx.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	// Retried requests were given to a server again, or to another.
	Retried uint64 `json:"retried,omitempty"`
	// InFlight requests are at the server, Queued ones wait for it at the
	// balancer; now.
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued,omitempty"`
	// Response is the balancer's own mean over its last requests, where it keeps
	// one: it lags, and is for people. 0 is unknown.
	Response time.Duration `json:"response,omitempty"`
	// Times are the answers so far by how long they took, where the balancer's
	// log is read: bucket to count. Upper tells a bucket's bound. Nil is unknown.
	Times map[int]uint64 `json:"times,omitempty"`
}

// StatusText is the status for people: "down (DOWN 1/2)", with the balancer's own
// word where that tells more.
func (s Server) StatusText() string {
	if s.Detail == "" || strings.EqualFold(s.Detail, string(s.Status)) {
		return string(s.Status)
	}
	return fmt.Sprintf("%s (%s)", s.Status, s.Detail)
}

// A Status is whether a server may take traffic: what health checks and people
// say of it. A server that only has a weight of 0 is Up.
type Status string

// The statuses. Anything but Up is a reason to leave a backend alone.
const (
	Up          Status = "up"
	Failing     Status = "failing" // up, but its last health check failed
	Down        Status = "down"
	Drain       Status = "drain"
	Maintenance Status = "maintenance"
	Unknown     Status = "unknown" // the balancer does not tell, or tells something new
)
