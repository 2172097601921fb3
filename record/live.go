package record

import (
	"fmt"
	"slices"
	"strings"
)

// LiveTraffic is the kind of load that the users themselves offer: a load
// balancer's weights were moved, and nothing was generated. Its engine is the
// balancer's kind.
const LiveTraffic = "live traffic"

// RunEnded is why a squeeze ended that nothing ended early.
const RunEnded = "the run ended"

// Live is what a run did to a load balancer, and how it left it.
type Live struct {
	// Balancer is its kind: haproxy, nginx or command. Backend is the name that
	// tells its servers from those of any other, and begins with the kind.
	Balancer string   `json:"balancer"`
	Backend  string   `json:"backend"`
	Caps     LiveCaps `json:"caps"`
	// Squeezes are in the order made, one for each restart.
	Squeezes []Squeeze `json:"squeezes"`
}

// LiveCaps bound what a squeeze might do.
type LiveCaps struct {
	// Times is the most that a weight might be raised to, as a multiple of the
	// one found; Share the most of the backend's traffic that one server might get.
	Times float64 `json:"times"`
	Share float64 `json:"share"`
	// Seconds is how long it might last.
	Seconds float64 `json:"seconds"`
}

// A Squeeze is one holding of the balancer: from the first weight that was moved
// to the reading that found every one of them as before.
type Squeeze struct {
	// Restart is that of the targets' repeats that it measured, Epoch the
	// watchdog's number for it, which its journal has too.
	Restart int    `json:"restart"`
	Epoch   uint64 `json:"epoch"`
	// Servers are the ones squeezed.
	Servers  []SqueezedServer `json:"servers"`
	Siblings *Siblings        `json:"siblings,omitempty"`
	Traffic  *LiveRates       `json:"traffic,omitempty"`
	// Why it ended, in the watchdog's words: RunEnded where nothing ended it.
	Why string `json:"why,omitempty"`
	// Restored is true where every weight was read back as found, RestoreSeconds
	// how long that took from the decision on. Respected are the servers whose
	// weight somebody else had set meanwhile, which was left as it was.
	Restored       bool     `json:"restored"`
	RestoreSeconds float64  `json:"restore_seconds,omitempty"`
	Respected      []string `json:"respected,omitempty"`
}

// A SqueezedServer is a target as the balancer knows it.
type SqueezedServer struct {
	Target string `json:"target"`
	Server string `json:"server"`
	// Found is its weight before anything was moved, Left the one that was read
	// last; nil where none could be read. Allowed is the most that a bound, which
	// Bound names, let it have.
	Found   int    `json:"found"`
	Left    *int   `json:"left,omitempty"`
	Allowed int    `json:"allowed,omitempty"`
	Bound   string `json:"bound,omitempty"`
	// MaxConns is the valve that was set while it lasted; 0 where none was.
	MaxConns int `json:"max_conns,omitempty"`
	// Weights are the changes as the watchdog read them.
	Weights []WeightChange `json:"weights,omitempty"`
}

// A WeightChange is the weight of a server from a moment on, in seconds since
// the squeeze began.
type WeightChange struct {
	AtSeconds float64 `json:"at_seconds"`
	Weight    int     `json:"weight"`
}

// LiveRates are the rate of the whole backend at the start and the end of a
// squeeze, and its bounds meanwhile, in the load's unit.
type LiveRates struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// Highest is the highest weight that a server had.
func (s SqueezedServer) Highest() int {
	most := s.Found
	for _, w := range s.Weights {
		most = max(most, w.Weight)
	}
	return most
}

// Siblings are the servers of the backend that were not squeezed: what they did
// before it, and at the worst moment of it.
type Siblings struct {
	Names []string       `json:"names"`
	Quiet SiblingFigures `json:"quiet"`
	Worst SiblingFigures `json:"worst"`
	// Requests that the balancer gave to them during the squeeze, and those that
	// failed.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
}

// SiblingFigures are of all siblings together; a figure that the balancer does
// not tell is absent.
type SiblingFigures struct {
	FailedShare *float64 `json:"failed_share,omitempty"`
	// Response is the mean time of an answer and P99 its 99th percentile, in
	// seconds, as the balancer measured them.
	Response *float64 `json:"response,omitempty"`
	P99      *float64 `json:"p99,omitempty"`
}

// PutBack says how a squeeze left the weights.
func (q Squeeze) PutBack() string {
	found, stand := make([]string, len(q.Servers)), make([]string, len(q.Servers))
	for i, s := range q.Servers {
		found[i] = fmt.Sprintf("%s %d", s.Server, s.Found)
		stand[i] = found[i] + " and not read since"
		if s.Left != nil {
			stand[i] = fmt.Sprintf("%s and %d when last read", found[i], *s.Left)
		}
	}
	switch {
	case !q.Restored:
		return "NOT VERIFIED, found were " + strings.Join(stand, ", ")
	case len(q.Respected) > 0:
		return fmt.Sprintf("weights back as found, read back in %.1f s, but for what somebody else had set meanwhile and was left alone: %s",
			q.RestoreSeconds, strings.Join(q.Respected, ", "))
	}
	return fmt.Sprintf("weights back as found: %s; read back in %.1f s", strings.Join(found, ", "), q.RestoreSeconds)
}

// Restored tells whether every squeeze left the balancer as it found it.
func (l *Live) Restored() bool {
	return !slices.ContainsFunc(l.Squeezes, func(q Squeeze) bool { return !q.Restored })
}
