package fleet

import (
	"encoding/json"
	"errors"
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
)

// An answer is decoded as it comes, one series at a time: those of a large
// fleet are never in memory together.
type answer struct {
	want            string // the result's type
	each            func(series) error
	status          string
	problem         string
	got             string
	warnings, infos []string
	partial         bool
	seen            int
}

// A series is one of a vector (Value) or of a matrix (Values).
type series struct {
	Metric    map[string]string `json:"metric"`
	Value     stamped           `json:"value"`
	Values    []stamped         `json:"values"`
	Histogram json.RawMessage   `json:"histogram"`
}

// stamped is [1700000000.000, "1.5"].
type stamped struct {
	at    int64
	value float64
}

// UnmarshalJSON reads a pair of a time and a number in quotes.
func (s *stamped) UnmarshalJSON(text []byte) error {
	at, value, ok := strings.Cut(strings.Trim(string(text), "[]"), ",")
	if !ok {
		return fmt.Errorf("%s is no value with its time", text)
	}
	t, err := strconv.ParseFloat(strings.TrimSpace(at), 64)
	if err != nil {
		return err
	}
	s.at = int64(math.Round(t))
	s.value, err = strconv.ParseFloat(strings.Trim(strings.TrimSpace(value), `"`), 64)
	return err
}

func (a *answer) decode(r io.Reader) error {
	d := json.NewDecoder(r)
	err := object(d, func(key string) error {
		switch key {
		case "status":
			return d.Decode(&a.status)
		case "error":
			return d.Decode(&a.problem)
		case "warnings":
			return d.Decode(&a.warnings)
		case "infos":
			return d.Decode(&a.infos)
		case "isPartial":
			return d.Decode(&a.partial)
		case "data":
			return object(d, func(key string) error { return a.data(d, key) })
		}
		return d.Decode(new(json.RawMessage))
	})
	switch {
	case err != nil:
		return err
	case a.status != "success":
		return fmt.Errorf("its status is %q: %s", a.status, printable(a.problem))
	case a.got != a.want:
		return fmt.Errorf("it is a %s, not a %s", a.got, a.want)
	}
	return nil
}

func (a *answer) data(d *json.Decoder, key string) error {
	switch key {
	case "resultType":
		return d.Decode(&a.got)
	case "result":
		if a.got != "" && a.got != a.want {
			return &Error{Problem: fmt.Sprintf("the query gives a %s, and series are needed", a.got), Remedy: "write a query that gives one series per server", refused: true}
		}
		return a.result(d)
	}
	return d.Decode(new(json.RawMessage))
}

func (a *answer) result(d *json.Decoder) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	labels := map[string]string{}
	for d.More() {
		if a.seen++; a.seen > maxSeries {
			return &Error{Problem: fmt.Sprintf("the query gives more than %d series", maxSeries), Remedy: "add up what belongs to one server: sum by (instance) (...)", refused: true}
		}
		clear(labels)
		s := series{Metric: labels, Value: stamped{value: math.NaN()}}
		if err := d.Decode(&s); err != nil {
			return err
		}
		if len(s.Histogram) > 0 {
			return &Error{Problem: "the query gives a histogram, not a number", Remedy: "write a query that gives numbers", refused: true}
		}
		if err := a.each(s); err != nil {
			return err
		}
	}
	return expect(d, ']')
}

// object walks through the keys of an object; each reads the key's value.
func object(d *json.Decoder, each func(key string) error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := each(key.(string)); err != nil {
			return err
		}
	}
	return expect(d, '}')
}

var errShape = errors.New("it is not an answer of a Prometheus-compatible API")

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && got != want {
		err = errShape
	}
	return err
}

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
