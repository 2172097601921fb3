package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"saturate/ramp"
)

// What ends saturate takes its load and its children along.

func TestSignalsEndTheLoad(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			web := newTarget(t, behaviour{})
			p := saturate(t, scenario{target: web, pid: web.start(t), rest: "ramp: {start: 50}\n"}).start(t)
			web.awaitLoad(t, p)
			at := p.signal(t, s)
			p.wantExit(t, 5*time.Second, 130)
			web.wantSilence(t, at)
			p.wantError(t, "interrupted; the load has been taken away", "")
			r := p.repeat(t)
			if r.Ending != ramp.Inconclusive || r.Done == 0 || len(r.Steps) == 0 {
				t.Errorf("the record ends %s with %d requests in %d steps, want what was seen", r.Ending, r.Done, len(r.Steps))
			}
		})
	}
}

func TestSignalsEndTheTree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{
		{syscall.SIGINT, 130}, {syscall.SIGTERM, 130}, {syscall.SIGKILL, -1}, {syscall.SIGQUIT, 2},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			t.Parallel()
			web := newTarget(t, behaviour{Tree: true})
			p := saturate(t, scenario{target: web, command: true, rest: "ramp: {start: 50}\n"}).start(t)
			web.awaitLoad(t, p)
			pids := []int{web.pid(t, "target"), web.pid(t, "child"), web.pid(t, "daemon")}
			at := p.signal(t, c.signal)
			p.wantExit(t, 5*time.Second, c.code)
			wantGone(t, pids...)
			web.wantSilence(t, at)
		})
	}
}

// The load must not outlive a saturate that had no time for anything.
func TestKilledSaturateEndsTheLoad(t *testing.T) {
	t.Parallel()
	web := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: web, pid: web.start(t), rest: "ramp: {start: 50}\n"}).start(t)
	web.awaitLoad(t, p)
	at := p.signal(t, syscall.SIGKILL)
	p.wantExit(t, 5*time.Second, -1)
	web.wantSilence(t, at)
}

// The first ^C waits for a target that will not go; the second does not.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	web := newTarget(t, behaviour{Stubborn: true})
	p := saturate(t, scenario{target: web, command: true, rest: "ramp: {start: 50}\n"}).start(t)
	web.awaitLoad(t, p)
	pid := web.pid(t, "target")
	at := p.signal(t, syscall.SIGINT)
	time.Sleep(300 * time.Millisecond)
	p.signal(t, syscall.SIGINT)
	p.wait(t, time.Second)
	wantGone(t, pid)
	web.wantSilence(t, at)
	p.wantNoRecord(t)
}

// A probe that panics watches no longer, so the load has to go. The binary is
// built with a panic in the sampler that a file lets loose: production code has
// no switch for it.
func TestPanicInAProbe(t *testing.T) {
	t.Parallel()
	trigger := filepath.Join(t.TempDir(), "now")
	web := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: web, pid: web.start(t), rest: "ramp: {start: 50}\n"})
	p.Path = buildPanicking(t, trigger)
	p.start(t)
	web.awaitLoad(t, p)
	at := now()
	if err := os.WriteFile(trigger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantExit(t, 10*time.Second, 1)
	web.wantSilence(t, at)
	p.wantError(t, "probes: panic in probe kernel: let loose\n+goroutine", "report it")
	r := p.repeat(t)
	if r.Ending != ramp.Inconclusive || r.Done == 0 || r.Why != "probes: panic in probe kernel: let loose" {
		t.Errorf("the record ends %s (%s) with %d requests, want what was seen", r.Ending, r.Why, r.Done)
	}
}

// buildPanicking builds saturate with a sampler that panics once a file is there.
func buildPanicking(t *testing.T, trigger string) string {
	t.Helper()
	source, err := filepath.Abs("../../stress/probe/sampler.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const head, tick = "import (\n", "func (s *Sampler) tick() {\n"
	changed := strings.Replace(string(text), head, head+"\t\"os\"\n", 1)
	changed = strings.Replace(changed, tick, tick+"\tif _, err := os.Stat(`"+trigger+"`); err == nil {\n\t\tpanic(\"let loose\")\n\t}\n", 1)
	if strings.Count(changed, "os.Stat") != 1 || !strings.Contains(changed, head+"\t\"os\"\n") {
		t.Fatalf("%s has changed: this test finds no %q in it", source, tick)
	}
	dir := t.TempDir()
	altered, overlay := filepath.Join(dir, "sampler.go"), filepath.Join(dir, "overlay.json")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(altered, changed)
	write(overlay, `{"Replace": {"`+source+`": "`+altered+`"}}`)
	if err := build("panicking", "-overlay", overlay); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(built, "panicking")
}
