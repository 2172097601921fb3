package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"saturate/history"
	"saturate/record"
)

// nights puts two builds, each measured three nights on two servers, into a
// history and returns the environment that knows it.
func nights(t *testing.T) (*environment, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	db, err := history.Open(t.Context(), history.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i, build := range []string{"old", "new", "old", "new", "old", "new"} {
		r := kept()
		r.ID, r.At = fmt.Sprintf("01KAJ5M0G0000000000000000%d", i), r.At.AddDate(0, 0, i)
		rate := map[string]float64{"old": 100, "new": 110}[build] + float64(i)/10
		r.Targets[0].Labels = map[string]string{"build": build}
		r.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: rate, AtLimit: rate}
		second := r.Targets[0]
		second.Name = "web-2"
		second.Repeats = []record.Repeat{{Restart: 1, Ending: record.Found, Sustained: &record.Sustained{Rate: rate * 1.05, AtLimit: rate * 1.05}}}
		r.Targets = append(r.Targets, second)
		if err := db.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.SetBaseline(t.Context(), "01KAJ5M0G00000000000000000"); err != nil {
		t.Fatal(err)
	}
	env, stderr := quietEnvironment(map[string]string{"SATURATE_HISTORY": path})
	env.stdout, env.stdin = &bytes.Buffer{}, strings.NewReader("")
	return env, stderr
}

func TestCompareByLabel(t *testing.T) {
	env, stderr := nights(t)
	file := filepath.Join(t.TempDir(), "c.json")
	if code := run([]string{"compare", "build=old", "build=new", "-o", "text", "-o", "json=" + file}, env); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	text := env.stdout.(*bytes.Buffer).String()
	for _, want := range []string{"build=new carries more requests than build=old: +10.", "base          build=old", "sustained rate: 103 req/s to 113 req/s", "same servers"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Contains(data, []byte(`"measures"`)) {
		t.Errorf("%s, %v", data, err)
	}
}

// A side may come by a file with many records, and by standard input; what found
// no limit among many is left out and counted. report takes the same names.
func TestCompareTakesWhatReportTakes(t *testing.T) {
	env, stderr := nights(t)
	dir := t.TempDir()
	old, new := filepath.Join(dir, "old.jsonl"), filepath.Join(dir, "new.jsonl")
	for build, file := range map[string]string{"old": old, "new": new} {
		if code := run([]string{"history", "export", "--label", "build=" + build, file}, env); code != 0 {
			t.Fatal(stderr)
		}
	}
	lost := kept()
	lost.ID, lost.Ending, lost.Targets[0].Ending, lost.Targets[0].Repeats = "01KAJ5M0G00000000000000008", record.Inconclusive, record.Inconclusive, nil
	line, err := record.Marshal(lost)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(new)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{old, "-"}, {"build=old", "-"}} {
		out := &bytes.Buffer{}
		stderr.Reset()
		env.stdout, env.stdin = out, bytes.NewReader(append(text, line...))
		if code := run(append([]string{"compare"}, args...), env); code != 0 {
			t.Fatalf("%q: exit %d: %s", args, code, stderr)
		}
		words := strings.Join(strings.Fields(out.String()), " ") // whatever the lines are
		for _, want := range []string{"carries more requests than " + args[0], "sustained rate: 103 req/s to 113 req/s"} {
			if !strings.Contains(words, want) {
				t.Errorf("%q: no %q in\n%s", args, want, out)
			}
		}
		if !strings.Contains(stderr.String(), "-: 1 measurement found no limit and is left out") {
			t.Errorf("%q said %q", args, stderr)
		}
	}
	for name, want := range map[string]int{"build=old": 3, "baseline": 1, "last": 1, new: 3} {
		out := &bytes.Buffer{}
		env.stdout = out
		if code := run([]string{"report", name, "--scenario", "feed"}, env); code != 0 || strings.Count(out.String(), "scenario      feed") != want {
			t.Errorf("report %s: exit %d, %s\n%s", name, code, stderr, out)
		}
	}
}

func TestCompareSides(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"baseline", "last"}, 0, ""},
		{[]string{"baseline", "last", "--scenario", "other"}, exitNoAnswer, "there is no baseline"},
		{[]string{"baseline", "last", "--since", "2030-01-01"}, exitFailed, `no file and no record "last"`},
		{[]string{"build=old", "build=newer"}, exitNoAnswer, "nothing was measured under this name"},
		{[]string{"build=old"}, exitUsage, "needs two sides, not 1"},
		{[]string{"build=old", "build=new", "-o", "pdf"}, exitUsage, `there is no format "pdf" here`},
		{[]string{"build=old", "build=new", "--since", "soon"}, exitUsage, "is not a time"},
		{[]string{"01KAJ5M0G00000000000000009", "last"}, exitFailed, "01KAJ5M0G00000000000000009"},
	} {
		env, stderr := nights(t)
		if code := run(append([]string{"compare"}, c.args...), env); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: exit %d, want %d; %s", c.args, code, c.code, stderr)
		}
	}
}
