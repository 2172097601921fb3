package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"saturate/appweight"
	"saturate/scenarios"
	"saturate/stress/probe"
	"saturate/stress/probe/pmu"
)

const doctorLong = `
doctor says what works on this machine, and what to do about what does not: in
which scopes CPU instructions can be counted, and for a scenario whether every
target answers, every probe and agent of it can be read, and the fleet's
figures can be had, with what coverage.

    saturate doctor
    saturate doctor web.yaml
    saturate doctor --require instructions

It starts nothing, also where a target has a command, and sends no load: one
connection to each target and what the probes and the fleet's queries read. Of a
scenario on live traffic it reads the load balancer as well, twice, and changes
nothing there; the targets themselves are not asked for anything.

Each line begins with

    ok   it works
    no   it does not, and it is needed
    --   it does not and is not needed, or was not tried

The exit code is 1 where there is a "no". To count instructions is needed where
the scenario's probes name a scope for them, where its fleet's fixed figures are
in instructions, and with --require instructions; so without a scenario and
without that flag doctor exits 0.
`

type doctorFlags struct {
	require []string
	targets []string
}

func newDoctorCommand(env *environment) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:               "doctor [SCENARIO]",
		Short:             "Say what can be read here, and what to do about the rest",
		Long:              doctorLong,
		ValidArgsFunction: completeScenario,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactlyOne("scenario")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return doctor(c.Context(), env, args, f) },
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.require, "require", nil, "what must work, though the scenario could do without: instructions")
	flags.StringArrayVar(&f.targets, "target", nil, "look at this target only, several allowed")
	return c
}

func doctor(ctx context.Context, env *environment, args []string, f doctorFlags) error {
	for _, what := range f.require {
		if what != "instructions" {
			return hint(exitWith(exitUsage, fmt.Errorf("--require: %q cannot be required", what)), "--require instructions")
		}
	}
	if len(f.targets) > 0 && len(args) == 0 {
		return hint(exitWith(exitUsage, errors.New("--target goes with a scenario")), "saturate doctor SCENARIO --target NAME")
	}
	x := &examination{w: env.stdout, redact: func(s string) string { return s }, counted: len(f.require) > 0}
	var s *scenarios.Scenario
	if len(args) > 0 {
		var err error
		if s, err = loadScenario(args[0], runFlags{targets: f.targets}); err != nil {
			return err
		}
		x.redact = s.Redact
		x.counted = x.counted || s.Fleet.Fixed != nil && s.Fleet.Fixed.Unit == appweight.Instructions
	}
	x.machine(s == nil)
	if s != nil {
		x.scenario(ctx, s)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case x.bad > 0:
		return exitWith(exitFailed, nil)
	}
	return nil
}

// An examination prints what it finds as it goes.
type examination struct {
	w       io.Writer
	redact  func(string) string
	counted bool // instructions must be
	bad     int  // how much does not work that is needed

	sections  int
	countable map[string]error // why instructions of a scope cannot be counted here, nil where they can
}

// about begins a section.
func (x *examination) about(format string, args ...any) {
	if x.sections++; x.sections > 1 {
		fmt.Fprintln(x.w)
	}
	x.print("", format, args...)
}

func (x *examination) ok(format string, args ...any)    { x.print("  ok   ", format, args...) }
func (x *examination) aside(format string, args ...any) { x.print("  --   ", format, args...) }

// no tells of something that does not work, with its remedies.
func (x *examination) no(needed bool, err error) {
	mark := "  --   "
	if needed {
		mark = "  no   "
		x.bad++
	}
	x.print(mark, "%v", err)
	for _, h := range hints(err) {
		x.print("       hint: ", "%s", h)
	}
}

func (x *examination) print(mark, format string, args ...any) {
	text := x.redact(fmt.Sprintf(format, args...))
	fmt.Fprintln(x.w, mark+strings.ReplaceAll(text, "\n", "\n       "))
}

// machine tells in which scopes this machine can count instructions. It may do
// without where a scenario's targets are elsewhere, or count otherwise.
func (x *examination) machine(alone bool) {
	x.about("this machine")
	x.countable = make(map[string]error)
	var reasons []string // in the order found
	scopes := make(map[string][]string)
	errs := make(map[string]error)
	works := 0
	for _, d := range probe.Countable() {
		x.countable[d.Scope] = d.Err
		if d.Err == nil {
			works++
			x.ok("instructions of %s%s", d.Scope, besides(d.User && !strings.HasSuffix(d.Scope, "/user"), d.Cycles))
			continue
		}
		reason := reasonOf(d.Err)
		if scopes[reason] == nil {
			reasons = append(reasons, reason)
			errs[reason] = d.Err
		}
		scopes[reason] = append(scopes[reason], d.Scope)
	}
	for i, reason := range reasons {
		of := " of " + strings.Join(scopes[reason], ", ")
		if len(scopes[reason]) == len(x.countable) {
			of = ", in whatever scope"
		}
		err := fmt.Errorf("instructions%s: %s", of, reason)
		x.no(alone && x.counted && works == 0 && i == 0, hint(err, strings.Join(hints(errs[reason]), "; ")))
	}
}

// reasonOf is an error without its place: all CPUs fail alike.
func reasonOf(err error) string {
	var e *pmu.Error
	if errors.As(err, &e) {
		whole := *e
		whole.Where = ""
		return whole.Error()
	}
	return err.Error()
}

// besides says what is counted beside instructions.
func besides(user, cycles bool) string {
	switch {
	case user && cycles:
		return ", user space apart, and cycles"
	case user:
		return ", user space apart"
	case cycles:
		return ", and cycles"
	}
	return ""
}
