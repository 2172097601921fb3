package faults

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Results that cannot be written.

func TestUnwritableOutputIsFoundBeforeAnyLoad(t *testing.T) {
	t.Parallel()
	readOnly := func(t *testing.T) string {
		dir := t.TempDir()
		if os.Geteuid() == 0 {
			mount(t, dir, unix.MS_RDONLY, "")
		} else if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "record.json")
	}
	for _, c := range []struct {
		name            string
		path            func(*testing.T) string
		problem, remedy string
	}{
		{"no folder", func(t *testing.T) string { return filepath.Join(t.TempDir(), "no", "such", "record.json") }, "record.json: no such file", "make the folder first"},
		{"a folder itself", func(t *testing.T) string { return t.TempDir() }, "is a directory", "name a file"},
		{"read-only", readOnly, "read-only|permission denied", "write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newTarget(t, behaviour{})
			p := saturate(t, scenario{target: s, command: true}, "-o", "json="+c.path(t)).start(t)
			p.wantExit(t, 10*time.Second, 2)
			p.wantError(t, c.problem, c.remedy)
			if _, err := os.Stat(filepath.Join(s.Dir, "target")); err == nil {
				t.Error("the target was started all the same")
			}
			p.wantNoRecord(t)
		})
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	needsRoot(t, "mounts a tmpfs that is full")
	s := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: s, command: true, rest: "ramp: {start: 50}\n"})
	dir := filepath.Dir(p.json)
	mount(t, dir, 0, "size=64k")
	p.start(t)
	s.awaitLoad(t, p)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := filler.Write(make([]byte, 1<<20)); err == nil {
		t.Fatalf("%d bytes went into a small file system", n)
	}
	filler.Close()
	s.kill(t)
	p.wantExit(t, 20*time.Second, 1)
	p.wantError(t, "record.json: no space left on device", "the disk is full")
	wantMatch(t, "standard output", p.out.String(), "(?m)^target +web")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v, want the filler alone", left)
	}
}

// mount puts a small file system at dir until the test ends.
func mount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount("faults", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// A reader like head -1 leaves after the first line; the record is still
// written. One that reads progress and leaves ends the run, and the load.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	t.Run("results", func(t *testing.T) {
		t.Parallel()
		s := newTarget(t, behaviour{})
		p := saturate(t, scenario{target: s, command: true, rest: "ramp: {start: 50}\n"})
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.Stdout = w
		p.start(t)
		w.Close()
		r.Close()
		s.awaitLoad(t, p)
		s.kill(t)
		p.wait(t, 20*time.Second)
		if p.ProcessState.Success() {
			t.Error("a success, although nobody has the results")
		}
		if rep := p.repeat(t); rep.Done == 0 {
			t.Error("the record is empty")
		}
	})
	t.Run("progress", func(t *testing.T) {
		t.Parallel()
		s := newTarget(t, behaviour{})
		p := saturate(t, scenario{target: s, pid: s.start(t), rest: "ramp: {start: 50}\n"})
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.Stderr = w
		p.start(t)
		w.Close()
		if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		s.awaitLoad(t, p)
		r.Close()
		p.wait(t, 30*time.Second)
		s.wantSilence(t, now())
	})
}
