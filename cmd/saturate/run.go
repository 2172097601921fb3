package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"saturate/appweight"
	"saturate/internal/supervise"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
	"saturate/stress"
)

const runLong = `
run measures every target of a scenario: it starts the target where the
scenario has a command, checks that it answers, raises the load until just
before the first limit is reached, holds it there, and prints what the target
sustains, what stops it, and what a request costs. With the fleet's figures it
prints AppWeight.

    saturate run scenarios/quickstart.yaml
    saturate run web.yaml -o text -o json=web.json

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
}

func newRunCommand(env *environment) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:               "run SCENARIO",
		Short:             "Measure the targets of a scenario",
		Long:              runLong,
		Args:              exactlyOne("scenario"),
		ValidArgsFunction: completeScenario,
		RunE:              func(c *cobra.Command, args []string) error { return runScenario(c.Context(), env, args[0], f) },
	}
	flags := c.Flags()
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, "FORMAT or FORMAT=FILE, several allowed: "+formatNames()+" (default text)")
	flags.StringVar(&f.precision, "precision", "", "quick, standard or long, instead of the scenario's")
	flags.IntVar(&f.repeat, "repeat", 0, "how often to measure each target, instead of the scenario's")
	flags.StringArrayVar(&f.targets, "target", nil, "measure this target only, several allowed")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done and touch nothing")
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
	requirements, err := parseRequirements(s.Require)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	if f.dryRun {
		return plan(env.stdout, s)
	}
	c := campaign{scenario: s, view: newView(env.stderr, isTerminal(env.stderr), f.quiet), record: newRecord(s)}
	failed := c.run(ctx)
	c.view.end()
	c.record.DurationSeconds = time.Since(c.record.At).Seconds()
	c.record.Conclude(s.Fleet.Fixed, requirements)
	if err := write(env.stdout, outputs, c.record); err != nil {
		return errors.Join(failed, err)
	}
	return verdict(ctx, c.record, failed)
}

// verdict is the error, and with it the exit code, that a run ends with.
func verdict(ctx context.Context, r *record.Record, failed error) error {
	if ctx.Err() != nil {
		return exitWith(exitInterrupted, errors.New("interrupted; the load has been taken away"))
	}
	if failed != nil {
		return failed
	}
	if r.Ending != ramp.Found {
		return exitWith(exitNoAnswer, nil)
	}
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

// A campaign measures every target of a scenario, one after another, each as
// often as the scenario says.
type campaign struct {
	scenario *scenarios.Scenario
	view     view
	record   *record.Record
}

// run fills the record as it goes. A target that cannot be measured at all ends
// the campaign with its error; what was measured before stands.
func (c *campaign) run(ctx context.Context) error {
	cpus, err := supervise.CPUs()
	if err != nil {
		return err
	}
	for _, t := range c.scenario.Targets {
		c.record.Targets = append(c.record.Targets, record.Target{Name: t.Name, Labels: t.Labels, Ending: ramp.Inconclusive})
		into := &c.record.Targets[len(c.record.Targets)-1]
		var lastKnown float64
		for restart := 1; restart <= c.scenario.Repeat; restart++ {
			c.view.begin(c.title(t, restart))
			s := session{scenario: c.scenario, target: t, view: c.view, lastKnown: lastKnown, cpus: cpus}
			run, scope, err := s.measure(ctx)
			c.warn(t.Name, s.warnings)
			c.record.Load.Engine = cmp.Or(s.engine, c.record.Load.Engine)
			if err != nil && run.Ending == "" {
				run.Ending = ramp.Inconclusive
			}
			if err != nil {
				run.Why = c.scenario.Redact(err.Error())
			}
			into.Repeats = append(into.Repeats, record.NewRepeat(run, restart, c.unit(), scope))
			if err != nil {
				return err
			}
			if run.Ending == ramp.Found {
				lastKnown = run.Sustained.AtLimit
			}
		}
	}
	return nil
}

func (c *campaign) title(t scenarios.Target, restart int) string {
	if c.scenario.Repeat == 1 {
		return fmt.Sprintf("%s: %s (%s)", c.scenario.Name, t.Name, t.URL)
	}
	return fmt.Sprintf("%s: %s (%s), restart %d of %d", c.scenario.Name, t.Name, t.URL, restart, c.scenario.Repeat)
}

// unit is the fleet's, which the score needs; "" leaves the choice open.
func (c *campaign) unit() string {
	if c.scenario.Fleet.Fixed != nil {
		return c.scenario.Fleet.Fixed.Unit
	}
	return ""
}

func (c *campaign) warn(target string, warnings []string) {
	for _, w := range warnings {
		text := fmt.Sprintf("%s: %s", target, w)
		if !slices.Contains(c.record.Warnings, text) {
			c.record.Warnings = append(c.record.Warnings, text)
		}
	}
}

// newRecord is a record of what is known before a run.
func newRecord(s *scenarios.Scenario) *record.Record {
	now := time.Now()
	mix := make(map[string]float64)
	for i, share := range s.Traffic.Shares() {
		mix[s.Traffic.Requests[i].Name] = share
	}
	return &record.Record{
		Version: record.Version, ID: record.NewID(now), At: now,
		Scenario: s.Name, ScenarioHash: record.Hash(s.Text()), Labels: s.Labels,
		Versions: versions(), Env: machine(), Limits: stress.NewLimits(s.Stress).InForce(),
		Load: record.Load{Kind: record.SyntheticMix, Unit: "req/s", Engine: s.Traffic.Engine, Arrivals: s.Traffic.Arrivals, Mix: mix},
	}
}
