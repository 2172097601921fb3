package users

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A sketch's file is
//
//	the magic line
//	uvarint length of the header, the header (JSON)
//	for each minute, ascending: uvarint difference to the minute before,
//	    uvarint length of its packed counter, the packed counter
//	uvarint 0
//	the first 8 bytes of the SHA-256 of all of this but the magic line
//
// Readers of a version read all files of that version and earlier ones.
const magic = "saturate users 1\n"

// Magic is how the file of a sketch, of any version, begins.
const Magic = "saturate users "

const (
	maxHeader = 64 << 20      // some 500,000 sources
	maxMinute = 4_000_000_000 // beyond the year 9000
	checkSize = 8
)

type header struct {
	Identity  string   `json:"identity"`
	Salt      string   `json:"salt"`
	Precision int      `json:"precision"`
	Sources   []Source `json:"sources"`
}

// A NotSketchError is the error of a file that cannot be merged.
type NotSketchError struct {
	Name, Problem string
	Err           error
}

func (e *NotSketchError) Error() string {
	text := e.Name + ": " + e.Problem
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *NotSketchError) Unwrap() error { return e.Err }

// Hint is the remedy.
func (e *NotSketchError) Hint() string {
	return "make a sketch of a server's logs with: saturate fleet users --user ... --salt FILE -o sketch=web1.users LOG..."
}

// A checkedWriter writes, remembers the first error, and sums up what it wrote.
type checkedWriter struct {
	w   *bufio.Writer
	sum hash.Hash
	n   int64
	err error
}

func (c *checkedWriter) write(p []byte) {
	c.sum.Write(p)
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = errors.Join(c.err, err)
}

func (c *checkedWriter) uvarint(v uint64) { c.write(binary.AppendUvarint(nil, v)) }

// WriteTo writes the sketch's file.
func (s *Sketch) WriteTo(w io.Writer) (int64, error) {
	head, err := json.Marshal(header{s.Identity, s.Salt, s.Precision, s.Sources})
	if err != nil {
		return 0, err
	}
	out := &checkedWriter{w: bufio.NewWriter(w), sum: sha256.New()}
	n, err := out.w.WriteString(magic)
	out.n, out.err = int64(n), err
	out.uvarint(uint64(len(head)))
	out.write(head)
	var before int64
	for _, minute := range s.minutes() {
		packed := s.sealed[minute]
		if c := s.open[minute]; c != nil {
			if packed, err = s.packer.pack(c); err != nil {
				return out.n, err
			}
		}
		out.uvarint(uint64(minute - before))
		out.uvarint(uint64(len(packed)))
		out.write(packed)
		before = minute
	}
	out.uvarint(0)
	out.write(out.sum.Sum(nil)[:checkSize])
	return out.n, errors.Join(out.err, out.w.Flush())
}

// A checkedReader reads and sums up what it read.
type checkedReader struct {
	r   *bufio.Reader
	sum hash.Hash
	buf bytes.Buffer
}

// next is the next n bytes, until the next call.
func (c *checkedReader) next(n uint64) ([]byte, error) {
	c.buf.Reset()
	if _, err := io.CopyN(&c.buf, c.r, int64(n)); err != nil {
		return nil, noEOF(err)
	}
	c.sum.Write(c.buf.Bytes())
	return c.buf.Bytes(), nil
}

func (c *checkedReader) uvarint(limit uint64) (uint64, error) {
	v, err := binary.ReadUvarint(c.r)
	if err == nil && v > limit {
		err = fmt.Errorf("a length of %d", v)
	}
	c.sum.Write(binary.AppendUvarint(nil, v))
	return v, noEOF(err)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Merge adds the users of the sketch that r reads. It fails with a
// [*NotSketchError] where r reads something else or something damaged, and with
// a [*MixError] where it does not go with what was merged before; what is merged
// so far is of no use then. Name is for errors, and for sources without one.
func (s *Sketch) Merge(name string, r io.Reader) error {
	in := &checkedReader{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	begin, err := in.r.Peek(len(magic))
	switch {
	case string(begin) == magic:
		in.r.Discard(len(magic))
	case err == nil && string(begin[:len(Magic)]) == Magic:
		return &NotSketchError{Name: name, Problem: "this saturate is too old to read it"}
	default:
		return &NotSketchError{Name: name, Problem: "is not a sketch of active users"}
	}
	var mix *MixError
	if err := s.merge(name, in); errors.As(err, &mix) {
		return err
	} else if err != nil {
		return &NotSketchError{name, "the sketch is damaged", err}
	}
	return nil
}

func (s *Sketch) merge(name string, in *checkedReader) error {
	n, err := in.uvarint(maxHeader)
	if err != nil {
		return err
	}
	text, err := in.next(n)
	if err != nil {
		return err
	}
	var head header
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.Precision < MinPrecision || head.Precision > MaxPrecision {
		return fmt.Errorf("a precision of %d", head.Precision)
	}
	if err := s.adopt(name, head.Identity, head.Salt, head.Precision); err != nil {
		return err
	}
	for _, source := range head.Sources {
		if source.Name == "" {
			source.Name = name
		}
		s.Sources = append(s.Sources, source)
	}
	if err := s.mergeMinutes(in); err != nil {
		return err
	}
	want := in.sum.Sum(nil)[:checkSize]
	if check, err := in.next(checkSize); err != nil || !bytes.Equal(check, want) {
		return errors.Join(errors.New("its checksum is wrong"), err)
	}
	return nil
}

func (s *Sketch) mergeMinutes(in *checkedReader) error {
	for minute := uint64(0); ; {
		more, err := in.uvarint(maxMinute - minute)
		if err != nil || more == 0 {
			return err
		}
		minute += more
		n, err := in.uvarint(maxPacked(s.Precision))
		if err != nil {
			return err
		}
		packed, err := in.next(n)
		if err != nil {
			return err
		}
		c, err := s.at(int64(minute), mergedMinutes)
		if err != nil {
			return err
		}
		if err := s.packer.unpack(c, packed); err != nil {
			return err
		}
	}
}
