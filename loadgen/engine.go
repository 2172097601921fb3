package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
)

// Options are what a scenario does not say: what was found out about the target.
type Options struct {
	// Addr is where every connection goes, ip:port or the path of a UNIX socket:
	// [Trial].Addr. Empty has the target's host resolved, once.
	Addr string
	// Connections is the bound where Config leaves it to auto: workers +
	// backlog/4. Zero is 256.
	Connections int
	// NoKeepAlive sends one request a connection.
	NoKeepAlive bool
	// DialAhead connections are opened at the start. Only for a target that
	// keeps connections alive, and at most half its workers: idle connections
	// occupy synchronous workers.
	DialAhead int
	// Seed of arrivals and mix; the same one makes the same hits.
	Seed uint64
}

// defaultConnections is auto where nothing is known of the target.
const defaultConnections = 256

func (o Options) limit(c Config) int {
	limit := int(c.Connections)
	if limit == 0 {
		limit = o.Connections
	}
	if limit <= 0 {
		limit = defaultConnections
	}
	return min(limit, maxConnections)
}

// A Choice is the engine that offers a scenario's load.
type Choice struct {
	// Engine is vegeta, which speaks everything, or fast, which costs the
	// generator half to a fifth and keeps its times better.
	Engine string
	// Reason is why it is this one.
	Reason string
}

// ErrEngine says that the engine asked for cannot offer the load.
var ErrEngine = errors.New("the fast engine cannot offer this load")

// Choose is the engine for a Config, which must be valid, on targets' base URLs:
// one for all of them, or they could not be compared. The error is an [ErrEngine].
func Choose(c Config, targets ...string) (Choice, error) {
	obstacle := ""
	for _, target := range targets {
		obstacle = cmp.Or(obstacle, hindrance(c, target))
	}
	switch {
	case c.Engine == "vegeta":
		return Choice{"vegeta", "asked for"}, nil
	case c.Engine == "fast" && obstacle != "":
		return Choice{}, fmt.Errorf("%w: %s", ErrEngine, obstacle)
	case c.Engine == "fast":
		return Choice{"fast", "asked for"}, nil
	case obstacle != "":
		return Choice{"vegeta", obstacle}, nil
	}
	return Choice{"fast", "HTTP/1.1 without TLS"}, nil
}

// hindrance is why the fast engine cannot be had; "" for nothing.
func hindrance(c Config, target string) string {
	u, err := url.Parse(target)
	switch {
	case c.HTTP2:
		return "fast does not speak HTTP/2"
	case err == nil && u.Scheme == "https":
		return "fast does not speak TLS"
	}
	return ""
}

// New prepares load on a base URL, with the engine of [Choose]. Nothing is sent
// before the first Turn; only the connections of Options.DialAhead are opened.
// The Config must be valid.
func New(c Config, target string, o Options) (Loader, error) {
	choice, err := Choose(c, target)
	if err != nil {
		return nil, err
	}
	if c = c.withDefaults(); choice.Engine == "fast" {
		return newFast(c, target, o)
	}
	return newVegeta(c, target, o)
}
