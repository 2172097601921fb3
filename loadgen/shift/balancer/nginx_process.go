package balancer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// verifyWithin bounds the wait for the new workers of a reload.
	verifyWithin = 10 * time.Second
	verifyEvery  = 20 * time.Millisecond
	// tick is the grain of a process's start time.
	tick = 10 * time.Millisecond
)

// A process of nginx, as /proc has it.
type process struct {
	pid     int
	ticks   int64     // when it started, since the machine did
	started time.Time // the same, by the clock, within a tick
	title   string
}

// leaving reports whether a worker only ends what it has begun.
func (p process) leaving() bool { return strings.Contains(p.title, "shutting down") }

// master finds nginx's master process by its pid file.
func master(pidFile string) (process, error) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return process{}, fmt.Errorf("nginx's pid file tells no process: does nginx run? (%w)", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return process{}, fmt.Errorf("nginx's pid file %s has no number in it (%q)", pidFile, shorten(string(text)))
	}
	p, _, ok := readProcess(pid)
	if !ok {
		return process{}, fmt.Errorf("nginx does not run: process %d of %s is gone", pid, pidFile)
	}
	p.title = title(pid)
	if !strings.HasPrefix(p.title, "nginx: master") {
		return process{}, fmt.Errorf("process %d of %s is %q, and not nginx's master", pid, pidFile, shorten(p.title))
	}
	return p, nil
}

// workers are the children of the master that serve, or served, requests.
func workers(master int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for nginx's workers: %w", err)
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, parent, ok := readProcess(pid)
		if !ok || parent != master {
			continue
		}
		if p.title = title(pid); strings.HasPrefix(p.title, "nginx: worker") {
			all = append(all, p)
		}
	}
	return all, nil
}

// readProcess reads all of a process but its title; it is not ok where it is gone.
func readProcess(pid int) (p process, parent int, ok bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return p, 0, false
	}
	// The name, in parentheses, may have anything in it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return p, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseInt(fields[19], 10, 64)
	var up unix.Timespec
	err3 := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up)
	if err != nil || err2 != nil || err3 != nil {
		return p, 0, false
	}
	started := time.Now().Add(time.Duration(ticks)*tick - time.Duration(up.Nano()))
	return process{pid: pid, ticks: ticks, started: started}, parent, true
}

// title is what a process calls itself; it is empty where it is gone.
func title(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	return string(bytes.TrimRight(text, "\x00"))
}

// renewed reports whether every worker that ran before is gone or leaving, and
// another one serves.
func renewed(before, now []process) bool {
	old := map[int]bool{}
	for _, p := range before {
		old[p.pid] = true
	}
	fresh := false
	for _, p := range now {
		switch {
		case p.leaving():
		case old[p.pid]:
			return false
		default:
			fresh = true
		}
	}
	return fresh
}

// awaitRenewed waits for the workers that a reload brings.
func awaitRenewed(ctx context.Context, master int, before []process) error {
	ctx, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	every := time.NewTicker(verifyEvery)
	defer every.Stop()
	for {
		now, err := workers(master)
		if err != nil {
			return err
		}
		if renewed(before, now) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nginx has no new workers after %v: its error log says why (%w)", verifyWithin, context.Cause(ctx))
		case <-every.C:
		}
	}
}
