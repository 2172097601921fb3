package appweight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Requirement is a line of a scenario's require section, such as
// "appweight >= 1400" or "bottleneck == cpu".
type Requirement struct {
	Text string
	// Name is what is required of: one of Names.
	Name string
	// Op is one of >= > <= < for numbers, == != for words.
	Op     string
	Number float64
	// Baseline says that Number is a factor of what an earlier run found.
	Baseline bool
	Word     string
}

// kinds of the names that a requirement can be about.
type kind int

const (
	number kind = iota
	share
	word
)

var names = map[string]kind{
	"appweight": number, "minimum_servers": number,
	"sustained.rate": number, "sustained.at_limit": number, "break": number, "cost": number,
	"failed_share": share,
	"bottleneck":   word, "ending": word,
}

// Names are what a requirement can be about, sorted.
func Names() []string {
	var all []string
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// A SyntaxError is a requirement that cannot be read.
type SyntaxError struct {
	Text string
	// Pos is the offset in Text, in bytes, of what is wrong.
	Pos     int
	Problem string
	hint    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("require %q, character %d: %s", e.Text, e.Pos+1, e.Problem)
}

// Hint is the remedy; "" where none is known.
func (e *SyntaxError) Hint() string { return e.hint }

const operators = "<>=!"

// ParseRequirement reads "NAME OP VALUE", where a number may be given as
// "baseline" or "FACTOR * baseline". Every error is a *SyntaxError.
func ParseRequirement(text string) (Requirement, error) {
	fail := func(pos int, hint, format string, args ...any) (Requirement, error) {
		return Requirement{}, &SyntaxError{Text: text, Pos: pos, Problem: fmt.Sprintf(format, args...), hint: hint}
	}
	const example = "write a name, a comparison and a value, such as appweight >= 1400"

	opAt := strings.IndexAny(text, operators)
	if opAt < 0 {
		return fail(len(text), example, "a comparison is missing")
	}
	opEnd := opAt + len(text[opAt:]) - len(strings.TrimLeft(text[opAt:], operators))
	nameAt := len(text) - len(strings.TrimLeft(text, " \t"))
	valueAt := len(text) - len(strings.TrimLeft(text[opEnd:], " \t"))
	r := Requirement{Text: text, Name: strings.TrimSpace(text[:opAt]), Op: text[opAt:opEnd]}
	value := strings.TrimSpace(text[opEnd:])

	kind, known := names[r.Name]
	switch {
	case r.Name == "":
		return fail(nameAt, example, "a name is missing")
	case !known:
		return fail(nameAt, suggest(r.Name), "%q is not something that can be required", r.Name)
	case value == "":
		return fail(len(text), example, "a value is missing")
	}
	if kind == word {
		if r.Op != "==" && r.Op != "!=" {
			return fail(opAt, "compare words with == or !=", "%s does not go with the word %s", r.Op, r.Name)
		}
		if r.Word = strings.Trim(value, `"'`); r.Word == "" {
			return fail(valueAt, example, "a value is missing")
		}
		return r, nil
	}
	if !slices.Contains([]string{">=", ">", "<=", "<"}, r.Op) {
		return fail(opAt, "compare numbers with >=, >, <= or <", "%s does not go with the number %s", r.Op, r.Name)
	}
	if factor, ok := strings.CutSuffix(value, "baseline"); ok {
		r.Baseline = true
		if value = strings.TrimSpace(factor); value == "" {
			r.Number = 1
			return r, nil
		}
		if value, ok = strings.CutSuffix(value, "*"); !ok {
			return fail(valueAt, "write a factor such as 0.97 * baseline", "%q is no factor of the baseline", strings.TrimSpace(factor))
		}
		value = strings.TrimSpace(value)
	}
	v, problem := amount(value, kind == share || r.Baseline)
	switch {
	case problem != nil:
		problem.Text, problem.Pos = text, valueAt+problem.Pos
		return Requirement{}, problem
	case kind == share && !r.Baseline && v > 1:
		return fail(valueAt, fmt.Sprintf("did you mean %s%%?", value), "%s is more than the whole", value)
	case r.Baseline && v == 0:
		return fail(valueAt, "write a factor such as 0.97 * baseline", "nothing is held against nothing")
	}
	r.Number = v
	return r, nil
}

// amount reads a number, or a percentage where one makes sense.
func amount(value string, percentages bool) (float64, *SyntaxError) {
	digits, percent := strings.CutSuffix(value, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	switch {
	case err != nil:
		return 0, &SyntaxError{Problem: fmt.Sprintf("%q is not a number", value), hint: "write a number such as 1400"}
	case !(v >= 0) || !finite(v):
		return 0, &SyntaxError{Problem: fmt.Sprintf("%s is not a number to compare with", value)}
	case percent && !percentages:
		return 0, &SyntaxError{Pos: len(digits), Problem: "it is not a share", hint: "leave the % away"}
	case percent:
		v /= 100
	}
	return v, nil
}

func finite(v float64) bool { return v-v == 0 }

// suggest is the hint for a name that does not exist.
func suggest(name string) string {
	best, least := "", 3
	for _, known := range Names() {
		if d := distance(strings.ToLower(name), known); d < least {
			best, least = known, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "one of " + strings.Join(Names(), ", ")
}

// distance is Levenshtein's: how many letters differ.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
