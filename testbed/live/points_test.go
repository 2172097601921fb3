package live

import (
	"strings"
	"testing"
	"time"

	"saturate/loadgen/shift/watchdog"
)

// TestShowsPoints kills the watchdog at every point of its work that it knows
// itself, and starts it again a second later, as its unit does. Until then the
// weights stay as they were pushed, and nobody pushes.
func TestShowsPoints(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "a watchdog killed at every point")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	a := &tally{what: "watchdog killed at a point"}
	for _, point := range watchdog.Points() {
		t.Run(point, func(t *testing.T) {
			a.try(t)
			p.calm(t)
			nth := point
			switch point {
			case "push: accepted", "push: in force":
				nth += ":150" // five a second; ninety come before the first weight, in 10 s of quiet and 8 s of traffic as found
			case "push: read":
				nth += ":3" // before every set of weights
			}
			g := p.guard(t, "127.0.0.1:19071", "SATURATE_TEST_CRASH="+nth)
			var run *process
			if point != "start: locked" {
				g.await(t)
				s := squeeze{watchdog: g.lines("https://" + g.listen), live: "max_conns: 150\n"}
				if strings.HasPrefix(point, "restore") {
					run = p.begin(t, s, nil)
					run.kill(t)
				} else {
					run = p.squeeze(t, s).start(t)
				}
			}
			select {
			case <-g.ended:
			case <-time.After(90 * time.Second):
				t.Fatal("the watchdog did not come by that point")
			}
			gone := time.Now()
			time.Sleep(time.Second)
			stood := p.watch.now().states
			p.wantStood(t, gone.Add(underWay), stood)
			from := time.Now()
			g.again(t)
			took := p.wantAsFound(t, from)
			if run != nil {
				run.wantExit(t, 30*time.Second, 1, 4, -1)
			}
			users := p.wantWell(t, fewFail)
			a.add(took, users)
			t.Logf("killed with %s; as found %v after its start; %d of %d users failed", weights(stood), took.Round(time.Millisecond), users.Failed, users.Done)
			g.kill(t)
		})
	}
	tellTallies(t, a)
}
