package users

import (
	"bufio"
	"bytes"
	"errors"
)

// How much of a log is looked at to find its format.
const (
	detectBytes = 64 << 10
	detectLines = 100
)

// parserOf makes the parser of a log, by looking at its first lines where the
// configuration does not say its format.
func (r *Reader) parserOf(name string, in *bufio.Reader) (parser, error) {
	if r.config.Format != Auto {
		return r.config.parser(r.config.Format, r.user)
	}
	begin, err := in.Peek(detectBytes)
	if len(begin) == 0 {
		return nobody{}, nil
	}
	sample := lines(begin, err != nil)
	for _, format := range []string{JSON, HAProxy, Combined, Common} {
		if !looksLike(format, sample) {
			continue
		}
		p, err := r.config.parser(format, r.user)
		var mistake *Mistake
		if errors.As(err, &mistake) {
			return nil, &Mistake{name, "it is in the format " + format + ", and " + mistake.Problem, mistake.Remedy}
		}
		return p, err
	}
	return nil, &Mistake{name, "it is in no format that is known by its look",
		"give the text of nginx's log_format or Apache's LogFormat with --format"}
}

// nobody is the parser of an empty log.
type nobody struct{}

func (nobody) parse([]byte, [][]byte) (moment, string) { return moment{}, "the log was empty" }

// lines are the first whole lines of b, in memory of their own: to parse a line
// may change it.
func lines(b []byte, whole bool) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(b) {
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && (whole || bytes.HasSuffix(line, []byte("\n"))) && len(all) < detectLines {
			all = append(all, bytes.Clone(trimmed))
		}
	}
	return all
}

// looksLike reports whether most of the lines are of the format. What identifies
// a user does not matter, and a time without an offset is a time.
func looksLike(format string, sample [][]byte) bool {
	var user []part
	if format == Combined {
		user = []part{{"header", "user-agent"}} // with common's fields alone it is common
	}
	p, err := Default().parser(format, user)
	if err != nil {
		return false
	}
	read := 0
	values := make([][]byte, len(user))
	for _, line := range sample {
		if _, problem := p.parse(bytes.Clone(line), values); problem == "" || problem == noOffset {
			read++
		}
	}
	return len(sample) > 0 && 2*read > len(sample)
}
