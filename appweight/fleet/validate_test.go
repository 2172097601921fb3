package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"saturate/appweight"
)

func TestValidate(t *testing.T) {
	good := Config{URL: "https://prometheus.example/prefix/", Users: "max(active_users)", Timezone: "UTC"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		config Config
		want   string // paths
	}{
		{Config{}, "url users"},
		{Config{URL: "prometheus:9090", Users: "x"}, "url"},
		{Config{URL: "https://me:secret@prometheus", Users: "x"}, "url"},
		{Config{URL: "http://p/api/v1", Users: "x"}, "url"},
		{Config{URL: "http://p?x=1", Users: "x"}, "url"},
		{Config{URL: "http://p", Users: "x", Counted: &Counted{ActiveUsers: -1, At: "noon"}}, "counted counted.active_users counted.at"},
		{Config{URL: "http://p", Counted: &Counted{ActiveUsers: 1, At: "2026-11-20T20:15:00Z", StandardError: -1}, Day: "2026-11-20"}, "counted.standard_error day"},
		{Config{URL: "http://p", Users: "x", BearerToken: "t", BasicAuth: &BasicAuth{}, Cert: "c"}, "basic_auth basic_auth.username cert"},
		{Config{URL: "http://p", Users: "x", Headers: map[string]string{"X Y": "1", "A": "b\nc", "ok": "1"}}, "headers.A headers.X Y"},
		{Config{URL: "http://p", Users: "x", Source: "perf"}, "hosts source"},
		{Config{URL: "http://p", Users: "x", Source: Own, Recorded: true}, "hosts queries recorded"},
		{Config{URL: "http://p", Users: "x", Labels: Labels{Host: "a-b", ISA: "1"}, Info: " "}, "info labels.host labels.isa"},
		{Config{URL: "http://p", Users: "x", Timezone: "Mars/Olympus", Day: "yesterday", Window: 59 * time.Second, Step: 2 * time.Second, ScrapeInterval: -1, Timeout: 1}, "day scrape_interval step timeout timezone window"},
		{Config{URL: "http://p", Users: "x", Timezone: "Local", Window: 10*time.Minute + 30*time.Second}, "timezone window"},
	} {
		var paths []string
		if joined, ok := c.config.Validate().(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				var m *appweight.Mistake
				if !errors.As(err, &m) {
					t.Fatalf("%T", err)
				}
				if strings.Contains(m.Problem+m.Hint, "secret") {
					t.Errorf("%s: %s tells a secret", m.Path, m.Problem)
				}
				paths = append(paths, m.Path)
			}
		}
		slices.Sort(paths)
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.config, got, c.want)
		}
	}
}
