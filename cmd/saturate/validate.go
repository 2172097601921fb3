package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"saturate/scenarios"
)

const validateLong = `
validate reads scenario files and reports every mistake in them, each with its
place and, where it can be told, what to write instead. It sends nothing and
starts nothing, and it needs neither the targets nor any right.

    saturate validate scenarios/*.yaml

A file without mistakes gets a line on standard output. Mistakes go to standard
error as file:line:column, which editors and terminals make into links; with
GITHUB_ACTIONS=true they are annotated in the pull request as well. Variables
named as ${NAME} must be set. The exit code is 2 where a file has a mistake.
`

func newValidateCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:               "validate SCENARIO...",
		Short:             "Check scenario files and report every mistake",
		Long:              validateLong,
		Args:              atLeastOne("scenario"),
		ValidArgsFunction: completeScenario,
		RunE:              func(_ *cobra.Command, args []string) error { return validate(env, args) },
	}
}

func validate(env *environment, names []string) error {
	bad := 0
	for _, name := range names {
		s, err := scenarios.Load(name)
		if err != nil {
			bad++
			complain(env.stderr, err)
			if env.getenv("GITHUB_ACTIONS") == "true" {
				annotate(env.stdout, name, err)
			}
			continue
		}
		load := count(len(s.Traffic.Requests), "request")
		if s.Live != nil {
			load = "live traffic"
		}
		fmt.Fprintf(env.stdout, "%s: ok: %s, %s\n", name, count(len(s.Targets), "target"), load)
	}
	switch {
	case bad == 0:
		return nil
	case len(names) == 1:
		return exitWith(exitUsage, nil)
	}
	return exitWith(exitUsage, fmt.Errorf("%d of %d files cannot be used", bad, len(names)))
}

// annotate writes mistakes as GitHub's workflow commands.
func annotate(w io.Writer, name string, err error) {
	var mistakes scenarios.Mistakes
	if !errors.As(err, &mistakes) {
		fmt.Fprintf(w, "::error file=%s::%s\n", property(name), data(err.Error()))
		return
	}
	for _, m := range mistakes {
		message := strings.TrimPrefix(m.Path+": "+m.Problem, ": ")
		if m.Hint != "" {
			message += "\nhint: " + m.Hint
		}
		fmt.Fprintf(w, "::error file=%s,line=%d,col=%d::%s\n", property(m.File), m.Line, m.Column, data(message))
	}
}

// data and property escape what a workflow command cannot hold.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
