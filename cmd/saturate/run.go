package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"saturate/appweight"
	"saturate/loadgen/shift"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
)

const runLong = `
run measures every target of a scenario: it starts the target where the
scenario has a command, checks that it answers, raises the load until just
before the first limit is reached, holds it there, and prints what the target
sustains, what stops it, and what a request costs. With the fleet's figures it
prints AppWeight.

    saturate run scenarios/quickstart.yaml
    saturate run web.yaml -o text -o json=web.json

A number is checked by holding it; the exit code is 3 where it is not sustained:

    saturate run web.yaml --at 180 --for 3m

Two builds, or two machines, are told apart by measuring them in turn, which
ends as soon as the evidence suffices:

    saturate run new.yaml --against old.yaml

Servers in production are squeezed with the traffic of their real users, by the
weights of the load balancer before them, where the scenario has a live section
and the command line --live, and never otherwise. A watchdog holds the balancer
and puts every weight back as it was found, whatever happens to saturate:

    saturate run --live web-live.yaml --dry-run
    saturate run --live web-live.yaml

A scenario is a file, "-" for standard input, or the name of one that ships.
Results go to standard output; progress and errors to standard error. Whatever
happens to saturate, the load and the servers that it started go with it; ^C
ends a run early, and what was seen by then is still written.
`

type runFlags struct {
	outputs   []string
	precision string
	repeat    int
	targets   []string
	quiet     bool
	dryRun    bool
	at        float64
	span      time.Duration
	history   historyFlags
	against   string
	pairs     int
	live      bool
}

func newRunCommand(env *environment) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:               "run SCENARIO",
		Short:             "Measure the targets of a scenario",
		Long:              runLong,
		Args:              exactlyOne("scenario"),
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			if f.against != "" {
				return runAgainst(c.Context(), env, args[0], f)
			}
			return runScenario(c.Context(), env, args[0], f)
		},
	}
	flags := c.Flags()
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, "FORMAT or FORMAT=FILE, several allowed: "+formatNames()+" (default text)")
	flags.StringVar(&f.precision, "precision", "", "quick, standard or long, instead of the scenario's")
	flags.IntVar(&f.repeat, "repeat", 0, "how often to measure each target, instead of the scenario's")
	flags.StringArrayVar(&f.targets, "target", nil, "measure this target only, several allowed")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	flags.Float64Var(&f.at, "at", 0, "do not search: hold this level, in req/s, and say whether it is sustained")
	flags.DurationVar(&f.span, "for", 3*time.Minute, "how long to hold the level of --at")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done and touch nothing")
	flags.BoolVar(&f.live, "live", false, "squeeze production with the traffic of real users, as the scenario's live section says")
	flags.StringVar(&f.against, "against", "", "measure this scenario in turn with the first, and say whether they differ")
	flags.IntVar(&f.pairs, "pairs", appweight.DefaultPairTest.MaxPairs, "the most pairs of --against")
	f.history.addOff(c)
	c.PreRunE = func(*cobra.Command, []string) error {
		switch changed := flags.Changed; {
		case changed("for") && !changed("at"):
			return hint(exitWith(exitUsage, errors.New("--for goes with --at")), "name the level to hold: --at 180 --for 3m")
		case changed("at") && changed("precision"):
			return hint(exitWith(exitUsage, errors.New("--at does not search, so --precision does not go with it")), "leave one of them away")
		case changed("against") && (changed("at") || changed("repeat")):
			return hint(exitWith(exitUsage, errors.New("--against searches, and repeats until it knows: --at and --repeat do not go with it")), "leave them away")
		case f.live && (changed("at") || changed("against")):
			return hint(exitWith(exitUsage, errors.New("--live searches, by what the users send: --at and --against do not go with it")),
				"leave them away; to tell two builds apart put the servers of both into one live scenario, each with its label")
		case changed("pairs") && !changed("against"):
			return hint(exitWith(exitUsage, errors.New("--pairs goes with --against")), "name the base: --against BASE")
		case changed("at") && !(f.at > 0 && !math.IsInf(f.at, 0)) || f.span <= 0:
			return exitWith(exitUsage, fmt.Errorf("--at %v --for %v: a level and a time must be above 0", f.at, f.span))
		}
		return nil
	}
	return c
}

func runScenario(ctx context.Context, env *environment, name string, f runFlags) error {
	outputs, err := parseOutputs(f.outputs)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	s, err := loadScenario(name, f)
	if err != nil {
		return err
	}
	if err := agree(s, name, f.live); err != nil {
		return err
	}
	requirements, err := parseRequirements(s.Require)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	switch {
	case f.dryRun && f.live:
		return planSqueeze(ctx, env, s)
	case f.dryRun:
		return plan(env.stdout, s)
	}
	c := campaign{scenario: s, check: f.at, span: f.span, view: newView(env.stderr, isTerminal(env.stderr), f.quiet),
		known: lastKnown(ctx, env, f.history, s.Name), record: newRecord(s)}
	c.record.Load.Held = f.at
	measure := c.run
	if f.live {
		measure = func(ctx context.Context) error { return c.squeeze(ctx, env) }
	}
	failed := measure(ctx)
	c.view.end()
	c.conclude(requirements, baseline(ctx, env, f.history, s, requirements))
	unkept := keep(ctx, env, f.history, c.record) // first: a closed pipe on standard output ends the program
	if err := write(env.stdout, outputs, c.record, past(ctx, env, f.history, c.record)); err != nil {
		return errors.Join(failed, unkept, err)
	}
	return errors.Join(verdict(ctx, c.record, f.at > 0, failed), unkept)
}

// verdict is the error, and with it the exit code, that a run ends with.
func verdict(ctx context.Context, r *record.Record, check bool, failed error) error {
	if _, ok := errors.AsType[*shift.NotRestored](failed); ok { // before anything else: production may be changed
		return exitWith(exitFailed, failed)
	}
	if ctx.Err() != nil {
		interrupted := errors.New("interrupted; " + takenAway(r))
		if left, ok := errors.AsType[*leftBehind](failed); ok {
			interrupted = errors.Join(interrupted, left)
		}
		return exitWith(exitInterrupted, interrupted)
	}
	if failed != nil {
		return failed
	}
	switch {
	case check && r.Ending == ramp.AtLeast:
		err := required(r)
		if codeOf(err) == exitNoAnswer { // a check finds bounds only, and answers what it was asked
			err = nil
		}
		return err
	case check && r.Ending == ramp.AtMost:
		return exitWith(exitMissed, nil)
	case r.Ending != ramp.Found:
		return exitWith(exitNoAnswer, nil)
	}
	return required(r)
}

// takenAway says what became of the load when a run was interrupted.
func takenAway(r *record.Record) string {
	switch {
	case r.Live == nil:
		return "the load has been taken away"
	case len(r.Live.Squeezes) == 0:
		return "no weight was moved"
	}
	return r.Live.Squeezes[len(r.Live.Squeezes)-1].PutBack()
}

// required is the error that the requirements end a run with.
func required(r *record.Record) error {
	code := exitOK
	for _, q := range r.Requirements {
		switch q.Outcome {
		case appweight.Missed:
			return exitWith(exitMissed, nil)
		case appweight.Undecided:
			code = exitNoAnswer
		}
	}
	if code != exitOK {
		return exitWith(code, nil)
	}
	return nil
}

// loadScenario reads the scenario and puts the flags in the place of its own
// settings.
func loadScenario(name string, f runFlags) (*scenarios.Scenario, error) {
	s, err := scenarios.Load(name)
	if err != nil {
		return nil, err
	}
	if f.precision != "" {
		s.Ramp.Precision = f.precision
		if mistakes := s.Ramp.Validate(); len(mistakes) > 0 {
			return nil, hint(exitWith(exitUsage, fmt.Errorf("--precision: %s", mistakes[0].Msg)), mistakes[0].Hint)
		}
	}
	if f.repeat < 0 {
		return nil, exitWith(exitUsage, fmt.Errorf("--repeat: %d is not a number of repeats", f.repeat))
	}
	if f.repeat > 0 {
		s.Repeat = f.repeat
	}
	for _, wanted := range f.targets {
		if !slices.ContainsFunc(s.Targets, func(t scenarios.Target) bool { return t.Name == wanted }) {
			return nil, exitWith(exitUsage, fmt.Errorf("--target: the scenario has no target %q", wanted))
		}
	}
	if len(f.targets) > 0 {
		s.Targets = slices.DeleteFunc(s.Targets, func(t scenarios.Target) bool { return !slices.Contains(f.targets, t.Name) })
	}
	return s, nil
}

func parseRequirements(texts []string) ([]appweight.Requirement, error) {
	var all []appweight.Requirement
	var errs error
	for _, text := range texts {
		r, err := appweight.ParseRequirement(text)
		errs = errors.Join(errs, err)
		all = append(all, r)
	}
	return all, errs
}
