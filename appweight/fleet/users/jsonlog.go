package users

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// usualTimes are the names that the time of a request has in JSON logs: ours to
// try where the configuration names none, the first that is there.
var usualTimes = [...]string{"time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "StartUTC", "start_time", "date"}

// A jsonPath is where a value stands: user.id is the id in the user, or the
// member that is called user.id.
type jsonPath struct {
	names []string // user, id
	tails []string // user.id, id
}

func newJSONPath(text string) jsonPath {
	p := jsonPath{names: strings.Split(text, ".")}
	for i := range p.names {
		p.tails = append(p.tails, strings.Join(p.names[i:], "."))
	}
	return p
}

// A jsonLog reads lines that are JSON objects. It looks for a few paths and
// walks over the rest.
type jsonLog struct {
	// paths are those of the identity's parts, and then those of the time.
	paths []jsonPath
	users int
	found [][]byte
	clock timestamp
}

func newJSONLog(parts []part, c Config) (*jsonLog, error) {
	j := &jsonLog{users: len(parts), clock: timestamp{zone: c.Zone}}
	for _, p := range parts {
		if p.kind != "field" {
			return nil, &Mistake{"user", "in JSON logs a user is identified by fields, not by " + p.String(),
				"name the field by its path, such as field:user_id or field:request.remote_ip"}
		}
		j.paths = append(j.paths, newJSONPath(p.name))
	}
	times := usualTimes[:]
	if c.Time != "" {
		times = []string{c.Time}
	}
	for _, name := range times {
		j.paths = append(j.paths, newJSONPath(name))
	}
	j.found = make([][]byte, len(j.paths))
	return j, nil
}

func (j *jsonLog) parse(line []byte, values [][]byte) (moment, string) {
	clear(j.found)
	w := jsonWalk{b: line, paths: j.paths, found: j.found}
	w.space()
	if w.at() != '{' || !w.value(0, pathSet{deeper: 1<<len(j.paths) - 1}) {
		return moment{}, "it is not a JSON object"
	}
	if w.space(); w.i < len(w.b) {
		return moment{}, "something follows the JSON object"
	}
	copy(values, j.found[:j.users])
	for _, text := range j.found[j.users:] {
		if len(text) > 0 {
			return j.clock.any(text)
		}
	}
	return moment{}, "it has no time: name the field with --time"
}

// A jsonWalk goes through one value, once.
type jsonWalk struct {
	b     []byte
	i     int
	paths []jsonPath
	found [][]byte
}

// maxDepth is how deep values may be nested.
const maxDepth = 100

// A pathSet tells what a value is to the paths: of those in ends it is the value
// itself, in those of deeper it stands at the beginning.
type pathSet struct{ ends, deeper uint64 }

func (w *jsonWalk) at() byte {
	if w.i < len(w.b) {
		return w.b[w.i]
	}
	return 0
}

func (w *jsonWalk) space() {
	for w.i < len(w.b) && (w.b[w.i] == ' ' || w.b[w.i] == '\t' || w.b[w.i] == '\r' || w.b[w.i] == '\n') {
		w.i++
	}
}

// value walks over a value that is depth names deep. It reports whether it was
// well-formed.
func (w *jsonWalk) value(depth int, of pathSet) bool {
	var text []byte
	var ok bool
	switch w.at() {
	case '{', '[':
		w.take(nil, of.ends)
		return depth < maxDepth && w.members(depth, of.deeper)
	case '"':
		text, ok = w.text()
	default:
		text, ok = w.word()
	}
	w.take(text, of.ends)
	return ok
}

// take keeps a value where paths end; of a name that comes twice it is the last.
func (w *jsonWalk) take(text []byte, ends uint64) {
	for k := 0; ends>>k != 0; k++ {
		if ends>>k&1 == 1 {
			w.found[k] = text
		}
	}
}

// members walks over the members of an object or the elements of an array, whose
// names are their numbers.
func (w *jsonWalk) members(depth int, live uint64) bool {
	object, end := w.at() == '{', w.at()+2 // in ASCII, both brackets close two further on
	w.i++
	if w.space(); w.at() == end {
		w.i++
		return true
	}
	for n := 0; ; n++ {
		var of pathSet
		switch {
		case object:
			name, ok := w.text()
			if w.space(); !ok || w.at() != ':' {
				return false
			}
			w.i++
			w.space()
			of = w.under(name, depth, live)
		case live != 0:
			of = w.under(strconv.AppendInt(nil, int64(n), 10), depth, live)
		}
		if !w.value(depth+1, of) {
			return false
		}
		w.space()
		c := w.at()
		w.i++
		if c == end {
			return true
		}
		if c != ',' {
			return false
		}
		w.space()
	}
}

// under is what the member called name is to the paths that lead to its parent.
func (w *jsonWalk) under(name []byte, depth int, live uint64) (of pathSet) {
	for k := 0; live>>k != 0; k++ {
		if p := &w.paths[k]; live>>k&1 == 1 {
			if string(name) == p.tails[depth] {
				of.ends |= 1 << k
			} else if string(name) == p.names[depth] {
				of.deeper |= 1 << k
			}
		}
	}
	return of
}

// text reads a string, without its quotes and escapes. It works in place.
func (w *jsonWalk) text() ([]byte, bool) {
	if w.at() != '"' {
		return nil, false
	}
	w.i++
	from, escaped := w.i, false
	for ; w.i < len(w.b); w.i++ {
		switch c := w.b[w.i]; {
		case c == '"':
			text := w.b[from:w.i]
			w.i++
			if escaped {
				return unescapeJSON(text)
			}
			return text, true
		case c == '\\':
			escaped = true
			w.i++
		case c < ' ':
			return nil, false
		}
	}
	return nil, false
}

// word reads a number, true, false, or null, which is as good as absent.
func (w *jsonWalk) word() ([]byte, bool) {
	from := w.i
	for w.i < len(w.b) && (isWord(w.b[w.i]) || w.b[w.i] == '-' || w.b[w.i] == '+' || w.b[w.i] == '.') {
		w.i++
	}
	text := w.b[from:w.i]
	if string(text) == "null" {
		return nil, true
	}
	return text, string(text) == "true" || string(text) == "false" || isNumber(text)
}

// isNumber holds numbers to JSON's own rules.
func isNumber(b []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		b = b[n:]
		return n > 0
	}
	b = bytes.TrimPrefix(b, []byte("-"))
	if len(b) > 1 && b[0] == '0' && b[1] >= '0' && b[1] <= '9' || !digits() {
		return false
	}
	if len(b) > 0 && b[0] == '.' {
		if b = b[1:]; !digits() {
			return false
		}
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(b) == 0
}

// unescapeJSON undoes the escapes of a JSON string, in place.
func unescapeJSON(b []byte) ([]byte, bool) {
	out := b[:0]
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		if i+1 == len(b) {
			return nil, false
		}
		e := b[i+1]
		if e == 'u' {
			if i+6 > len(b) || !isHex(b[i+2:i+6]) {
				return nil, false
			}
			r, n := decodeUnicode(b[i:])
			out, i = utf8.AppendRune(out, r), i+n
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, e)
		if k < 0 {
			return nil, false
		}
		out, i = append(out, "\"\\/\b\f\n\r\t"[k]), i+2
	}
	return out, true
}

// decodeUnicode reads the \uXXXX that b begins with, or two that are a pair of
// surrogates, and says how long it is.
func decodeUnicode(b []byte) (rune, int) {
	unit := func(b []byte) rune {
		v, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
		return rune(v)
	}
	r := unit(b)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' && isHex(b[8:12]) {
		if both := utf16.DecodeRune(r, unit(b[6:])); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}
