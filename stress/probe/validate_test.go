package probe

import (
	"math"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	page := Page{URL: "http://a/metrics", Gauges: map[string]string{"workers_busy": `busy{pool="web"}`}}
	for _, c := range []Config{
		{},
		{Cgroup: "system.slice/web.service", UWSGI: "127.0.0.1:1717", Listen: "unix:/run/web.sock", Nginx: "http://a/status"},
		{Pidfile: "run/web.pid", UWSGI: "unix:/run/stats", CPUs: 2.5, MemoryLimit: 1 << 30},
		{Host: true, UWSGI: "http://[::1]:1717", Listen: ":http"},
		{PID: 7, FPM: "https://a:1/status?json", Metrics: []Page{page}},
		{Gunicorn: &Gunicorn{Statsd: "localhost:8125", Workers: 8}},
		{Agent: &Agent{URL: "https://10.0.0.7:9321", CA: "ca.pem", Cert: "cert.pem", Key: "key.pem"}},
		{Agent: &Agent{URL: "https://web-1/", Cert: "cert.pem", Key: "key.pem"}},
		{Agent: &Agent{URL: "http://127.0.0.1:9321"}},
		{Agent: &Agent{URL: "http://[::1]:9321"}},
		{Agent: &Agent{URL: "http://localhost:9321"}},
	} {
		if m := c.Validate(); len(m) > 0 {
			t.Errorf("%+v: %v", c, m)
		}
	}
	for _, tt := range []struct {
		config Config
		want   string // the fields
	}{
		{Config{PID: -1}, "pid"},
		{Config{PID: 1, Pidfile: "a", Host: true}, "pidfile"},
		{Config{Cgroup: "/sys/fs/cgroup/web"}, "cgroup"},
		{Config{Cgroup: "a/../b"}, "cgroup"},
		{Config{CPUs: -1, MemoryLimit: -1}, "cpus memory_limit"},
		{Config{CPUs: math.NaN()}, "cpus"},
		{Config{Listen: "http://a:80", FPM: "127.0.0.1:9000", Nginx: "http:///status"}, "listen php_fpm nginx"},
		{Config{Listen: "unix:", UWSGI: "127.0.0.1:no-such-port"}, "listen uwsgi"},
		{Config{Gunicorn: &Gunicorn{}}, "gunicorn.statsd gunicorn.workers"},
		{Config{Gunicorn: &Gunicorn{Statsd: "unix:/a", Workers: 1}}, "gunicorn.statsd"},
		{Config{UWSGI: "a:1", FPM: "http://a/"}, "php_fpm"},
		{Config{Agent: &Agent{}}, "agent.url"},
		{Config{Agent: &Agent{URL: "web-1:9321"}}, "agent.url"},
		{Config{Agent: &Agent{URL: "ftp://web-1"}}, "agent.url"},
		{Config{Agent: &Agent{URL: "http://web-1:9321"}}, "agent.url"},
		{Config{Agent: &Agent{URL: "http://localhost.example:9321"}}, "agent.url"},
		{Config{Agent: &Agent{URL: "http://127.0.0.1:9321", Cert: "c", Key: "k"}}, "agent.cert agent.key"},
		{Config{Agent: &Agent{URL: "https://web-1:9321", CA: "ca"}}, "agent.cert agent.key"},
		{Config{Agent: &Agent{URL: "https://web-1:9321/stream", Cert: "c", Key: "k"}}, "agent.url"},
		{Config{Agent: &Agent{URL: "http://127.0.0.1:9321"}, Cgroup: "web", CPUs: 1, UWSGI: "a:1", Instructions: "host"}, "cgroup cpus instructions uwsgi"},
		{Config{Metrics: []Page{page, {}, {URL: "a:1", Gauges: map[string]string{"b": "c d"}, Counters: map[string]string{"e": ""}}}},
			"metrics[1].url metrics[1] metrics[2].url metrics[2].gauges.b metrics[2].counters.e"},
	} {
		var fields []string
		for _, m := range tt.config.Validate() {
			fields = append(fields, m.Field)
			if m.Msg == "" {
				t.Errorf("%+v: nothing is said of %s", tt.config, m.Field)
			}
		}
		if got := strings.Join(fields, " "); got != tt.want {
			t.Errorf("%+v: mistakes in %q, want %q", tt.config, got, tt.want)
		}
	}
}
