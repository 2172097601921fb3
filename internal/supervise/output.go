package supervise

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

// tailBytes and tailLines bound what is kept of a tree's output.
const (
	tailBytes = 4096
	tailLines = 12
)

// A tail reads what a tree prints and keeps the end of it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	end chan struct{} // nothing will be printed any more
}

// newTail reads from until its end, and copies all of it to to unless that is nil.
func newTail(from io.ReadCloser, to io.Writer) *tail {
	t := &tail{end: make(chan struct{})}
	go func() {
		defer close(t.end)
		defer from.Close()
		if to == nil {
			to = io.Discard
		}
		io.Copy(io.MultiWriter(t, to), from)
		io.Copy(io.Discard, from) // to may fail; the tree must not wait for it
	}()
	return t
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// settle waits until all is read, but no longer than atMost.
func (t *tail) settle(atMost time.Duration) {
	select {
	case <-t.end:
	case <-time.After(atMost):
	}
}

// String is the last lines, whole ones where possible.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.buf
	if len(text) == tailBytes {
		if _, rest, ok := bytes.Cut(text, []byte("\n")); ok {
			text = rest
		}
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
