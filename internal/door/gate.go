package door

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MostGuests is how many connections are open at once, and mostEach how many
	// from one address: Prometheus needs one, a controller another.
	MostGuests, mostEach = 64, 8
	// eachSecond is how many an address may open in a second in the long run,
	// and atOnce how many of them without a pause: a handshake costs CPU.
	eachSecond, atOnce = 10, 20
	// mostKnown bounds how many addresses are remembered.
	mostKnown = 4096
	// mostTurnedAway is how many are turned away in a second before the rest of
	// the crowd has to wait outside, in the kernel's queue, where it costs nothing.
	mostTurnedAway = 500
	// unheard is how long what was sent may go without the other side's kernel
	// having it: a sample, or a state, that is late is worth nothing.
	unheard = 2 * time.Second
	// unsent is how many bytes wait in the kernel to be sent, at most.
	unsent = 16 << 10
)

// A Gate lets connections in, few at a time, so that a crowd at the door costs
// the server behind it next to nothing. Where there is no room, the oldest guest
// that is not being served has to leave.
type Gate struct {
	net.Listener
	now func() time.Time

	mu         sync.Mutex
	guests     []*guest // by arrival
	callers    map[netip.Addr]*caller
	second     time.Time // since when away is counted
	away       int
	turnedAway atomic.Uint64
}

// A caller is an address that connections come from.
type caller struct {
	open   int
	tokens float64
	at     time.Time
}

// A guest is a connection that was let in.
type guest struct {
	net.Conn
	gate *Gate
	from netip.Addr
	busy atomic.Bool // a request is being answered
	left sync.Once
}

// NewGate puts a gate before a listener.
func NewGate(l net.Listener) *Gate {
	return &Gate{Listener: l, now: time.Now, callers: make(map[netip.Addr]*caller)}
}

// Inside is how many connections are let in now.
func (g *Gate) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.guests)
}

// TurnedAway is how many connections were not let in, or had to leave for another.
func (g *Gate) TurnedAway() uint64 { return g.turnedAway.Load() }

// Accept returns the next connection that is let in.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in, evicted := g.admit(conn)
		if evicted != nil {
			hangUp(evicted)
		}
		if in != nil {
			tune(conn)
			return in, nil
		}
		hangUp(conn)
		time.Sleep(g.crowded())
	}
}

// admit decides on a connection; the second result is who has to leave for it.
func (g *Gate) admit(conn net.Conn) (in, evicted *guest) {
	from := callerOf(conn.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.caller(from)
	if c.tokens < 1 {
		return nil, nil
	}
	c.tokens--
	switch {
	case c.open >= mostEach:
		evicted = g.idle(func(o *guest) bool { return o.from == from })
	case len(g.guests) >= MostGuests:
		evicted = g.idle(func(*guest) bool { return true })
	}
	if evicted == nil && (c.open >= mostEach || len(g.guests) >= MostGuests) {
		return nil, nil
	}
	if evicted != nil {
		g.remove(evicted)
		g.turnedAway.Add(1)
	}
	in = &guest{Conn: conn, gate: g, from: from}
	g.guests = append(g.guests, in)
	c.open++
	return in, evicted
}

// idle is the guest longest here that matches and is not being served.
func (g *Gate) idle(matches func(*guest) bool) *guest {
	for _, o := range g.guests {
		if !o.busy.Load() && matches(o) {
			return o
		}
	}
	return nil
}

// caller is who comes from an address, with the tokens that are due.
func (g *Gate) caller(from netip.Addr) *caller {
	now := g.now()
	c := g.callers[from]
	if c == nil {
		if len(g.callers) >= mostKnown {
			for addr, old := range g.callers {
				if old.open == 0 {
					delete(g.callers, addr)
				}
			}
		}
		c = &caller{tokens: atOnce, at: now}
		g.callers[from] = c
	}
	c.tokens = min(atOnce, c.tokens+eachSecond*now.Sub(c.at).Seconds())
	c.at = now
	return c
}

// crowded counts who was turned away, and is how long the others have to wait.
func (g *Gate) crowded() time.Duration {
	g.turnedAway.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Sub(g.second) >= time.Second {
		g.second, g.away = now, 0
	}
	if g.away++; g.away < mostTurnedAway {
		return 0
	}
	return g.second.Add(time.Second).Sub(now)
}

// remove forgets a guest that is here.
func (g *Gate) remove(o *guest) {
	i := slices.Index(g.guests, o)
	if i < 0 {
		return
	}
	g.guests = slices.Delete(g.guests, i, i+1)
	g.callers[o.from].open--
}

// Close lets the guest go.
func (o *guest) Close() error {
	o.left.Do(func() {
		o.gate.mu.Lock()
		defer o.gate.mu.Unlock()
		o.gate.remove(o)
	})
	return o.Conn.Close()
}

// callerOf is the address that a connection counts for: a network of IPv6 has
// more of them than anybody can count.
func callerOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}

// hangUp closes a connection and leaves nothing of it in the kernel.
func hangUp(conn net.Conn) {
	if o, ok := conn.(*guest); ok {
		conn = o.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// tune has the kernel keep little of what was written, and give a connection up
// that takes nothing any more. Where it cannot, the deadlines do it, later.
func tune(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	tcp.SetWriteBuffer(unsent)
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheard/time.Millisecond))
	})
}

type guestKey struct{}

// enter remembers which guest a request comes from.
func enter(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, guestKey{}, conn)
}

// serve keeps the guest whose request is being answered.
func serve(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o, ok := r.Context().Value(guestKey{}).(*guest); ok {
			o.busy.Store(true)
			defer o.busy.Store(false)
		}
		h.ServeHTTP(w, r)
	})
}
