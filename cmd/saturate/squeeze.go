package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"saturate/loadgen/shift"
	"saturate/loadgen/shift/watchdog"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
)

// A squeeze measures the targets of a scenario at once with the traffic of real
// users: a watchdog holds the load balancer, and each target has probes, a search
// and a driver of its own. It starts no server and sends no request.
type squeeze struct {
	*campaign
	dog   shift.Watchdog
	watch func(context.Context, *session) (watcher, error)
	views []*squeezeView
}

// held is a watchdog that is let go in the end.
type held interface {
	shift.Watchdog
	Close(context.Context) error
}

// letGo is how long a watchdog of this machine has to end.
const letGo = 15 * time.Second

// squeeze measures all targets at once, as often as the scenario says, with every
// weight back in between.
func (c *campaign) squeeze(ctx context.Context, env *environment) (err error) {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	dog, err := holdBalancer(ctx, env, c.scenario.Live)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGo)
		defer cancel()
		if left := dog.Close(ending); left != nil { // the squeeze has told whether the weights are back
			c.warn("watchdog", []string{left.Error()})
		}
	}()
	q := &squeeze{campaign: c, dog: dog, watch: func(ctx context.Context, s *session) (watcher, error) { return s.watch(ctx, 0) }}
	return q.all(ctx)
}

// holdBalancer reaches the watchdog that the section names, or starts one here.
func holdBalancer(ctx context.Context, env *environment, live *shift.Config) (held, error) {
	if live.Watchdog != (watchdog.Remote{}) {
		c, err := watchdog.Dial(live.Watchdog)
		if err != nil {
			return nil, err
		}
		return elsewhere{c}, nil
	}
	dir, err := watchdog.StateDir(env.getenv)
	if err != nil {
		return nil, err
	}
	return watchdog.Start(ctx, watchdog.Config{Balancer: live.Balancer, Dir: dir, Caps: live.Caps()})
}

// elsewhere is a watchdog that is not ours to end.
type elsewhere struct{ *watchdog.Client }

func (elsewhere) Close(context.Context) error { return nil }

// all makes every squeeze. One that ended by itself is the last: whatever ended it
// is there still.
func (q *squeeze) all(ctx context.Context) error {
	for _, t := range q.scenario.Targets {
		q.record.Targets = append(q.record.Targets, record.Target{Name: t.Name, Labels: t.Labels, Ending: ramp.Inconclusive})
	}
	q.views = newSqueezeViews(q.view, q.scenario.Targets)
	state, err := q.dog.State(ctx)
	if err != nil {
		return err
	}
	live := q.record.Live
	live.Backend = state.Name
	live.Balancer, _, _ = strings.Cut(state.Name, " ")
	q.record.Load.Engine = live.Balancer
	for restart := 1; restart <= q.scenario.Repeat; restart++ {
		q.view.begin(q.heading(restart))
		lost, err := q.once(ctx, restart)
		if err != nil {
			return err
		}
		if lost != nil && restart < q.scenario.Repeat {
			q.warn("live", []string{fmt.Sprintf("no further squeeze after the one that ended early: %v", lost)})
			break
		}
	}
	return nil
}

func (q *squeeze) heading(restart int) string {
	names := make([]string, len(q.scenario.Targets))
	for i, t := range q.scenario.Targets {
		names[i] = t.Name
	}
	text := fmt.Sprintf("%s: live traffic on %s", q.scenario.Name, strings.Join(names, ", "))
	if q.scenario.Repeat > 1 {
		text += fmt.Sprintf(", squeeze %d of %d", restart, q.scenario.Repeat)
	}
	return text
}

// once makes one squeeze and records it. lost says why it ended by itself.
func (q *squeeze) once(ctx context.Context, restart int) (lost, err error) {
	members, err := q.open(ctx)
	defer func() {
		for _, m := range members {
			m.close()
		}
	}()
	if err == nil {
		lost, err = q.push(ctx, restart, members)
	}
	for i, m := range members {
		failed := m.err
		if failed == nil && !m.driven { // it was ready, and something common to all was not
			failed = err
		}
		q.add(i, restart, m.session, m.run, m.scopes(), failed)
	}
	return lost, err
}

// push holds the balancer while all members are driven.
func (q *squeeze) push(ctx context.Context, restart int, members []*member) (lost, err error) {
	set := setOf(q.scenario)
	q.view.note("the balancer is watched for some seconds, and nothing is changed yet")
	sq, err := shift.Open(ctx, q.dog, *q.scenario.Live, holder(q.scenario), set)
	if err != nil {
		return nil, err
	}
	var drivers sync.WaitGroup
	for i, m := range members {
		load := sq.Member(set[i])
		q.views[i].weight = load.Weight
		drivers.Go(func() { m.drive(ctx, load, sq.Err) })
	}
	drivers.Wait()
	lost = sq.Err()
	closed, left := sq.Close()
	made := newSqueeze(restart, q.scenario, sq.Plan(), closed)
	q.record.Live.Squeezes = append(q.record.Live.Squeezes, made)
	q.view.note("%s", made.PutBack())
	errs := []error{left}
	for _, m := range members {
		errs = append(errs, m.err)
	}
	return lost, errors.Join(errs...)
}

// open watches every target, and tells at once of all that cannot be: no weight is
// moved for a server that is not seen.
func (q *squeeze) open(ctx context.Context) ([]*member, error) {
	members := make([]*member, len(q.scenario.Targets))
	var opening sync.WaitGroup
	for i, t := range q.scenario.Targets {
		m := &member{session: &session{scenario: q.scenario, target: t, view: q.views[i], cpus: q.cpus, fleets: q.fleets}}
		members[i] = m
		opening.Go(func() { m.err = m.open(ctx, q.watch) })
	}
	opening.Wait()
	var errs []error
	for _, m := range members {
		if m.err != nil {
			errs = append(errs, fmt.Errorf("target %s: %w", m.session.target.Name, m.err))
		}
	}
	if ctx.Err() != nil {
		return members, context.Cause(ctx)
	}
	return members, errors.Join(errs...)
}

// holder tells others at the balancer who squeezes.
func holder(s *scenarios.Scenario) string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("saturate run --live %s, process %d on %s", s.Name, os.Getpid(), host)
}

// agree refuses a scenario that does not go with the flags: production is
// squeezed only where both say so.
func agree(s *scenarios.Scenario, name string, live bool) error {
	switch {
	case live && s.Live == nil:
		return hint(exitWith(exitUsage, fmt.Errorf("--live: %s has no live section, so its load is generated", s.Name)),
			"leave --live away; or name the load balancer in the scenario: live: {balancer: ...}, see `saturate run --live live --dry-run` and docs/live.md")
	case !live && s.Live != nil:
		return hint(exitWith(exitUsage, fmt.Errorf("%s squeezes production with the traffic of real users, which takes --live", s.Name)),
			fmt.Sprintf("see what it would do first: saturate run --live %s --dry-run", name))
	}
	return nil
}

// setOf are the targets as the balancer knows them.
func setOf(s *scenarios.Scenario) []string {
	set := make([]string, len(s.Targets))
	for i, t := range s.Targets {
		set[i] = t.Server
	}
	return set
}
