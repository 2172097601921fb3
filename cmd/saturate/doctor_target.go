package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saturate/appweight"
	"saturate/internal/supervise"
	"saturate/loadgen"
	"saturate/scenarios"
	"saturate/stress/probe"
)

// scenario looks at the targets, and at the fleet.
func (x *examination) scenario(ctx context.Context, s *scenarios.Scenario) {
	look := x.generated
	if s.Live != nil {
		look = x.live
	}
	measured := look(ctx, s)
	if ctx.Err() != nil {
		return
	}
	if s.Fleet.Fixed != nil || s.Fleet.Prometheus != nil {
		x.about("fleet")
		x.fleet(ctx, s, measured)
	}
}

// generated looks at the targets of generated load. It returns the scopes of the
// work that can be read, by target.
func (x *examination) generated(ctx context.Context, s *scenarios.Scenario) map[string]map[string]string {
	measured := make(map[string]map[string]string)
	for _, t := range s.Targets {
		if ctx.Err() != nil {
			return nil
		}
		x.about("target %s, %s", t.Name, t.URL)
		if scopes := x.target(ctx, s, t); scopes != nil {
			measured[t.Name] = scopes
		}
	}
	return measured
}

// target looks at one target. It returns the scopes of the work that can be read
// of it, nil where that was not tried.
func (x *examination) target(ctx context.Context, s *scenarios.Scenario, t scenarios.Target) map[string]string {
	if len(t.Command) > 0 {
		return x.command(ctx, t)
	}
	if !x.answers(ctx, s, t) && t.Probes.Agent == nil {
		x.aside("its probes are not tried while it is down")
		return nil
	}
	return x.probes(ctx, s, t)
}

// probes tries what is read of a target, and returns the scopes of its work.
func (x *examination) probes(ctx context.Context, s *scenarios.Scenario, t scenarios.Target) map[string]string {
	w, err := (&session{scenario: s, target: t}).watch(ctx, 0)
	if err != nil {
		x.all(err)
		return nil
	}
	defer w.Close()
	w.Start()
	x.sources(await(ctx, w), t.Probes)
	scopes := w.Scopes()
	if scope := scopes[appweight.Instructions]; scope != "" {
		x.ok("instructions of %s", scope)
	}
	return scopes
}

// command looks at a target that a run would start.
func (x *examination) command(ctx context.Context, t scenarios.Target) map[string]string {
	program := t.Command[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program, _ = filepath.Abs(filepath.Join(t.Dir, program)) // fails only where there is no current folder
	}
	_, err := exec.LookPath(program)
	switch {
	case t.Command[0] == supervise.Self:
		x.ok("its command is saturate itself")
	case err != nil:
		x.no(true, hint(fmt.Errorf("its command: %w", err), "is the program installed, and the path right? It is looked up from `dir`"))
	default:
		x.ok("its command is there: %s", program)
	}
	if at, err := url.Parse(t.URL); err == nil && listens(ctx, at) {
		x.no(true, hint(fmt.Errorf("something listens at %s already, where the command is to listen", where(at)),
			"stop it, or leave `command:` away to measure it as it runs"))
	}
	x.aside("a run starts it; doctor does not, and cannot try its probes")
	return x.prospect(t.Probes)
}

// prospect is what could be read of a target once its command runs.
func (x *examination) prospect(c probe.Config) map[string]string {
	counted := c.Counts(true)
	named := c.Instructions != "" && !strings.HasPrefix(c.Instructions, "auto")
	c.Instructions = ""
	scopes := map[string]string{appweight.CPUSeconds: c.Counts(true)}
	switch {
	case counted == "" && x.counted:
		x.no(true, hint(errors.New("its instructions are not counted"), "probes.instructions is off"))
	case counted == "":
	case x.countable[counted] != nil:
		x.no(x.counted || named, fmt.Errorf("instructions of %s cannot be counted on this machine, see above", counted))
	default:
		x.ok("instructions of %s can be counted", counted)
		scopes[appweight.Instructions] = counted
	}
	return scopes
}

// answers tells whether the target is up.
func (x *examination) answers(ctx context.Context, s *scenarios.Scenario, t scenarios.Target) bool {
	ask, err := readiness(t, s.Traffic.HTTP2)
	at, _ := url.Parse(t.URL)
	switch {
	case err != nil:
		x.no(true, err)
		return false
	case ask(ctx):
		x.ok("answers")
		return true
	case t.Ready.Path != "" && listens(ctx, at):
		x.no(true, hint(fmt.Errorf("is not ready: %s%s does not answer with a status from 200 to 399", where(at), t.Ready.Path),
			"ask it by hand, and mend the server or `ready: {path: ...}`"))
		return true
	}
	x.no(true, hint(fmt.Errorf("is down: nothing listens at %s", where(at)), "start the server; is the port of `url` right?"))
	return false
}

// all tells of each of several errors.
func (x *examination) all(err error) {
	for _, one := range loadgen.Joined(err) {
		x.no(true, one)
	}
}

// await lets the status pages answer.
func await(ctx context.Context, w watcher) []probe.Source {
	for end := time.Now().Add(3 * time.Second); ; {
		all := w.Sources()
		waits := slices.ContainsFunc(all, func(s probe.Source) bool { return s.Age < 0 && s.Err == nil })
		if !waits || time.Now().After(end) || ctx.Err() != nil {
			return all
		}
		time.Sleep(poll)
	}
}

// sources tells how each source is doing.
func (x *examination) sources(all []probe.Source, c probe.Config) {
	counts := false
	for _, src := range all {
		instructions := src.Name == appweight.Instructions
		counts = counts || instructions
		switch {
		case instructions && c.Agent == nil && x.known(src.Err):
			x.no(x.counted, errors.New("instructions cannot be counted on this machine, see above"))
		case src.Err != nil:
			x.no(src.Required || src.Named || instructions && x.counted, src.Err)
		case src.Age < 0:
			x.no(src.Required || src.Named, fmt.Errorf("%s: no answer", src.Name))
		case !instructions: // the scope is told with them
			x.ok("%s", src.Name)
		}
	}
	if x.counted && !counts {
		remedy := "name the target in probes: cgroup, pidfile, pid, or host: true"
		if c.Counts(false) == "" && c.Instructions != "" {
			remedy = "probes.instructions is off"
		}
		x.no(true, hint(errors.New("its instructions are not counted"), remedy))
	}
}

// known reports whether the reason has been told for the machine.
func (x *examination) known(err error) bool {
	if err == nil {
		return false
	}
	for _, told := range x.countable {
		if told != nil && reasonOf(told) == reasonOf(err) {
			return true
		}
	}
	return false
}
