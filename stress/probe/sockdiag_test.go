package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
)

// queueOf reads a listener until its queue is as long as wanted: a connection
// reaches it a moment after the client has it.
func queueOf(t *testing.T, c Config, target Target, want float64) (queue, limit float64) {
	t.Helper()
	l, err := findListener(c, target)
	if err != nil || l == nil {
		t.Fatalf("no listener (%v)", err)
	}
	defer l.Close()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		s := blank()
		if err := l.read(s); err != nil {
			t.Fatal(err)
		}
		if queue = s.Gauges[stress.AcceptQueue]; queue == want || time.Now().After(deadline) {
			return queue, s.Gauges[stress.AcceptQueueLimit]
		}
	}
}

// listen opens a TCP listener with a backlog of its own and never accepts.
func listen(t *testing.T, addr netip.AddrPort, backlog int, reuse bool) netip.AddrPort {
	t.Helper()
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(addr.Port()), Addr: [4]byte{127, 0, 0, 1}})
	if addr.Addr().Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("no IPv6 here")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if reuse {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			t.Fatal(err)
		}
	}
	err = unix.Bind(fd, sa)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Skip("no IPv6 here")
	}
	if err := errors.Join(err, unix.Listen(fd, backlog)); err != nil {
		t.Fatal(err)
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if v6, ok := got.(*unix.SockaddrInet6); ok {
		return netip.AddrPortFrom(addr.Addr(), uint16(v6.Port))
	}
	return netip.AddrPortFrom(addr.Addr(), uint16(got.(*unix.SockaddrInet4).Port))
}

func connect(t *testing.T, network, address string, n int) {
	t.Helper()
	for range n {
		conn, err := net.DialTimeout(network, address, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestAcceptQueueTCP(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			addr := listen(t, netip.AddrPortFrom(netip.MustParseAddr(host), 0), 17, true)
			connect(t, "tcp", addr.String(), 3)
			target := Target{URL: "http://" + addr.String() + "/path"}
			if queue, limit := queueOf(t, Config{}, target, 3); queue != 3 || limit != 17 {
				t.Errorf("%v of %v wait, want 3 of 17", queue, limit)
			}
			// A second process on the same port has a queue of its own.
			listen(t, addr, 20, true)
			if queue, limit := queueOf(t, Config{Listen: addr.String()}, Target{}, 3); queue != 3 || limit != 37 {
				t.Errorf("%v of %v wait at two listeners, want 3 of 37", queue, limit)
			}
		})
	}
}

// TestAcceptQueueWildcard has a socket of both families, as Go's servers do.
func TestAcceptQueueWildcard(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	connect(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port), 2)
	if queue, limit := queueOf(t, Config{}, Target{URL: fmt.Sprintf("http://localhost:%d", port)}, 2); queue != 2 || limit < 2 {
		t.Errorf("%v of %v wait, want 2", queue, limit)
	}
}

func TestAcceptQueueUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for name, bound := range map[string]string{"path": path, "abstract": fmt.Sprintf("@saturate-%d-%d", syscall.Getpid(), time.Now().UnixNano())} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("unix", bound)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			connect(t, "unix", bound, 4)
			if queue, limit := queueOf(t, Config{Listen: "unix:" + bound}, Target{}, 4); queue != 4 || limit < 4 {
				t.Errorf("%v of %v wait, want 4", queue, limit)
			}
			if queue, _ := queueOf(t, Config{}, Target{URL: "unix://" + bound}, 4); queue != 4 {
				t.Errorf("%v wait at the target's url, want 4", queue)
			}
		})
	}
}

func TestAcceptQueueNone(t *testing.T) {
	l, err := findListener(Config{}, Target{URL: "http://192.0.2.1:80"})
	if l != nil || err != nil {
		t.Errorf("a listener on another machine: %v (%v)", l, err)
	}
	l, err = findListener(Config{Listen: "127.0.0.1:1"}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = l.read(blank())
	contains(t, "hint", hint(err), "probes.listen")
}

func TestPickTCP(t *testing.T) {
	at := func(addr string, queue float64) listening {
		return listening{addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 80), queue: queue}
	}
	v4 := []listening{at("0.0.0.0", 1), at("127.0.0.1", 2), at("127.0.0.1", 3), at("10.0.0.1", 4)}
	v6 := []listening{at("::", 50), at("::1", 60)}
	for _, tt := range []struct {
		addr   string
		v4, v6 []listening
		want   float64
	}{
		{"127.0.0.1", v4, v6, 5}, {"127.0.0.2", v4, v6, 1}, {"127.0.0.2", nil, v6, 50}, {"::1", v4, v6, 60}, {"::2", v4, v6, 50}, {"::2", v4, nil, 0},
	} {
		var sum float64
		for _, l := range pickTCP([]netip.Addr{netip.MustParseAddr(tt.addr)}, tt.v4, tt.v6) {
			sum += l.queue
		}
		if sum != tt.want {
			t.Errorf("%s: queues of %v, want %v", tt.addr, sum, tt.want)
		}
	}
}

// FuzzDump starts from what the kernel says of two listeners, and an error.
func FuzzDump(f *testing.F) {
	for _, network := range []string{"tcp", "unix"} {
		address := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(f.TempDir(), "s")}[network]
		ln, err := net.Listen(network, address)
		if err != nil {
			f.Fatal(err)
		}
		defer ln.Close()
	}
	d, err := openDiag("")
	if err != nil {
		f.Skip(err)
	}
	defer d.Close()
	for _, list := range []func() ([]listening, error){
		func() ([]listening, error) { return d.tcp(unix.AF_INET, 0) },
		d.unix,
	} {
		clear(d.buf)
		if _, err := list(); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimRight(d.buf, "\x00"))
	}
	f.Add(binary.NativeEndian.AppendUint32([]byte{20, 0, 0, 0, unix.NLMSG_ERROR, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, ^uint32(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (listening, bool){parseInetDiag, parseUnixDiag} {
			parse(b)
			for _, seq := range []uint32{0, 1, 2} {
				all, _, _ := parseDump(b, seq, parse)
				for _, l := range all {
					if l.queue < 0 || l.max < 0 {
						t.Errorf("%x: %+v", b, l)
					}
				}
			}
		}
	})
}
