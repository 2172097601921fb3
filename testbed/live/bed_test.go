package live

import (
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

// TestShowsBed holds the bed itself to what the other tests take for granted:
// traffic follows the weights, users see who answered, and nothing stays behind.
func TestShowsBed(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "HAProxy before six real servers")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	time.Sleep(5 * time.Second)
	quiet := p.wantWell(t, 0)
	t.Logf("quiet:\n%s", quiet)
	wantShares(t, quiet, 1./6)
	if answer, err := p.HAProxy(t.Context(), "set server web/s1 weight 50"); err != nil || answer != "" {
		t.Fatalf("%q, %v", answer, err)
	}
	eventually(t, time.Second, "the watcher sees it", func() bool { return p.watch.now().states["s1"].Weight == 50 })
	p.crowd.Turn()
	time.Sleep(5 * time.Second)
	wantShares(t, p.wantWell(t, 0), .5)
	p.HAProxy(t.Context(), "set server web/s1 weight 10")
	p.wantAsFound(t, time.Now())
}

// TestShowsBedNginx is the same for nginx.
func TestShowsBedNginx(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "nginx before six real servers")
	p := produce(t, Config{Balancer: "nginx"}, 200)
	time.Sleep(5 * time.Second)
	wantShares(t, p.wantWell(t, 0), 1./6)
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	wantShares(t, p.wantWell(t, 0), 1./6)
}

// wantShares wants the first server to have a share of the users, and the others
// the rest in equal parts, within four standard deviations.
func wantShares(t *testing.T, users *Figures, first float64) {
	t.Helper()
	n := float64(users.Done)
	for name, s := range users.Servers {
		want := first
		if name != "s1" && !strings.HasSuffix(name, fmt.Sprint(firstPort)) {
			want = (1 - first) / (Count - 1)
		}
		if got := float64(s.Done) / n; math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/n) {
			t.Errorf("%q answered %.1f %% of %v, want %.1f %%", name, 100*got, n, 100*want)
		}
	}
	if len(users.Servers) != Count {
		t.Errorf("%d servers answered, want %d", len(users.Servers), Count)
	}
}

// TestShowsBedStops wants nothing of a bed to be left.
func TestShowsBedStops(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "HAProxy before six real servers")
	p := produce(t, Config{}, 50)
	p.crowd.Stop()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	for _, address := range []string{strings.TrimPrefix(p.URL(), "http://"), p.Servers[0].Address, p.Servers[5].Stats} {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("something still listens at %s", address)
		}
	}
}
