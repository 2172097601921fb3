package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"saturate/appweight"
	"saturate/internal/supervise"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
	"saturate/stress"
)

// A campaign measures every target of a scenario, one after another, each as
// often as the scenario says.
type campaign struct {
	scenario *scenarios.Scenario
	check    float64 // hold this level instead of searching, for span
	span     time.Duration
	view     view
	known    func(scenario, target, generation string) float64 // what a target was last found to carry
	record   *record.Record

	cpus   []int             // that saturate may use
	fleets []appweight.Fleet // what the fleet spends, by unit
	last   []float64         // what each target was found to carry the last time
}

// run fills the record as it goes. A target that cannot be measured at all ends
// the campaign with its error; what was measured before stands.
func (c *campaign) run(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	for i := range c.scenario.Targets {
		for restart := 1; restart <= c.scenario.Repeat; restart++ {
			if _, err := c.measure(ctx, i, restart); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare learns what holds for every measurement.
func (c *campaign) prepare(ctx context.Context) (err error) {
	if c.cpus, err = supervise.CPUs(); err != nil {
		return err
	}
	var doubts []string
	c.fleets, doubts = figures(ctx, c.scenario)
	for _, doubt := range doubts {
		c.view.note("note: %s", doubt)
	}
	c.record.Warnings = append(c.record.Warnings, doubts...)
	c.last = make([]float64, len(c.scenario.Targets))
	return nil
}

// conclude ends the campaign's record.
func (c *campaign) conclude(requirements []appweight.Requirement, baseline *record.Record) {
	c.record.DurationSeconds = time.Since(c.record.At).Seconds()
	c.record.Conclude(c.fleets, requirements)
	c.record.HoldAgainst(baseline, requirements)
}

// measure measures a target once, which is its restart-th time, and records it.
func (c *campaign) measure(ctx context.Context, i, restart int) (ramp.Run, error) {
	t := c.scenario.Targets[i]
	if i == len(c.record.Targets) {
		c.record.Targets = append(c.record.Targets, record.Target{Name: t.Name, Labels: t.Labels, Ending: ramp.Inconclusive})
	}
	c.view.begin(c.title(t, restart))
	s := session{scenario: c.scenario, target: t, check: c.check, span: c.span, view: c.view, lastKnown: c.lastKnown(i), cpus: c.cpus, fleets: c.fleets}
	run, scopes, err := s.measure(ctx)
	c.record.Load.Engine = cmp.Or(s.engine, c.record.Load.Engine)
	return c.add(i, restart, &s, run, scopes, err), err
}

// add records what measuring a target once came to.
func (c *campaign) add(i, restart int, s *session, run ramp.Run, scopes map[string]string, err error) ramp.Run {
	into := &c.record.Targets[i]
	c.warn(into.Name, s.warnings)
	addMachine(into, s.machine, c.scenario.Labels)
	if err != nil && run.Ending == "" {
		run.Ending = ramp.Inconclusive
	}
	if err != nil {
		run.Why = err.Error()
	}
	repeat := record.NewRepeat(run, restart, scopes)
	hide(&repeat, c.scenario.Redact)
	into.Repeats = append(into.Repeats, repeat)
	if run.Ending == ramp.Found {
		c.last[i] = run.Sustained.AtLimit
	}
	return run
}

// lastKnown is what a target was last found to carry, in this run or before it: of
// the generation that it turns out to be.
func (c *campaign) lastKnown(i int) func(generation string) float64 {
	return func(generation string) float64 {
		if c.last[i] > 0 {
			return c.last[i]
		}
		return c.known(c.scenario.Name, c.scenario.Targets[i].Name, generation)
	}
}

// addMachine adds what a target's agent told of its machine; as labels, what those
// of the target and of the scenario leave open.
func addMachine(t *record.Target, machine, scenario map[string]string) {
	if machine == nil {
		return
	}
	t.Env = &record.Env{CPU: machine["cpu_model"], ISA: machine["isa"], Kernel: machine["kernel"]}
	t.Labels = maps.Clone(t.Labels)
	for _, name := range []string{"generation", "region"} {
		if cmp.Or(t.Labels[name], scenario[name]) == "" && machine[name] != "" {
			if t.Labels == nil {
				t.Labels = map[string]string{}
			}
			t.Labels[name] = machine[name]
		}
	}
}

func (c *campaign) title(t scenarios.Target, restart int) string {
	if c.scenario.Repeat == 1 {
		return fmt.Sprintf("%s: %s (%s)", c.scenario.Name, t.Name, t.URL)
	}
	return fmt.Sprintf("%s: %s (%s), restart %d of %d", c.scenario.Name, t.Name, t.URL, restart, c.scenario.Repeat)
}

func (c *campaign) warn(target string, warnings []string) {
	for _, w := range warnings {
		text := fmt.Sprintf("%s: %s", target, c.scenario.Redact(w))
		if !slices.Contains(c.record.Warnings, text) {
			c.record.Warnings = append(c.record.Warnings, text)
		}
	}
}

// hide redacts all that is told in words: what a server printed last, say, is in
// the reason of an ending, and may hold a secret that the scenario gave it.
func hide(r *record.Repeat, redact func(string) string) {
	each := func(texts []string) {
		for i, text := range texts {
			texts[i] = redact(text)
		}
	}
	r.Why = redact(r.Why)
	for i := range r.Trips {
		r.Trips[i].Why = redact(r.Trips[i].Why)
	}
	for i := range r.Steps {
		each(r.Steps[i].Why)
	}
	if b := r.Bottleneck; b != nil {
		b.Sentence = redact(b.Sentence)
		each(b.Evidence)
	}
}

// newRecord is a record of what is known before a run.
func newRecord(s *scenarios.Scenario) *record.Record {
	now := time.Now()
	load, live := newLoad(s)
	return &record.Record{
		Version: record.Version, ID: record.NewID(now), At: now,
		Goal:     s.Goal,
		Scenario: s.Name, ScenarioHash: record.Hash(s.Text()), Labels: s.Labels,
		Versions: versions(), Env: machine(), Limits: stress.NewLimits(s.Stress).InForce(),
		Load: load, Live: live,
	}
}

// newLoad is the load of a scenario; live is nil where it is generated.
func newLoad(s *scenarios.Scenario) (load record.Load, live *record.Live) {
	if s.Live != nil {
		live = &record.Live{Caps: record.LiveCaps{Times: s.Live.MaxWeight, Share: float64(s.Live.MaxShare), Seconds: s.Live.Within.Seconds()}}
		return record.Load{Kind: record.LiveTraffic, Unit: "req/s"}, live
	}
	mix := make(map[string]float64)
	for i, share := range s.Traffic.Shares() {
		mix[s.Traffic.Requests[i].Name] = share
	}
	return record.Load{Kind: record.SyntheticMix, Unit: "req/s", Engine: s.Traffic.Engine, Arrivals: s.Traffic.Arrivals, Mix: mix}, nil
}
