package http1

import (
	"bytes"
	"math"
)

// A field is a header that tells how an answer ends, or any other.
type field uint8

const (
	other field = iota // none yet: the next line cannot continue it
	unneeded
	contentLength
	transferEncoding
	connection
)

// declared is what the headers say.
type declared struct {
	length           int64 // -1 where they do not
	digits           int   // of length, as written
	chunked          bool
	badEncoding      bool
	close, keepAlive bool
}

// takeField takes a header line. A value may go on in the next line (RFC 9112
// section 5.2), so that a field counts only when the next one begins.
func (p *Parser) takeField(line []byte) error {
	if len(line) == 0 {
		return p.headEnds()
	}
	if folded := line[0] == ' ' || line[0] == '\t'; folded && p.field != other {
		return p.goOn(line)
	}
	if err := p.commit(); err != nil {
		return err
	}
	name, value, err := p.split(line)
	if err != nil {
		return err
	}
	if p.field = fieldOf(name); p.field != unneeded {
		p.value = append(p.value[:0], value...)
	}
	return nil
}

func (p *Parser) goOn(line []byte) error {
	more := bytes.Trim(line, " \t")
	if !printable(more) {
		return errField
	}
	if p.field != unneeded {
		p.value = append(append(p.value, ' '), more...)
	}
	return nil
}

// split takes a line apart; in a trailer it may be one that goes on.
func (p *Parser) split(line []byte) (name, value []byte, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		if p.field == other || !printable(line) {
			return nil, nil, errField
		}
		return nil, nil, nil
	}
	colon := 0
	for colon < len(line) && nameByte[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, nil, errField
	}
	value = line[colon+1:]
	if !printable(value) {
		return nil, nil, errField
	}
	return line[:colon], bytes.Trim(value, " \t"), nil
}

// nameByte holds the bytes of a header's name: those of a token (RFC 9110
// section 5.6.2), and the space, which net/http lets pass in names that say
// nothing of the answer's end.
var nameByte = func() (is [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		is[c] = bytes.IndexByte([]byte("\"(),/:;<=>?@[\\]{}"), byte(c)) < 0
	}
	return is
}()

// printable reports whether a value has no control characters but tabs.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func fieldOf(name []byte) field {
	switch len(name) {
	case len("content-length"):
		if equalFold(name, "content-length") {
			return contentLength
		}
	case len("connection"):
		if equalFold(name, "connection") {
			return connection
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			return transferEncoding
		}
	}
	return unneeded
}

// equalFold compares ASCII; lower is in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// commit makes the field that has come to its end count.
func (p *Parser) commit() error {
	d := &p.declared
	switch p.field {
	case contentLength:
		text := bytes.Trim(p.value, " \t")
		n, ok := parseDecimal(text)
		if !ok || d.length >= 0 && (d.length != n || d.digits != len(text)) {
			return errLength
		}
		d.length, d.digits = n, len(text)
	case transferEncoding: // once, and nothing but chunked: all else invites smuggling
		d.badEncoding = d.badEncoding || d.chunked || !equalFold(p.value, "chunked")
		d.chunked = true
	case connection:
		for list, more := p.value, true; more; {
			var token []byte
			token, list, more = bytes.Cut(list, comma)
			token = bytes.Trim(token, " \t")
			d.close = d.close || equalFold(token, "close")
			d.keepAlive = d.keepAlive || equalFold(token, "keep-alive")
		}
	}
	return nil
}

var comma = []byte{','}

func parseDecimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if !digit(c) || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, len(b) > 0
}
