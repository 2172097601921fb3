package socket

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTalk(t *testing.T) {
	for _, where := range []struct{ network, address string }{
		{"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}, {"unix", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(where.network+" "+where.address, func(t *testing.T) {
			l, err := net.Listen(where.network, where.address)
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			a, err := Resolve(where.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fd, err := Dial(a)
			if err != nil {
				t.Fatal(err)
			}
			defer Close(fd)
			if err := Connected(fd, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			buf := make([]byte, 64)
			if _, errno := Receive(fd, buf); errno != unix.EAGAIN {
				t.Errorf("nothing to read: %v", errno)
			}
			if n, errno := Send(fd, []byte("hello")); n != 5 || errno != 0 {
				t.Errorf("sent %d: %v", n, errno)
			}
			if n, err := c.Read(buf); string(buf[:n]) != "hello" || err != nil {
				t.Errorf("%q, %v", buf[:n], err)
			}
			c.Write([]byte("0123456789"))
			waitReadable(t, fd)
			from := 0
			if where.network == "tcp" {
				if n, errno := Discard(fd, 4); n != 4 || errno != 0 {
					t.Errorf("threw away %d: %v", n, errno)
				}
				from = 4
			}
			if n, errno := Receive(fd, buf); string(buf[:n]) != "0123456789"[from:] || errno != 0 {
				t.Errorf("%q, %v", buf[:n], errno)
			}
			c.Close()
			waitReadable(t, fd)
			if n, errno := Receive(fd, buf); n != 0 || errno != 0 {
				t.Errorf("at the end %d bytes, %v", n, errno)
			}
		})
	}
}

func waitReadable(t *testing.T, fd int) {
	t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000); n != 1 {
		t.Fatalf("nothing to read: %v", err)
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	a, err := Resolve("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := Dial(a)
	if err == nil {
		err = Connected(fd, 5*time.Second)
		Close(fd)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
	if a, err = Resolve("unix", filepath.Join(t.TempDir(), "none")); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(a); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v", err)
	}
}

func TestZones(t *testing.T) {
	a, err := Resolve("tcp", "[fe80::1%lo]:80")
	if err != nil {
		t.Fatal(err)
	}
	if to := a.to().(*unix.SockaddrInet6); to.ZoneId == 0 || to.Port != 80 {
		t.Errorf("%+v", to)
	}
	if _, err := Resolve("tcp", "[fe80::1%nosuch]:80"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("%v", err)
	}
}
