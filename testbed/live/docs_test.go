package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"saturate/loadgen/shift/balancer"
	"saturate/scenarios"
)

// page is docs/live.md.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/live.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPageScenario reads the scenario of the page, and every balancer on it.
func TestPageScenario(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(# web-live.yaml\n.*?)```").FindStringSubmatch(page(t))
	if blocks == nil {
		t.Fatal("the page has no web-live.yaml")
	}
	s, err := scenarios.Load(write(t, "web-live.yaml", blocks[1]))
	if err != nil {
		t.Fatal(err)
	}
	if s.Live == nil || len(s.Targets) != 2 || s.Targets[1].Server != "s2" {
		t.Errorf("%+v", s)
	}
	found := regexp.MustCompile(`(?m)^ *balancer:(?: \{.*\}|\n(?: {8,}.*\n)+)`).FindAllString(page(t), -1)
	found = append(found, regexp.MustCompile(`echo '(balancer: .*)' >`).FindStringSubmatch(page(t))[1])
	if len(found) < 3 {
		t.Fatalf("%d balancers: %q", len(found), found)
	}
	for _, text := range found {
		var c struct{ Balancer balancer.Config }
		if err := yaml.Unmarshal([]byte(text), &c); err != nil {
			t.Errorf("%s\n%v", text, err)
		} else if err := c.Balancer.Validate(); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

// TestPageConfigurations has the balancers read what the page says of them.
func TestQuickPageConfigurations(t *testing.T) {
	tell(t, "SATURATE_STACKS", "the page's configurations, read by the balancers")
	t.Setenv("PATH", path())
	for _, c := range []struct {
		start, before, after string
		check                func(file string) *exec.Cmd
	}{
		{"    global\n", "", "listen front\n  mode http\n  bind 127.0.0.1:19079\n", func(file string) *exec.Cmd {
			return exec.Command("haproxy", "-c", "-f", file)
		}},
		{"    http {\n", "daemon off; error_log stderr; pid @DIR@/nginx.pid; events {}\n", "", func(file string) *exec.Cmd {
			return exec.Command("nginx", "-t", "-e", "stderr", "-c", file)
		}},
	} {
		dir := t.TempDir()
		_, text, ok := strings.Cut(page(t), c.start)
		if !ok {
			t.Fatalf("the page has no %q", c.start)
		}
		text, _, _ = strings.Cut(c.start+text, "\n\n")
		text = c.before + text + "\n" + c.after
		for _, replace := range [][2]string{
			{"include /etc/nginx/upstreams/web.conf;", "upstream web { server 10.0.0.11:8080 weight=100; }"},
			{"/var/log/nginx", dir}, {"@DIR@", dir}, {"/run/haproxy", dir},
		} {
			text = strings.ReplaceAll(text, replace[0], replace[1])
		}
		file := filepath.Join(dir, "configuration")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := c.check(file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, text)
		}
	}
}

// TestPageCommands wants every command of ours on the page to have the flags that
// it is shown with.
func TestQuickPageCommands(t *testing.T) {
	tell(t, "SATURATE_STACKS", "the page's commands, asked for their flags")
	commands := regexp.MustCompile(`saturate (run|restore|watchdog|doctor|validate)\b[^\n|#]*`).FindAllStringSubmatch(page(t), -1)
	if len(commands) < 8 {
		t.Fatalf("%d commands", len(commands))
	}
	for _, c := range commands {
		help := saturate(t, shortDir(t), c[1], "--help").start(t)
		<-help.ended
		for _, flag := range regexp.MustCompile(`--[a-z.-]+`).FindAllString(c[0], -1) {
			if !strings.Contains(help.out.String(), flag) {
				t.Errorf("%s: no flag %s", c[0], flag)
			}
		}
	}
}
