package probe

import (
	"golang.org/x/sys/unix"
)

// exits tells how processes ended that are nobody's children here. A
// descriptor of a process keeps what the kernel knows of its end; since Linux
// 6.15 it can be asked. Before, nothing is told.
type exits struct {
	table processTable
	fds   map[int]int // by process
}

func newExits() *exits {
	return &exits{table: procFS{"/"}, fds: make(map[int]int)}
}

// watch remembers a process while it lives. It must be a child of parent: the
// numbers come from a page, which another machine or container may have
// written.
func (e *exits) watch(pid, parent int) {
	if _, known := e.fds[pid]; known || pid <= 0 {
		return
	}
	if p, ok := e.table.stat(pid); !ok || p.parent != parent {
		return
	}
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		e.fds[pid] = fd
	}
}

// killed reports whether a process that was watched and has been reaped was
// ended by a signal, and forgets it.
func (e *exits) killed(pid int) bool {
	fd, known := e.fds[pid]
	if !known {
		return false
	}
	delete(e.fds, pid)
	defer unix.Close(fd)
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(fd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return false
	}
	return unix.WaitStatus(info.Exit_code).Signaled()
}

// Close forgets all.
func (e *exits) Close() {
	for _, fd := range e.fds {
		unix.Close(fd)
	}
	clear(e.fds)
}
