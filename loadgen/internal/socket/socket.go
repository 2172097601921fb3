// Package socket makes calls on stream sockets that never wait, without the
// cost that the Go runtime's own poller adds to each.
package socket

import (
	"fmt"
	"net"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Address is where a socket is to be connected.
type Address struct {
	family int
	v4     unix.SockaddrInet4
	v6     unix.SockaddrInet6
	path   unix.SockaddrUnix
}

// to is of a copy, because unix.Connect writes to what it is given.
func (a Address) to() unix.Sockaddr {
	switch a.family {
	case unix.AF_INET:
		return &a.v4
	case unix.AF_INET6:
		return &a.v6
	}
	return &a.path
}

// Resolve reads ip:port, with a zone where it has one, or where network is unix
// a path.
func Resolve(network, address string) (Address, error) {
	if network == "unix" {
		return Address{family: unix.AF_UNIX, path: unix.SockaddrUnix{Name: address}}, nil
	}
	tcp, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return Address{}, err
	}
	if ip := tcp.IP.To4(); ip != nil {
		return Address{family: unix.AF_INET, v4: unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip)}}, nil
	}
	if len(tcp.IP) != net.IPv6len {
		return Address{}, fmt.Errorf("%s is not an address", address)
	}
	a := Address{family: unix.AF_INET6, v6: unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP)}}
	if tcp.Zone != "" {
		if a.v6.ZoneId, err = zone(tcp.Zone); err != nil {
			return Address{}, err
		}
	}
	return a, nil
}

func zone(name string) (uint32, error) {
	if link, err := net.InterfaceByName(name); err == nil {
		return uint32(link.Index), nil
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("there is no network interface %s", name)
	}
	return uint32(n), nil
}

// Dial begins to connect, and does not wait: the socket becomes writable, or
// fails ([Failed]).
func Dial(a Address) (int, error) {
	fd, err := unix.Socket(a.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if a.family != unix.AF_UNIX {
		// Like Go's own sockets, and wrk's: a request must not wait for the
		// acknowledgement of what was sent before it.
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err := unix.Connect(fd, a.to()); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// Connected waits until a socket is connected, for at most d.
func Connected(fd int, d time.Duration) error {
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for end := time.Now().Add(d); ; {
		n, err := unix.Poll(wait, int(max(0, time.Until(end)).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return fmt.Errorf("connect: %w", unix.ETIMEDOUT)
		default:
			return Failed(fd)
		}
	}
}

// Failed is why a socket could not be connected, or broke.
func Failed(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return err
	case code != 0:
		return unix.Errno(code)
	}
	return nil
}

// Send writes what there is room for; EAGAIN where there is none.
func Send(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Receive reads what there is, 0 at the end; EAGAIN where there is nothing.
func Receive(fd int, b []byte) (int, unix.Errno) {
	return receive(fd, unsafe.SliceData(b), len(b), 0)
}

// Discard is Receive for TCP that throws up to n bytes away, which saves the
// copying of them.
func Discard(fd, n int) (int, unix.Errno) { return receive(fd, nil, n, unix.MSG_TRUNC) }

func receive(fd int, b *byte, size int, flags uintptr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(b)), uintptr(size), flags, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Close closes a socket.
func Close(fd int) { unix.Close(fd) }
