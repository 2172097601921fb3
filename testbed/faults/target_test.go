package faults

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A behaviour is what a target does. It travels as JSON in the environment.
type behaviour struct {
	Dir      string        // where it leaves its arrivals, and its processes their numbers
	Listen   string        // host:port
	Status   int           // of every answer; 0 is 200
	FailFrom int           // arrivals from this one on are answered with 500
	Location string        // where it redirects to
	Wait     time.Duration // before an answer
	Spin     time.Duration // of CPU for an answer
	Workers  int           // how many answers it works on at once; 0 for any number
	Stubborn bool          // it ignores the signals that ask it to end
	Tree     bool          // it has a child, and a daemon in a session of its own
}

// play is what this binary does when it is not the test: a target, or one of
// its descendants, or a gate into a control group.
func play(role string) error {
	switch role {
	case "enter":
		return enter()
	case "spin":
		for time.Now().Unix() > 0 { // until it is killed
		}
		return nil
	case "daemonise": // the first half of a daemon: gone once its session runs
		daemon := again("daemon")
		daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return daemon.Start()
	case "child", "daemon":
		if err := leave(os.Getenv("FAULTS_DIR"), role); err != nil {
			return err
		}
		time.Sleep(time.Hour) // select{} alone would be a deadlock
	}
	var b behaviour
	if err := json.Unmarshal([]byte(role), &b); err != nil {
		return err
	}
	return b.serve()
}

// again is this binary in another role.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), be+"="+role)
	return cmd
}

// leave writes our process number into a file.
func leave(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (b behaviour) serve() error {
	if b.Stubborn {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	if b.Tree {
		os.Setenv("FAULTS_DIR", b.Dir)
		if err := again("child").Start(); err != nil {
			return err
		}
		if err := again("daemonise").Run(); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(filepath.Join(b.Dir, "arrivals"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", b.Listen)
	if err != nil {
		return err
	}
	if err := leave(b.Dir, "target"); err != nil {
		return err
	}
	workers := make(chan struct{}, max(b.Workers, 1))
	arrived := make(chan int, 1)
	arrived <- 0
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := <-arrived + 1
		log.Write(binary.LittleEndian.AppendUint64(nil, uint64(now())))
		arrived <- n
		if b.Workers > 0 {
			workers <- struct{}{}
			defer func() { <-workers }()
		}
		b.answer(w, n)
	}))
}

func (b behaviour) answer(w http.ResponseWriter, n int) {
	for end := now() + b.Spin; now() < end; {
	}
	time.Sleep(b.Wait)
	switch {
	case b.FailFrom > 0 && n >= b.FailFrom:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case b.Location != "":
		w.Header().Set("Location", b.Location)
		w.WriteHeader(http.StatusFound)
	case b.Status != 0:
		w.WriteHeader(b.Status)
		fmt.Fprintln(w, "status", b.Status)
	default:
		fmt.Fprintln(w, "ok")
	}
}

// encode is the environment variable that makes this binary that target.
func (b behaviour) encode(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A target is one that the test looks after.
type target struct {
	behaviour
	url string
}

// newTarget gives a behaviour a folder and a port; nothing runs yet.
func newTarget(t *testing.T, b behaviour) *target {
	t.Helper()
	b.Dir, b.Listen = t.TempDir(), freeAddress(t)
	return &target{b, "http://" + b.Listen}
}

// freeAddress is one that nothing listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the target beside saturate, until the test ends, and returns its
// process number.
func (s *target) start(t *testing.T) int {
	t.Helper()
	cmd := again(s.encode(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	s.pid(t, "target")
	return cmd.Process.Pid
}

// pid is the number of one of the target's processes, once it runs.
func (s *target) pid(t *testing.T, name string) (pid int) {
	t.Helper()
	eventually(t, 30*time.Second, name+" runs", func() bool {
		text, err := os.ReadFile(filepath.Join(s.Dir, name))
		if err == nil {
			pid, err = strconv.Atoi(string(text))
		}
		return err == nil
	})
	return pid
}

// kill ends the target in mid-ramp, which ends a run within seconds.
func (s *target) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(s.pid(t, "target"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// arrivals are the times at which requests came in, on the clock of now.
func (s *target) arrivals(t *testing.T) []time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "arrivals"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []time.Duration
	for ; len(text) >= 8; text = text[8:] {
		all = append(all, time.Duration(binary.LittleEndian.Uint64(text)))
	}
	return all
}

// awaitLoad waits until saturate's load is on.
func (s *target) awaitLoad(t *testing.T, p *process) {
	t.Helper()
	eventually(t, 60*time.Second, "50 requests arrive at the target", func() bool {
		select {
		case <-p.ended:
			t.Fatal("saturate ended before its load was on")
		default:
		}
		return len(s.arrivals(t)) >= 50
	})
}

// wantSilence fails where requests came in later than a second after at, or
// where none came shortly before, for then nothing would have been shown.
func (s *target) wantSilence(t *testing.T, at time.Duration) {
	t.Helper()
	time.Sleep(time.Until(time.Now().Add(at + 2*time.Second - now())))
	before, after := 0, 0
	for _, a := range s.arrivals(t) {
		if a > at-2*time.Second && a <= at {
			before++
		}
		if a > at+time.Second {
			after++
		}
	}
	if before == 0 {
		t.Error("no load was on before: the test shows nothing")
	}
	if after > 0 {
		t.Errorf("%d requests came in later than a second afterwards", after)
	}
}

// wantGone fails unless the processes end soon.
func wantGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, 5*time.Second, fmt.Sprintf("process %d is gone", pid), func() bool { return !lives(pid) })
	}
}
