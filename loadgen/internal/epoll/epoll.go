// Package epoll waits for many sockets on one thread, for times that are exact
// to microseconds. It never spins.
package epoll

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a socket can be ready for. All are told once, when they begin.
const (
	Readable = unix.EPOLLIN
	Writable = unix.EPOLLOUT
	// Ended is that the peer will send no more, or that the socket has failed:
	// what came before it can still be read.
	Ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
)

// brief is how long a thread may sleep without giving its P back to the Go
// scheduler. Giving it back and getting it again costs more than such a sleep
// is worth, and the scheduler's watcher thread would poll for it all the while.
// A collector that wants the thread sends it a signal, which ends the sleep.
const brief = int64(time.Millisecond)

// A Poller waits for the sockets added to it. Wait is for one goroutine, which
// should be locked to its thread; the others may be called from any.
type Poller struct {
	fd, bell int
	timer    int           // a timerfd where the kernel is older than epoll_pwait2 (5.11), else -1
	timeout  unix.Timespec // here, because a stack may move while it is in use
	ready    [64]unix.EpollEvent
	events   [64]Event
}

// An Event tells that a socket has become ready. Of is what it was added with.
type Event struct {
	Of   uint64
	What uint32
}

// bellRing is what the bell and the timer are added with.
const bellRing = ^uint64(0)

// Open makes a Poller.
func Open() (*Poller, error) { return open(hasPwait2()) }

func open(pwait2 bool) (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	p := &Poller{fd: fd, bell: -1, timer: -1}
	if p.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = p.Add(p.bell, bellRing, Readable)
	}
	if err == nil && !pwait2 {
		if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err == nil {
			err = p.Add(p.timer, bellRing, Readable)
		}
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// hasPwait2 asks the kernel: on a descriptor that cannot be, it complains of
// that, or of the call.
func hasPwait2() bool {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, ^uintptr(0), 0, 0, 0, 0, 0)
	return errno != unix.ENOSYS && errno != unix.EPERM
}

// Add watches a socket for what, and for its end.
func (p *Poller) Add(fd int, of uint64, what uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, of, what)
}

// Change watches an added socket for what, and for its end.
func (p *Poller) Change(fd int, of uint64, what uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, of, what)
}

func (p *Poller) control(op, fd int, of uint64, what uint32) error {
	e := unix.EpollEvent{Events: what | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(of), Pad: int32(of >> 32)}
	if err := unix.EpollCtl(p.fd, op, fd, &e); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Ring ends a Wait that is under way, or else the next one.
func (p *Poller) Ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(p.bell, one[:]) // adds up, unread, for 2^64 rings: an edge does not ask for reading
}

// Wait returns what has become ready, at most for d where that is not
// negative. It may return early with nothing; it fails for no other reason than
// an interruption. The events are valid until the next Wait.
func (p *Poller) Wait(d time.Duration) []Event {
	all := p.events[:0]
	for _, e := range p.ready[:p.wait(int64(d))] {
		if of := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32; of != bellRing {
			all = append(all, Event{Of: of, What: e.Events})
		}
	}
	return all
}

func (p *Poller) wait(d int64) int {
	if p.timer >= 0 {
		return p.timed(d)
	}
	if d < 0 {
		return p.call(unix.SYS_EPOLL_PWAIT2, d, 0)
	}
	p.timeout = unix.NsecToTimespec(d)
	return p.call(unix.SYS_EPOLL_PWAIT2, d, uintptr(unsafe.Pointer(&p.timeout)))
}

// timed is wait with a timerfd, since the older call knows milliseconds only. A
// timer that was set for an earlier wait makes for nothing but an early return.
func (p *Poller) timed(d int64) int {
	if d > 0 {
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(d)}
		if err := unix.TimerfdSettime(p.timer, 0, &at, nil); err != nil {
			return 0
		}
	}
	if d == 0 {
		return p.call(unix.SYS_EPOLL_PWAIT, d, 0)
	}
	return p.call(unix.SYS_EPOLL_PWAIT, d, ^uintptr(0))
}

// call waits for d; timeout is what the call of that number wants to be told.
func (p *Poller) call(number uintptr, d int64, timeout uintptr) int {
	var n uintptr
	var errno unix.Errno
	if d >= 0 && d <= brief {
		n, _, errno = unix.RawSyscall6(number, uintptr(p.fd), uintptr(unsafe.Pointer(&p.ready)), uintptr(len(p.ready)), timeout, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(number, uintptr(p.fd), uintptr(unsafe.Pointer(&p.ready)), uintptr(len(p.ready)), timeout, 0, 0)
	}
	if errno != 0 {
		return 0
	}
	return int(n)
}

// Close ends the Poller; sockets that were added stay open.
func (p *Poller) Close() {
	for _, fd := range []int{p.timer, p.bell, p.fd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
