package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	// maxBacklog is the most that one reading takes of a log: what is older was
	// written while nobody looked, and is left out.
	maxBacklog = 16 << 20
	// maxLine is longer than any line that counts.
	maxLine = 64 << 10
	// lingering is for how long a rotated log is still read: nginx and syslog
	// write to it until they are told of the new one.
	lingering = 30 * time.Second
)

// A tail reads what is added to a log, from the end that it had when it was
// opened. It follows rotation by renaming and by truncation.
type tail struct {
	path string
	now  *stretch
	// old is the log before the last rotation, and until when it is read.
	old      *stretch
	oldUntil time.Time
	chunk    []byte
}

// A stretch is one file of a log, as far as it is read.
type stretch struct {
	file *os.File
	at   int64
	// rest is the beginning of a line whose end is not written yet; lost is set
	// while the rest of a line is being passed over.
	rest []byte
	lost bool
}

func openTail(path string) (*tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the log cannot be read: %w", err)
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("the log cannot be read: %w", err)
	}
	// What stands before the end may be half a line.
	return &tail{path: path, now: &stretch{file: f, at: end, lost: end > 0 && !endsLine(f, end)}, chunk: make([]byte, 64<<10)}, nil
}

func endsLine(f *os.File, end int64) bool {
	var last [1]byte
	_, err := f.ReadAt(last[:], end-1)
	return err == nil && last[0] == '\n'
}

// read calls line for every line that was completed since the last time, and
// tells whether some had to be left out.
func (t *tail) read(line func([]byte)) (skipped bool, err error) {
	if t.old != nil {
		skipped, err = t.old.read(t.chunk, line)
		if err != nil || time.Now().After(t.oldUntil) {
			t.old.file.Close()
			t.old = nil
		}
	}
	more, err := t.now.read(t.chunk, line)
	if err != nil {
		return skipped || more, fmt.Errorf("the log cannot be read: %w", err)
	}
	next, err := t.rotated()
	if err != nil || next == nil {
		return skipped || more, err
	}
	if t.old != nil {
		t.old.file.Close()
	}
	t.old, t.oldUntil, t.now = t.now, time.Now().Add(lingering), next
	again, err := t.now.read(t.chunk, line)
	return skipped || more || again, err
}

// rotated returns the file that has the log's name now, where it is another one.
func (t *tail) rotated() (*stretch, error) {
	ours, err := t.now.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("the log cannot be read: %w", err)
	}
	named, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(ours, named) {
		return nil, nil // between the renaming and the new file there is none
	}
	if err != nil {
		return nil, fmt.Errorf("the log cannot be read: %w", err)
	}
	f, err := os.Open(t.path)
	if err != nil {
		return nil, fmt.Errorf("the log was rotated, and the new one cannot be read: %w", err)
	}
	return &stretch{file: f}, nil
}

func (s *stretch) read(chunk []byte, line func([]byte)) (skipped bool, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < s.at { // truncated in place
		s.at, s.rest, s.lost = 0, nil, false
	}
	if info.Size()-s.at > maxBacklog {
		s.at, s.rest, s.lost, skipped = info.Size()-maxBacklog, nil, true, true
	}
	for s.at < info.Size() {
		n, err := s.file.ReadAt(chunk[:min(int64(len(chunk)), info.Size()-s.at)], s.at)
		s.at += int64(n)
		s.split(chunk[:n], line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return skipped, err
		}
	}
	return skipped, nil
}

// split hands out the lines of a piece, and keeps the beginning of the last.
func (s *stretch) split(piece []byte, line func([]byte)) {
	for {
		end := bytes.IndexByte(piece, '\n')
		if end < 0 {
			break
		}
		switch {
		case s.lost:
		case len(s.rest) > 0:
			line(append(s.rest, piece[:end]...))
		default:
			line(piece[:end])
		}
		s.rest, s.lost = s.rest[:0], false
		piece = piece[end+1:]
	}
	if s.lost || len(s.rest)+len(piece) > maxLine {
		s.rest, s.lost = s.rest[:0], true
		return
	}
	s.rest = append(s.rest, piece...)
}
