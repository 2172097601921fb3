// Package faults breaks what saturate depends on, and saturate itself, and
// holds what it promises for such cases: a clear ending with a hint, the right
// exit code, no load and no process left behind. It is tests only. They run the
// real binary as a person would, against a target that is this test binary over
// again, and send nothing beyond this machine.
package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// In the environment, be makes this test binary a target or another process of
// a test's; see be.
const be = "FAULTS_BE"

// built is where TestMain put the binaries.
var built string

func TestMain(m *testing.M) {
	if role := os.Getenv(be); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Setenv("SATURATE_HISTORY", "off") // what a test found is nobody's past
	os.Exit(test(m))
}

func test(m *testing.M) int {
	dir, err := os.MkdirTemp("", "saturate-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if err := build("saturate"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The tests mostly wait; -parallel still has the last word.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds saturate under the given name.
func build(name string, flags ...string) error {
	args := append([]string{"build", "-o", filepath.Join(built, name)}, flags...)
	out, err := exec.Command("go", append(args, "saturate/cmd/saturate")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// long skips a test that `go test ./...` has no time for.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("SATURATE_FAULTS") == "" {
		t.Skip("takes long: set SATURATE_FAULTS=1")
	}
}

// needsRoot skips a test that only root can make.
func needsRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: " + what)
	}
}

// now is the machine's monotonic clock, which all processes share.
func now() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot be
	}
	return time.Duration(ts.Nano())
}

// eventually waits for something that has to come, and fails without it.
func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// lives reports whether a process runs; one that has ended and waits to be
// collected does not.
func lives(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	return ok && rest[0] != 'Z' && rest[0] != 'X'
}
