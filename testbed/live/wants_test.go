package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// soon is how long the weights may take to be as found, from when whoever pushed
// them is gone and the balancer can be reached.
const soon = 3 * time.Second

// weights writes states as people do.
func weights(states map[string]State) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		text := fmt.Sprintf("%s=%d", name, s.Weight)
		if !s.Up {
			text += "(not up)"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// sameWeights compares weights and bounds; whether servers are up is theirs.
func sameWeights(a, b map[string]State) bool {
	return maps.EqualFunc(a, b, func(a, b State) bool { return a.Weight == b.Weight && a.MaxConns == b.MaxConns })
}

// wantAsFound wants the weights to be as found within 3 s of a moment, and to
// stay so for some time more. It returns how long it took.
func (p *production) wantAsFound(t *testing.T, from time.Time) time.Duration {
	t.Helper()
	return p.wantStates(t, from, p.found)
}

func (p *production) wantStates(t *testing.T, from time.Time, want map[string]State) time.Duration {
	t.Helper()
	took := time.Duration(-1)
	for limit := time.Now().Add(max(0, time.Until(from.Add(soon))) + 30*time.Second); took < 0; time.Sleep(20 * time.Millisecond) {
		c := p.watch.now()
		switch {
		case sameWeights(c.states, want):
			took = max(0, c.at.Sub(from))
		case time.Now().After(limit):
			t.Fatalf("after %v the weights are %s, want %s", time.Since(from).Round(time.Millisecond), weights(c.states), weights(want))
		}
	}
	if took > soon {
		t.Errorf("as found %v after, want at most %v", took.Round(time.Millisecond), soon)
	}
	restored := time.Now()
	time.Sleep(p.still)
	p.wantStood(t, restored, want)
	return took
}

// wantStood wants the weights to have been the same since a moment.
func (p *production) wantStood(t *testing.T, from time.Time, want map[string]State) {
	t.Helper()
	for _, c := range p.watch.since(from) {
		if !sameWeights(c.states, want) {
			t.Errorf("pushed afterwards: %s at %s", weights(c.states), c.at.Format("15:04:05.000"))
		}
	}
}

// begin starts a squeeze and waits until a server has much more than the weight
// found. A run that a busy machine has voided before is made again.
func (p *production) begin(t *testing.T, s squeeze, wrap func(*process) *process) *process {
	t.Helper()
	t.Cleanup(killWatchdogs)
	name := p.Servers[0].Name
	if s.servers != nil {
		name = s.servers[0]
	}
	for range 3 {
		run := p.squeeze(t, s)
		if wrap != nil {
			run = wrap(run)
		}
		run.start(t)
		if p.awaitSqueezed(t, run, name) {
			return run
		}
		if !run.voided() {
			t.Fatalf("%v has ended with %v before anything was squeezed", run.Args, run.ProcessState)
		}
		t.Log("the machine is busy otherwise: again")
	}
	t.Skip("the machine is too busy: nothing could be squeezed")
	return nil
}

// awaitSqueezed waits for that, and reports whether it came.
func (p *production) awaitSqueezed(t *testing.T, run *process, server string) (came bool) {
	t.Helper()
	eventually(t, 90*time.Second, server+" is squeezed", func() bool {
		select {
		case <-run.ended:
			return true
		default:
			came = float64(p.watch.now().states[server].Weight) >= raised*float64(p.found[server].Weight)
			return came
		}
	})
	return came
}

// wantWell wants less than a share of the users to have failed since the last
// turn, and returns what they saw.
func (p *production) wantWell(t *testing.T, most float64) *Figures {
	t.Helper()
	users := p.crowd.Turn()
	if users.Done < 100 {
		t.Errorf("%d users only: nothing is shown", users.Done)
	}
	if users.FailedShare() > most {
		t.Errorf("%d of %d users failed, %.3f %%; want at most %.2f %%\n%s",
			users.Failed, users.Done, 100*users.FailedShare(), 100*most, users)
	}
	return users
}

func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
