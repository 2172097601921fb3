package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"saturate/loadgen"
	"saturate/ramp"
	"saturate/stress"
	"saturate/stress/probe"
)

// least is the least that a scenario needs.
const least = "targets: [{url: http://127.0.0.1:8080}]\ntraffic: {requests: [{path: /}]}\n"

// leastLive is the same for live traffic.
const leastLive = "targets: [{url: http://127.0.0.1:8080, server: s1, probes: {host: true}}]\n" +
	"live: {max_weight: 3, balancer: {haproxy: {socket: /run/haproxy/admin.sock, backend: web}}}\n"

func TestDefaults(t *testing.T) {
	got, err := Decode([]byte(least), "some/where/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	traffic := loadgen.Default
	traffic.Requests = []loadgen.Request{{Name: "/", Path: "/"}}
	want := &Scenario{
		Name:    "web",
		Targets: []Target{{Name: "127.0.0.1:8080", URL: "http://127.0.0.1:8080", Ready: Ready{Within: 30 * time.Second}}},
		Traffic: traffic, Ramp: ramp.Default, Stress: stress.Default, Repeat: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Scenario{})); diff != "" {
		t.Error(diff)
	}
	if got.Text() != least {
		t.Errorf("Text() = %q", got.Text())
	}
}

// TestValues decodes every kind of value that a scenario can have.
func TestValues(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := errors.Join(os.MkdirAll("in/sub", 0o755), os.WriteFile("in/sub/ca.pem", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	got, err := Decode([]byte(`
name: 5
labels: {canary: true, region: no, build: 4e2}
targets:
  - url: https://example.test:8443/app
    command: [python3, -m, http.server, 8000]
    dir: sub
    env: {DEBUG: 0, TOKEN: "x: y"}
    pin: 0-1,3
    ready: {path: /health, within: 1m30s}
    probes: {pidfile: run/web.pid, cpus: 2.5, host: false, metrics: [{url: 'http://127.0.0.1/metrics', gauges: {queue: web_queue}}]}
traffic:
  arrivals: even
  timeout: 1500ms
  connections: 64
  headers: {X-Count: 7}
  ca: &ca sub/ca.pem
  requests:
    - &base {name: a, weight: 2, path: /a}
    - <<: *base
      name: b
      body_file: *ca
      expect: [200, 404]
ramp: {start: 1e1, max: 0500, precision: long}
stress: {cpu: 80%, workers: 0.75, latency_p99: 250ms, metrics: {queue: 3}}
repeat: 4
`), "in/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := withDefaults()
	want.Name, want.Repeat = "5", 4
	want.Labels = map[string]string{"canary": "true", "region": "no", "build": "4e2"}
	tgt := Target{
		Name: "example.test:8443", URL: "https://example.test:8443/app",
		Command: []string{"python3", "-m", "http.server", "8000"}, Dir: "in/sub",
		Env: map[string]string{"DEBUG": "0", "TOKEN": "x: y"},
		Pin: Pin{CPUs: []int{0, 1, 3}}, Ready: Ready{Path: "/health", Within: 90 * time.Second},
	}
	tgt.Probes.Pidfile, tgt.Probes.CPUs = "in/run/web.pid", 2.5
	tgt.Probes.Metrics = []probe.Page{{URL: "http://127.0.0.1/metrics", Gauges: map[string]string{"queue": "web_queue"}}}
	want.Targets = []Target{tgt}
	want.Traffic.Arrivals, want.Traffic.Timeout, want.Traffic.Connections = "even", 1500*time.Millisecond, 64
	want.Traffic.Headers, want.Traffic.CA = map[string]string{"X-Count": "7"}, "in/sub/ca.pem"
	want.Traffic.Requests = []loadgen.Request{
		{Name: "a", Weight: 2, Path: "/a"},
		{Name: "b", Weight: 2, Path: "/a", BodyFile: "in/sub/ca.pem", Expect: []int{200, 404}},
	}
	want.Ramp = ramp.Config{Start: 10, Max: 500, Precision: "long"}
	want.Stress.CPU, want.Stress.Workers, want.Stress.LatencyP99 = .80, .75, 250*time.Millisecond
	want.Stress.Metrics = map[string]float64{"queue": 3}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Scenario{})); diff != "" {
		t.Error(diff)
	}
}

// TestMistakes has one mistake each; the file is least with lines before it.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name, file, want string
	}{
		{"unknown key", "raet: 1\n", `1:1: raet: is not a key that saturate knows`},
		{"typing mistake", "reqiure: []\n", `1:1: reqiure: is not a key that saturate knows | did you mean "require"?`},
		{"key of another section", "timeout: 5s\n", `1:1: timeout: is not a key that saturate knows | timeout stands in fleet.prometheus or live.balancer.command or traffic; known here:`},
		{"number without unit", "stress: {latency_p99: 5}\n", `1:23: stress.latency_p99: "5" is a duration without a unit | write 5s or 5ms`},
		{"unit in words", "stress: {latency_p99: 10 sec}\n", `"10 sec" is not a duration | write 10s`},
		{"no duration", "stress: {latency_p99: soon}\n", `"soon" is not a duration | write a number and a unit`},
		{"negative duration", "stress: {latency_p99: -5s}\n", `stress.latency_p99: must not be negative`},
		{"nan", "ramp: {max: .nan}\n", `1:13: ramp.max: must be a finite number`},
		{"NaN", "ramp: {max: NaN}\n", `ramp.max: must be a finite number`},
		{"inf", "ramp: {max: +.Inf}\n", `ramp.max: must be a finite number`},
		{"nan share", "stress: {cpu: nan%}\n", `stress.cpu: must be a finite number`},
		{"negative", "ramp: {start: -1}\n", `ramp.start: must not be negative`},
		{"huge", "repeat: 99999999999999999999\n", `repeat: must be a whole number`},
		{"fraction", "repeat: 1.5\n", `1:9: repeat: must be a whole number, and is "1.5"`},
		{"word for number", "ramp: {max: high}\n", `ramp.max: must be a number, and is "high"`},
		{"quoted number", "ramp: {max: '5'}\n", `ramp.max: must be a number, and is text in quotes | remove the quotes`},
		{"list for text", "name: [a]\n", `1:7: name: must be text, and is a list`},
		{"text for list", "require: appweight\n", `must be a list, and is "appweight" | write [appweight]`},
		{"text for section", "ramp: fast\n", `must be a section of keys and values, and is "fast"`},
		{"list for section", "ramp: [fast]\n", `must be a section of keys and values, and is a list`},
		{"no value", "ramp:\n", `1:6: ramp: has no value`},
		{"null", "name: ~\n", `name: has no value`},
		{"tag", "name: !!binary aGk=\n", `name: has the tag !!binary`},
		{"own tag", "ramp: !fast {max: 1}\n", `ramp: has the tag !fast`},
		{"twice", "name: a\nname: b\n", `2:1: name: stands here again, after line 1 | keep one`},
		{"key that is a list", "? [a]\n: b\n", `has a key that is not a word`},
		{"bad merge", "ramp: {<<: 5}\n", `ramp: merges (<<) something that is "5"`},
		{"repeat", "repeat: 0\n", `repeat: must be 1 or more`},
		{"label", "labels: {a-b: c}\n", `1:15: labels.a-b: is not a name of a label`},
		{"label of two lines", "labels: {a: \"b\\nc\"}\n", `labels.a: has a character that cannot be printed`},
		{"unset variable", "name: ${SATURATE_UNSET}\n", `name: the environment variable SATURATE_UNSET is not set | set it`},
		{"half a variable", "name: ${a-b}\n", `name: has a ${ that is not followed`},
		{"precision", "ramp: {precision: best}\n", `1:19: ramp.precision: "best" is not a precision`},
		{"start above max", "ramp: {start: 5, max: 4}\n", `1:15: ramp.start: 5 is above max 4`},
		{"share above 1", "stress: {cpu: 90}\n", `stress.cpu: 90 is more than the whole | did you mean 90%?`},
		{"fleet", "fleet: {fixed: {per_second: 5}}\n", `1:9: fleet.fixed.unit: is missing`},
		{"fleet's api", "fleet: {prometheus: {users: u}}\n", `1:9: fleet.prometheus.url: is missing`},
		{"fleet twice", "fleet: {fixed: {unit: requests, per_second: 5, active_users: 2}, prometheus: {url: 'http://a', users: u}}\n", `1:78: fleet.prometheus: stands beside fixed`},
		{"fleet's users", "fleet: {fixed: {per_second: 5}}\n", `1:9: fleet.fixed.active_users: is missing`},
		{"requirement", "require: [appwight >= 3]\n", `1:11: require[0]: "appwight" is not something that can be required`},
		{"limit on nothing", "stress: {metrics: {queue: 5}}\n", `1:27: stress.metrics.queue: no target's metrics page has a gauge of this name | name it in a target`},
		{"appweight without fleet", "require: [appweight >= 3]\n", `require[0]: there is no appweight without the fleet's figures`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := mistakesOf(t, c.file+least)
			problem, hint, _ := strings.Cut(c.want, " | ")
			for _, m := range all {
				if strings.Contains(m.Error(), problem) && strings.Contains(m.Hint, hint) && m.Hint != "" {
					return
				}
			}
			t.Errorf("got\n%v\nwant %s", all, c.want)
		})
	}
}

func TestEngineForTargets(t *testing.T) {
	for traffic, want := range map[string]string{
		"engine: fast":              `traffic.engine: is fast: the fast engine cannot offer this load: fast does not speak TLS`,
		"engine: fast, http2: true": "fast does not speak",
	} {
		all := mistakesOf(t, "targets: [{url: 'https://a'}, {url: 'unix:///run/b'}]\ntraffic: {"+traffic+", requests: [{path: /}]}\n")
		if len(all) != 1 || !strings.Contains(all[0].Error(), want) {
			t.Errorf("%s: %v", traffic, all)
		}
	}
}

func TestMistakesInTargets(t *testing.T) {
	for _, c := range []struct {
		name, target, want string
	}{
		{"no url", "name: a", `1:11: targets[0].url: is missing`},
		{"no scheme", "url: web:80", `1:17: targets[0].url: "web:80" is not an address`},
		{"ftp", "url: ftp://web", `is not an address`},
		{"no host", "url: http://", `is not an address`},
		{"socket without a path", "url: unix://", `is not the path of a socket`},
		{"long path of a socket", "url: unix:///" + strings.Repeat("s", 107), `longer than a socket's path can be, 107 bytes`},
		{"relative socket", "url: unix://run/s", `is not the path of a socket`},
		{"password", "url: 'http://u:secret@web'", `has a user name or password in it`},
		{"query", "url: 'http://web/?a'", `has a query`},
		{"fragment", "url: 'http://web/#a'", `has a fragment`},
		{"port", "url: http://web:99999", `"99999" is not a port`},
		{"port 0", "url: http://web:0", `"0" is not a port`},
		{"no port", "url: 'http://web:'", `ends without a port`},
		{"ready path", "url: http://web, ready: {path: health}", `targets[0].ready.path: does not begin with a slash`},
		{"pin", "url: http://web, command: [a], pin: 3-1", `targets[0].pin: "3-1" is not a choice of CPUs`},
		{"pin alone", "url: http://web, pin: auto", `targets[0].pin: does nothing without a command`},
		{"empty command", "url: http://web, command: []", `targets[0].command: is empty`},
		{"empty program", "url: http://web, command: ['']", `targets[0].command[0]: is empty`},
		{"no such folder", "url: http://web, command: [a], dir: nowhere", `targets[0].dir: there is no folder`},
		{"environment", "url: http://web, command: [a], env: {'A=B': c}", `targets[0].env.A=B: is not an environment variable`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := mistakesOf(t, "targets: [{"+c.target+"}]\ntraffic: {requests: [{path: /}]}\n")
			if len(all) != 1 || !strings.Contains(all[0].Error(), c.want) {
				t.Errorf("got\n%v\nwant %s alone", all, c.want)
			}
		})
	}
}

// TestAllAtOnce finds mistakes of every stage in one go, in the file's order,
// and none twice.
func TestAllAtOnce(t *testing.T) {
	all := mistakesOf(t, `nmae: all
targets:
  - {url: http://a, name: one}
  - {url: http://b, name: one}
  - {url: b}
traffic:
  timeout: 5
  request: [{path: /}]
repeat: none
`)
	var got []string
	for _, m := range all {
		got = append(got, m.Path)
	}
	want := []string{"nmae", "targets[1].name", "targets[2].url", "traffic.timeout", "traffic.request", "repeat"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, all)
	}
}

// TestSyntax holds the lines of mistakes that the YAML parser places elsewhere.
func TestSyntax(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"tab", "a:\n\tb: 1\n\tc: 2\n", "2:1: this is not YAML: a tab"},
		{"second tab", "a:\n\tb: 1\n\tc: 2\n", "3:1: this is not YAML: a tab"},
		{"bracket", "name: x\nlabels: {a: 1\nrepeat: 2\nname: y\n", "2:1: this is not YAML"},
		{"quote", "name: x\nlabels: {a: b}\nrequire: ['a]\nrepeat: 2\n", "3:1: this is not YAML"},
		{"dash", "targets:\n  - name: a\n - name: b\n", "3:2: this is not YAML"},
		{"indentation", "name: x\n\n\ntargets:\n  - name: a\n   url: b\n", "6:4: this is not YAML"},
		{"colon", "name: a\nlabels\nrepeat: 2\n", "2:1: this is not YAML"},
		{"two colons", "name: a: b\n", "1:1: this is not YAML"},
		{"unknown anchor", "name: a\nramp: *x\n", "2:1: this is not YAML: unknown anchor"},
		{"control character", "name: a\x01\n", "1:1: this is not YAML"},
		{"not UTF-8", "name: a\nb: \xff\n", "2:4: the file is not UTF-8 text"},
		{"two documents", "name: a\n---\nname: b\n", "2:1: a second document starts here"},
		{"bad second document", "name: a\n---\n\tb\n", "3:1: this is not YAML"},
		{"empty", "", "1:1: the file is empty"},
		{"comment", "# nothing\n", "1:1: the file is empty"},
		{"no mapping", "- a\n", "1:1: must be a section"},
		{"long", "# " + strings.Repeat("x", maxBytes), "1:1: the file is larger than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := mistakesOf(t, c.file)
			for _, m := range all {
				if strings.Contains(m.Error(), "x.yaml:"+c.want) {
					return
				}
			}
			t.Errorf("got\n%v\nwant %s", all, c.want)
		})
	}
}

func mistakesOf(t *testing.T, text string) Mistakes {
	t.Helper()
	s, err := Decode([]byte(text), "x.yaml")
	var all Mistakes
	if !errors.As(err, &all) || s != nil {
		t.Fatalf("Decode(%q) = %v, %v; want mistakes", text, s, err)
	}
	return all
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "web.yaml")
	if err := os.WriteFile(file, []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(file); err != nil || s.Name != "web" {
		t.Errorf("Load(%q) = %v, %v", file, s, err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a folder was loaded")
	}
	_, err := Load("exmaple")
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || hinted.Hint() != `did you mean "example"?` {
		t.Errorf("Load of a misspelt name: %v", err)
	}
	if err := os.WriteFile("example", []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load("example"); err != nil || s.Text() != least {
		t.Errorf("a file of a shipped name lost against it: %v", err)
	}
}

func TestShipped(t *testing.T) {
	t.Chdir("..") // commands and folders of shipped scenarios start at the repository
	for _, name := range Shipped() {
		s, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name {
			t.Errorf("%s calls itself %q", name, s.Name)
		}
		if !strings.HasPrefix(s.Text(), "# yaml-language-server: $schema=scenario.schema.json\n") {
			t.Errorf("%s does not name its schema on its first line", name)
		}
	}
}
