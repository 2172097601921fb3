package appweight

import (
	"errors"
	"fmt"
)

// A Mistake is one thing wrong with a fleet's figures.
type Mistake struct {
	// Path names the field as the scenario file does: per_second.
	Path string
	// Problem says what is wrong, Hint what to do; Hint may be empty.
	Problem, Hint string
}

func (m *Mistake) Error() string { return m.Path + ": " + m.Problem }

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none.
func (f Fleet) Validate() error {
	var mistakes []error
	add := func(path, hint, format string, args ...any) {
		mistakes = append(mistakes, &Mistake{Path: path, Problem: fmt.Sprintf(format, args...), Hint: hint})
	}
	switch f.Unit {
	case Instructions, CPUSeconds, Requests:
	case "":
		add("unit", "instructions, cpu_seconds or requests", "is missing")
	default:
		add("unit", "instructions, cpu_seconds or requests", "%q is not a unit of work", f.Unit)
	}
	if !positive(f.PerSecond) {
		add("per_second", "what the whole fleet spends per second in the peak minute, such as 61.0", "%g is not a number above 0", f.PerSecond)
	}
	if !positive(f.ActiveUsers) {
		add("active_users", "how many users were active in the peak minute", "%g is not a number above 0", f.ActiveUsers)
	}
	if f.Servers != 0 && !positive(f.Servers) {
		add("servers", "leave the line out where the number is not known", "%g is not a number of servers", f.Servers)
	}
	return errors.Join(mistakes...)
}
