package loadgen

import (
	"sync"
	"time"

	"saturate/loadgen/internal/socket"
)

// A dialler opens connections beside a shard's thread, where the two dozen
// microseconds that a connection takes would delay the hits that follow. A
// thread that dials is late, being late needs more connections at once, and a
// start at 40,000 hits a second ends with a thousand of them.
type dialler struct {
	*plan
	ring   func() // tells the shard that there is something to take
	orders chan *link
	ended  chan struct{}

	mu    sync.Mutex
	ready []dialled
	taken []dialled // what the shard is dealing with
}

// dialled is an order carried out: the socket is connected, connecting, or
// could not be.
type dialled struct {
	link  *link
	began time.Duration
	fd    int
	err   error
}

// newDialler has room for as many orders as there can be links.
func newDialler(p *plan, room int, ring func()) *dialler {
	return &dialler{plan: p, ring: ring, orders: make(chan *link, room), ended: make(chan struct{})}
}

func (d *dialler) run() {
	defer close(d.ended)
	for l := range d.orders {
		began := d.now()
		fd, err := socket.Dial(d.addr)
		d.mu.Lock()
		d.ready = append(d.ready, dialled{l, began, fd, err})
		first := len(d.ready) == 1
		d.mu.Unlock()
		if first {
			d.ring()
		}
	}
}

// take returns what has been carried out since the last take; it is valid until
// the next.
func (d *dialler) take() []dialled {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready, d.taken = d.taken[:0], d.ready
	return d.taken
}

// stop ends the dialler; nobody may order any more.
func (d *dialler) stop(running bool) {
	close(d.orders)
	if running {
		<-d.ended
	}
	for _, d := range d.take() {
		if d.err == nil {
			socket.Close(d.fd)
		}
	}
}

// A pause follows a connection that could not be opened: a target that refuses
// need not be asked for every hit. It doubles until one can be.
type pause struct {
	until, length time.Duration
	why           error
}

const shortestPause, longestPause = time.Millisecond, 64 * time.Millisecond

func (p *pause) begin(now time.Duration, why error) {
	if now < p.until { // tried before it began, several at once: one refusal, and not so many
		return
	}
	p.length = min(max(shortestPause, 2*p.length), longestPause)
	p.until, p.why = now+p.length, why
}

func (p *pause) end() { *p = pause{} }
