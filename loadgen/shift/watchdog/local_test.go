package watchdog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"saturate/loadgen/shift/balancer"
)

// TestMain is also the watchdog's process, and the balancer's programs.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "watchdog" {
		os.Exit(asWatchdog())
	}
	os.Exit(m.Run())
}

// asWatchdog is what cmd/saturate does with --lifeline.
func asWatchdog() int {
	var c Config
	in := bufio.NewReader(os.Stdin)
	line, _ := in.ReadBytes('\n')
	if err := json.Unmarshal(line, &c); err != nil {
		return 2
	}
	c.Log = func(line string) { fmt.Fprintln(os.Stderr, line) }
	w, err := Open(c)
	if err == nil {
		err = w.Listen()
	}
	if err != nil {
		var r *Refusal
		errors.As(err, &r)
		json.NewEncoder(os.Stdout).Encode(Greeting{Refusal: r})
		return 1
	}
	json.NewEncoder(os.Stdout).Encode(Greeting{Socket: w.Socket()})
	go w.Serve(context.Background())
	io.Copy(io.Discard, in)
	if w.Close(context.Background(), "the run is gone") != nil {
		return 1
	}
	return 0
}

// files of a balancer by command: a file a server, with its weight.
func filesBalancer(t *testing.T) (Config, func() string) {
	dir, err := os.MkdirTemp("", "wd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"s1", "s2", "s3", "s4", "s5"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("100"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	get := fmt.Sprintf(`cd %s && printf '{"servers":[' && for s in s1 s2 s3 s4 s5; do [ $s = s1 ] || printf ,; printf '{"name":"%%s","weight":%%d,"status":"up","requests":1,"failed":0}' $s $(cat $s); done && echo ']}'`, dir)
	set := filepath.Join(dir, "set.sh")
	if err := os.WriteFile(set, fmt.Appendf(nil, "#!/bin/sh\nprintf %%s \"$2\" > %s/$1.new && mv %s/$1.new %s/$1\n", dir, dir, dir), 0o700); err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: filepath.Join(dir, "live"), Balancer: balancer.Config{Command: &balancer.Command{
		Get: []string{"/bin/sh", "-c", get}, Set: []string{set, "{server}", "{weight}"}, Delay: 100 * time.Millisecond, MaxWeight: 999,
	}}}
	return c, func() string {
		var all []string
		for _, name := range []string{"s1", "s2", "s3", "s4", "s5"} {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			all = append(all, string(text))
		}
		return strings.Join(all, " ")
	}
}

const asFound = "100 100 100 100 100"

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// holding is a started watchdog with a weight that is not as found.
func holding(t *testing.T) (*Local, Begun, func() string) {
	t.Helper()
	c, weights := filesBalancer(t)
	l, err := start(t.Context(), c, []string{os.Args[0], "watchdog", "--lifeline"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		l.Close(ctx)
	})
	g, err := l.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Push(t.Context(), Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120}}); err != nil {
		t.Fatal(err)
	}
	await(t, "the weight", func() bool { return weights() == "120 100 100 100 100" })
	return l, g, weights
}

func pidOf(t *testing.T, l *Local) int {
	t.Helper()
	o, held := lockOwner(strings.TrimSuffix(l.log, ".log") + ".lock")
	if !held {
		t.Fatal("nobody holds the lock")
	}
	return o.PID
}

func TestLocal(t *testing.T) {
	l, g, weights := holding(t)
	if sid, err := syscall.Getpgid(pidOf(t, l)); err != nil || sid != pidOf(t, l) {
		t.Errorf("it is in session %d, %v: ^C would reach it", sid, err)
	}
	_, err := start(t.Context(), l.config, l.command)
	code(t, err, Busy)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil || weights() != asFound {
		t.Errorf("%v, %s", err, weights())
	}
	all, err := Journals(l.config.Dir)
	if err != nil || len(all) != 1 || all[0].Epoch != g.Epoch || all[0].Ended == nil || all[0].PID != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	text, err := os.ReadFile(l.log)
	if err != nil || !strings.Contains(string(text), "the run is gone") {
		t.Errorf("%s, %v", text, err)
	}
}

// Killed, it comes back by itself and puts back what it had left.
func TestLocalKilled(t *testing.T) {
	l, g, weights := holding(t)
	syscall.Kill(pidOf(t, l), syscall.SIGKILL)
	await(t, "the weights", func() bool { return weights() == asFound })
	await(t, "the watchdog", func() bool {
		s, err := l.State(t.Context())
		return err == nil && s.Last != nil && s.Last.Restored
	})
	_, err := l.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 120}})
	code(t, err, DeadEpoch)
}

// Stopped, it is killed and comes back.
func TestLocalStopped(t *testing.T) {
	l, _, weights := holding(t)
	syscall.Kill(pidOf(t, l), syscall.SIGSTOP)
	await(t, "the weights", func() bool { return weights() == asFound })
}

// Nobody is left but the journal.
func TestRestoreByHand(t *testing.T) {
	c, weights := filesBalancer(t)
	var w *Watchdog
	c.Step = func(point string) error {
		if point == "restore: begins" { // and there it ends
			<-w.ctx.Done()
			return w.ctx.Err()
		}
		return nil
	}
	w, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1", "s2"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Push(t.Context(), Push{Epoch: g.Epoch, Lease: 5 * time.Second, Weights: map[string]int{"s1": 120, "s2": 130}}); err != nil {
		t.Fatal(err)
	}
	await(t, "the weight", func() bool { return weights() == "120 130 100 100 100" })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var calls atomic.Int32
	if err := w.Close(ended, "no time"); err == nil || weights() != "120 130 100 100 100" {
		t.Fatalf("it was put back all the same: %v, %s", err, weights())
	}
	all, err := Journals(c.Dir)
	if err != nil || len(all) != 1 || all[0].Ended != nil || all[0].PID != 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	e, err := all[0].Restore(t.Context(), "by hand", func(string) { calls.Add(1) })
	if err != nil || !e.Restored || e.Why != "no time" || weights() != asFound || calls.Load() == 0 {
		t.Errorf("%+v, %v, %s", e, err, weights())
	}
	if all, _ = Journals(c.Dir); all[0].Ended == nil {
		t.Errorf("%+v", all)
	}
}
