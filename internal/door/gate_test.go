package door

import (
	"fmt"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A stub is a connection from some address.
type stub struct {
	net.Conn
	from   string
	closed bool
}

func (s *stub) Close() error { s.closed = true; return nil }
func (s *stub) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", s.from)
	if err != nil {
		panic(err)
	}
	return a
}

func TestCallerOf(t *testing.T) {
	for from, want := range map[string]string{
		"10.0.0.1:5":                  "10.0.0.1",
		"[::ffff:10.0.0.1]:5":         "10.0.0.1",
		"[2001:db8:1:2:3:4:5:6]:5":    "2001:db8:1:2::",
		"[2001:db8:1:2:ffff::1]:6":    "2001:db8:1:2::",
		"[fe80::1%lo]:5":              "fe80::",
		"[2001:db8:1:3:ffff::1]:6000": "2001:db8:1:3::",
	} {
		if got := callerOf((&stub{from: from}).RemoteAddr()).String(); got != want {
			t.Errorf("%s counts for %s, want %s", from, got, want)
		}
	}
	if got := callerOf(&net.UnixAddr{Name: "x"}); got.IsValid() {
		t.Errorf("a socket's path counts for %v", got)
	}
}

// The oldest that is not being served makes room; where all are, nobody comes in.
func TestGateMakesRoom(t *testing.T) {
	now := time.Now()
	g := NewGate(nil)
	g.now = func() time.Time { return now }
	var guests []*guest
	for range mostEach {
		in, evicted := g.admit(&stub{from: "10.0.0.1:1"})
		if in == nil || evicted != nil {
			t.Fatalf("%d guests: %v, %v", len(guests), in, evicted)
		}
		guests = append(guests, in)
	}
	guests[0].busy.Store(true)
	in, evicted := g.admit(&stub{from: "10.0.0.1:2"})
	if in == nil || evicted != guests[1] {
		t.Errorf("the ninth: %v in the place of %v", in, evicted)
	}
	if other, evicted := g.admit(&stub{from: "10.0.0.2:1"}); other == nil || evicted != nil {
		t.Errorf("another address: %v, %v", other, evicted)
	}
	for _, o := range append(guests, in) {
		o.busy.Store(true)
	}
	if in, evicted := g.admit(&stub{from: "10.0.0.1:3"}); in != nil || evicted != nil {
		t.Errorf("all are being served: %v, %v", in, evicted)
	}
	guests[0].Close()
	guests[0].Close()
	if in, evicted := g.admit(&stub{from: "10.0.0.1:3"}); in == nil || evicted != nil {
		t.Errorf("one has left: %v, %v", in, evicted)
	}
}

// An address that comes again and again is turned away; half a minute's patience
// lets it in again.
func TestGatePaces(t *testing.T) {
	now := time.Now()
	g := NewGate(nil)
	g.now = func() time.Time { return now }
	try := func() bool {
		in, _ := g.admit(&stub{from: "10.0.0.1:1"})
		if in != nil {
			in.Close()
		}
		return in != nil
	}
	for i := range atOnce {
		if !try() {
			t.Fatalf("connection %d is turned away", i)
		}
	}
	if try() {
		t.Error("one more comes in")
	}
	now = now.Add(time.Second/eachSecond + time.Millisecond)
	if !try() || try() {
		t.Error("a moment later, not one and one only")
	}
	waited := time.Duration(0)
	for range 2 * mostTurnedAway {
		waited += g.crowded()
	}
	if waited == 0 {
		t.Error("a crowd is turned away at any speed")
	}
}

// Whoever comes and goes: never more than there is room for, and nothing is
// remembered of those who left.
func TestGateIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		g := NewGate(nil)
		g.now = func() time.Time { return now }
		var inside []*guest
		each := map[string]int{}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				if len(inside) > 0 {
					i := rapid.IntRange(0, len(inside)-1).Draw(t, "who")
					inside[i].Close()
					inside = append(inside[:i], inside[i+1:]...)
				}
			case 1:
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			default:
				from := fmt.Sprintf("10.0.0.%d:1", rapid.IntRange(1, 12).Draw(t, "from"))
				in, evicted := g.admit(&stub{from: from})
				if evicted != nil {
					for i, o := range inside {
						if o == evicted {
							inside = append(inside[:i], inside[i+1:]...)
							break
						}
					}
				}
				if in != nil {
					in.busy.Store(rapid.Bool().Draw(t, "busy"))
					inside = append(inside, in)
				}
			}
			clear(each)
			for _, o := range inside {
				each[o.from.String()]++
			}
			for from, n := range each {
				if n > mostEach || g.callers[callerOf((&stub{from: from + ":1"}).RemoteAddr())].open != n {
					t.Fatalf("%d from %s", n, from)
				}
			}
			if len(inside) != len(g.guests) || len(inside) > MostGuests {
				t.Fatalf("%d inside, %d known", len(inside), len(g.guests))
			}
		}
	})
}

func TestGateForgets(t *testing.T) {
	g := NewGate(nil)
	for i := range 3 * mostKnown {
		in, _ := g.admit(&stub{from: fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)})
		in.Close()
	}
	if n := len(g.callers); n > mostKnown {
		t.Errorf("%d addresses are remembered", n)
	}
}
