package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"saturate/ramp"
	"saturate/record"
	"saturate/stress"
)

// A scenario is what the tests vary of a scenario file.
type scenario struct {
	target  *target
	command bool   // saturate starts the target
	pid     int    // else its process
	more    string // further lines of the target, without their indentation
	rest    string // further sections
	traffic string // further lines of traffic, without their indentation
}

// file writes the scenario file.
func (s scenario) file(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "targets:\n  - name: web\n    url: %s\n", s.target.url)
	switch {
	case s.command:
		fmt.Fprintf(&b, "    command: [%q]\n    env: {%s: %q}\n", self(t), be, s.target.encode(t))
	case s.pid > 0:
		fmt.Fprintf(&b, "    probes: {pid: %d}\n", s.pid)
	}
	b.WriteString(indent("    ", s.more))
	b.WriteString("traffic:\n  timeout: 2s\n  requests: [{name: home, path: /}]\n")
	b.WriteString(indent("  ", s.traffic))
	b.WriteString(s.rest)
	path := filepath.Join(t.TempDir(), "fault.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func indent(by, lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(by + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// self is this test binary.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A process is a saturate that runs.
type process struct {
	*exec.Cmd
	out, err locked
	json     string // where its record goes
	ended    chan struct{}
	began    time.Time
	took     time.Duration
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

// saturate prepares `saturate run` with a record as JSON beside the text.
func saturate(t *testing.T, s scenario, flags ...string) *process {
	t.Helper()
	p := &process{json: filepath.Join(t.TempDir(), "record.json"), ended: make(chan struct{})}
	args := append([]string{"run", s.file(t), "-o", "text", "-o", "json=" + p.json}, flags...)
	p.Cmd = exec.Command(filepath.Join(built, "saturate"), args...)
	p.Stdout, p.Stderr = &p.out, &p.err
	p.WaitDelay = 5 * time.Second // whatever else may hold its output open
	return p
}

// start lets it run; it is killed when the test ends.
func (p *process) start(t *testing.T) *process {
	t.Helper()
	p.began = time.Now()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.Wait()
		p.took = time.Since(p.began)
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%v\nafter %v with %v\nstdout:\n%s\nstderr:\n%s", p.Args, p.took, p.ProcessState, &p.out, &p.err)
		}
	})
	return p
}

// signal sends a signal and returns when.
func (p *process) signal(t *testing.T, s syscall.Signal) time.Duration {
	t.Helper()
	at := now()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return at
}

// wait wants it to end by itself.
func (p *process) wait(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Fatalf("saturate still runs after %v", within)
	}
}

// wantExit wants it to end with a code.
func (p *process) wantExit(t *testing.T, within time.Duration, code int) {
	t.Helper()
	p.wait(t, within)
	if got := p.ProcessState.ExitCode(); got != code {
		t.Errorf("%v, want exit code %d", p.ProcessState, code)
	}
}

// wantError wants a line with an error on standard error, and one with a hint
// where there is a remedy.
func (p *process) wantError(t *testing.T, problem, remedy string) {
	t.Helper()
	wantMatch(t, "standard error", p.err.String(), `(?m)^saturate: error: .*`+problem)
	if remedy != "" {
		wantMatch(t, "standard error", p.err.String(), `(?m)^saturate: hint: .*`+remedy)
	}
}

func wantMatch(t *testing.T, what, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("%s does not match %q:\n%s", what, pattern, text)
	}
}

// record is what it wrote.
func (p *process) record(t *testing.T) record.Record {
	t.Helper()
	var r record.Record
	text, err := os.ReadFile(p.json)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// judged is the repeat of a test that tells nothing where a busy machine voided
// the run; a disturbance that the test is about is wanted.
func (p *process) judged(t *testing.T, wanted string) record.Repeat {
	t.Helper()
	r := p.repeat(t)
	disturbed := r.Why == string(stress.ContendedHost) || r.Why == string(stress.GeneratorLate)
	if r.Ending == ramp.Inconclusive && disturbed && r.Why != wanted {
		t.Skipf("needs a machine with some CPU left: the run ended as %s", r.Why)
	}
	return r
}

// repeat is the only repeat of the only target.
func (p *process) repeat(t *testing.T) record.Repeat {
	t.Helper()
	r := p.record(t)
	if len(r.Targets) != 1 || len(r.Targets[0].Repeats) != 1 {
		t.Fatalf("the record has targets %+v, want one with one repeat", r.Targets)
	}
	return r.Targets[0].Repeats[0]
}

// wantDisturbed wants an inconclusive ending with the disturbance's name, and
// exit code 4.
func (p *process) wantDisturbed(t *testing.T, within time.Duration, name string) {
	t.Helper()
	p.wantExit(t, within, 4)
	r := p.judged(t, name)
	if r.Ending != ramp.Inconclusive || r.Why != name {
		t.Errorf("ending %s because of %q, want %s because of %q", r.Ending, r.Why, ramp.Inconclusive, name)
	}
	wantMatch(t, "standard output", p.out.String(), "(?m)^no answer +"+name)
	if r.Bottleneck == nil || r.Bottleneck.Name != name {
		t.Errorf("bottleneck %+v, want %s", r.Bottleneck, name)
	}
}

// wantNoRecord wants nothing at all in the record's folder.
func (p *process) wantNoRecord(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(p.json))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s was left behind", e.Name())
	}
}
