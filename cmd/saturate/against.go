package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
)

// runAgainst measures a scenario and a base in turn, on the same servers where
// they name the same, until the evidence says whether they differ. Both records
// are kept; what is printed is their comparison.
func runAgainst(ctx context.Context, env *environment, name string, f runFlags) error {
	outputs, err := formatsOf(f.outputs, "text", "json", "markdown")
	if err != nil {
		return exitWith(exitUsage, err)
	}
	new, err := loadScenario(name, f)
	if err != nil {
		return err
	}
	base, err := loadScenario(f.against, f)
	if err != nil {
		return err
	}
	for _, s := range []*scenarios.Scenario{base, new} {
		if s.Live != nil {
			return hint(exitWith(exitUsage, fmt.Errorf("--against: %s squeezes production, and builds are measured in turn by generated load only", s.Name)),
				"put the servers of both builds into one live scenario, each with its label, and compare them by it")
		}
	}
	if err := alike(base, new); err != nil {
		return exitWith(exitUsage, err)
	}
	requirements, err := parseRequirements(new.Require)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	base.Repeat, new.Repeat = 1, 1 // the pairs are the repeats
	rule := appweight.DefaultPairTest
	rule.MaxPairs = f.pairs
	if err := rule.Validate(); err != nil {
		return exitWith(exitUsage, fmt.Errorf("--pairs: %w", err))
	}
	if f.dryRun {
		return planPairs(env.stdout, rule, base, new)
	}
	d := duel{rule: rule, names: [2]string{base.Name, new.Name}, view: newView(env.stderr, isTerminal(env.stderr), f.quiet)}
	if base.Name == new.Name {
		d.names = [2]string{f.against, name}
	}
	known := lastKnown(ctx, env, f.history, base.Name, new.Name)
	for i, s := range []*scenarios.Scenario{base, new} {
		d.sides[i] = &campaign{scenario: s, view: d.view, known: known, record: newRecord(s)}
	}
	old, measured := d.sides[0], d.sides[1]
	old.record.InTurnWith, measured.record.InTurnWith = measured.record.ID, old.record.ID
	failed := d.run(ctx)
	d.view.end()
	old.conclude(nil, nil)
	measured.conclude(requirements, baseline(ctx, env, f.history, new, requirements))
	for _, c := range d.sides {
		failed = errors.Join(failed, keep(ctx, env, f.history, c.record))
	}
	var written error
	if len(d.pairs.Logs) > 0 { // also of a run that was interrupted
		written = d.write(env.stdout, outputs)
	}
	switch {
	case ctx.Err() != nil:
		return exitWith(exitInterrupted, errors.Join(errors.New("interrupted; the load has been taken away"), failed, written))
	case failed != nil && len(d.pairs.Logs) == 0:
		return exitWith(exitNoAnswer, failed)
	case failed != nil || written != nil:
		return errors.Join(failed, written)
	}
	for _, q := range measured.record.Requirements {
		if q.Outcome != record.Met { // the comparison does not show them
			fmt.Fprintf(env.stderr, "saturate: require %q: %s: %s\n", q.Text, q.Outcome, q.Why)
		}
	}
	return required(measured.record)
}

// alike refuses what could not be compared afterwards, before any load is sent.
func alike(base, new *scenarios.Scenario) error {
	if len(base.Targets) != len(new.Targets) {
		return hint(fmt.Errorf("--against: %s has %d targets and %s has %d", base.Name, len(base.Targets), new.Name, len(new.Targets)),
			"give both the same servers, in the same order")
	}
	a, b := terms(base), terms(new)
	if err := a.Differ(b); err != nil {
		return hint(fmt.Errorf("--against: %w", err), "the two may differ in their targets and in nothing else")
	}
	if a, b := base.Ramp.Precision, new.Ramp.Precision; a != b {
		return hint(fmt.Errorf("--against: their precisions differ: %s against %s", a, b), "give one for both: --precision standard")
	}
	for _, a := range base.Traffic.Requests {
		for _, b := range new.Traffic.Requests {
			if a.Name == b.Name && (a.Method != b.Method || a.Path != b.Path || a.Body != b.Body || a.BodyFile != b.BodyFile) {
				return hint(fmt.Errorf("--against: request %s is not the same in both (%s and %s)", a.Name, a.Path, b.Path),
					"the two may differ in their targets and in nothing else")
			}
		}
	}
	return nil
}

// terms are what two scenarios must have in common.
func terms(s *scenarios.Scenario) appweight.Terms {
	r := newRecord(s)
	t := appweight.Terms{Ending: string(record.Found), Load: r.Load.Kind, LoadUnit: r.Load.Unit, Engine: r.Load.Engine, Arrivals: r.Load.Arrivals,
		Mix: r.Load.Mix, Limits: map[string]float64{}}
	for name, v := range r.Limits {
		t.Limits[string(name)] = v
	}
	return t
}

// A duel is two campaigns that take turns.
type duel struct {
	rule  appweight.PairTest
	view  view
	sides [2]*campaign // base, new
	names [2]string
	pairs ramp.Pairs
	// stopped is why no more pairs were measured, where that was not for the rule
	// to say; "" where it was.
	stopped string
}

// run measures pair after pair, on one server after the other.
func (d *duel) run(ctx context.Context) (err error) {
	for _, c := range d.sides {
		if err := c.prepare(ctx); err != nil {
			return err
		}
	}
	servers := len(d.sides[0].scenario.Targets)
	measured := 0
	measure := func(ctx context.Context, base bool) (float64, bool, error) {
		side, pair := d.sides[1], measured/2
		if base {
			side = d.sides[0]
		}
		measured++
		run, err := side.measure(ctx, pair%servers, pair/servers+1)
		if err != nil || run.Ending != ramp.Found {
			return 0, false, err
		}
		return run.Sustained.AtLimit, true, nil
	}
	stop := func(logs []float64) (bool, string) {
		v := d.rule.Judge(logs)
		d.view.note("note: pair %d: %+.1f%%; so far %s", len(logs), 100*math.Expm1(logs[len(logs)-1]), v)
		return d.rule.Stop(logs)
	}
	order := appweight.ABBA(d.rule.MaxPairs, servers, func() bool { return rand.IntN(2) == 0 })
	d.pairs, err = ramp.Interleave(ctx, order, measure, stop)
	return d.settleFor(err)
}

// settleFor takes the pairs there are for the answer where the servers give no
// more of them.
func (d *duel) settleFor(err error) error {
	if !errors.Is(err, ramp.ErrVoidPairs) || len(d.pairs.Logs) == 0 {
		return err
	}
	d.stopped = fmt.Sprintf("measuring stopped before the evidence sufficed: %v; their records say why", err)
	d.view.note("note: %s", d.stopped)
	return nil
}

func (d *duel) write(stdout io.Writer, outputs []output) error {
	var sides [2]record.Subject
	var errs error
	for i, c := range d.sides {
		side, err := record.NewSubject(d.names[i], all(c.record))
		sides[i], errs = side, errors.Join(errs, err)
	}
	if errs != nil {
		return errs
	}
	c := record.Compare(sides[0], sides[1])
	rule := d.rule
	rule.MaxPairs = len(d.pairs.Logs) // no more will come: what is open now is not settled
	c.Interleaved(rule.Judge(d.pairs.Logs), d.pairs.Void)
	if d.stopped != "" {
		c.Warnings = append(c.Warnings, d.stopped)
	}
	return writeComparison(stdout, outputs, c)
}

// planPairs says what would be done.
func planPairs(w io.Writer, rule appweight.PairTest, base, new *scenarios.Scenario) error {
	_, err := fmt.Fprintf(w, "%s and %s in turn, %d to %d pairs, until the evidence says whether they differ\n\n", base.Name, new.Name, rule.MinPairs, rule.MaxPairs)
	return errors.Join(err, plan(w, base), plan(w, new))
}
