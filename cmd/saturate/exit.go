package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"saturate/scenarios"
	"saturate/stress/probe"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2   // bad usage, or a scenario with mistakes
	exitMissed      = 3   // a requirement was missed
	exitNoAnswer    = 4   // no capacity found, or nothing to compare with
	exitInterrupted = 130 // as shells have it: 128 + SIGINT
)

// A coded error ends the program with a code of its own; err may be nil, where
// all has been said.
type coded struct {
	err  error
	code int
}

func (c *coded) Error() string {
	if c.err == nil {
		return fmt.Sprintf("exit code %d", c.code)
	}
	return c.err.Error()
}

func (c *coded) Unwrap() error { return c.err }

// exitWith gives err an exit code; a nil err ends silently with the code.
func exitWith(code int, err error) error { return &coded{err, code} }

// A hinted error knows its remedy.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint says what to do about the error.
func (h *hinted) Hint() string { return h.hint }

// hint adds a remedy to err; an empty one adds nothing.
func hint(err error, remedy string) error {
	if err == nil || remedy == "" {
		return err
	}
	return &hinted{err, remedy}
}

// codeOf is the exit code that err leads to.
func codeOf(err error) int {
	var c *coded
	var mistakes scenarios.Mistakes
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &mistakes):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// complain prints an error: each of several on its own, each with its hints.
// No capitals at the start, and no full stop at the end.
func complain(w io.Writer, err error) {
	switch e := err.(type) {
	case nil:
	case scenarios.Mistakes:
		fmt.Fprintln(w, e)
		fmt.Fprintf(w, "saturate: error: %s has %s\n", e[0].File, count(len(e), "mistake"))
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			complain(w, one)
		}
	case *coded:
		complain(w, e.err)
	default:
		fmt.Fprintf(w, "saturate: error: %s\n", strings.ReplaceAll(e.Error(), "\n", "\n    "))
		var bug *probe.Panic
		if errors.As(err, &bug) {
			fmt.Fprintln(w, bug.Stack)
		}
		for _, h := range hints(err) {
			fmt.Fprintf(w, "saturate: hint: %s\n", h)
		}
	}
}

// hints collects the remedies of an error and of all that it wraps, each once.
func hints(err error) []string {
	var all []string
	add := func(more ...string) {
		for _, h := range more {
			if h != "" && !slices.Contains(all, h) {
				all = append(all, h)
			}
		}
	}
	if h, ok := err.(interface{ Hint() string }); ok {
		add(h.Hint())
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		add(hints(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			add(hints(one)...)
		}
	}
	return all
}

// count writes "1 mistake" and "2 mistakes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
