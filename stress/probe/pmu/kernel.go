package pmu

import (
	"time"

	"golang.org/x/sys/unix"
)

// A kernel opens events.
type kernel interface {
	// open opens an event on a process (or, with PERF_FLAG_PID_CGROUP, the
	// descriptor of a group) and a CPU, in the group of leader unless that is
	// nil. Its errors are the kernel's errno.
	open(attr *unix.PerfEventAttr, pid, cpu int, leader event, flags int) (event, error)
}

// An event is a counter of the kernel's.
type event interface {
	// read reads it, and the rest of its group where it leads one.
	read(b []byte) (int, error)
	// enable starts it and its group.
	enable() error
	close() error
}

// linux is the kernel we run on.
type linux struct{}

func (linux) open(attr *unix.PerfEventAttr, pid, cpu int, leader event, flags int) (event, error) {
	group := -1
	if fd, ok := leader.(descriptor); ok {
		group = int(fd)
	}
	fd, err := unix.PerfEventOpen(attr, pid, cpu, group, flags|unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return descriptor(fd), nil
}

// A descriptor is an open event.
type descriptor int

func (d descriptor) read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func (d descriptor) enable() error {
	const group = 1 // PERF_IOC_FLAG_GROUP
	return unix.IoctlSetInt(int(d), unix.PERF_EVENT_IOC_ENABLE, group)
}

func (d descriptor) close() error { return unix.Close(int(d)) }

// A machine is where counting is done: its kernel, its files, its clock.
type machine struct {
	kernel
	root  string               // of /proc and /sys
	table table                // of processes
	clock func() time.Duration // monotonic, since boot
}

func newMachine() *machine {
	return &machine{kernel: linux{}, root: "/", table: procTable("/"), clock: bootTime}
}

// bootTime is the clock that the start times of processes are in.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0 // cannot be: the clock is there since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}
