package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"saturate/loadgen/shift"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

func TestLiveDefaults(t *testing.T) {
	s, err := Decode([]byte(leastLive), "a/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := shift.Default
	want.Balancer.HAProxy = &balancer.HAProxy{Socket: "/run/haproxy/admin.sock", Backend: "web"}
	if diff := cmp.Diff(&want, s.Live); diff != "" {
		t.Error(diff)
	}
	if got := s.Targets[0]; got.Server != "s1" || got.Name != "127.0.0.1:8080" {
		t.Errorf("server %q of %q", got.Server, got.Name)
	}
	s, err = Decode([]byte(`
targets:
  - {name: web-1, url: "http://10.0.0.7:8080", probes: {agent: {url: "http://127.0.0.1:9321"}}}
live: {watchdog: {url: "https://lb-1:9322", ca: ca.pem, cert: c.pem, key: /etc/k.pem}, within: 5m, max_share: 20%}
traffic: {timeout: 8s}
`), "a/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := (watchdog.Remote{URL: "https://lb-1:9322", CA: "a/ca.pem", Cert: "a/c.pem", Key: "/etc/k.pem"}); s.Live.Watchdog != want {
		t.Errorf("%+v", s.Live.Watchdog)
	}
	if s.Targets[0].Server != "web-1" || s.Live.Within != 5*time.Minute || s.Live.MaxShare != .2 || s.Traffic.Timeout != 8*time.Second {
		t.Errorf("%+v", s)
	}
}

// TestLiveMistakes has what does not go with live traffic, all at once.
func TestLiveMistakes(t *testing.T) {
	file := `targets:
  - {name: a, url: "http://127.0.0.1:1", command: [uwsgi], dir: ., server: s1}
  - {name: b, url: "http://127.0.0.1:2", ready: {path: /}, server: s1, probes: {host: true}}
  - {name: c, url: "http://127.0.0.1:3", probes: {uwsgi: "127.0.0.1:4"}}
live: {balancer: {haproxy: {socket: run.sock}, nginx: {upstream: a}}, max_wieght: 3, max_share: 200%, within: 1s}
traffic: {arrivals: even, timeout: 5h, requests: [{path: /}]}
ramp: {start: 5}
`
	_, err := Decode([]byte(file), "live.yaml")
	for _, want := range []string{
		`:2:51: targets[0].command: is refused on live traffic: saturate does not start production`,
		`:3:49: targets[1].ready: does nothing on live traffic: the balancer says whether a server is up`,
		`:3:68: targets[1].server: "s1" is the server of targets[0] already`,
		`:4:50: targets[2].probes: names nothing that tells how the server is doing`,
		`:5:18: live.balancer: names more than one balancer`,
		`live.balancer.haproxy.socket: "run.sock" does not begin at the root`,
		`live.balancer.haproxy.backend: is missing`,
		`live.max_wieght: is not a key that saturate knows` + "\n\thint: did you mean \"max_weight\"?",
		`live.max_share: 2 is not a share of the traffic`,
		`live.within: 1s is not between`,
		`traffic.arrivals: does nothing on live traffic: the users send the requests`,
		`traffic.requests: does nothing on live traffic`,
		`traffic.timeout: 5h0m0s is not between`,
		`ramp.start: does nothing on live traffic`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestLiveKeysAlone(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"server without live", strings.Replace(least, "{url", "{server: s1, url", 1), `targets[0].server: does nothing without live`},
		{"no balancer", "targets: [{url: http://127.0.0.1:8080, probes: {host: true}}]\nlive: {within: 5m}\n", `live.balancer: names no balancer`},
		{"balancer beside a watchdog elsewhere", strings.Replace(leastLive, "max_weight: 3", "watchdog: {url: 'https://lb:9322', cert: a, key: b}", 1), `live.balancer: stands beside watchdog.url`},
		{"no probes", strings.Replace(leastLive, ", probes: {host: true}", "", 1), `targets[0].probes: names nothing that tells`},
		{"typing mistake in a section below", strings.Replace(leastLive, "backend", "bakend", 1), `live.balancer.haproxy.bakend: is not a key that saturate knows`},
	} {
		_, err := Decode([]byte(c.file), "x.yaml")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %q", c.name, err, c.want)
		}
	}
}
