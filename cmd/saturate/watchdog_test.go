package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

// A balancer of files, one a server, with its weight.
func fileBalancer(t *testing.T) (c watchdog.Config, weights func() string, set func(server, weight string)) {
	dir, err := os.MkdirTemp("", "wd") // short: a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	set = func(server, weight string) {
		if err := os.WriteFile(filepath.Join(dir, server), []byte(weight), 0o600); err != nil {
			t.Error(err)
		}
	}
	names := []string{"s1", "s2", "s3", "s4", "s5"}
	for _, name := range names {
		set(name, "100")
	}
	get := fmt.Sprintf(`cd %s; printf '{"servers":['; for s in s1 s2 s3 s4 s5; do [ $s = s1 ] || printf ,; printf '{"name":"%%s","weight":%%d,"status":"up","requests":1,"failed":0}' $s $(cat $s); done; echo ']}'`, dir)
	setter := filepath.Join(dir, "set.sh")
	script := fmt.Sprintf("#!/bin/sh\n[ ! -e %s/stuck ] && printf %%s \"$2\" > %s/$1.new && mv %s/$1.new %s/$1\n", dir, dir, dir, dir)
	if err := os.WriteFile(setter, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c = watchdog.Config{Dir: filepath.Join(dir, "live"), Balancer: balancer.Config{Command: &balancer.Command{
		Get: []string{"/bin/sh", "-c", get}, Set: []string{setter, "{server}", "{weight}"}, Delay: 100 * time.Millisecond, MaxWeight: 999,
	}}}
	return c, func() string {
		var all []string
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			}
			all = append(all, string(text))
		}
		return strings.Join(all, " ")
	}, set
}

// said runs a command line, and wants its exit code.
func said(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if got := run(args, &environment{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: os.Getenv}); got != code {
		t.Errorf("%v: exit code %d, want %d:\n%s", args, got, code, &out)
	}
	return out.String()
}

func wants(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in:\n%s", w, text)
		}
	}
}

// squeezing starts the real process, and has it raise two weights.
func squeezing(t *testing.T, c watchdog.Config) (*watchdog.Local, watchdog.Begun) {
	t.Helper()
	l, err := watchdog.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	g, err := l.Begin(t.Context(), watchdog.Begin{Holder: "test", Servers: []string{"s1", "s2"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		s, err := l.Push(t.Context(), watchdog.Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120, "s2": 130}})
		switch {
		case err != nil:
			t.Fatal(err)
		case !s.Pending:
			return l, g
		case i > 50:
			t.Fatal("the weights are not taken")
		}
	}
}

// By hand, while a run squeezes: its watchdog ends the epoch.
func TestRestoreRunning(t *testing.T) {
	c, weights, _ := fileBalancer(t)
	l, g := squeezing(t, c)
	wants(t, said(t, exitFailed, "restore", "--list", "--state", c.Dir), "squeezed now", "test", "servers s1, s2")
	if weights() != "120 130 100 100 100" {
		t.Error(weights())
	}
	wants(t, said(t, exitOK, "restore", "--state", c.Dir), "by the watchdog that runs", "everything is as found", "stopped by hand",
		"s1      100    120    100", "s2      100    130    100")
	if weights() != "100 100 100 100 100" {
		t.Error(weights())
	}
	_, err := l.Push(t.Context(), watchdog.Push{Epoch: g.Epoch, Lease: time.Second})
	var r *watchdog.Refusal
	if !errors.As(err, &r) || r.Code != watchdog.DeadEpoch || !strings.Contains(r.Why, "stopped by hand") {
		t.Error(err)
	}
	wants(t, said(t, exitOK, "restore", "--list", "--state", c.Dir), "as found (stopped by hand")
}

// By hand, with nothing but the journal, where somebody else has set a weight
// meanwhile, and where the balancer does not obey at first.
func TestRestoreFromJournal(t *testing.T) {
	c, weights, set := fileBalancer(t)
	w, err := watchdog.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.Begin(t.Context(), watchdog.Begin{Holder: "test", Servers: []string{"s1", "s2"}})
	if err != nil {
		t.Fatal(err)
	}
	for weights() != "120 130 100 100 100" {
		if _, err := w.Push(t.Context(), watchdog.Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120, "s2": 130}}); err != nil {
			t.Fatal(err)
		}
	}
	set("stuck", "")
	ended, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := w.Close(ended, "no time"); err == nil {
		t.Fatal("it was put back by a balancer that does not obey")
	}
	set("s2", "77")
	wants(t, said(t, exitFailed, "restore", "--list", "--state", c.Dir), "NOT as found")
	wants(t, said(t, exitFailed, "restore", "--state", c.Dir, "--within", "2s"), "NOT as found", "saturate: hint: saturate restore")
	if err := os.Remove(filepath.Join(filepath.Dir(c.Dir), "stuck")); err != nil {
		t.Fatal(err)
	}
	wants(t, said(t, exitOK, "restore", "--state", c.Dir), "directly", "but for what somebody else has set: s2", "somebody else set its weight to 77")
	if weights() != "100 77 100 100 100" {
		t.Error(weights())
	}
	wants(t, said(t, exitOK, "restore", "--state", c.Dir), "nothing to restore")
}

// The real process kills itself where it is told to, comes back, and puts right
// what it left.
func TestCrashVariable(t *testing.T) {
	c, weights, _ := fileBalancer(t)
	t.Setenv(crashVariable, "push: weights set")
	l, err := watchdog.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	g, err := l.Begin(t.Context(), watchdog.Begin{Holder: "test", Servers: []string{"s1"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Push(t.Context(), watchdog.Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120}})
	var gone *watchdog.Unreachable
	if !errors.As(err, &gone) && err != nil {
		t.Error(err)
	}
	for range 100 {
		if s, err := l.State(t.Context()); err == nil && s.Last != nil && s.Last.Restored {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s, err := l.State(t.Context())
	if err != nil || s.Last == nil || s.Last.Epoch != g.Epoch || !strings.HasSuffix(s.Last.Why, "was ended") || weights() != "100 100 100 100 100" {
		t.Errorf("%+v, %v, %s", s.Last, err, weights())
	}
}
