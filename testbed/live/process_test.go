package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"saturate/record"
	"saturate/stress"
)

// A process is a saturate that runs.
type process struct {
	*exec.Cmd
	out, err locked
	json     string // where its record goes
	ended    chan struct{}
}

// locked collects output that is read while it comes.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// saturate prepares one, whose state is in folder state.
func saturate(t *testing.T, state string, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
	p.Stdout, p.Stderr = &p.out, &p.err
	p.WaitDelay = time.Second // whatever else may hold its output open
	return p
}

// start lets it run; it is killed when the test ends.
func (p *process) start(t *testing.T) *process {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%v\nended with %v\nstdout:\n%s\nstderr:\n%s", p.Args, p.ProcessState, &p.out, &p.err)
		}
	})
	return p
}

// signal sends a signal and returns when.
func (p *process) signal(t *testing.T, s syscall.Signal) time.Time {
	t.Helper()
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return time.Now()
}

// kill takes it away, and returns when.
func (p *process) kill(t *testing.T) time.Time {
	t.Helper()
	at := p.signal(t, syscall.SIGKILL)
	<-p.ended
	return at
}

// stillRuns fails the test where it has ended by itself.
func (p *process) stillRuns(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%v has ended with %v", p.Args, p.ProcessState)
	default:
	}
}

// wantExit wants it to end by itself, with one of these codes.
func (p *process) wantExit(t *testing.T, within time.Duration, codes ...int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Fatalf("%v still runs after %v", p.Args, within)
	}
	if !slices.Contains(codes, p.ProcessState.ExitCode()) {
		t.Errorf("%v, want exit code %v", p.ProcessState, codes)
	}
}

// said is all that it has printed, on one line: the report breaks its own.
func (p *process) said() string {
	return strings.Join(strings.Fields(p.err.String()+p.out.String()), " ")
}

// wantSaid wants it to tell of something.
func (p *process) wantSaid(t *testing.T, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(p.said()) {
		t.Errorf("it says nothing like %q", pattern)
	}
}

// voided tells a run that says that somebody else was the limit.
func (p *process) voided() bool {
	return strings.Contains(p.said(), string(stress.ContendedHost))
}

// record is what it wrote; nil where it wrote none.
func (p *process) record(t *testing.T) *record.Record {
	t.Helper()
	text, err := os.ReadFile(p.json)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	r := new(record.Record)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	return r
}
