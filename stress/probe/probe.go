// Package probe reads a target: kernel files, control groups, sockets, and the
// status pages of the servers it knows. One file a source.
//
// It only reads, and only what its configuration names. It delivers raw
// cumulative counters and gauges as stress.Sample; differences and meaning are
// package stress's.
//
// The kernel's files are read in one loop that nothing can block; a load
// depends on it (Sampler.Fresh). Status pages may hang for seconds with the
// server that serves them; each is read in a goroutine of its own, and while
// one is silent its values are absent.
package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
)

// A Target is what is known of a target beside its probes.
type Target struct {
	// URL is where its traffic goes. Where that is this machine, the accept
	// queue of the listener there is read.
	URL string
	// PID is the root of the process tree that saturate started; 0 for none.
	PID int
}

// scope is what all scopes can tell.
type scope interface {
	reader
	pids() []int  // the target's processes; nil where it is the machine
	cpus() cpuSet // the CPUs that the target may use
}

// Open finds the sources that c and t name and reads each of the kernel's
// once, so that what is wrong with them comes out here; the target is to be
// up. Its errors are *Error, several of them joined. A listener or status page
// that cannot be found is no error: Sources tells of it.
func Open(c Config, t Target) (*Sampler, error) {
	return open("/", c, t)
}

func open(fs rootFS, c Config, t Target) (*Sampler, error) {
	s := &Sampler{fresh: -1, clock: bootTime, kept: keptFiles{rootFS: fs}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	boot, _ := fs.read("proc/sys/kernel/random/boot_id")
	s.boot = fmt.Sprintf("%.8s-%x", strings.TrimSpace(boot), s.clock().Nanoseconds())
	err := errors.Join(s.openKernel(fs, c, t), s.openPages(c))
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// bootTime is the machine's monotonic clock, the time asleep included.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0 // cannot be: the clock is there since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}

// A need tells which sources the load depends on.
type need int

const (
	lazy need = iota // read at half the pace
	optional
	onceSeen // required where it can be read at the start
	always
)

// add appends a kernel source and reads it once. One that is always required
// and cannot be read is an error.
func (s *Sampler) add(name string, n need, r reader) error {
	w := &watched{Source: Source{Name: name}, reader: r, last: -1, lazy: n == lazy}
	s.kernel = append(s.kernel, w)
	first := newSample(s.clock())
	err := r.read(&first)
	w.note(first.At, err)
	w.Required = n == always || n == onceSeen && err == nil
	if n == always && err != nil {
		return w.Err
	}
	return nil
}

// openKernel opens the kernel's sources.
func (s *Sampler) openKernel(fs rootFS, c Config, t Target) error {
	l, err := findListener(c, t)
	if err != nil {
		err = fail("listener", err)
	}
	sc, name, scopeErr := s.openScope(fs, c, t)
	if scopeErr != nil {
		return errors.Join(err, fail(name, scopeErr))
	}
	n := always
	if s.scope == ScopeNone {
		n = optional
	}
	if err := errors.Join(err, s.add(name, n, sc)); err != nil {
		return err
	}
	here := s.scope != ScopeNone || l != nil
	if err := s.openInstructions(fs, c, sc, here); err != nil || !here {
		return err
	}
	return s.openMachine(fs, sc, l)
}

// openScope decides whose CPU time and memory are read. What is named in c
// comes before the tree that saturate started.
func (s *Sampler) openScope(fs rootFS, c Config, t Target) (sc scope, name string, err error) {
	pid := c.PID
	switch {
	case c.Cgroup != "":
		s.scope, name = ScopeCgroup, "cgroup "+c.Cgroup
		g, err := openCgroup(fs, c)
		return g, name, err
	case c.Pidfile != "":
		if pid, err = readPidfile(c.Pidfile); err != nil {
			return nil, "pidfile " + c.Pidfile, err
		}
	case pid == 0 && c.Host:
		s.scope = ScopeHost
		return openWholeHost(fs, &s.kept, c), "host", nil
	case pid == 0:
		pid = t.PID
	}
	if pid == 0 {
		s.scope = ScopeNone
		return unknown{limits: newLimits(fs, c)}, "target", nil
	}
	s.scope = ScopeProcesses
	return openProcesses(fs, c, pid), fmt.Sprintf("processes of %d", pid), nil
}

// unknown is a target of which nothing can be read.
type unknown struct{ limits *limits }

func (u unknown) pids() []int { return nil }

// cpus are all of the machine's: the target's host, if the listener is here.
func (u unknown) cpus() cpuSet {
	if u.limits.update() != nil {
		return nil
	}
	return u.limits.cpus
}

func (u unknown) read(*stress.Sample) error {
	return hinted("name it in the scenario's probes: cgroup, pidfile or pid; host: true where the machine is the target's alone",
		"nothing of its CPU and memory can be read: only latency and errors will judge it")
}

// openMachine opens what is read of the machine around the scope. The accept
// queue is required once it was seen: an overflow must not go unseen.
func (s *Sampler) openMachine(fs rootFS, sc scope, l *listener) error {
	var errs []error
	add := func(name string, n need, r reader) {
		errs = append(errs, s.add(name, n, r))
	}
	if s.scope != ScopeHost { // which reads both itself
		add("host", always, &host{fs: &s.kept, cpus: sc.cpus})
		add("host memory", optional, hostMemory{&s.kept})
	}
	if g, ok := sc.(*cgroup); ok {
		add("memory of "+g.name, onceSeen, cgroupMemory{g.group})
		add("pressure of "+g.name, lazy, cgroupPressure{g.group})
	} else {
		add("host pressure", lazy, hostPressure{&s.kept})
	}
	if sc.pids() != nil {
		add("open files", lazy, &openFiles{fs: fs, pids: sc.pids})
	}
	netns, pid := namespaceOf(fs, sc.pids())
	add("tcp", lazy, protocol{&s.kept, pid, "snmp", "Tcp", segments})
	add("conntrack", lazy, conntrack{&s.kept})
	add("softnet", lazy, softnet{&s.kept})
	add("links", lazy, &links{fs: &s.kept})
	if l != nil { // an overflow is the listener's only while its queue is full
		add("tcp listeners", optional, protocol{&s.kept, pid, "netstat", "TcpExt", overflows})
		l.netns = netns
		add("accept queue "+l.name, onceSeen, l)
	}
	return errors.Join(errs...)
}

// namespaceOf tells in which network namespace the target's processes live: the
// file of it, "" where it is our own, and a process in it, 0 for ourselves.
func namespaceOf(fs rootFS, pids []int) (netns string, pid int) {
	if len(pids) == 0 {
		return "", 0
	}
	pid = pids[0]
	theirs := fs.path("proc", fmt.Sprint(pid), "ns/net")
	a, err1 := os.Readlink(theirs)
	b, err2 := os.Readlink(fs.path("proc/self/ns/net"))
	if err1 != nil || err2 != nil || a == b {
		return "", 0
	}
	return theirs, pid
}
