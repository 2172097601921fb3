package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
)

// kept is a small record of a limit that was found.
func kept() *record.Record {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	return &record.Record{Version: record.Version, ID: record.NewID(now), At: now, Scenario: "feed", Ending: record.Found,
		Load: record.Load{Unit: "req/s"}, Targets: []record.Target{{Name: "web-1", Ending: record.Found, Repeats: []record.Repeat{
			{Restart: 1, Ending: record.Found, Sustained: &record.Sustained{Rate: 98, AtLimit: 100}}}}}}
}

func quietEnvironment(variables map[string]string) (*environment, *bytes.Buffer) {
	var stderr bytes.Buffer
	return &environment{stderr: &stderr, getenv: func(name string) string { return variables[name] }}, &stderr
}

// What one run found is where the next begins; an interrupted run is kept too.
func TestKeepAndLastKnown(t *testing.T) {
	env, stderr := quietEnvironment(map[string]string{"SATURATE_HISTORY": filepath.Join(t.TempDir(), "history.db")})
	known := func(h historyFlags) float64 { return lastKnown(t.Context(), env, h, "feed")("feed", "web-1", "") }
	if got := known(historyFlags{}); got != 0 {
		t.Errorf("before: %v", got)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := keep(interrupted, env, historyFlags{}, kept()); err != nil {
		t.Fatal(err)
	}
	if got := known(historyFlags{}); got != 100 {
		t.Errorf("after: %v", got)
	}
	if got := known(historyFlags{none: true}); got != 0 {
		t.Errorf("without a history: %v", got)
	}
	if stderr.Len() > 0 {
		t.Errorf("said %q", stderr.String())
	}
}

func TestHistoryFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "/h.db"},
		{[]string{"--history", "x.db"}, "x.db"},
		{[]string{"--history", "x.db", "--no-history"}, history.Off},
	} {
		var h historyFlags
		command := &cobra.Command{Use: "run"}
		h.addOff(command)
		env, _ := quietEnvironment(map[string]string{"SATURATE_HISTORY": "/h.db"})
		if err := command.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if got, err := h.file(env); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.args, got, err, c.want)
		}
	}
}

func TestKeepNothing(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		flags     historyFlags
		variables map[string]string
	}{
		"--no-history":         {historyFlags{none: true, path: filepath.Join(dir, "a.db")}, map[string]string{"HOME": dir}},
		"SATURATE_HISTORY=off": {historyFlags{}, map[string]string{"HOME": dir, "SATURATE_HISTORY": history.Off}},
		"--history off":        {historyFlags{path: history.Off}, map[string]string{"HOME": dir}},
	} {
		env, stderr := quietEnvironment(c.variables)
		if err := keep(t.Context(), env, c.flags, kept()); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v, said %q", name, err, stderr.String())
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: made %v", name, entries)
		}
	}
}

// A history that fails loses no record: it goes to a file beside.
func TestKeepBeside(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir())
	damaged := filepath.Join(dir, "history.db")
	if err := os.WriteFile(damaged, bytes.Repeat([]byte("no database"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, folder string }{
		{"beside", damaged, dir},
		{"in the working folder", filepath.Join(damaged, "history.db"), "."},
		{"nobody's home", "", "."},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, stderr := quietEnvironment(nil)
			r := kept()
			if err := keep(t.Context(), env, historyFlags{path: c.path}, r); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(c.folder, "saturate-"+r.ID+".json")
			if !strings.Contains(stderr.String(), "saturate: warning: history") || !strings.Contains(stderr.String(), "saturate history import "+file) {
				t.Errorf("said %q", stderr.String())
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := record.Unmarshal(data); err != nil || got.ID != r.ID {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	env, stderr := quietEnvironment(map[string]string{"SATURATE_HISTORY": damaged})
	known := lastKnown(t.Context(), env, historyFlags{}, "feed")
	if known("feed", "web-1", "") != 0 || known("feed", "web-2", "") != 0 || strings.Count(stderr.String(), "warning") != 1 {
		t.Errorf("a damaged history is told of once: %q", stderr.String())
	}
}

// Only a record that could be kept nowhere is an error.
func TestKeepNowhere(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("TMPDIR", dir)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	env, _ := quietEnvironment(nil)
	err := keep(t.Context(), env, historyFlags{path: filepath.Join(dir, "history.db")}, kept())
	if err == nil || codeOf(err) != exitFailed || len(hints(err)) == 0 {
		t.Errorf("%v", err)
	}
}

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, zone)
	for _, c := range []struct {
		text string
		want time.Time
	}{
		{"2026-11-20", time.Date(2026, 11, 20, 0, 0, 0, 0, zone)},
		{"2026-11-20 03:15", time.Date(2026, 11, 20, 3, 15, 0, 0, zone)},
		{"2026-11-20T03:15:00Z", time.Date(2026, 11, 20, 3, 15, 0, 0, time.UTC)},
		{"30d", now.AddDate(0, 0, -30)},
		{"2h30m ago", now.Add(-150 * time.Minute)},
	} {
		if got, err := parseTime(c.text, now); err != nil || !got.Equal(c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "d", "-3d", "-2h", "yesterday", "2026-13-01"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
