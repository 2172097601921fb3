package balancer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const commandJSON = `{
	"boot": "7", "queued": 2,
	"servers": [
		{"name": "web-1", "address": "10.0.0.1:80", "weight": 100, "status": "up", "requests": 5000, "failed": 3, "in_flight": 4},
		{"name": "web-2", "weight": 0, "status": "drain", "detail": "draining", "requests": 0, "failed": 0}
	]
}`

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func openedCommand(t *testing.T, get, set []string) Balancer {
	t.Helper()
	return hurried(t, get, set, 30*time.Second)
}

// hurried bounds each run of a program.
func hurried(t *testing.T, get, set []string, within time.Duration) Balancer {
	t.Helper()
	b, err := Open(Config{Command: &Command{Get: get, Set: append(set, "{server}", "--weight={weight}"), Delay: 30 * time.Second, MaxWeight: 200, Timeout: within}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadCommand(t *testing.T) {
	b := openedCommand(t, []string{"/bin/echo", commandJSON}, []string{"true"})
	got, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got.At = time.Time{}
	want := Backend{Boot: "7", MaxWeight: 200, Queued: 2, Failed: 3, Servers: []Server{
		{Name: "web-1", Address: "10.0.0.1:80", Weight: 100, Status: Up, Requests: 5000, Failed: 3, InFlight: 4},
		{Name: "web-2", Status: Drain, Detail: "draining"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.Delay() != 30*time.Second || !strings.HasPrefix(b.Name(), "command /bin/echo") {
		t.Errorf("%s acts after %v", b.Name(), b.Delay())
	}
}

func TestParseCommand(t *testing.T) {
	const rest = `"weight": 1, "status": "up", "requests": 1, "failed": 1`
	for _, c := range []struct{ text, want string }{
		{"", "is not the JSON"},
		{"{}", "has no servers"},
		{`{"servers": []} x`, "goes on"},
		{`{"servers": [{"name": "a", "wieght": 1}]}`, `unknown field "wieght"`},
		{`{"servers": [{"name": "a", "status": "up", "requests": 1, "failed": 1}]}`, "servers[0] (a) needs weight"},
		{`{"servers": [{"name": "a", "weight": 1, "status": "up", "failed": 1}]}`, "requests"},
		{`{"servers": [{"name": "a", ` + rest + `}, {"name": "a", ` + rest + `}, {` + rest + `}]}`, "servers[1] has no name of its own\nservers[2]"},
		{`{"servers": [{"name": "a", ` + rest + `, "in_flight": -1}]}`, "below 0"},
		{`{"servers": [{"name": "a", "weight": 1, "status": "UP", "requests": 1, "failed": 1}]}`, `status "UP" is not`},
		{`{"failed": 9, "servers": [{"name": "a", ` + rest + `}]}`, ""},
	} {
		_, err := parseCommand([]byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %q", c.text, err, c.want)
		}
	}
}

func TestSetByCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	b := openedCommand(t, []string{"true"}, []string{script(t, `for a; do echo "<$a>" >> `+out+`; done; [ "$1" != bad ] || { echo no such rule >&2; exit 3; }`)})
	if err := b.SetWeights(t.Context(), map[string]int{"web 2; $(reboot)": 7, "web-1": 200}); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(out)
	if want := "<web 2; $(reboot)>\n<--weight=7>\n<web-1>\n<--weight=200>\n"; err != nil || string(got) != want {
		t.Errorf("%v: the program was given\n%s", err, got)
	}
	err = b.SetWeights(t.Context(), map[string]int{"bad": 7})
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no such rule") {
		t.Errorf("error = %v", err)
	}
	if err := b.SetWeights(t.Context(), map[string]int{"web-1": 201}); err == nil {
		t.Error("a weight above the highest was let through")
	}
}

func TestCommandFails(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"head -c 5000000 /dev/zero", "printed more than 4 MiB"},
		{"echo not allowed >&2; exit 1", "not allowed"},
		{"exit 1", "exit status 1"},
	} {
		_, err := openedCommand(t, []string{script(t, c.text)}, []string{"true"}).Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %q", c.text, err, c.want)
		}
	}
	for _, text := range []string{"exec sleep 60", "sleep 60 & wait"} {
		_, err := hurried(t, []string{script(t, text)}, []string{"true"}, 500*time.Millisecond).Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), "did not end within 500ms") {
			t.Errorf("%s: error = %v", text, err)
		}
	}
	late := filepath.Join(t.TempDir(), "late")
	b := hurried(t, []string{"true"}, []string{script(t, "(sleep 1.5; touch "+late+") & wait")}, time.Second)
	if err := b.SetWeights(t.Context(), map[string]int{"web-1": 1}); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("error = %v", err)
	}
	time.Sleep(time.Second)
	if _, err := os.Stat(late); err == nil {
		t.Error("a program that was ended set something later")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openedCommand(t, []string{"true"}, []string{"true"}).Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
