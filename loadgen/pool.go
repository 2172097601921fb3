package loadgen

import (
	"context"
	"net/http"
	"slices"
	"sync"
)

// streams is how many requests share an HTTP/2 connection once all allowed
// connections are open; RFC 9113 asks servers to allow at least a hundred.
const streams = 100

// A pool holds the connections of an attack, never more than limit at once. The
// one used last is used next, so that few are open where few are needed.
type pool struct {
	wire  *wire
	limit int
	// share is the number of requests a connection carries at once.
	share int

	mu   sync.Mutex
	idle []*conn // last used at the end
	open []*conn // all, also those being dialled
	next int     // whose turn it is to be shared
}

// A conn is a connection in a pool.
type conn struct {
	cc    *http.ClientConn
	err   error         // why it could not be opened
	ready chan struct{} // closed when it is open, or could not be
	users int
	used  bool // has carried a request
	gone  bool // takes no more requests; closed when its last user is done
}

// get returns a connection; reused is whether it has carried a request before.
// The caller sees to it that no more than limit * share are asked for at once.
func (p *pool) get(ctx context.Context) (c *conn, reused bool, err error) {
	p.mu.Lock()
	if c = p.pick(); c == nil {
		c = p.add()
		p.mu.Unlock()
		return c, false, p.dial(ctx, c)
	}
	c.users++
	reused, c.used = c.used, true
	p.mu.Unlock()
	select {
	case <-c.ready:
	case <-ctx.Done():
		p.put(c)
		return nil, false, context.Cause(ctx)
	}
	if c.err != nil {
		p.put(c)
		return nil, false, c.err
	}
	return c, reused, nil
}

// pick finds an open connection to use: an idle one, or where no more may be
// opened one to share; nil means that one is to be opened.
func (p *pool) pick() *conn {
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.alive() {
			return c
		}
		p.retire(c)
	}
	if len(p.open) < p.limit || p.share == 1 {
		return nil
	}
	p.next = (p.next + 1) % len(p.open)
	return p.open[p.next]
}

func (p *pool) add() *conn {
	c := &conn{ready: make(chan struct{}), users: 1, used: true}
	p.open = append(p.open, c)
	return c
}

func (p *pool) dial(ctx context.Context, c *conn) error {
	c.cc, c.err = p.wire.open(ctx)
	close(c.ready)
	if c.err != nil {
		p.put(c)
	}
	return c.err
}

// replace closes a connection that died and opens a fresh one in its place. Of
// the many requests that shared it, the first do; the others share again.
func (p *pool) replace(ctx context.Context, dead *conn) (*conn, error) {
	p.mu.Lock()
	dead.users--
	p.retire(dead)
	if len(p.open) >= p.limit {
		p.mu.Unlock()
		c, _, err := p.get(ctx)
		return c, err
	}
	c := p.add()
	p.mu.Unlock()
	return c, p.dial(ctx, c)
}

// put gives a connection back. One that cannot carry another request is closed.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
	switch {
	case c.gone || !c.usable(p.share > 1):
		p.retire(c)
	case c.users == 0:
		p.idle = append(p.idle, c)
	}
}

// usable reports whether c can carry another request; it must be open or failed.
func (c *conn) usable(shared bool) bool {
	select {
	case <-c.ready:
	default:
		return true // still being dialled by somebody else
	}
	return c.alive() && (c.cc.Available() > 0 || shared && c.users > 0)
}

func (c *conn) alive() bool { return c.err == nil && c.cc.Err() == nil }

// retire takes c out of the pool. Requests that share it may still end.
func (p *pool) retire(c *conn) {
	if !c.gone {
		c.gone = true
		i := slices.Index(p.open, c)
		p.open = slices.Delete(p.open, i, i+1)
	}
	if c.users == 0 && c.cc != nil {
		c.cc.Close()
	}
}

// ahead opens n connections before they are needed.
func (p *pool) ahead(ctx context.Context, n int) error {
	for range min(n, p.limit) {
		p.mu.Lock()
		c := p.add()
		p.mu.Unlock()
		if err := p.dial(ctx, c); err != nil {
			return err
		}
		p.put(c)
	}
	return nil
}

// size is the number of connections open or being opened.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// close closes the connections; nobody may be using one.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		if c.cc != nil {
			c.cc.Close()
		}
	}
	p.open, p.idle = nil, nil
}
