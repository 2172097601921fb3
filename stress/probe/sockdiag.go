package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A listening is one listener as the kernel's socket monitor tells it
// (sock_diag(7)): its accept queue, and how long that may get.
type listening struct {
	addr       netip.AddrPort // TCP
	name       string         // UNIX: the name it was bound to, abstract ones with an @
	inode      uint32         // UNIX: of the socket's file
	device     uint64         // UNIX: of the socket's file, as in stat(2)
	queue, max float64
}

const (
	tcpListen = 10 // TCP_LISTEN, which UNIX sockets use too

	// include/uapi/linux/unix_diag.h
	udiagShowName, udiagShowVFS, udiagShowRqlen = 0x1, 0x2, 0x10
	unixDiagName, unixDiagVFS, unixDiagRqlen    = 0, 1, 4

	// diagPatience bounds the wait for an answer that the kernel gives at once.
	diagPatience = 50 * time.Millisecond
)

// A diag is a socket to the kernel's socket monitor. It stays in the network
// namespace that it was opened in.
type diag struct {
	fd  int
	seq uint32
	buf []byte
}

// openDiag opens the monitor of the network namespace whose file is netns, or
// of our own where that is "".
func openDiag(netns string) (*diag, error) {
	var fd int
	err := inNamespace(netns, func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket monitor: %w", err)
	}
	timeout := unix.NsecToTimeval(diagPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("socket monitor: %w", err)
	}
	return &diag{fd: fd, buf: make([]byte, 1<<16)}, nil
}

// inNamespace runs f with this thread in another network namespace.
func inNamespace(netns string, f func() error) error {
	if netns == "" {
		return f()
	}
	there, err := unix.Open(netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(there)
	done := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with this goroutine, so that
		// no other ever runs in a namespace that is not its own.
		runtime.LockOSThread()
		if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// Close closes the socket.
func (d *diag) Close() error { return unix.Close(d.fd) }

// tcp lists the TCP listeners of a family on a port.
func (d *diag) tcp(family uint8, port uint16) ([]listening, error) {
	// struct inet_diag_req_v2: family, protocol, extensions, pad, states, and
	// a socket identity of 48 bytes that starts with the source port.
	req := make([]byte, 56)
	req[0], req[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(req[4:], 1<<tcpListen)
	binary.BigEndian.PutUint16(req[8:], port)
	return d.dump(req, parseInetDiag)
}

// unix lists the UNIX listeners.
func (d *diag) unix() ([]listening, error) {
	// struct unix_diag_req: family, protocol, pad, states, inode, show, cookie.
	req := make([]byte, 24)
	req[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(req[4:], 1<<tcpListen)
	binary.NativeEndian.PutUint32(req[12:], udiagShowName|udiagShowVFS|udiagShowRqlen)
	return d.dump(req, parseUnixDiag)
}

// dump sends a request and collects what parse makes of the answers.
func (d *diag) dump(request []byte, parse func([]byte) (listening, bool)) ([]listening, error) {
	d.seq++
	msg := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(request))
	binary.NativeEndian.PutUint32(msg, uint32(cap(msg)))
	binary.NativeEndian.PutUint16(msg[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(msg[8:], d.seq)
	if err := unix.Sendto(d.fd, append(msg, request...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("socket monitor: %w", err)
	}
	var all []listening
	for {
		n, _, err := unix.Recvfrom(d.fd, d.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("socket monitor: %w", err)
		}
		found, done, err := parseDump(d.buf[:n], d.seq, parse)
		all = append(all, found...)
		if errors.Is(err, unix.ENOENT) {
			err = hinted("modprobe tcp_diag unix_diag", "the kernel's socket monitor is not loaded")
		}
		if done || err != nil {
			return all, err
		}
	}
}

// parseDump reads the netlink messages of one datagram (netlink(7)); done is
// that the last was among them. Answers to earlier requests are passed over.
func parseDump(b []byte, seq uint32, parse func([]byte) (listening, bool)) (all []listening, done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		length := binary.NativeEndian.Uint32(b)
		if length < unix.NLMSG_HDRLEN || uint64(length) > uint64(len(b)) {
			return all, false, fmt.Errorf("socket monitor: a message of %d bytes in %d", length, len(b))
		}
		body := b[unix.NLMSG_HDRLEN:length]
		kind := binary.NativeEndian.Uint16(b[4:])
		ours := binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min(int(length+3)&^3, len(b)):]
		switch {
		case !ours:
		case kind == unix.NLMSG_DONE:
			return all, true, nil
		case kind == unix.NLMSG_ERROR:
			return all, true, parseNetlinkError(body)
		default:
			if l, ok := parse(body); ok {
				all = append(all, l)
			}
		}
	}
	return all, false, nil
}

func parseNetlinkError(body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("socket monitor: an error without a number")
	}
	if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 {
		return fmt.Errorf("socket monitor: %w", unix.Errno(errno))
	}
	return nil
}

// parseInetDiag reads a struct inet_diag_msg: family, state, timer, retrans,
// the identity (ports, addresses of 16 bytes, interface, cookie), expires,
// rqueue, wqueue, uid, inode. Of a listener rqueue is the accept queue and
// wqueue its backlog.
func parseInetDiag(m []byte) (listening, bool) {
	if len(m) < 72 || m[1] != tcpListen {
		return listening{}, false
	}
	var ip netip.Addr
	switch m[0] {
	case unix.AF_INET:
		ip = netip.AddrFrom4([4]byte(m[8:12]))
	case unix.AF_INET6:
		ip = netip.AddrFrom16([16]byte(m[8:24])).Unmap()
	default:
		return listening{}, false
	}
	return listening{
		addr:  netip.AddrPortFrom(ip, binary.BigEndian.Uint16(m[4:])),
		queue: float64(binary.NativeEndian.Uint32(m[56:])),
		max:   float64(binary.NativeEndian.Uint32(m[60:])),
	}, true
}

// parseUnixDiag reads a struct unix_diag_msg (family, type, state, pad, inode,
// cookie) and its attributes.
func parseUnixDiag(m []byte) (listening, bool) {
	if len(m) < 16 || m[2] != tcpListen {
		return listening{}, false
	}
	var l listening
	counted := false
	for a := m[16:]; len(a) >= 4; {
		length, kind := int(binary.NativeEndian.Uint16(a)), binary.NativeEndian.Uint16(a[2:])
		if length < 4 || length > len(a) {
			return listening{}, false
		}
		v := a[4:length]
		a = a[min((length+3)&^3, len(a)):]
		switch {
		case kind == unixDiagName && len(v) > 0:
			l.name = socketName(v)
		case kind == unixDiagVFS && len(v) >= 8:
			l.inode = binary.NativeEndian.Uint32(v)
			dev := binary.NativeEndian.Uint32(v[4:]) // 12 bits of major, 20 of minor
			l.device = unix.Mkdev(dev>>20, dev&(1<<20-1))
		case kind == unixDiagRqlen && len(v) >= 8:
			l.queue = float64(binary.NativeEndian.Uint32(v))
			l.max = float64(binary.NativeEndian.Uint32(v[4:]))
			counted = true
		}
	}
	return l, counted
}

// socketName is a UNIX socket's name: a path, or @ and an abstract name.
func socketName(v []byte) string {
	if v[0] == 0 {
		return "@" + string(v[1:])
	}
	for i, c := range v {
		if c == 0 {
			v = v[:i]
			break
		}
	}
	return string(v)
}
