package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"saturate/loadgen/shift"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
	"saturate/record"
	"saturate/scenarios"
)

// pause is the time between two readings of a balancer, from whose counters the
// rates come.
const pause = 3 * time.Second

// A footing is a backend as it is, with what its servers do.
type footing struct {
	name  string // of the backend
	now   balancer.Backend
	rates map[string]float64 // req/s by server
	state *watchdog.State    // of a watchdog elsewhere; nil where there is none yet
}

// stand reads a backend twice and changes nothing: the balancer itself, or where
// it is another machine's what the watchdog there tells.
func stand(ctx context.Context, live *shift.Config) (footing, error) {
	read, err := reader(live)
	if err != nil {
		return footing{}, err
	}
	first, err := read(ctx)
	if err != nil {
		return first, err
	}
	select {
	case <-ctx.Done():
		return first, context.Cause(ctx)
	case <-time.After(pause):
	}
	s, err := read(ctx)
	if err != nil {
		return first, err
	}
	s.rates, err = shift.Rates(first.now, s.now)
	return s, err
}

func reader(live *shift.Config) (func(context.Context) (footing, error), error) {
	if live.Watchdog != (watchdog.Remote{}) {
		dog, err := watchdog.Dial(live.Watchdog)
		return func(ctx context.Context) (footing, error) {
			s, err := dog.State(ctx)
			return footing{name: s.Name, now: s.Backend, state: &s}, err
		}, err
	}
	b, err := balancer.Open(live.Balancer)
	return func(ctx context.Context) (footing, error) {
		now, err := b.Read(ctx)
		return footing{name: b.Name(), now: now}, err
	}, err
}

// planSqueeze says what a run on live traffic would do. It reads the balancer and
// changes nothing.
func planSqueeze(ctx context.Context, env *environment, s *scenarios.Scenario) error {
	at, err := stand(ctx, s.Live)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: squeezes %s at once with the traffic of real users, %s, precision %s\n\n", s.Name,
		count(len(s.Targets), "target"), count(s.Repeat, "time"), s.Ramp.Precision)
	for _, t := range s.Targets {
		fmt.Fprintf(&b, "  target     %s is %s at the balancer; watched at %s\n", t.Name, t.Server, watchedAt(s, t))
	}
	fmt.Fprintf(&b, "  balancer   %s\n", at.name)
	at.table(&b, setOf(s))
	p, refused := shift.Preflight(at.now, at.rates, setOf(s), *s.Live)
	if refused == nil {
		b.WriteString("\n" + indented(p.String()) + "\n")
	}
	fmt.Fprintf(&b, "\n  watchdog   %s\n", guarded(env, s.Live))
	for i, rule := range rules {
		fmt.Fprintf(&b, "  %-10s %s\n", map[bool]string{true: "puts back"}[i == 0], rule)
	}
	if f := s.Fleet.Prometheus; f != nil {
		fmt.Fprintf(&b, "  fleet      its figures are read from %s\n", s.Redact(f.URL))
	}
	refused = errors.Join(refused, at.taken(env))
	if refused == nil {
		b.WriteString("\nNothing was changed.\n")
	} else {
		b.WriteString("\nNothing was changed, and a run would change nothing either:\n")
	}
	if _, err := io.WriteString(env.stdout, b.String()); err != nil {
		return err
	}
	return refused
}

// taken tells that somebody squeezes the backend now, or has left it changed.
func (at footing) taken(env *environment) error {
	if at.state != nil {
		if at.state.Epoch != 0 {
			return fmt.Errorf("somebody else squeezes this backend now: %s", at.state.Holder)
		}
		return nil
	}
	dir, err := watchdog.StateDir(env.getenv)
	if err != nil {
		return err
	}
	journals, err := watchdog.Journals(dir)
	for _, j := range journals {
		if j.Name == at.name && j.Ended == nil {
			return hint(fmt.Errorf("this backend is squeezed, or was and is not as found: epoch %d of %s", j.Epoch, j.Holder), "saturate restore --list tells which")
		}
	}
	return err
}

// rules are what puts weights back, in the order of who acts.
var rules = []string{
	"a target's weight at once: on an instant event of it, or where its kernel is not heard for 600 ms",
	"every weight: the siblings fail (0.5 % of their requests more than when quiet) or answer late (1.2 times the p99, and 5 ms more)",
	"every weight: a server of the backend is no longer up, somebody else sets a weight, or the balancer starts anew",
	"every weight: saturate does not ask for a second, whatever the reason; the time is over; the run has ended",
	"and it reads each back until it is as found",
}

// watchedAt is where a target's figures come from.
func watchedAt(s *scenarios.Scenario, t scenarios.Target) string {
	if a := t.Probes.Agent; a != nil {
		return "its agent " + s.Redact(a.URL)
	}
	return "this machine, listener " + t.URL
}

// guarded says who holds the balancer, and where what was found is written down.
func guarded(env *environment, live *shift.Config) string {
	if live.Watchdog != (watchdog.Remote{}) {
		return "at " + live.Watchdog.URL + ", with its journal there"
	}
	dir, err := watchdog.StateDir(env.getenv)
	if err != nil {
		return "started on this machine; " + err.Error()
	}
	return "started on this machine, with its journal in " + dir
}

// table lists the servers of a backend; those of the set are marked.
func (at footing) table(w *strings.Builder, set []string) {
	var sum int
	width := len("server")
	for _, s := range at.now.Servers {
		width = max(width, len(s.Name))
		if !s.Backup {
			sum += s.Weight
		}
	}
	fmt.Fprintf(w, "    %-*s  %6s  %5s  %7s  %s\n", width, "server", "weight", "share", "req/s", "status")
	for _, s := range at.now.Servers {
		share, status := "", s.StatusText()
		if sum > 0 && !s.Backup {
			share = record.Share(float64(s.Weight) / float64(sum))
		}
		switch {
		case slices.Contains(set, s.Name):
			status += ", to be squeezed"
		case s.Backup:
			status += ", a backup"
		}
		fmt.Fprintf(w, "    %-*s  %6d  %5s  %7.1f  %s\n", width, s.Name, s.Weight, share, at.rates[s.Name], status)
	}
}

// indented puts text below a heading.
func indented(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}
