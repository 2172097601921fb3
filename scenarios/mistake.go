package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing that is wrong in a scenario file.
type Mistake struct {
	File string
	// Line and Column count from 1; columns count characters.
	Line, Column int
	// Path names the value as in "traffic.requests[1].weight"; it is empty
	// where the file as a whole is meant.
	Path string
	// Problem says what is wrong; Hint says what to write instead, where that
	// is known.
	Problem, Hint string
}

// Error is "file:line:column: path: problem".
func (m Mistake) Error() string {
	if m.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", m.File, m.Line, m.Column, m.Path, m.Problem)
}

// Mistakes are all that is wrong in one file, in the file's order.
type Mistakes []Mistake

// Error has one line for each mistake, and one for each hint.
func (ms Mistakes) Error() string {
	var b strings.Builder
	for i, m := range ms {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(m.Error())
		if m.Hint != "" {
			b.WriteString("\n\thint: " + m.Hint)
		}
	}
	return b.String()
}

// sort puts mistakes in the file's order, and drops the doubles that an alias
// brings about.
func (ms Mistakes) sort() Mistakes {
	slices.SortFunc(ms, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Path, b.Path), strings.Compare(a.Problem, b.Problem))
	})
	return slices.Compact(ms)
}
