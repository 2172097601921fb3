package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// answer is what every request gets.
var answer = []byte("HTTP/1.1 200 OK\r\nServer: t\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 13\r\n\r\nHello, World\n")

const (
	maxEvents = 512
	maxFiles  = 1 << 16
)

// A server is one thread's state. Its loop makes raw system calls: Go's own
// would hand the processor on and take it back around each.
type server struct {
	epoll    int
	arrivals *arrivals
	ends     [maxFiles]ending // by file
	buf      [64 << 10]byte
}

func serve(every, stall time.Duration) error {
	runtime.LockOSThread()
	a, err := mapArrivals()
	if err != nil {
		return err
	}
	s := &server{arrivals: a}
	if s.epoll, err = unix.EpollCreate1(0); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(listener, true); err != nil {
		return fmt.Errorf("the socket to listen on: %w", err)
	}
	for _, fd := range []int{stdin, listener} {
		if err := s.watch(fd); err != nil {
			return fmt.Errorf("epoll: file %d: %w", fd, err)
		}
	}
	var events [maxEvents]unix.EpollEvent
	for began := time.Now(); ; {
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s.epoll), uintptr(unsafe.Pointer(&events[0])), maxEvents, ^uintptr(0), 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return fmt.Errorf("epoll: %w", e)
		}
		if every > 0 {
			// In the middle: at the end of a load, what waits might be given up.
			if phase := time.Since(began)%every - (every-stall)/2; phase >= 0 && phase < stall {
				time.Sleep(stall - phase)
			}
		}
		for _, ev := range events[:n] {
			switch fd := int(ev.Fd); fd {
			case stdin:
				os.Exit(0)
			case listener:
				s.accept()
			default:
				s.read(fd)
			}
		}
	}
}

func (s *server) watch(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *server) accept() {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // nobody is waiting, or gone again
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if fd >= maxFiles || s.watch(fd) != nil {
			unix.Close(fd)
			continue
		}
		s.ends[fd] = 0
		s.arrivals.words[connections]++
	}
}

func (s *server) read(fd int) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&s.buf[0])), uintptr(len(s.buf)))
	if e == unix.EAGAIN || e == unix.EINTR {
		return
	}
	if e != 0 || n == 0 {
		unix.Close(fd)
		return
	}
	count := s.ends[fd].count(s.buf[:n])
	s.arrivals.note(count)
	for range count {
		if n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer))); e != 0 || int(n) != len(answer) {
			unix.Close(fd) // it does not read its answers
			return
		}
	}
}

// An ending is how much of the blank line that ends a request has been read.
type ending int

const blank = "\r\n\r\n"

// count returns how many requests end in b.
func (e *ending) count(b []byte) (n int) {
	if *e == 0 && bytes.HasSuffix(b, []byte(blank)) { // nearly always
		return bytes.Count(b, []byte(blank))
	}
	for _, c := range b {
		switch {
		case c == blank[*e]:
			*e++
		case c == '\r':
			*e = 1
		default:
			*e = 0
		}
		if int(*e) == len(blank) {
			n, *e = n+1, 0
		}
	}
	return n
}
