package probe

import (
	"errors"
	"fmt"
	"io/fs"
)

// An Error is a source that cannot be read.
type Error struct {
	// Source is its name, as in Sampler.Sources.
	Source string
	Err    error
	// Remedy is what would put it right, "" where unknown.
	Remedy string
}

// Error is "Source: Err".
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Source, e.Err) }

// Hint is the remedy, for who prints errors.
func (e *Error) Hint() string { return e.Remedy }

// Unwrap is the reason.
func (e *Error) Unwrap() error { return e.Err }

// ErrGone says that the target is no more: the process at the root of its tree,
// or its whole control group, has ended.
var ErrGone = errors.New("has ended")

// A Panic is a mistake in a probe: from then on it watches no longer.
type Panic struct {
	Probe string
	Value any
	Stack string // where, for who mends it
}

// Error names the probe and what the panic said.
func (p *Panic) Error() string { return fmt.Sprintf("panic in probe %s: %v", p.Probe, p.Value) }

// Hint is what can be done.
func (p *Panic) Hint() string {
	return "this is a mistake in saturate: please report it with the lines above; without that probe the run may go well"
}

// fail names the source of an error; an inner *Error keeps its hint.
func fail(source string, err error) *Error {
	hint := ""
	var inner *Error
	switch {
	case errors.As(err, &inner):
		err, hint = inner.Err, inner.Remedy
	case errors.Is(err, fs.ErrPermission):
		hint = "run saturate as root or as the target's user"
	}
	return &Error{Source: source, Err: err, Remedy: hint}
}

// hinted is an error with a remedy, to be given its source by fail.
func hinted(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Remedy: hint}
}
