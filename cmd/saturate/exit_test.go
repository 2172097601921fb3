package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"saturate/scenarios"
)

func TestCodeOf(t *testing.T) {
	mistakes := scenarios.Mistakes{{File: "a.yaml", Line: 1, Column: 1, Problem: "is wrong"}}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailed},
		{mistakes, exitUsage},
		{fmt.Errorf("loading: %w", mistakes), exitUsage},
		{exitWith(exitMissed, nil), exitMissed},
		{hint(exitWith(exitNoAnswer, errors.New("x")), "y"), exitNoAnswer},
		{errors.Join(errors.New("x"), exitWith(exitUsage, errors.New("y"))), exitUsage},
		{fmt.Errorf("run: %w", context.Canceled), exitInterrupted},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("codeOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestComplain(t *testing.T) {
	mistakes := scenarios.Mistakes{{File: "a.yaml", Line: 3, Column: 5, Path: "ramp.strat", Problem: "is not a key", Hint: "start?"}}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"silent", exitWith(exitMissed, nil), ""},
		{"plain", errors.New("x"), "saturate: error: x\n"},
		{"hinted", hint(errors.New("x"), "do y"), "saturate: error: x\nsaturate: hint: do y\n"},
		{"hint below a wrap", fmt.Errorf("a: %w", hint(errors.New("x"), "do y")), "saturate: error: a: x\nsaturate: hint: do y\n"},
		{"two hints", hint(hint(errors.New("x"), "near"), "far"), "saturate: error: x\nsaturate: hint: far\nsaturate: hint: near\n"},
		{"no hint twice", hint(hint(errors.New("x"), "y"), "y"), "saturate: error: x\nsaturate: hint: y\n"},
		{"hints below a join", fmt.Errorf("a: %w", errors.Join(hint(errors.New("x"), "do y"), hint(errors.New("z"), "do w"))),
			"saturate: error: a: x\n    z\nsaturate: hint: do y\nsaturate: hint: do w\n"},
		{"empty hint", hint(errors.New("x"), ""), "saturate: error: x\n"},
		{"joined", errors.Join(hint(errors.New("x"), "do y"), errors.New("z")),
			"saturate: error: x\nsaturate: hint: do y\nsaturate: error: z\n"},
		{"coded", exitWith(exitUsage, hint(errors.New("x"), "y")), "saturate: error: x\nsaturate: hint: y\n"},
		{"hinted coded", hint(exitWith(exitUsage, errors.New("x")), "y"), "saturate: error: x\nsaturate: hint: y\n"},
		{"lines", errors.New("x\ny"), "saturate: error: x\n    y\n"},
		{"mistakes", mistakes, "a.yaml:3:5: ramp.strat: is not a key\n\thint: start?\nsaturate: error: a.yaml has 1 mistake\n"},
		{"wrapped mistakes", exitWith(exitUsage, mistakes), "a.yaml:3:5: ramp.strat: is not a key\n\thint: start?\nsaturate: error: a.yaml has 1 mistake\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			complain(&b, c.err)
			if b.String() != c.want {
				t.Errorf("got\n%swant\n%s", b.String(), c.want)
			}
		})
	}
}

// TestHelpKnowsEveryCommand holds the list of commands and each one's prose.
func TestHelpKnowsEveryCommand(t *testing.T) {
	root := newRootCommand(&environment{})
	for _, c := range root.Commands() {
		if c.Hidden {
			continue
		}
		if !strings.Contains(root.Long, "\n    "+c.Name()+" ") {
			t.Errorf("%s is not in the list of commands", c.Name())
		}
		if !strings.Contains(c.Long, c.Name()+" ") || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q, %q", c.Name(), c.Short, c.Long)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: a line of its help is longer than 80 characters: %q", c.Name(), line)
			}
		}
	}
}
