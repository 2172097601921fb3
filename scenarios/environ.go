package scenarios

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A secret is a value that came from the environment: anything may be one.
type secret struct{ name, value string }

// variable matches ${NAME}, $${ (which stands for the text "${"), and a ${ that
// is neither.
var variable = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{`)

// expand replaces each ${NAME} of text by the variable's value.
func expand(text string, lookup func(string) (string, bool)) (string, []secret, error) {
	if !strings.Contains(text, "${") {
		return text, nil, nil
	}
	var used []secret
	var wrong error
	out := variable.ReplaceAllStringFunc(text, func(m string) string {
		if m == "$${" {
			return "${"
		}
		if m == "${" {
			wrong = cmp.Or(wrong, error(&hintedError{
				"has a ${ that is not followed by a variable's name and }",
				"write ${NAME}, or $${ where the text itself has a ${"}))
			return m
		}
		name := m[2 : len(m)-1]
		value, ok := lookup(name)
		if !ok {
			wrong = cmp.Or(wrong, error(&hintedError{
				fmt.Sprintf("the environment variable %s is not set", name),
				fmt.Sprintf("set it, as in %s=... saturate run ...; write $${%s} where the text itself is meant", name, name)}))
			return m
		}
		used = append(used, secret{name, value})
		return value
	})
	return out, used, wrong
}

// shortSecret is the length below which a value is no secret: replacing "1"
// everywhere would garble any text, and hide nothing.
const shortSecret = 4

// redact puts the names back for the values of secrets in text that have at
// least atLeast bytes, longest value first, as they stand and as Go quotes them.
func redact(text string, secrets []secret, atLeast int) string {
	byLength := slices.SortedFunc(slices.Values(secrets), func(a, b secret) int {
		return cmp.Compare(len(b.value), len(a.value))
	})
	for _, s := range byLength {
		if len(s.value) < atLeast {
			continue
		}
		quoted := strconv.Quote(s.value)
		for _, form := range []string{s.value, quoted[1 : len(quoted)-1]} {
			text = strings.ReplaceAll(text, form, "${"+s.name+"}")
		}
	}
	return text
}

// A hintedError is a problem with its remedy.
type hintedError struct{ problem, hint string }

func (e *hintedError) Error() string { return e.problem }

// Hint says what to do about it.
func (e *hintedError) Hint() string { return e.hint }
