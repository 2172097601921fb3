package balancer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestConfigIsReadAndJournaled(t *testing.T) {
	for _, text := range []string{
		`haproxy: {socket: /run/haproxy/admin.sock, backend: web, log: /var/log/haproxy.log}`,
		`nginx: {upstream_file: /etc/nginx/web.conf, upstream: web, access_log: /var/log/nginx/saturate.log, reloads: 20, test: [a, b], reload: [c]}`,
		`command: {get: [/usr/bin/weights], set: [/usr/bin/weights, "{server}={weight}"], delay: 30s, max_weight: 999, timeout: 20s}`,
	} {
		var c, again Config
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		journaled, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(journaled, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("%s: journaled as %s:\n%s", text, journaled, diff)
		}
	}
}

func TestValidate(t *testing.T) {
	ok := HAProxy{Socket: "/run/s", Backend: "web"}
	nginx := Nginx{UpstreamFile: "/etc/u", Upstream: "web", AccessLog: "/var/log/l"}
	command := Command{Get: []string{"get"}, Set: []string{"set", "{server}", "{weight}"}, MaxWeight: 100}
	for _, c := range []struct {
		what   string
		config Config
		want   []string // paths and words of each mistake, in order
	}{
		{"fine", Config{HAProxy: &ok}, nil},
		{"fine", Config{Nginx: &nginx}, nil},
		{"fine", Config{Command: &command}, nil},
		{"nothing", Config{}, []string{"names no balancer"}},
		{"two", Config{HAProxy: &ok, Nginx: &nginx}, []string{"names more than one balancer"}},
		{"empty", Config{HAProxy: &HAProxy{}}, []string{"haproxy.socket: is missing", "haproxy.backend: is missing"}},
		{"tcp", Config{HAProxy: &HAProxy{Socket: "127.0.0.1:9999", Backend: "web"}}, []string{"asks for no password"}},
		{"tcp", Config{HAProxy: &HAProxy{Socket: "tcp://lb:9999", Backend: "web"}}, []string{"asks for no password"}},
		{"tcp", Config{HAProxy: &HAProxy{Socket: "ipv4@10.0.0.1:9999", Backend: "web"}}, []string{"asks for no password"}},
		{"prefixed", Config{HAProxy: &HAProxy{Socket: "unix@/run/s", Backend: "web"}}, []string{"is not a path"}},
		{"relative", Config{HAProxy: &HAProxy{Socket: "s", Backend: "a;b", Log: "l"}},
			[]string{"haproxy.socket: \"s\" does not begin at the root", "haproxy.backend", "haproxy.log"}},
		{"long", Config{HAProxy: &HAProxy{Socket: "/" + strings.Repeat("x", 107), Backend: "web"}}, []string{"has 108 bytes"}},
		{"empty", Config{Nginx: &Nginx{}}, []string{"nginx.upstream_file", "nginx.upstream", "nginx.access_log: is missing"}},
		{"programs", Config{Nginx: &Nginx{UpstreamFile: "/u", Upstream: "a b", AccessLog: "l", PIDFile: "p", Config: "c", Test: []string{}, Reload: []string{""}, Reloads: -1}},
			[]string{"nginx.upstream", "nginx.access_log", "nginx.pid_file", "nginx.config", "nginx.test", "nginx.reload", "nginx.reloads"}},
		{"empty", Config{Command: &Command{}}, []string{"command.get", "command.set", "command.max_weight"}},
		{"a program for a placeholder", Config{Command: &Command{Get: []string{"g"}, Set: []string{"{server}", "{weight}"}, MaxWeight: 1, Delay: time.Hour, Timeout: time.Hour}},
			[]string{"has no {server}", "command.delay", "command.timeout"}},
		{"a NUL", Config{Command: &Command{Get: []string{"g\x00"}, Set: command.Set, MaxWeight: 1}}, []string{"command.get: has a NUL"}},
	} {
		err := c.config.Validate()
		var got []error
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			got = joined.Unwrap()
		}
		if len(got) != len(c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %d mistakes, want %d: %v", c.what, len(got), len(c.want), err)
			continue
		}
		for i, want := range c.want {
			var m *Mistake
			if !errors.As(got[i], &m) || !strings.Contains(m.Error(), want) {
				t.Errorf("%s: mistake %d is %q, want %q", c.what, i, got[i], want)
			}
		}
		if _, err := Open(c.config); err == nil && c.want != nil {
			t.Errorf("%s: was opened", c.what)
		}
	}
}
