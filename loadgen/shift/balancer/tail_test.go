package balancer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// lines reads a tail to its end.
func (t *tail) lines(tb testing.TB) (got []string, skipped bool) {
	tb.Helper()
	skipped, err := t.read(func(line []byte) { got = append(got, string(line)) })
	if err != nil {
		tb.Error(err)
	}
	return got, skipped
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	appendTo(t, path, "before\nhalf")
	log, err := openTail(path)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxLine)
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"the other half of a line", func() { appendTo(t, path, " a line\none\ntw") }, []string{"one"}},
		{"the end of a line", func() { appendTo(t, path, "o\n\nthree\n") }, []string{"two", "", "three"}},
		{"a line that is too long", func() { appendTo(t, path, long+"x") }, nil},
		{"its end", func() { appendTo(t, path, "xx\nfour\n") }, []string{"four"}},
		{"renamed", func() { appendTo(t, path, "five\n"); rename(t, path, path+".1") }, []string{"five"}},
		{"written on under the old name", func() { appendTo(t, path+".1", "six\n") }, []string{"six"}},
		{"there anew", func() { appendTo(t, path, "eight\n"); appendTo(t, path+".1", "seven\n") }, []string{"seven", "eight"}},
		{"written on under both", func() { appendTo(t, path, "ten\n"); appendTo(t, path+".1", "nine\n") }, []string{"nine", "ten"}},
		{"rotated again", func() { rename(t, path, path+".2"); appendTo(t, path, "eleven\n") }, []string{"eleven"}},
		{"truncated", func() { truncate(t, path); appendTo(t, path, "12\n") }, []string{"12"}},
	} {
		step.do()
		got, skipped := log.lines(t)
		if diff := cmp.Diff(step.want, got); diff != "" || skipped {
			t.Errorf("%s (-want +got), skipped %v:\n%.300s", step.what, skipped, diff)
		}
	}
	if cap(log.now.rest) > 2*maxLine {
		t.Errorf("keeps %d bytes of a line", cap(log.now.rest))
	}
}

// TestTailLeavesOut has a log that grew while nobody looked.
func TestTailLeavesOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	appendTo(t, path, "")
	log, err := openTail(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1023) + "\n"
	appendTo(t, path, strings.Repeat(line, maxBacklog/len(line)+100)+"last\n")
	got, skipped := log.lines(t)
	if !skipped || len(got) < maxBacklog/len(line)-2 || len(got) > maxBacklog/len(line)+1 || got[len(got)-1] != "last" {
		t.Errorf("skipped %v, %d lines", skipped, len(got))
	}
	appendTo(t, path, "next\n")
	if got, skipped := log.lines(t); skipped || fmt.Sprint(got) != "[next]" {
		t.Errorf("skipped %v, lines %q", skipped, got)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}
