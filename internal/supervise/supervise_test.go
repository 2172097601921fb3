package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is also what the tests run: kind names what it shall be, and
// dir where each process leaves its number, in a file named for what it is.
const kind, dir = "SATURATE_TEST_KIND", "SATURATE_TEST_DIR"

func TestMain(m *testing.M) {
	Main()
	if k := os.Getenv(kind); k != "" {
		if err := be(k); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of what the tests run: a second each
	os.Exit(m.Run())
}

// be is one of the processes that the tests look after.
func be(k string) error {
	switch k {
	case "parent": // runs a tree, until it is killed
		if _, err := Start(Command{Args: []string{Self}, Env: map[string]string{kind: "tree"}}); err != nil {
			return err
		}
	case "tree", "background": // a process with a child and a daemon
		if err := errors.Join(spawn("grandchild").Start(), spawn("daemonise").Run()); err != nil {
			return err
		}
	case "daemonise": // the first half of a daemon: gone once its session runs
		daemon := spawn("daemon")
		daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return daemon.Start()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	}
	path := filepath.Join(os.Getenv(dir), k)
	if err := os.WriteFile(path+".new", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil || k == "background" {
		return err
	}
	time.Sleep(time.Hour) // select{} alone would be a deadlock
	return nil
}

func spawn(k string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), kind+"="+k)
	return cmd
}

// pidOf waits until the process of that kind runs, and returns its number.
func pidOf(t *testing.T, where, k string) int {
	t.Helper()
	var pid int
	eventually(t, k+" runs", func() bool {
		text, err := os.ReadFile(filepath.Join(where, k))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(string(text))
		return err == nil
	})
	return pid
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// lives reports whether a process runs; one that ended and waits to be
// collected does not.
func lives(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := text[bytes.LastIndexByte(text, ')')+2]
	return state != 'Z' && state != 'X'
}

func start(t *testing.T, c Command, k string) (child *Child, where string) {
	t.Helper()
	where = t.TempDir()
	c.Env = map[string]string{kind: k, dir: where}
	c.Args = []string{Self}
	child, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Stop() })
	return child, where
}

func TestStopEndsTheTree(t *testing.T) {
	child, where := start(t, Command{}, "tree")
	var pids []int
	for _, k := range []string{"tree", "grandchild", "daemon"} {
		pids = append(pids, pidOf(t, where, k))
	}
	if child.PID() != pids[0] {
		t.Errorf("PID() = %d, the command's is %d", child.PID(), pids[0])
	}
	if err := child.Err(); err != nil {
		t.Errorf("Err() of a running command = %v", err)
	}
	var all sync.WaitGroup
	for range 3 { // at the same time, and again
		all.Go(func() {
			if err := child.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := child.Stop(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if lives(pid) {
			t.Errorf("process %d survived Stop", pid)
		}
	}
	if err := child.Err(); err == nil || !strings.Contains(err.Error(), "killed by SIGTERM") {
		t.Errorf("Err() after Stop = %v, want the signal", err)
	}
}

func TestKilledParentTakesTheTreeAlong(t *testing.T) {
	where := t.TempDir()
	parent := spawn("parent")
	parent.Env = append(parent.Env, dir+"="+where)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, k := range []string{"tree", "grandchild", "daemon"} {
		pids = append(pids, pidOf(t, where, k))
	}
	parent.Process.Kill()
	parent.Wait()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return !lives(pid) })
	}
}

func TestKilledSupervisorTakesTheCommandAlong(t *testing.T) {
	child, where := start(t, Command{}, "sleep")
	pid := pidOf(t, where, "sleep")
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	supervisor, ok := parentOf(text)
	if !ok || supervisor == os.Getpid() {
		t.Fatalf("supervisor %d, %v", supervisor, ok)
	}
	syscall.Kill(supervisor, syscall.SIGKILL)
	<-child.Done()
	eventually(t, "the command ends", func() bool { return !lives(pid) })
	if err := child.Err(); !strings.Contains(err.Error(), "supervisor was killed") {
		t.Errorf("Err() = %v", err)
	}
	if err := child.Stop(); err == nil {
		t.Error("Stop() vouches for a tree that nobody supervised")
	}
}

func TestStubbornCommandIsKilled(t *testing.T) {
	child, where := start(t, Command{Grace: 10 * time.Millisecond}, "stubborn")
	pid := pidOf(t, where, "stubborn")
	if err := child.Stop(); err != nil {
		t.Error(err)
	}
	if lives(pid) {
		t.Error("it survived Stop")
	}
	if err := child.Err(); !strings.Contains(err.Error(), "SIGKILL") {
		t.Errorf("Err() = %v, want the signal that ended it", err)
	}
}

func TestCommandInTheBackground(t *testing.T) {
	child, where := start(t, Command{}, "background")
	daemon := pidOf(t, where, "daemon")
	<-child.Done()
	var exit *ExitError
	if err := child.Err(); !errors.As(err, &exit) || exit.Left != 2 || exit.Hint() == "" {
		t.Errorf("Err() = %v, want two processes left and a hint", err)
	}
	if !lives(daemon) {
		t.Error("the daemon ended before Stop")
	}
	if err := child.Stop(); err != nil {
		t.Error(err)
	}
	if lives(daemon) {
		t.Error("the daemon survived Stop")
	}
}

func TestEarlyDeath(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"status", "echo starting; echo no such port >&2; exit 7", "exit status 7; its last lines:\nstarting\nno such port"},
		{"silent", "exit 0", "exit status 0; it printed nothing"},
		{"signal", "kill -SEGV $$", "killed by SIGSEGV; it printed nothing"},
		{"long", "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done; exit 1", "line 5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			child, err := Start(Command{Args: []string{"sh", "-c", c.script}})
			if err != nil {
				t.Fatal(err)
			}
			<-child.Done()
			got := child.Err().Error()
			if !strings.Contains(got, c.want) {
				t.Errorf("Err() = %q, want %q in it", got, c.want)
			}
			if n := strings.Count(got, "\n"); n > tailLines {
				t.Errorf("%d lines of output kept, want at most %d", n, tailLines)
			}
			if err := child.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		command Command
		is      error
		says    string
	}{
		{"nothing", Command{}, nil, "empty"},
		{"not in PATH", Command{Args: []string{"saturate-no-such-program"}}, exec.ErrNotFound, "saturate-no-such-program"},
		{"no such path", Command{Args: []string{"./no/such"}}, fs.ErrNotExist, "./no/such"},
		{"a folder", Command{Args: []string{"/"}}, fs.ErrPermission, "run /"},
		{"no such dir", Command{Args: []string{"true"}, Dir: "/no/such"}, nil, "/no/such"},
		{"no such CPU", Command{Args: []string{"true"}, CPUs: []int{8000}}, nil, "8000"},
		{"beyond any CPU", Command{Args: []string{"true"}, CPUs: []int{-1}}, nil, "-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			child, err := Start(c.command)
			if err == nil {
				child.Stop()
				t.Fatal("it started")
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want %v, with %q", err, c.is, c.says)
			}
		})
	}
}

func TestWhatTheCommandSees(t *testing.T) {
	t.Setenv("SATURATE_TEST_TWICE", "ours")
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	last := cpus[len(cpus)-1]
	where := t.TempDir()
	if err := os.WriteFile(filepath.Join(where, "show"), []byte(`#!/bin/sh
pwd; cat; env | grep -c SATURATE_SUPERVISOR; env | grep SATURATE_TEST_TWICE; grep Cpus_allowed_list /proc/self/status
`), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	child, err := Start(Command{
		Args: []string{"./show"}, Dir: where, CPUs: []int{last}, Output: &out,
		Env: map[string]string{"SATURATE_TEST_TWICE": "theirs"},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	if err := child.Stop(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s\n0\nSATURATE_TEST_TWICE=theirs\nCpus_allowed_list:\t%d\n", where, last)
	if out.String() != want || child.Output()+"\n" != want {
		t.Errorf("printed %q and kept %q, want %q", out.String(), child.Output(), want)
	}
}

func TestConfine(t *testing.T) {
	before, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Confine(before) })
	chosen := before[:1]
	for _, cpus := range [][]int{chosen, nil} { // none: as it was
		if err := Confine(cpus); err != nil {
			t.Fatal(err)
		}
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			text, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
			if err != nil {
				continue // it ended
			}
			if want := fmt.Sprintf("Cpus_allowed_list:\t%d\n", chosen[0]); !strings.Contains(string(text), want) {
				t.Errorf("thread %s: no %q in its status", thread.Name(), want)
			}
		}
	}
	if got, err := CPUs(); err != nil || !slices.Equal(got, chosen) {
		t.Errorf("CPUs() = %v, %v, want %v", got, err, chosen)
	}
	if err := Confine([]int{8000}); err == nil {
		t.Error("confined to a CPU that is not there")
	}
}

func TestParentOf(t *testing.T) {
	for _, c := range []struct {
		stat string
		want int
		ok   bool
	}{
		{"12 (sh) S 7 12 12", 7, true},
		{"12 (a) S 99 (b) S 7 12", 7, true},
		{"12 (sh) S", 0, false},
		{"12 sh S 7", 0, false},
		{"", 0, false},
	} {
		if got, ok := parentOf([]byte(c.stat)); got != c.want || ok != c.ok {
			t.Errorf("parentOf(%q) = %d, %v, want %d, %v", c.stat, got, ok, c.want, c.ok)
		}
	}
}
