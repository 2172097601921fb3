package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// scalar decodes one word or text into v. What a value from the environment
// holds never gets into a message.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.wrong(path, "must be "+wanted(v.Type())+", and is "+kindOf(n), "write the value alone, without brackets or keys of its own")
		return
	}
	text, used, err := expand(n.Value, d.lookup)
	d.secrets = append(d.secrets, used...)
	if err == nil {
		got := reflect.New(v.Type()).Elem()
		quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
		if err = parse(text, quoted && len(used) == 0, got); err == nil {
			err = sound(got)
		}
		if err == nil {
			v.Set(got)
			return
		}
	}
	var hinted *hintedError
	if !errors.As(err, &hinted) {
		hinted = splitHint(err.Error())
	}
	d.wrong(path, redact(hinted.problem, used, 1), redact(hinted.hint, used, 1))
}

// splitHint takes "what is wrong: write something else" apart, which is how
// the UnmarshalText methods of the configs put it.
func splitHint(message string) *hintedError {
	if problem, remedy, ok := strings.Cut(message, ": write "); ok {
		return &hintedError{problem, "write " + remedy}
	}
	return &hintedError{message, ""}
}

// parse reads text into v.
func parse(text string, quoted bool, v reflect.Value) error {
	if v.Type() == durationType {
		return parseDuration(text, v)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	if quoted {
		return &hintedError{"must be " + wanted(v.Type()) + ", and is text in quotes", "remove the quotes"}
	}
	return parseWord(strings.TrimSpace(text), v)
}

// parseWord reads a number, or true or false.
func parseWord(text string, v reflect.Value) error {
	var err error
	switch {
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return &hintedError{fmt.Sprintf("must be true or false, and is %q", brief(text)), "write true or false, in lower case"}
		}
		v.SetBool(text == "true")
	case v.CanInt():
		var i int64
		i, err = strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
	case v.CanUint():
		var u uint64
		u, err = strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(u)
	default:
		var f float64
		// YAML's own .nan and .inf are named for what they are by sound.
		f, err = strconv.ParseFloat(strings.Replace(text, ".nan", "nan", 1), v.Type().Bits())
		if trimmed := strings.TrimLeft(strings.ToLower(text), "+-"); trimmed == ".nan" || trimmed == ".inf" {
			f, err = math.NaN(), nil
		}
		v.SetFloat(f)
	}
	if err != nil {
		return &hintedError{fmt.Sprintf("must be %s, and is %q", wanted(v.Type()), brief(text)), "write " + example(v)}
	}
	return nil
}

// amount matches a number and what stands behind it.
var amount = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]*)$`)

// units maps what people write to what a duration takes.
var units = map[string]string{
	"": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m",
	"minutes": "m", "hour": "h", "hours": "h", "msec": "ms", "millis": "ms", "milliseconds": "ms", "s": "s", "m": "m", "h": "h", "ms": "ms",
}

func parseDuration(text string, v reflect.Value) error {
	text = strings.TrimSpace(text)
	got, err := time.ParseDuration(text)
	m := amount.FindStringSubmatch(text)
	switch {
	case m != nil && m[2] == "":
		return &hintedError{fmt.Sprintf("%q is a duration without a unit", text), fmt.Sprintf("write %ss or %sms", m[1], m[1])}
	case err != nil && m != nil && units[strings.ToLower(m[2])] != "":
		return &hintedError{fmt.Sprintf("%q is not a duration", text), "write " + m[1] + units[strings.ToLower(m[2])]}
	case err != nil:
		return &hintedError{fmt.Sprintf("%q is not a duration", brief(text)), "write " + example(v)}
	}
	v.SetInt(int64(got))
	return nil
}

// sound refuses numbers that no quantity of a scenario can have.
func sound(v reflect.Value) error {
	switch {
	case v.CanFloat() && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)):
		return &hintedError{"must be a finite number", "write " + example(v)}
	case v.CanFloat() && v.Float() < 0, v.CanInt() && v.Int() < 0:
		return &hintedError{"must not be negative", "write " + example(v)}
	}
	return nil
}

// example is what a number of v's kind may look like.
func example(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "a number and a unit, such as 500ms, 30s, 5m or 1h30m"
	case v.CanInt():
		return "a whole number of 0 or more, in digits"
	}
	return "a number of 0 or more, such as 20 or 0.5"
}

// wanted names what a type takes, for people.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 30s"
	case reflect.PointerTo(t).Implements(textType):
		return "a single value"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
