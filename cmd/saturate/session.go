package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"

	"saturate/appweight"
	"saturate/internal/supervise"
	"saturate/loadgen"
	"saturate/ramp"
	"saturate/scenarios"
	"saturate/stress"
	"saturate/stress/agent"
	"saturate/stress/probe"
)

// A session measures one target once: it starts the target where the scenario
// says how, watches it, proves that it answers, and drives the search. What it
// started is gone when measure returns.
type session struct {
	scenario  *scenarios.Scenario
	target    scenarios.Target
	view      view
	lastKnown func(generation string) float64 // the rate at which a search may begin; 0 where none is known
	check     float64                         // hold this level instead of searching,
	span      time.Duration                   // for so long
	cpus      []int                           // that saturate may use
	fleets    []appweight.Fleet               // what the fleet spends, by unit
	engine    string                          // that offered the load
	machine   map[string]string               // what the target's agent tells of its machine; nil without one
	warnings  []string
}

// measure returns the run as far as it went, also with an error.
func (s *session) measure(ctx context.Context) (run ramp.Run, scopes map[string]string, err error) {
	pid := 0
	var child *supervise.Child
	if len(s.target.Command) > 0 {
		if child, err = s.start(ctx); err != nil {
			return run, nil, err
		}
		defer func() {
			if left := child.Stop(); left != nil {
				err = errors.Join(err, &leftBehind{left})
			}
		}()
		pid = child.PID()
	} else if err := supervise.Confine(s.cpus); err != nil { // a target before may have been pinned
		return run, nil, err
	}
	if err := s.awaitReady(ctx, child); err != nil {
		return run, nil, err
	}
	sampler, err := s.watch(ctx, pid)
	if err != nil {
		return run, nil, err
	}
	defer sampler.Close()
	sampler.Start()

	trial, err := s.try(ctx, child != nil)
	if err != nil {
		return run, sampler.Scopes(), err
	}
	if run, slow := s.tooSlow(trial); slow {
		return run, sampler.Scopes(), nil
	}
	if err := ramp.AwaitQuiet(ctx, sampler); err != nil {
		if why := unheard(sampler.Sources()); why != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		return run, sampler.Scopes(), err
	}
	if err := unread(sampler.Sources()); err != nil {
		return run, sampler.Scopes(), err
	}
	s.checkSources(sampler)
	run, err = s.drive(ctx, sampler, child, trial)
	return run, sampler.Scopes(), err
}

// A watcher reads a target: on this machine, or through the agent on its own.
type watcher interface {
	ramp.Prober
	Start()
	Gone() error
	Sources() []probe.Source
	Scopes() map[string]string
	Close() error
}

// watch opens the target's probes.
func (s *session) watch(ctx context.Context, pid int) (watcher, error) {
	a := s.target.Probes.Agent
	if a == nil {
		return probe.Open(s.target.Probes, probe.Target{URL: s.target.URL, PID: pid})
	}
	c, err := agent.Dial(ctx, *a)
	if err != nil {
		return nil, err
	}
	s.machine = c.Info()
	if told, ours := s.machine["generation"], s.generation(); told != "" && ours != "" && told != ours {
		s.warn("the scenario says generation %s and the target's agent %s: the scenario's is taken", ours, told)
	}
	return c, nil
}

// generation is the target's by the scenario, else by its agent.
func (s *session) generation() string {
	return cmp.Or(s.target.Labels["generation"], s.scenario.Labels["generation"], s.machine["generation"])
}

// leftBehind says that a target's command was not brought to its end. It must be
// told, however the run came to end.
type leftBehind struct{ error }

func (e *leftBehind) Unwrap() error { return e.error }

// Hint is the remedy.
func (e *leftBehind) Hint() string { return "end it by hand before the next run" }

// start runs the target's command, on its own CPUs where asked.
func (s *session) start(ctx context.Context) (*supervise.Child, error) {
	at, err := url.Parse(s.target.URL)
	if err != nil {
		return nil, err
	}
	if listens(ctx, at) {
		return nil, hint(fmt.Errorf("target %s: something else listens at %s already", s.target.Name, where(at)),
			"stop it, or leave `command:` away to measure it as it runs")
	}
	mine, theirs, err := split(s.target.Pin, s.cpus)
	if err != nil {
		return nil, err
	}
	if s.target.Pin.Auto && len(theirs) == 0 {
		s.warn("there is one CPU: the generator and the target share it, and the answer is the lower for it")
	}
	if err := supervise.Confine(mine); err != nil {
		return nil, fmt.Errorf("keep the generator off the target's CPUs: %w", err)
	}
	child, err := supervise.Start(supervise.Command{
		Args: s.target.Command, Dir: s.target.Dir, Env: s.target.Env, CPUs: theirs,
	})
	if err != nil {
		return nil, hint(fmt.Errorf("target %s: %w", s.target.Name, err),
			"`command` is run without a shell, in `dir`; check the path and that the program is installed")
	}
	return child, nil
}

// drive joins search, loader and probes.
func (s *session) drive(ctx context.Context, sampler watcher, child *supervise.Child, trial loadgen.Trial) (ramp.Run, error) {
	first := newest(sampler)
	connections, ahead := dialling(first, trial.KeepAlive)
	choice, err := s.scenario.Engine()
	if err != nil {
		return ramp.Run{}, hint(err, "write `traffic: {engine: auto}`")
	}
	traffic := s.scenario.Traffic
	traffic.Engine = choice.Engine
	load, err := loadgen.New(traffic, s.target.URL, loadgen.Options{
		Addr: trial.Addr, Connections: connections, NoKeepAlive: !trial.KeepAlive, DialAhead: ahead,
	})
	if err != nil {
		return ramp.Run{}, err
	}
	defer load.Close()
	s.engine = choice.Engine
	s.view.note("engine: %s (%s)", choice.Engine, choice.Reason)

	limits := stress.NewLimits(s.scenario.Stress)
	search := s.search(first, load.Delay(), limits, sampler.Scopes())
	alive := func() error {
		if child != nil && child.Err() != nil {
			return fmt.Errorf("the target's command ended: %w", child.Err())
		}
		return sampler.Gone()
	}
	silent := func() error { return unheard(sampler.Sources()) }
	driver := ramp.Driver{Load: load, Probe: sampler, Limits: limits, Alive: alive, Silent: silent, Progress: s.view.show}
	windows, err := driver.Run(ctx, search)
	s.advise(silent())
	return ramp.Conclude(search.Result(), windows, limits.InForce()), err
}

// search is the search of the scenario, with a hold of the load that a server of
// the fleet has where that is known, or the check of a level.
func (s *session) search(first stress.Sample, delay time.Duration, limits *stress.Limits, scopes map[string]string) ramp.Searcher {
	if s.check > 0 {
		return ramp.NewCheck(s.check, s.span, limits.InForce)
	}
	c := s.scenario.Ramp
	search := ramp.NewSearch(ramp.SearchConfig{
		Start: c.Start, Max: c.Max, Precision: c.Precision, Delay: delay, LastKnown: s.lastKnown(s.generation()),
		Cores: first.Gauges[stress.CPULimit], Errors: float64(s.scenario.Stress.Errors), Timeout: s.scenario.Traffic.Timeout,
	})
	counted := map[string]string{appweight.Requests: ""}
	maps.Copy(counted, scopes)
	fleet, _, err := appweight.Choose(counted, s.fleets)
	if err != nil {
		return search // the record tells why there is no score
	}
	work, _ := fleet.PerServer(s.generation())
	return ramp.NewReference(search, ramp.ReferenceConfig{Unit: fleet.Unit, PerSecond: work, Delay: delay})
}

// checkSources turns what cannot be read, and could be, into warnings. A host
// without a link of known speed, say, has nothing to mend.
func (s *session) checkSources(sampler watcher) {
	for _, src := range sampler.Sources() {
		s.advise(src.Err)
	}
}

// advise warns of what cannot be read where the remedy is known.
func (s *session) advise(err error) {
	if e, ok := errors.AsType[*probe.Error](err); ok && e.Hint() != "" {
		s.warn("%v; %s", e, e.Hint())
	}
}

func (s *session) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
	s.view.note("note: "+format, args...)
}

// newest is the last sample that the probes took.
func newest(sampler watcher) stress.Sample {
	for range 20 {
		if all := sampler.Take(); len(all) > 0 {
			return all[len(all)-1]
		}
		time.Sleep(50 * time.Millisecond)
	}
	return stress.Sample{}
}

// dialling bounds the connections: as many as the workers and a quarter of the
// backlog can hold, so that the generator never overflows a listener by idle
// connections. Half the workers' number is dialled ahead, and only to a server
// that keeps connections; an unknown number of workers gets none.
func dialling(s stress.Sample, keepAlive bool) (connections, ahead int) {
	workers, backlog := s.Gauges[stress.WorkersTotal], s.Gauges[stress.AcceptQueueLimit]
	if workers > 0 && backlog > 0 {
		connections = int(workers + backlog/4)
	}
	if keepAlive {
		ahead = int(workers / 2)
	}
	return connections, ahead
}
