// Package pmu counts CPU instructions with the processor's own counters
// (perf_event_open(2)): of the whole machine, of a set of processes, or of a
// control group; user space and kernel together, and user space apart.
//
// Its totals never fall. What the counters show is scaled interval by interval
// where the kernel had to share them out, never as a whole: a scaled total goes
// backwards as soon as its share changes. A counter that dies with its CPU is
// opened again.
//
// It only counts. It samples nothing, reads no memory of what it counts, and
// puts nothing into a kernel beside the counters, which end with the Meter.
package pmu

import (
	"fmt"
	"os"
	"time"
)

// A Scope is whose instructions are counted.
type Scope string

// The scopes, and what each costs the machine (measured on arm64, Linux 6.1).
const (
	// Host is every task on every CPU. It adds nothing to a context switch.
	Host Scope = "host"
	// Processes are a set of processes, with all that they create later. It adds
	// about 5,000 instructions to every switch from or to one of their threads.
	Processes Scope = "processes"
	// Cgroup is a control group and those below it. It adds 15,000 to 20,000
	// instructions to every switch of a CPU between groups, whoever is in them;
	// at 10,000 switches a second that is some 6 % of a CPU.
	Cgroup Scope = "cgroup"
)

// Config says what is counted.
type Config struct {
	// Scope is Host where it is empty.
	Scope Scope
	// User counts what runs in user space alone, which needs fewer rights.
	User bool
	// PIDs lists the processes of the set, for Processes. It is asked by Open
	// and at every Read. All threads of theirs are counted, and what threads and
	// processes they create; what joins the set later, from when it is listed.
	PIDs func() []int
	// Cgroup is the group's directory, for Cgroup: in the v2 tree or in v1's
	// perf_event hierarchy.
	Cgroup string
}

// Totals are what was counted since Open. None of them ever falls.
type Totals struct {
	// Instructions retired: in user space and kernel, or in user space alone
	// where the configuration says User.
	Instructions float64
	// UserInstructions are those of them retired in user space, where HasUser:
	// a processor may have too few counters to tell them apart.
	UserInstructions float64
	HasUser          bool
	// Cycles spent on Instructions, where HasCycles.
	Cycles    float64
	HasCycles bool
	// Running is the smallest share of the last interval that the counters of a
	// CPU or thread ran; 1 where they ran all the time. Below that the totals
	// are scaled, and good for even loads: to 0.1 % at a share of one half.
	Running float64
	// Lost is CPU time in which nothing was counted for want of a free counter.
	Lost time.Duration
	// Counters is how many CPUs, or threads with descendants, are counted now.
	Counters int
	// Reopened is how many counters were found dead and opened again.
	Reopened int
}

// A Meter counts from Open to Close. It is not for concurrent use.
type Meter struct {
	tally   *tally
	counted counted
}

// A counted is what a Meter keeps counters on.
type counted interface {
	// read reads all counters into the tally and opens those that are missing.
	read() error
	size() int
	close()
}

// Open starts to count. What cannot be counted whole is an *Error: part of a
// machine is no figure to compare with.
func Open(c Config) (*Meter, error) {
	return open(newMachine(), c)
}

func open(m *machine, c Config) (*Meter, error) {
	t := &tally{running: 1, plans: plans(c.User)}
	var all counted
	switch c.Scope {
	case Host, "":
		all = newCPUs(m, t, c, nil)
	case Cgroup:
		dir, err := os.Open(c.Cgroup)
		if err != nil {
			return nil, m.explain(err, c, "")
		}
		all = newCPUs(m, t, c, dir)
	case Processes:
		all = newTasks(m, t, c)
	default:
		return nil, &Error{Reason: Unsupported, Err: fmt.Errorf("%q is no scope", c.Scope)}
	}
	if err := all.read(); err != nil {
		all.close()
		return nil, err
	}
	t.opened = true
	return &Meter{tally: t, counted: all}, nil
}

// Read brings the totals up to date. An error, an *Error, says that they miss
// something of the last interval: a CPU that came online and cannot be counted,
// say. They are good all the same for what they hold.
func (m *Meter) Read() (Totals, error) {
	m.tally.begin()
	err := m.counted.read()
	if err == nil {
		err = m.tally.short()
	}
	return m.tally.totals(m.counted.size()), err
}

// Close ends the counting.
func (m *Meter) Close() error {
	m.counted.close()
	return nil
}
