package users

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLine is the longest line that is read; a longer one is malformed.
const maxLine = 1 << 20

// A Reader makes a sketch of logs.
type Reader struct {
	config Config
	salt   Salt
	user   []part
	sketch *Sketch
	in     *bufio.Reader
	values [][]byte // of the parts, in the line at hand
	joined []byte   // the same in one

	// The minute of the last line that had a user: most lines are of the same.
	last        moment
	key         sipKey
	counter     *counter
	from, to    int64 // the minutes seen
	source      Source
	fileLines   int64
	fileProblem string // the first in this file
	fileBad     int64
}

// NewReader is a reader for logs of the configuration.
func NewReader(c Config, salt Salt) (*Reader, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	user, err := parseIdentity(c.User)
	if err != nil {
		return nil, err
	}
	return &Reader{
		config: c, salt: salt, user: user, sketch: newSketch(c.identity(), salt, c.Precision),
		in: bufio.NewReaderSize(nil, maxLine), values: make([][]byte, len(user)),
	}, nil
}

// Sketch is what was read so far.
func (r *Reader) Sketch() *Sketch {
	source := r.source
	if r.counter != nil {
		zone := time.FixedZone("", r.last.offset)
		source.From, source.To = time.Unix(r.from*60, 0).In(zone), time.Unix(r.to*60, 0).In(zone)
	}
	r.sketch.Sources = []Source{source}
	return r.sketch
}

// Read reads a log to its end; name is for errors. A log compressed with gzip is
// recognised. Lines that cannot be read are counted in the sketch's source; it
// is an error only where a log has no others.
func (r *Reader) Read(name string, log io.Reader) error {
	r.in.Reset(log)
	in := r.in
	begin, _ := in.Peek(6) // what is shorter is no archive
	if bytes.HasPrefix(begin, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in = bufio.NewReaderSize(z, maxLine)
	} else if with := decompressor(begin); with != "" {
		return &Mistake{name, "it is compressed, and not by gzip", with + " " + name + " | saturate fleet users [flags] -"}
	}
	p, err := r.parserOf(name, in)
	if err != nil {
		return err
	}
	r.fileLines, r.fileBad, r.fileProblem = 0, 0, ""
	if err := r.lines(p, in); err != nil {
		return fmt.Errorf("%s: after line %d: %w", name, r.fileLines, err)
	}
	return r.closeFile(name)
}

// closeFile adds up what a file had.
func (r *Reader) closeFile(name string) error {
	if r.fileBad > 0 && r.fileBad == r.fileLines {
		return &Mistake{name, fmt.Sprintf("no line can be read (line %s)", r.fileProblem),
			"name the format of the log with --format: combined, common, haproxy, json, or the text of nginx's log_format or Apache's LogFormat"}
	}
	r.source.Malformed += r.fileBad
	r.source.Lines += r.fileLines
	if r.fileProblem != "" && r.source.FirstMalformed == "" {
		r.source.FirstMalformed = name + ":" + r.fileProblem
	}
	return nil
}

// decompressor is the command that makes a log of a file that begins so.
func decompressor(begin []byte) string {
	switch {
	case bytes.HasPrefix(begin, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstdcat"
	case bytes.HasPrefix(begin, []byte("\xfd7zXZ")):
		return "xzcat"
	case bytes.HasPrefix(begin, []byte("BZh")):
		return "bzcat"
	}
	return ""
}

func (r *Reader) lines(p parser, in *bufio.Reader) error {
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		problem := ""
		if errors.Is(err, bufio.ErrBufferFull) {
			problem = "it is longer than a mebibyte"
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			r.fileLines++
		} else if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			r.fileLines++
			var failed error
			if problem, failed = r.line(p, line); failed != nil {
				return failed
			}
		}
		if problem != "" {
			if r.fileBad++; r.fileProblem == "" {
				r.fileProblem = fmt.Sprintf("%d: %s", n, problem)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line counts the user of one line.
func (r *Reader) line(p parser, line []byte) (problem string, err error) {
	at, problem := p.parse(line, r.values)
	if problem != "" {
		return problem, nil
	}
	r.joined = r.joined[:0]
	known := false
	for i, value := range r.values {
		if i > 0 {
			r.joined = append(r.joined, 0)
		}
		r.joined = append(r.joined, value...)
		known = known || len(value) > 0
	}
	if !known {
		r.source.WithoutUser++
		return "", nil
	}
	if r.counter == nil || at.minute != r.last.minute {
		if r.counter == nil {
			r.from, r.to = at.minute, at.minute
		}
		if r.counter, err = r.sketch.at(at.minute, openMinutes); err != nil {
			return "", err
		}
		r.key = r.salt.key(at.minute)
		r.from, r.to = min(r.from, at.minute), max(r.to, at.minute)
	}
	r.last = at
	r.counter.add(r.key.hash(r.joined) >> (64 - hashBits))
	return "", nil
}
