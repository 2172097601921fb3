package fleet

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// The bounds of an answer: a query that forgot to add up CPUs is refused before
// it fills the memory.
const (
	maxAnswer = 1 << 30 // bytes
	maxSeries = 1_500_000
	maxDepth  = 20
)

// An answer is decoded as it comes, one series at a time: those of a large
// fleet are never in memory together.
type answer struct {
	want string            // the result's type
	keep map[string]string // the labels that are read, and their names
	// texts keeps one copy of each label's value.
	texts names
	// each gets every series. The labels and points are good for the call.
	each func(labels map[string]string, points []point) error

	status, problem string
	got             string
	warnings, infos []string
	partial         bool

	lexer  *lexer
	labels map[string]string
	points []point
	seen   int
}

// decode reads the whole answer. What it says beside its series is in a.
func (a *answer) decode(r io.Reader) error {
	a.lexer, a.labels = newLexer(r), map[string]string{}
	if err := a.lexer.object(a.field); err != nil {
		return err
	}
	switch {
	case a.status != "success":
		return fmt.Errorf("its status is %q: %s", a.status, printable(a.problem))
	case a.got != a.want:
		return fmt.Errorf("it is a %s, not a %s", a.got, a.want)
	}
	return nil
}

func (a *answer) field(key string) (err error) {
	switch key {
	case "status":
		return a.text(&a.status)
	case "error":
		return a.text(&a.problem)
	case "warnings":
		a.warnings, err = a.lexer.words()
	case "infos":
		a.infos, err = a.lexer.words()
	case "isPartial": // VictoriaMetrics's
		var word []byte
		word, err = a.lexer.scalar()
		a.partial = string(word) == "true"
	case "data":
		return a.lexer.object(a.data)
	default:
		return a.lexer.skip(maxDepth)
	}
	return err
}

func (a *answer) text(into *string) error {
	word, err := a.lexer.str()
	*into = string(word)
	return err
}

func (a *answer) data(key string) error {
	switch key {
	case "resultType":
		return a.text(&a.got)
	case "result":
		if a.got != "" && a.got != a.want {
			return &Error{Problem: fmt.Sprintf("the query gives a %s, and series are needed", a.got), Remedy: "write a query that gives one series per server", refused: true}
		}
		return a.lexer.array(a.series)
	}
	return a.lexer.skip(maxDepth)
}

// series reads one: {"metric":{...},"value":[...]} or with "values".
func (a *answer) series() error {
	if a.seen++; a.seen > maxSeries {
		return &Error{Problem: fmt.Sprintf("the query gives more than %d series", maxSeries), Remedy: "add up what belongs to one server: sum by (instance) (...)", refused: true}
	}
	clear(a.labels)
	a.points = a.points[:0]
	err := a.lexer.object(func(key string) error {
		switch key {
		case "metric":
			return a.lexer.object(a.label)
		case "value":
			return a.point()
		case "values":
			return a.lexer.array(a.point)
		case "histogram", "histograms":
			return &Error{Problem: "the query gives a histogram, not a number", Remedy: "write a query that gives numbers", refused: true}
		}
		return a.lexer.skip(maxDepth)
	})
	if err != nil {
		return err
	}
	return a.each(a.labels, a.points)
}

func (a *answer) label(key string) error {
	value, err := a.lexer.str()
	if name, ok := a.keep[key]; ok && err == nil {
		a.labels[name] = a.texts.of(value)
	}
	return err
}

// point reads [1700000000.123, "1.5"].
func (a *answer) point() error {
	var p point
	if err := a.lexer.expect('['); err != nil {
		return err
	}
	at, err := a.lexer.scalar()
	if err != nil {
		return err
	}
	t, err := strconv.ParseFloat(string(at), 64)
	if err != nil {
		return errShape
	}
	p.at = int64(math.Round(t))
	if err := a.lexer.expect(','); err != nil {
		return err
	}
	value, err := a.lexer.str()
	if err != nil {
		return err
	}
	if p.value, err = strconv.ParseFloat(string(value), 64); err != nil {
		return errShape
	}
	if len(a.points) >= maxPoints {
		return fmt.Errorf("a series of it has more than %d points", maxPoints)
	}
	a.points = append(a.points, p)
	return a.lexer.expect(']')
}

// maxPoints is what Prometheus itself allows a series.
const maxPoints = 11_000

// printable keeps what a server says from moving a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
