package scenarios

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// yamlError takes a message of the parser's apart.
var yamlError = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// mostParsed bounds the bytes that are parsed to find a mistake: a file of a
// thousand lines of 32 characters is parsed a thousand times.
const mostParsed = 32 << 20

// syntax notes what the YAML parser did not take. The parser names the line
// where the thing around the mistake began, or none (go-yaml issue 460); the
// mistake itself is on the first line that makes the file unreadable for good.
func (d *decoder) syntax(data []byte, err error) {
	m := yamlError.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	problem := m[2]
	lines := bytes.SplitAfter(data, []byte("\n"))
	line, _ := strconv.Atoi(m[1])
	if len(lines)*len(data) <= mostParsed {
		line = firstBad(data, lines)
	}
	line = min(max(line, 1), len(lines))
	text := string(lines[line-1])
	indent := len(text) - len(strings.TrimLeft(text, " "))
	if strings.HasPrefix(text[indent:], "\t") {
		d.tabs(line, indent, lines)
		return
	}
	d.add(line, utf8.RuneCountInString(text[:indent])+1, "", "this is not YAML: "+problem, syntaxHint(problem))
}

// tabs notes the tab on a line that cannot be read, and all lines after it
// that begin with one: nothing in YAML does.
func (d *decoder) tabs(line, indent int, lines [][]byte) {
	const hint = "indent with spaces"
	d.add(line, indent+1, "", "this is not YAML: a tab stands where only spaces may", hint)
	for i := line; i < len(lines); i++ {
		if bytes.HasPrefix(lines[i], []byte("\t")) {
			d.add(i+1, 1, "", "this is not YAML: a tab stands where only spaces may", hint)
		}
	}
}

// firstBad returns the number of the line after the longest readable beginning.
func firstBad(data []byte, lines [][]byte) int {
	end := len(data)
	for i := len(lines) - 1; i > 0; i-- {
		end -= len(lines[i])
		var n yaml.Node
		if err := yaml.NewDecoder(bytes.NewReader(data[:end])).Decode(&n); err == nil || errors.Is(err, io.EOF) {
			return i + 1
		}
	}
	return 1
}

// syntaxHint says what usually leads to a message of the parser's.
func syntaxHint(problem string) string {
	switch {
	case strings.Contains(problem, "mapping values are not allowed"):
		return `check the indentation; text with ": " in it goes into quotes`
	case strings.Contains(problem, "did not find expected ',' or"):
		return "a bracket that is opened here is not closed"
	case strings.Contains(problem, "unexpected end of stream"):
		return "a quote that is opened here is not closed"
	case strings.Contains(problem, "cannot start any token"):
		return "text that begins with @, ` or % goes into quotes"
	case strings.Contains(problem, "could not find expected ':'"):
		return "write key: value, with a colon and a space"
	case strings.Contains(problem, "did not find expected"):
		return "check the indentation: what belongs together begins in the same column"
	}
	return ""
}

// secondDocument is the line where a second document begins, as far as the
// parser knows it; else that of the first --- or ... after something else.
func secondDocument(data []byte, line int) int {
	said := false
	for i, text := range strings.Split(string(data), "\n") {
		isMark := strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...")
		if isMark && said {
			return i + 1
		}
		trimmed := strings.TrimSpace(text)
		said = said || !isMark && trimmed != "" && trimmed[0] != '#' && trimmed[0] != '%'
	}
	return line
}
