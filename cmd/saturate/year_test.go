package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"saturate/history"
	"saturate/record"
)

// A year of nights of 200 scenarios.
const (
	yearNights    = 365
	yearScenarios = 200
	realSteps     = 16 // of a search at standard precision
)

// BenchmarkYear runs the program itself, a process for every answer, on a year of
// nights of 200 scenarios: 73,000 whole records of a real run's size. Whoever
// waits for a list, a comparison or a page waits for at most two seconds.
// SATURATE_YEAR=FILE keeps the history for the next time.
func BenchmarkYear(b *testing.B) {
	path := year(b)
	page := filepath.Join(b.TempDir(), "night.html")
	for _, c := range []struct {
		args string
		want string // in what is printed, or in the page
	}{
		{"history", "scenario-199"},
		{"history --limit 0", "scenario-0 "},
		{"history -o jsonl", `"scenario":"scenario-0"`},
		{"history --scenario scenario-7 --limit 0", "scenario-7 "},
		{"history --label build=r3 --since 2026-03-01", "scenario-199 "},
		{"compare build=r3 build=r4 --scenario scenario-7", "carries"},
		{"compare half=1 half=2 --scenario scenario-7 -o markdown", "sustained rate"},
		{"compare baseline last --scenario scenario-7", "where restarts differ"},
		{"report last --scenario scenario-7", "Changed by"},
		{"report last --scenario scenario-7 -o html=" + page, "<td>2026-01-01<td"},
		{"report last -o html=" + page, "<td>2026-01-01<td"},
	} {
		b.Run(strings.ReplaceAll(strings.TrimSuffix(c.args, "="+page), " ", "_"), func(b *testing.B) {
			var slowest time.Duration
			for b.Loop() {
				command := exec.Command("saturate", strings.Fields(c.args)...)
				command.Env = append(os.Environ(), "SATURATE_HISTORY="+path)
				began := time.Now()
				out, err := command.Output()
				slowest = max(slowest, time.Since(began))
				if strings.Contains(c.args, page) {
					out, err = os.ReadFile(page)
				}
				if err != nil || !strings.Contains(string(out), c.want) {
					b.Fatalf("%v: no %q in %.300q", err, c.want, out)
				}
			}
			b.ReportMetric(slowest.Seconds(), "s/slowest")
			if slowest > 2*time.Second {
				b.Errorf("it took %v", slowest)
			}
		})
	}
}

// year is the path of such a history.
func year(b *testing.B) string {
	path := os.Getenv("SATURATE_YEAR")
	if path == "" {
		path = filepath.Join(b.TempDir(), "history.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	db, err := history.Open(b.Context(), history.Config{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	lines, to := io.Pipe()
	var baseline string
	go func() { to.CloseWithError(writeYear(to, &baseline)) }()
	if n, err := db.Import(b.Context(), lines); err != nil || n.Added != yearNights*yearScenarios {
		b.Fatal(n, err)
	}
	if _, err := db.SetBaseline(b.Context(), baseline); err != nil {
		b.Fatal(err)
	}
	for month := range 12 {
		if _, err := db.AddMark(b.Context(), history.Mark{At: time.Date(2026, time.Month(month+1), 15, 12, 0, 0, 0, time.UTC), Text: fmt.Sprintf("rollout r%d", month)}); err != nil {
			b.Fatal(err)
		}
	}
	return path
}

// writeYear writes the nights of a server that a new build every 30 nights makes
// 3 % faster or slower, and which is 1 % off every night.
func writeYear(w io.Writer, baseline *string) error {
	text, err := os.ReadFile("../../record/testdata/record.json")
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	e := json.NewEncoder(w)
	for night := range yearNights {
		for scenario := range yearScenarios {
			r, err := record.Unmarshal(text)
			if err != nil {
				return err
			}
			at := time.Date(2026, 1, 1+night, 3, 0, scenario, 0, time.UTC)
			r.ID, r.At, r.Scenario = record.NewID(at), at, fmt.Sprintf("scenario-%d", scenario)
			build := night / 30
			r.Labels = map[string]string{"build": fmt.Sprintf("r%d", build), "half": fmt.Sprint(1 + night*2/yearNights)}
			factor := (1 + .03*float64(build%3)) * (1 + .01*random.NormFloat64())
			delete(r.Targets[0].Labels, "build")
			repeat := &r.Targets[0].Repeats[0]
			for len(repeat.Steps) < realSteps {
				repeat.Steps = append(repeat.Steps, repeat.Steps[len(repeat.Steps)-1])
			}
			s := repeat.Sustained
			s.Rate, s.AtLimit, s.Interval.Lo, s.Interval.Hi = s.Rate*factor, s.AtLimit*factor, s.Interval.Lo*factor, s.Interval.Hi*factor
			repeat.Work.PerSecond *= factor
			for i := range r.AppWeight {
				r.AppWeight[i].UsersPerServer *= factor
				r.AppWeight[i].Build = r.Labels["build"]
			}
			if scenario == 7 && night == 100 {
				*baseline = r.ID
			}
			if err := e.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}
