package watchdog

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An owner is who holds a backend's lock.
type owner struct {
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
	Socket string    `json:"socket,omitempty"` // where it answers
}

// A lock keeps every other watchdog away from a backend for as long as the
// process lives: one with the same folder by a lock on a file in it, and any
// other of this machine (of its network namespace) by an abstract socket.
type lock struct {
	file   *os.File
	socket int
}

// acquire takes the lock of the backend called name. The error is a *Refusal that
// names the owner, where there is one.
func acquire(path, name string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, refuse(NoJournal, "%v", err)
	}
	// Of the open file, not of the process: a test may have two of them.
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &whole); err != nil {
		file.Close()
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return nil, refuse(NoJournal, "lock %s: %v", path, err)
		}
		o, _ := lockOwner(path)
		return nil, taken(name, o.PID)
	}
	socket, err := bindAbstract(abstract(name))
	if err != nil {
		file.Close()
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, taken(name, abstractOwner(abstract(name)))
		}
		return nil, refuse(NoJournal, "lock %s: %v", name, err)
	}
	return &lock{file, socket}, nil
}

func taken(name string, pid int) *Refusal {
	who := "another process"
	if pid > 0 {
		who = fmt.Sprintf("process %d", pid)
	}
	return refuse(Busy, "%s is a watchdog of %s already", who, name).
		hinted("one run at a time squeezes a backend; \"saturate restore --list\" tells what it does")
}

// sign writes into the lock's file who holds it.
func (l *lock) sign(o owner) error {
	text, err := json.Marshal(o)
	if err == nil {
		err = l.file.Truncate(0)
	}
	if err == nil {
		_, err = l.file.WriteAt(append(text, '\n'), 0)
	}
	return err
}

func (l *lock) release() {
	unix.Close(l.socket)
	l.file.Close()
}

// lockOwner reads who signed a lock last, and whether that one still holds it.
func lockOwner(path string) (o owner, held bool) {
	file, err := os.Open(path)
	if err != nil {
		return o, false
	}
	defer file.Close()
	json.NewDecoder(file).Decode(&o) // unsigned: nobody is known
	whole := unix.Flock_t{Type: unix.F_RDLCK}
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &whole)
	return o, err == nil && whole.Type != unix.F_UNLCK
}

// abstract is the name of a backend's abstract socket, which has to be short.
func abstract(name string) string {
	h := fnv.New128a()
	h.Write([]byte(name))
	return fmt.Sprintf("@saturate-watchdog-%x", h.Sum(nil))
}

func bindAbstract(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err == nil {
		err = unix.Listen(fd, 64) // for who asks whose it is: nothing is accepted
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// abstractOwner is the process that listens there, 0 where that is not told.
func abstractOwner(name string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if unix.Connect(fd, &unix.SockaddrUnix{Name: name}) != nil {
		return 0
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}
