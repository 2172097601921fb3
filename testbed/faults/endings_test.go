package faults

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"saturate/ramp"
	"saturate/stress"
)

// What the target does wrong before or under load, each with a clear ending.

func TestNothingListens(t *testing.T) {
	t.Parallel()
	p := saturate(t, scenario{target: newTarget(t, behaviour{})}).start(t)
	p.wantExit(t, 15*time.Second, 1)
	p.wantError(t, "the target is down.*connection refused", "start the server first")
	if r := p.repeat(t); r.Ending != ramp.Inconclusive || r.Why == "" {
		t.Errorf("the record says %s, %q", r.Ending, r.Why)
	}
}

func TestFailsFromTheFirstRequest(t *testing.T) {
	t.Parallel()
	s := newTarget(t, behaviour{Status: 500})
	p := saturate(t, scenario{target: s, command: true}).start(t)
	p.wantExit(t, 15*time.Second, 1)
	p.wantError(t, `request "home".* status 500 .*"status 500`, "expect:")
	if n := len(s.arrivals(t)); n > 10 {
		t.Errorf("%d requests were sent to a target that cannot answer", n)
	}
}

func TestFailsInMidRamp(t *testing.T) {
	t.Parallel()
	s := newTarget(t, behaviour{FailFrom: 60})
	p := saturate(t, scenario{target: s, command: true, rest: "ramp: {start: 50}\n"}).start(t)
	p.wantExit(t, 60*time.Second, 4)
	r := p.judged(t, "")
	if r.Ending != ramp.AtMost {
		t.Errorf("ending %s, want %s", r.Ending, ramp.AtMost)
	}
	wantMatch(t, "why", r.Why, `\d+ of \d+ requests failed`)
	if r.Bottleneck == nil || r.Bottleneck.Name != stress.ErrorsBound {
		t.Errorf("bottleneck %+v, want %s", r.Bottleneck, stress.ErrorsBound)
	}
	wantMatch(t, "standard output", p.out.String(), `(?m)^to change it +find what fails`)
}

func TestTargetKilledInMidRamp(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		name := map[bool]string{true: "started by saturate", false: "started by somebody else"}[ours]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTarget(t, behaviour{})
			c := scenario{target: s, command: ours, rest: "ramp: {start: 50}\n"}
			if !ours {
				c.pid = s.start(t)
			}
			p := saturate(t, c).start(t)
			s.awaitLoad(t, p)
			s.kill(t)
			p.wantExit(t, 15*time.Second, 4)
			r := p.repeat(t)
			if r.Ending != ramp.Inconclusive {
				t.Errorf("ending %s, want %s", r.Ending, ramp.Inconclusive)
			}
			wantMatch(t, "why", r.Why, string(stress.TargetGone))
			if r.Done == 0 || len(r.Steps) == 0 {
				t.Errorf("the record has %d requests in %d steps, want what was seen", r.Done, len(r.Steps))
			}
		})
	}
}

func TestStatusPageHangs(t *testing.T) {
	t.Parallel()
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts, in the kernel, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hang.Close()
	s := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: s, command: true, more: "probes: {uwsgi: \"" + hang.Addr().String() + "\"}\n"}).start(t)
	p.wantExit(t, 20*time.Second, 1)
	p.wantError(t, "uwsgi "+hang.Addr().String()+": no answer within", ".")
}

func TestSlowWhenIdle(t *testing.T) {
	t.Parallel()
	s := newTarget(t, behaviour{Wait: 700 * time.Millisecond})
	p := saturate(t, scenario{target: s, command: true, rest: "stress: {latency_p99: 500ms}\n"}).start(t)
	p.wantExit(t, 30*time.Second, 4)
	r := p.repeat(t)
	if r.Ending != ramp.AtMost {
		t.Errorf("ending %s, want %s: %s", r.Ending, ramp.AtMost, r.Why)
	}
	wantMatch(t, "why", r.Why, `7\d\dms.*latency_p99`)
}

// With default limits the same target is a slow one, and not a failing one.
func TestSlowWhenIdleWithDefaultLimits(t *testing.T) {
	t.Parallel()
	long(t)
	s := newTarget(t, behaviour{Wait: 700 * time.Millisecond})
	p := saturate(t, scenario{target: s, command: true, rest: "ramp: {start: 50, max: 50, precision: quick}\n"}).start(t)
	p.wantExit(t, 90*time.Second, 4)
	r := p.judged(t, "")
	if r.Ending != ramp.AtLeast || r.FailedShare > .01 {
		t.Errorf("ending %s with %.1f %% failed, want %s: %s", r.Ending, 100*r.FailedShare, ramp.AtLeast, r.Why)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var contacts atomic.Int64
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	go func() {
		for {
			c, err := elsewhere.Accept()
			if err != nil {
				return
			}
			contacts.Add(1)
			c.Close()
		}
	}()
	s := newTarget(t, behaviour{Location: "http://" + elsewhere.Addr().String() + "/"})
	p := saturate(t, scenario{target: s, command: true, rest: "ramp: {start: 50}\n",
		more: "ready: {path: /}\n"}).start(t)
	s.awaitLoad(t, p)
	p.signal(t, syscall.SIGINT)
	p.wantExit(t, 10*time.Second, 130)
	if n := contacts.Load(); n > 0 {
		t.Errorf("%d connections went where the target redirected to", n)
	}
	if r := p.repeat(t); r.Done == 0 || r.Failed > 0 {
		t.Errorf("%d of %d requests failed, want redirects to be answers", r.Failed, r.Done)
	}
}
