package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"saturate/stress"
	"saturate/stress/probe/pmu"
)

const (
	auto = "auto"
	off  = "off"
)

// counting splits Config.Instructions into whose instructions are counted and
// whether in user space alone.
func (c Config) counting() (whose string, user bool) {
	whose, user = strings.CutSuffix(c.Instructions, "/user")
	if whose == "" && !user {
		whose = auto
	}
	return whose, user
}

// Counts is whose instructions are counted where the machine can: the scope, as
// in Sampler.Scopes, or "" for nobody's. A target with a command is the process
// tree that it starts, unless the section names another.
func (c Config) Counts(command bool) string {
	whose, user := c.counting()
	if whose == auto {
		switch {
		case c.Cgroup != "":
			whose = string(ScopeCgroup)
		case c.Host && c.PID == 0 && c.Pidfile == "":
			whose = string(ScopeHost)
		case command || c.PID != 0 || c.Pidfile != "":
			whose = string(ScopeProcesses)
		default:
			whose = off
		}
	}
	switch {
	case whose == off:
		return ""
	case user:
		whose += "/user"
	}
	return whose
}

// instructions checks Config.Instructions.
func (v *validation) instructions(c Config) {
	const field = "instructions"
	whose, user := c.counting()
	known := []string{auto, string(ScopeHost), string(ScopeProcesses), string(ScopeCgroup), off}
	switch {
	case c.Agent != nil: // what an agent may read, its own command line says
	case !slices.Contains(known, whose):
		v.add(field, "write auto, host, processes, cgroup or off; host/user counts user space alone, and so with the others", "%q is not whose instructions can be counted", c.Instructions)
	case whose == off && user:
		v.add(field, "write off, or auto/user to count user space alone", "off/user counts nothing")
	case whose == off:
	case whose == string(ScopeCgroup) && c.Cgroup == "":
		v.add(field, "name the group in probes.cgroup, or write processes", "no control group is named")
	case whose == string(ScopeProcesses) && c.Host:
		v.add(field, "write host, or name the target by pid, pidfile or cgroup", "with host: true the target is the machine and has no processes of its own")
	}
}

// A meter counts instructions.
type meter interface {
	Read() (pmu.Totals, error)
	Close() error
}

// instructions reads a meter.
type instructions struct {
	meter
	label string // of its scope

	mu   sync.Mutex // guards last: samples are taken while it is asked for
	last *pmu.Totals
}

func (i *instructions) read(s *stress.Sample) error {
	now, err := i.Read()
	i.mu.Lock()
	i.last = &now
	i.mu.Unlock()
	if err != nil {
		return uncountable(err, true)
	}
	s.Counters[stress.Instructions] = now.Instructions
	if now.HasUser {
		s.Counters[stress.UserInstructions] = now.UserInstructions
	}
	if now.HasCycles {
		s.Counters[stress.Cycles] = now.Cycles
	}
	return nil
}

func (i *instructions) totals() (pmu.Totals, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last == nil {
		return pmu.Totals{}, false
	}
	return *i.last, true
}

// uncounted is a machine that cannot count what is only counted where it can.
type uncounted struct{ error }

func (u uncounted) read(*stress.Sample) error { return u.error }

// uncountable says why nothing is counted, with the remedy where that is wanted:
// nobody is to be told at every run that his machine has no counters.
func uncountable(err error, advise bool) error {
	var ours *Error
	var its *pmu.Error
	e := &Error{Err: err}
	switch {
	case errors.As(err, &ours):
		*e = *ours
	case errors.As(err, &its):
		e.Remedy = its.Hint()
	}
	if !advise {
		e.Remedy = ""
	}
	return e
}

// openInstructions starts to count, if it is wanted: of the scope whose CPU time
// is read, where this machine can; of one that is named, or it is an error. The
// target may be on another machine: then nothing here is its.
func (s *Sampler) openInstructions(fs rootFS, c Config, sc scope, here bool) error {
	const name = "instructions"
	whose, user := c.counting()
	named := whose != auto
	if !named {
		whose = string(s.scope)
	}
	if whose == off || whose == string(ScopeNone) || !named && !fs.real() {
		return nil
	}
	m, err := openMeter(whose, user, sc, here)
	switch {
	case err != nil && named:
		return fail(name, uncountable(err, true))
	case err != nil:
		return s.add(name, optional, uncounted{uncountable(err, false)})
	}
	if user {
		whose += "/user"
	}
	s.counts = &instructions{meter: m, label: whose}
	return s.add(name, optional, s.counts)
}

func openMeter(whose string, user bool, sc scope, here bool) (meter, error) {
	c := pmu.Config{Scope: pmu.Scope(whose), User: user}
	switch {
	case !here:
		return nil, hinted("read it through an agent that runs there: probes.agent", "the target is not on this machine")
	case whose == string(ScopeProcesses):
		if c.PIDs = sc.pids; len(sc.pids()) == 0 {
			return nil, hinted("name them in probes: pid, pidfile or cgroup", "the target's processes are not known")
		}
	case whose == string(ScopeCgroup):
		g, ok := sc.(*cgroup)
		if !ok {
			return nil, fmt.Errorf("the target has no control group")
		}
		dir, err := g.countable()
		if err != nil {
			return nil, err
		}
		c.Cgroup = dir
	}
	m, err := pmu.Open(c)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// countable is the directory by which the kernel counts events of the group.
func (g *group) countable() (string, error) {
	if g.events.none() {
		return "", hinted("create it in the perf_event hierarchy too and move the target's processes there; or write instructions: processes",
			"the group is not in the hierarchy that counts events")
	}
	if len(g.events.pids()) == 0 {
		return "", hinted("write the target's processes to "+g.events.file("cgroup.procs")+"; or write instructions: processes",
			"the group has no process in the hierarchy that counts events")
	}
	return g.events.path, nil
}

// Instructions is the last reading of the counters: beside the totals, how much
// of the time they ran. It is false where none was taken.
func (s *Sampler) Instructions() (pmu.Totals, bool) {
	if s.counts == nil {
		return pmu.Totals{}, false
	}
	return s.counts.totals()
}

// Countable tries which scopes this machine can count instructions in: itself,
// processes of ours, and the control group that we are in, each also in user
// space alone.
func Countable() []pmu.Diagnosis {
	dir := ""
	if g, err := groupOf("/", os.Getpid()); err == nil {
		dir, _ = g.countable()
	}
	return pmu.Diagnose(dir)
}
