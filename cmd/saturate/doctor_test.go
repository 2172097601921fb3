package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"saturate/appweight/fleet"
	"saturate/stress/agent"
	"saturate/stress/probe"
)

// examine has doctor look at a scenario.
func examine(t *testing.T, text string, f doctorFlags) (said string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := doctor(t.Context(), &environment{stdout: &out, stderr: &out, getenv: os.Getenv}, []string{file}, f)
	return out.String(), codeOf(err)
}

func says(t *testing.T, said string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(said, line) {
			t.Errorf("it does not say %q:\n%s", line, said)
		}
	}
}

// countable reports whether this machine counts instructions of the scope.
func countable(scope string) bool {
	for _, d := range probe.Countable() {
		if d.Scope == scope {
			return d.Err == nil
		}
	}
	return false
}

func TestDoctorTarget(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/status":
			fmt.Fprint(w, "Active connections: 1\nserver accepts handled requests\n 1 1 1\nReading: 0 Writing: 1 Waiting: 0\n")
		case "/sick":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	t.Setenv("DOCTOR_SECRET", "sesame-42")
	scenario := func(more string) string {
		return fmt.Sprintf("targets:\n  - {name: web, url: %q, %s}\ntraffic: {requests: [{path: /}]}\n", server.URL, more)
	}
	self := fmt.Sprintf("pid: %d", os.Getpid())
	named := exitFailed
	if countable("host") {
		named = exitOK
	}
	required := exitFailed
	if countable("processes") {
		required = exitOK
	}
	for _, tt := range []struct {
		name, text string
		flags      doctorFlags
		code       int
		lines      []string
	}{
		{"well", scenario("ready: {path: /}, probes: {" + self + ", nginx: \"" + server.URL + "/status\"}"), doctorFlags{}, exitOK,
			[]string{"target web, " + server.URL, "  ok   answers\n", "  ok   processes of ", "  ok   nginx "}},
		{"a page is missing", scenario("probes: {" + self + ", nginx: \"" + server.URL + "/sick\"}"), doctorFlags{}, exitFailed,
			[]string{"  no   nginx ", "answered 503", "       hint: "}},
		{"not ready", scenario("ready: {path: /sick}, probes: {" + self + "}"), doctorFlags{}, exitFailed,
			[]string{"  no   is not ready: ", "  ok   processes of "}},
		{"a secret", scenario("probes: {" + self + ", nginx: \"" + server.URL + "/sick?${DOCTOR_SECRET}\"}"), doctorFlags{}, exitFailed,
			[]string{"/sick?${DOCTOR_SECRET}"}},
		{"no such group", scenario("probes: {cgroup: no/such/group}"), doctorFlags{}, exitFailed,
			[]string{"  no   cgroup no/such/group: ", "       hint: "}},
		{"a named scope", scenario("probes: {" + self + ", instructions: host}"), doctorFlags{}, named, []string{" instructions"}},
		{"required", scenario("probes: {" + self + "}"), doctorFlags{require: []string{"instructions"}}, required, []string{" instructions"}},
		{"required and off", scenario("probes: {" + self + ", instructions: off}"), doctorFlags{require: []string{"instructions"}}, exitFailed,
			[]string{"  no   its instructions are not counted\n", "hint: probes.instructions is off"}},
		{"another scope", scenario("probes: {"+self+", instructions: off}") + "fleet: {fixed: {unit: cpu_seconds, scope: host, per_second: 61, active_users: 12000}}\n", doctorFlags{}, exitFailed,
			[]string{"  ok   fixed figures, in cpu_seconds of host\n", "  no   web: ", `scope "processes"`}},
		{"in requests", scenario("probes: {"+self+", instructions: off}") + "fleet: {fixed: {unit: requests, per_second: 61, active_users: 12000}}\n", doctorFlags{}, exitOK,
			[]string{"  ok   web is held against it in requests\n"}},
		{"in instructions", scenario("probes: {"+self+", instructions: off}") + "fleet: {fixed: {unit: instructions, scope: host, per_second: 61e9, active_users: 12000}}\n", doctorFlags{}, exitFailed,
			[]string{"  no   its instructions are not counted\n"}},
		{"taken port", scenario("command: [saturate, demo]"), doctorFlags{}, exitFailed,
			[]string{"  ok   its command is saturate itself\n", "  no   something listens at ", "doctor does not"}},
		{"off, to be started", strings.Replace(scenario("command: [saturate, demo], probes: {instructions: off}"), server.URL, "http://127.0.0.1:1", 1),
			doctorFlags{require: []string{"instructions"}}, exitFailed, []string{"  no   its instructions are not counted\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said, code := examine(t, tt.text, tt.flags)
			if code != tt.code {
				t.Errorf("exit code %d, want %d:\n%s", code, tt.code, said)
			}
			says(t, said, tt.lines...)
			if strings.Contains(said, "sesame") {
				t.Errorf("a secret is told:\n%s", said)
			}
			if code == exitOK && strings.Contains(said, "  no   ") || code == exitFailed && !strings.Contains(said, "  no   ") {
				t.Errorf("exit code %d after\n%s", code, said)
			}
		})
	}
}

func TestDoctorAgent(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	a, err := agent.Open(agent.Config{Probes: probe.Config{PID: os.Getpid()}, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(t.Context()) }()
	t.Cleanup(func() { <-served })
	text := fmt.Sprintf("targets:\n  - {name: web, url: %q, probes: {agent: {url: %q}}}\ntraffic: {requests: [{path: /}]}\n", server.URL, a.URL())
	said, code := examine(t, text, doctorFlags{})
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	says(t, said, "  ok   answers\n", fmt.Sprintf("  ok   processes of %d\n", os.Getpid()))
}

func TestDoctorFleet(t *testing.T) {
	var out strings.Builder
	x := &examination{w: &out, redact: func(s string) string { return s }}
	r := fleet.Report{
		Day: "2026-11-20", Timezone: "Europe/Berlin", Peak: fleet.Peak{ActiveUsers: 12000},
		Doubts: []fleet.Doubt{{Text: "the day has a gap", Remedy: "read another day", Hosts: []string{"web-7"}}},
		Units: []fleet.Unit{
			{Unit: "instructions", Scope: "host", Refused: "a tenth of the servers report", Remedy: "enable the agent there"},
			{Unit: "cpu_seconds", Scope: "host", Coverage: .987, Servers: 1200},
			{Unit: "requests"},
		},
	}
	x.report(r, false)
	says(t, out.String(), "  ok   12000 active users in the peak of 2026-11-20 (Europe/Berlin)\n",
		"  --   instructions of host: a tenth of the servers report\n       hint: enable the agent there\n",
		"  ok   cpu_seconds of host: 98.7% of 1200 servers report\n", "  ok   requests: of the whole\n",
		"  --   the day has a gap (web-7)\n       hint: read another day\n")
	if x.bad != 0 {
		t.Errorf("%d bad, and other units can be used", x.bad)
	}
	if x.report(r, true); x.bad != 1 {
		t.Errorf("%d bad where no unit can be used", x.bad)
	}
}
