package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"saturate/record"
)

// slowBackend is what the backend takes on the third night, in milliseconds: 40 on
// the others, so that with the 1 ms of CPU of a request a worker is kept for 18 %
// longer, and 15 % fewer requests go through.
const slowBackend = "47.3"

// TestShowsNights does what docs/history.md says of a nightly run, with the real
// program on a real server: three nights, the third 15 % slower. The exit code of
// the requirement, the report and an alert must say so; and since three nights
// cannot tell a change from chance, the report must say that, too, and the alert
// on a change must be silent.
func TestShowsNights(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "three nights on a real server")
	promtool := promtool(t)
	program, dir := saturate(t), t.TempDir()
	t.Setenv("SATURATE_HISTORY", filepath.Join(dir, "history.db"))
	text, err := os.ReadFile(filepath.Join(root(t), "scenarios", "django-workers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const require = `require: ["sustained.at_limit >= 0.92 * baseline"]`
	documented(t, require)
	scenario := filepath.Join(dir, "web.yaml")
	if err := os.WriteFile(scenario, append(text, "\n"+require+"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	night := func(n int) (r *record.Record, exit int) {
		r, exit = measureAgain(t, program, scenario, "--precision", "quick",
			"-o", "html="+filepath.Join(dir, "web.html"), "-o", "markdown="+filepath.Join(dir, "web.md"), "-o", "openmetrics="+filepath.Join(dir, "web.prom"))
		if spoilt(r) {
			t.Fatalf("night %d was spoilt three times", n)
		}
		return r, exit
	}
	page := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	// The first night has nothing to be held against, and says what to do.
	r, exit := night(1)
	if exit != 4 || len(r.Requirements) != 1 || r.Requirements[0].Outcome != record.Undecided {
		t.Fatalf("the first night: exit code %d, %+v", exit, r.Requirements)
	}
	documented(t, "saturate history baseline last")
	if out, err := exec.Command(program, "history", "baseline", "last").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	first := r.Targets[0].Sustained().AtLimit

	r, exit = night(2)
	if exit != 0 || r.Requirements[0].Outcome != record.Met {
		t.Errorf("the second night: exit code %d, %+v", exit, r.Requirements)
	}
	alerts(t, promtool, page("web.prom"), nil)

	t.Setenv("SATURATE_BACKEND_MS", slowBackend)
	r, exit = night(3)
	if exit != 3 || r.Requirements[0].Outcome != record.Missed {
		t.Errorf("the third night: exit code %d, %+v", exit, r.Requirements)
	}
	third := r.Targets[0].Sustained().AtLimit
	t.Logf("the third night's limit is %+.1f%% against the first's", 100*(third/first-1))
	if third/first > .89 || third/first < .81 {
		t.Errorf("the third night's limit is %.4g req/s, the first's %.4g: that is not 15 %% less", third, first)
	}
	verdict := regexp.MustCompile(`The last of 3 nights is -1\d\.\d% against those before\. It takes 11 more nights before a change can be told from chance\.`)
	for _, name := range []string{"web.html", "web.md"} {
		text := page(name)
		if !verdict.MatchString(text) {
			t.Errorf("%s does not say %s", name, verdict)
		}
		if !strings.Contains(text, "missed") {
			t.Errorf("%s does not say that the requirement was missed", name)
		}
	}
	alerts(t, promtool, page("web.prom"), []string{"SaturateRequirementMissed"})
}

// documented wants a line in the docs that the test goes by.
func documented(t *testing.T, line string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "history.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), line) {
		t.Errorf("docs/history.md has no %q", line)
	}
}

// promtool is the path of Prometheus's own checker.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	path := filepath.Join(root(t), ".cache", "prometheus", "usr", "bin", "promtool")
	if _, err := os.Stat(path); err != nil {
		t.Skip("promtool is not here: run testbed/prometheus/install")
	}
	return path
}

// alerts gives promtool a textfile as node_exporter would serve it for an hour,
// with the shipped rules, and wants these to fire and no other.
func alerts(t *testing.T, promtool, textfile string, want []string) {
	t.Helper()
	rules := filepath.Join(root(t), "deploy", "prometheus", "saturate-alerts.yml")
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files: [%s]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n", rules)
	for line := range strings.Lines(textfile) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && !strings.HasPrefix(line, "#") {
			fmt.Fprintf(&b, "      - {series: '%s', values: '%sx60'}\n", strings.ReplaceAll(line[:i], "'", "''"), strings.TrimSpace(line[i:]))
		}
	}
	b.WriteString("    promql_expr_test:\n")
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
		samples := "[]"
		if slices.Contains(want, alert[1]) {
			samples = "[{labels: '{}', value: 1}]"
		}
		fmt.Fprintf(&b, "      - {expr: 'count(ALERTS{alertname=\"%s\", alertstate=\"firing\"})', eval_time: 50m, exp_samples: %s}\n", alert[1], samples)
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("wanted %v to fire: %s\n%s", want, out, b.String())
	}
}
