package supervise

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main does the supervisor's work and ends the process, if that is what this
// executable was started for; else it returns at once. It must come first in
// main, and in TestMain where tests call Start.
func Main() {
	if os.Getenv(marker) == "" {
		return
	}
	// The affinity of the thread that forks is the child's, and the child's
	// parent-death signal follows that thread: it must stay.
	runtime.LockOSThread()
	os.Exit(supervisor())
}

// supervisor carries out one order, and ends everything when the lifeline ends.
func supervisor() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	for fd := orderFD; fd <= outputFD; fd++ {
		unix.CloseOnExec(fd)
	}
	orders := os.NewFile(orderFD, "orders")
	reports := gob.NewEncoder(os.NewFile(reportFD, "reports"))
	var o order
	if gob.NewDecoder(orders).Decode(&o) != nil {
		return 0 // nobody is there any more
	}
	pid, err := o.run()
	if err != nil {
		refused := report{Failed: fmt.Sprintf("run %s: %v", o.Args[0], err)}
		if errors.As(err, &refused.Errno) {
			refused.Failed = strings.TrimSuffix(refused.Failed, ": "+refused.Errno.Error())
		}
		reports.Encode(refused)
		return 0
	}
	reports.Encode(report{PID: pid}) // that nobody hears it shows at the lifeline
	cut := make(chan struct{})
	go func() {
		io.Copy(io.Discard, orders) // until the last writer is gone
		close(cut)
	}()
	w := ward{root: pid, grace: o.Grace, reports: reports}
	for {
		select {
		case <-cut:
			w.end(signals)
			return 0
		case s := <-signals:
			if s != unix.SIGCHLD {
				w.end(signals)
				return 0
			}
			w.reap()
		}
	}
}

// run starts the ordered program as our child, in a process group of its own.
func (o order) run() (pid int, err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("become a subreaper: %w", err)
	}
	if len(o.CPUs) > 0 {
		if err := setAffinity(0, o.CPUs); err != nil {
			return 0, fmt.Errorf("run on CPUs %v: %w", o.CPUs, err)
		}
	}
	if o.Dir != "" { // not by ForkExec, whose error would not tell it from the program
		if err := os.Chdir(o.Dir); err != nil {
			return 0, err
		}
	}
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer nothing.Close()
	defer unix.Close(outputFD) // the tree alone holds it: the output ends with the tree
	return syscall.ForkExec(o.Path, o.Args, &syscall.ProcAttr{
		Env:   slices.DeleteFunc(o.Env, func(v string) bool { return strings.HasPrefix(v, marker+"=") }),
		Files: []uintptr{nothing.Fd(), outputFD, outputFD},
		// Should the supervisor itself be killed, at least the root dies.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
}

// A ward is the tree that a supervisor answers for.
type ward struct {
	root    int
	grace   time.Duration
	reports *gob.Encoder
}

// reap collects the children that ended, adopted ones too, and reports the root.
func (w *ward) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == w.root {
			w.reports.Encode(report{Exited: inWords(status), Left: len(descendants(os.Getpid()))})
		}
	}
}

// end asks the tree to end, and then makes it. It returns when nothing is left.
func (w *ward) end(signals <-chan os.Signal) {
	kill(unix.SIGTERM)
	deadline := time.Now().Add(w.grace)
	for {
		w.reap()
		if len(descendants(os.Getpid())) == 0 {
			return
		}
		if time.Now().After(deadline) {
			kill(unix.SIGKILL) // again and again: they may fork meanwhile
		}
		select {
		case <-signals: // most likely a child that ended
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill sends s to every descendant of this process.
func kill(s unix.Signal) {
	for _, pid := range descendants(os.Getpid()) {
		unix.Kill(pid, s) // one that is gone already is fine
	}
}

func inWords(s unix.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + unix.SignalName(s.Signal())
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}
