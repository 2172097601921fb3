package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A squeeze is what the tests vary of a scenario on live traffic.
type squeeze struct {
	servers   []string // to be squeezed; default s1
	balancer  string   // lines below live.balancer; default: what the bed has
	watchdog  string   // a line below live; default: one on this machine
	live      string   // further lines below live
	caps      string   // lines below live; default: enough to reach the limit
	probes    string   // instead of the server's pid file and stats
	stress    string   // the stress section's content
	precision string   // default quick
	state     string   // the state folder; default: one of the test's
}

// squeeze prepares `saturate run --live`.
func (p *production) squeeze(t *testing.T, s squeeze) *process {
	t.Helper()
	if s.state == "" {
		s.state = shortDir(t)
	}
	if s.precision == "" {
		s.precision = "quick"
	}
	json := filepath.Join(t.TempDir(), "record.json")
	run := saturate(t, s.state, "run", "--live", p.scenario(t, s), "--precision", s.precision, "-o", "text", "-o", "json="+json)
	run.json = json
	return run
}

// scenario writes the file.
func (p *production) scenario(t *testing.T, s squeeze) string {
	t.Helper()
	if s.servers == nil {
		s.servers = []string{p.Servers[0].Name}
	}
	if s.balancer == "" && s.watchdog == "" {
		s.balancer = p.balancerLines()
	}
	if s.caps == "" {
		s.caps = "max_weight: 25\nmax_share: 90%\n"
	}
	var b strings.Builder
	b.WriteString("targets:\n")
	for _, name := range s.servers {
		server, err := p.Server(name)
		if err != nil {
			t.Fatal(err)
		}
		probes := fmt.Sprintf("{pidfile: %s, uwsgi: %q}", server.Pidfile, server.Stats)
		if s.probes != "" {
			probes = s.probes
		}
		fmt.Fprintf(&b, "  - name: %s\n    url: http://%s\n    server: %q\n    probes: %s\n",
			filepath.Base(strings.TrimSuffix(server.Pidfile, ".pid")), server.Address, name, probes)
	}
	b.WriteString("live:\n")
	if s.balancer != "" {
		b.WriteString("  balancer:\n" + indent("    ", s.balancer))
	}
	b.WriteString(indent("  ", s.watchdog+s.caps+s.live))
	if s.stress != "" {
		b.WriteString("stress: " + s.stress + "\n")
	}
	return write(t, "live.yaml", b.String())
}

// balancerLines tell how saturate reaches the bed's balancer.
func (p *production) balancerLines() string {
	if p.Balancer == "nginx" {
		return fmt.Sprintf("nginx: {upstream_file: %s, upstream: web, access_log: %s, pid_file: %s, config: %s, reload: [kill, -HUP, %q]}\n",
			p.Upstream(), p.AccessLog(), filepath.Join(p.Dir, "nginx.pid"), p.NginxConfig(), fmt.Sprint(p.balancer.PID()))
	}
	return fmt.Sprintf("haproxy: {socket: %s, backend: web, log: %s}\n", p.Socket(), p.Log())
}

// shortDir is a folder of the test's whose path leaves room for a socket's name;
// the test's own has the test's name in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "live")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func indent(by, lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(by + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
