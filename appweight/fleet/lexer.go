package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A lexer reads JSON as it comes, token by token, without keeping any: an
// answer has a hundred thousand series of the same shape, and encoding/json
// takes six times as long. It is lenient about what no answer has.
type lexer struct {
	r    *bufio.Reader
	text []byte // of an escaped string
}

func newLexer(r io.Reader) *lexer { return &lexer{r: bufio.NewReaderSize(r, 1<<16)} }

var errShape = errors.New("it is not an answer of a Prometheus-compatible API")

// peek is the next byte that is not white space.
func (l *lexer) peek() (byte, error) {
	for {
		c, err := l.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			continue
		}
		return c, l.r.UnreadByte()
	}
}

// take reads the byte c if it is the next, and says whether it was.
func (l *lexer) take(c byte) (bool, error) {
	next, err := l.peek()
	if err != nil || next != c {
		return false, err
	}
	_, err = l.r.ReadByte()
	return true, err
}

func (l *lexer) expect(c byte) error {
	ok, err := l.take(c)
	if err == nil && !ok {
		err = errShape
	}
	return err
}

// str reads a string; it is good until the next call.
func (l *lexer) str() ([]byte, error) {
	if err := l.expect('"'); err != nil {
		return nil, err
	}
	part, err := l.quoted()
	if err != nil || !bytes.ContainsRune(part, '\\') {
		return bytes.TrimSuffix(part, []byte(`"`)), err
	}
	l.text = append(append(l.text[:0], '"'), part...)
	for escapes(l.text[1 : len(l.text)-1]) {
		if part, err = l.quoted(); err != nil {
			return nil, err
		}
		l.text = append(l.text, part...)
	}
	var s string
	err = json.Unmarshal(l.text, &s)
	return []byte(s), err
}

// quoted reads to the next quote.
func (l *lexer) quoted() ([]byte, error) {
	part, err := l.r.ReadSlice('"')
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull):
		err = fmt.Errorf("a text in it has more than %d bytes", l.r.Size())
	case len(l.text)+len(part) > maxText:
		err = fmt.Errorf("a text in it has more than %d bytes", maxText)
	}
	return part, err
}

const maxText = 1 << 20

// escapes tells whether text ends in a backslash that is not itself escaped.
func escapes(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 1
}

// scalar reads a number or a word.
func (l *lexer) scalar() ([]byte, error) {
	if _, err := l.peek(); err != nil {
		return nil, err
	}
	l.text = l.text[:0]
	for {
		c, err := l.r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch c {
		case ',', ']', '}', ' ', '\n', '\r', '\t', ':', '"', '[', '{':
			if len(l.text) == 0 {
				return nil, errShape
			}
			return l.text, l.r.UnreadByte()
		}
		if l.text = append(l.text, c); len(l.text) > 64 {
			return nil, errShape
		}
	}
}

// object reads an object; each reads the value of a key.
func (l *lexer) object(each func(key string) error) error {
	return l.list('{', '}', func() error {
		key, err := l.str()
		if err != nil {
			return err
		}
		name := string(key)
		if err := l.expect(':'); err != nil {
			return err
		}
		return each(name)
	})
}

// array reads an array; each reads one value.
func (l *lexer) array(each func() error) error { return l.list('[', ']', each) }

func (l *lexer) list(first, last byte, each func() error) error {
	if err := l.expect(first); err != nil {
		return err
	}
	if ended, err := l.take(last); ended || err != nil {
		return err
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if ended, err := l.take(last); ended || err != nil {
			return err
		}
		if err := l.expect(','); err != nil {
			return err
		}
	}
}

// skip reads any value, nested at most so deep.
func (l *lexer) skip(depth int) error {
	c, err := l.peek()
	switch {
	case err != nil:
		return err
	case depth == 0:
		return errShape
	case c == '{':
		return l.object(func(string) error { return l.skip(depth - 1) })
	case c == '[':
		return l.array(func() error { return l.skip(depth - 1) })
	case c == '"':
		_, err = l.str()
	default:
		_, err = l.scalar()
	}
	return err
}

// words reads an array of strings.
func (l *lexer) words() (all []string, err error) {
	err = l.array(func() error {
		word, err := l.str()
		if len(all) < 100 {
			all = append(all, string(word))
		}
		return err
	})
	return all, err
}
