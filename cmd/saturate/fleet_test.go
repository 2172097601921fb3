package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"saturate/scenarios"
)

// production is an API in memory: so many servers of 2 G instructions a second,
// some of which report nothing.
type production struct{ servers, missing int }

var inQuery = regexp.MustCompile(`\[(\d+)s`)

func (p production) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	if strings.HasSuffix(r.URL.Path, "/query_range") {
		start, _ := strconv.Atoi(r.FormValue("start"))
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[`)
		for i := range 1440 {
			users := 12000 - 5*max(i-1230, 1230-i)
			fmt.Fprintf(w, `%s[%d,"%d"]`, map[bool]string{true: ","}[i > 0], start+60*i, users)
		}
		fmt.Fprint(w, `]}]}}`)
		return
	}
	n, value := p.servers-p.missing, 0.0
	seconds := 0.0
	if m := inQuery.FindStringSubmatch(query); m != nil {
		seconds, _ = strconv.ParseFloat(m[1], 64)
	}
	switch {
	case strings.HasPrefix(query, "quantile"):
		n, value = 1, (seconds+1)/15
	case strings.Contains(query, "(count_over_time((up"):
		n, value = p.servers, 15
	case strings.Contains(query, "requests"), strings.Contains(query, "cpu_seconds"), strings.Contains(query, " and "), strings.Contains(query, "resets"), strings.Contains(query, "timestamp"):
		n = 0
	case strings.Contains(query, "increase"):
		value = 2e9 * seconds
	case strings.Contains(query, "count_over_time"):
		value = (seconds + 1) / 15
	}
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[`)
	for i := range n {
		fmt.Fprintf(w, `%s{"metric":{"instance":"web-%d:9321","scope":"host","generation":"g%d"},"value":[1,"%g"]}`, map[bool]string{true: ","}[i > 0], i, i%2, value)
	}
	fmt.Fprint(w, `]}}`)
}

func fleetOf(t *testing.T, p production, args ...string) (code int, out, complaint string) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	var stdout, stderr strings.Builder
	env := &environment{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	code = run(append([]string{"fleet", "--url", server.URL, "--users", "active_users"}, args...), env)
	return code, stdout.String(), stderr.String()
}

func TestFleetPrints(t *testing.T) {
	code, out, complaint := fleetOf(t, production{200, 2}, "--timezone", "UTC")
	if code != exitOK || complaint != "" {
		t.Errorf("code %d: %s", code, complaint)
	}
	for _, want := range []string{
		"peak          20:23 to 20:38, the window with the most active users",
		"active users  11,981 in a minute",
		"instructions  400 G/s of the whole fleet, scope host",
		"              33.39 M/s for each active user, standard error 0.58%",
		"              198 of 200 servers report (99%), scraped about every 15 s",
		"generation  region  servers  report  instructions host/s  a server",
		"g0          -       100      99%     200 G                2 G",
		"instructions: 2 servers of the inventory have no figures (web-198, web-199)",
		"there are no figures in cpu_seconds",
	} {
		if !strings.Contains(out, want) && !strings.Contains(out, strings.TrimPrefix(want, "instructions: ")) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Below 95 % coverage there is nothing to compare with, and the exit says so.
func TestFleetRefuses(t *testing.T) {
	code, out, complaint := fleetOf(t, production{200, 20}, "--timezone", "UTC", "-o", "text", "-o", "scenario")
	if code != exitNoAnswer || !strings.Contains(complaint, "no figure can be used: instructions: 90% of the servers report") || !strings.Contains(complaint, "hint:") {
		t.Errorf("code %d: %s", code, complaint)
	}
	if !strings.Contains(out, "no figure, scope host: 90% of the servers report") || strings.Contains(out, "fixed:") {
		t.Errorf("%s", out)
	}
	if code, _, complaint := fleetOf(t, production{}, "--timezone", "UTC"); code != exitNoAnswer || !strings.Contains(complaint, "lists no server") {
		t.Errorf("code %d: %s", code, complaint)
	}
}

// What -o scenario prints is a scenario's section, with the same figures.
func TestFleetScenario(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "report.json")
	code, out, complaint := fleetOf(t, production{200, 0}, "--timezone", "UTC", "-o", "scenario", "-o", "json="+file)
	if code != exitOK {
		t.Fatalf("code %d: %s", code, complaint)
	}
	web := filepath.Join(dir, "web.yaml")
	text := "targets: [{url: http://127.0.0.1:1}]\ntraffic: {requests: [{path: /}]}\n" + out
	if err := os.WriteFile(web, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Load(web)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if f := s.Fleet.Fixed; f == nil || f.Unit != "instructions" || f.PerSecond != 400e9 || f.Servers != 200 || len(f.Generations) != 2 || f.Generations[1].Name != "g1" {
		t.Errorf("%+v", f)
	}
	var report struct {
		Version int
		Peak    struct{ To time.Time }
		Units   []struct{ Unit string }
		Queries []struct{ For, Query string }
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	if report.Version != 1 || report.Peak.To.IsZero() || len(report.Units) != 1 || len(report.Queries) < 8 || report.Queries[0].Query != "active_users" {
		t.Errorf("%+v", report)
	}
}
