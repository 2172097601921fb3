package main

import (
	"context"
	"fmt"
	"time"

	"saturate/loadgen"
	"saturate/ramp"
	"saturate/stress"
)

// A member is one target of a squeeze, measured once.
type member struct {
	session *session
	sampler watcher
	run     ramp.Run
	driven  bool
	err     error
}

const (
	// seenWithin is how long a target's probes may take to be heard.
	seenWithin = 5 * time.Second
	// freshEnough is how old the newest sample of one that is heard may be.
	freshEnough = 600 * time.Millisecond
	// putBackWithin is kept of the time that the weights may be changed for.
	putBackWithin = 30 * time.Second
)

// open watches the target until it is heard.
func (m *member) open(ctx context.Context, watch func(context.Context, *session) (watcher, error)) (err error) {
	if m.sampler, err = watch(ctx, m.session); err != nil {
		return err
	}
	m.sampler.Start()
	if err := m.heard(ctx); err != nil {
		return err
	}
	if err := unread(await(ctx, m.sampler)); err != nil {
		return err
	}
	m.session.checkSources(m.sampler)
	return nil
}

// heard waits for a fresh sample of the target's kernel.
func (m *member) heard(ctx context.Context) error {
	for end := time.Now().Add(seenWithin); m.sampler.Fresh() > freshEnough; {
		if err := m.sampler.Err(); err != nil {
			return fmt.Errorf("probes: %w", err)
		}
		if time.Now().After(end) {
			err := fmt.Errorf("no sample of the target's kernel comes, waited %v", seenWithin)
			if why := unheard(m.sampler.Sources()); why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
	}
	return nil
}

// A liveLoader is a loader whose level 0 is the traffic found.
type liveLoader interface {
	loadgen.Loader
	Found() float64
}

// drive joins search, balancer and probes.
func (m *member) drive(ctx context.Context, load liveLoader, lost func() error) {
	m.driven = true
	defer load.Close()
	s := m.session
	if !(load.Found() > 0) {
		m.err = hint(fmt.Errorf("target %s: %s has had no request since the balancer is watched", s.target.Name, s.target.Server),
			"does the balancer share traffic by weight? One that hashes may give a server none")
		return
	}
	limits := stress.NewLimits(s.scenario.Stress)
	c := s.scenario.Ramp
	search := ramp.NewSearch(ramp.SearchConfig{
		Floor: load.Found(), Max: c.Max, Precision: c.Precision, Delay: load.Delay(), Within: s.scenario.Live.Within - putBackWithin,
		Cores: newest(m.sampler).Gauges[stress.CPULimit], Errors: float64(s.scenario.Stress.Errors), Timeout: s.scenario.Traffic.Timeout,
	})
	silent := func() error { return unheard(m.sampler.Sources()) }
	driver := ramp.Driver{Load: load, Floor: load.Found(), Probe: m.sampler, Limits: limits, Alive: m.sampler.Gone, Silent: silent, Lost: lost, Progress: s.view.show}
	windows, err := driver.Run(ctx, search)
	s.advise(silent())
	s.view.end()
	m.run, m.err = ramp.Conclude(search.Result(), windows, limits.InForce()), err
}

// scopes say whose work was read, by unit.
func (m *member) scopes() map[string]string {
	if m.sampler == nil {
		return nil
	}
	return m.sampler.Scopes()
}

func (m *member) close() {
	if m.sampler != nil {
		m.sampler.Close()
	}
}
