package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"saturate/appweight"
	"saturate/history"
	"saturate/record"
	"saturate/report"
	"saturate/scenarios"
)

// quiet puts a stretch of nights into a history, the last six of them lower by a
// twentieth, right after a rollout; and returns the last record.
func quiet(t *testing.T, dropped bool) (*environment, *record.Record) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	db, err := history.Open(t.Context(), history.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	random := rand.New(rand.NewPCG(1, 2))
	var last *record.Record
	for i := range 30 {
		r := kept()
		r.ID, r.At = fmt.Sprintf("01KAJ5M0G000000000000000%02d", i), r.At.AddDate(0, 0, i)
		rate := 100 * (1 + .01*random.NormFloat64())
		if dropped && i >= 24 {
			rate *= .95
		}
		r.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: rate, AtLimit: rate}
		if err := db.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if i == 23 {
			if _, err := db.AddMark(t.Context(), history.Mark{At: r.At.Add(1e9), Text: "rollout 4f2c1e"}); err != nil {
				t.Fatal(err)
			}
		}
		last = r
	}
	env, _ := quietEnvironment(map[string]string{"SATURATE_HISTORY": path})
	env.stdout, env.stdin = &bytes.Buffer{}, strings.NewReader("")
	return env, last
}

// The report of the last night names the drop, the rollout beside it, and draws
// both; a quiet history says that nothing changed, and what it would have seen.
func TestReportShowsTheNights(t *testing.T) {
	env, _ := quiet(t, true)
	page := filepath.Join(t.TempDir(), "night.html")
	if code := run([]string{"report", "last", "-o", "text", "-o", "html=" + page}, env); code != 0 {
		t.Fatalf("exit %d: %s", code, env.stderr)
	}
	text := strings.Join(strings.Fields(env.stdout.(*bytes.Buffer).String()), " ")
	for _, want := range []string{"nights Changed by -4.7%", "between 14 Dec and 15 Dec", "In between: rollout 4f2c1e."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	drawn, err := os.ReadFile(page)
	for _, want := range []string{"over the nights", "rollout 4f2c1e", "Changed by -4.7%"} {
		if err != nil || !strings.Contains(string(drawn), want) {
			t.Errorf("the page has no %q: %v", want, err)
		}
	}
	env, _ = quiet(t, false)
	if code := run([]string{"report", "last"}, env); code != 0 {
		t.Fatalf("exit %d: %s", code, env.stderr)
	}
	text = env.stdout.(*bytes.Buffer).String()
	if !strings.Contains(text, "No change in 30 nights") || !strings.Contains(text, "would be seen within 7 nights") {
		t.Errorf("a quiet history says\n%s", text)
	}
}

// A night without a number shows those before it and says why it has none; a drop
// that an earlier night called is not called again by it.
func TestReportOfANightWithoutANumber(t *testing.T) {
	env, last := quiet(t, true)
	db, err := openHistory(t.Context(), env, historyFlags{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lost := *last
	lost.ID, lost.At, lost.Ending = "01KAJ5M0G00000000000000099", last.At.AddDate(0, 0, 1), record.Inconclusive
	lost.Targets = []record.Target{{Name: "web-1", Ending: record.Inconclusive, Repeats: []record.Repeat{{Restart: 1, Ending: record.Inconclusive, Why: "the generator was late"}}}}
	if err := db.Add(t.Context(), &lost); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if code := run([]string{"report", "last", "-o", "text", "-o", "html=" + dir + "/n.html", "-o", "openmetrics=" + dir + "/n.prom"}, env); code != 0 {
		t.Fatalf("exit %d: %s", code, env.stderr)
	}
	text := strings.Join(strings.Fields(env.stdout.(*bytes.Buffer).String()), " ")
	page, _ := os.ReadFile(dir + "/n.html")
	prom, _ := os.ReadFile(dir + "/n.prom")
	const want = "This night has no number (it ended inconclusive) and does not count. Before it: Changed by -4.7%"
	if !strings.Contains(text, "nights "+want) || !strings.Contains(string(page), want) || !strings.Contains(string(page), "over the nights") {
		t.Errorf("no %q in\n%s", want, text)
	}
	if !strings.Contains(string(prom), "saturate_score_dropped_ratio{scenario=\"feed\"} 0\n") {
		t.Errorf("a night without a number calls a drop:\n%s", prom)
	}
}

// A record that no server can have made costs the report one night, not all.
func TestReportLeavesOutWhatCannotBe(t *testing.T) {
	env, last := quiet(t, false)
	db, err := openHistory(t.Context(), env, historyFlags{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	odd := *last
	odd.ID, odd.At = "01KAJ5M0G00000000000000099", last.At.AddDate(0, 0, -1).Add(1)
	odd.Targets = []record.Target{{Name: "web-1", Ending: record.Found, Repeats: []record.Repeat{{Restart: 1, Ending: record.Found, Sustained: &record.Sustained{}}}}}
	if err := db.Add(t.Context(), &odd); err != nil {
		t.Fatal(err)
	}
	got, err := trend(t.Context(), db, last)
	if err != nil || len(got.Nights) != 30 || len(got.Warnings) == 0 || !strings.Contains(got.Warnings[0], odd.ID+" of 19 Dec 2026 is left out") {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = trend(t.Context(), db, &odd); err != nil || !strings.HasPrefix(got.Verdict, "This night has no number (its figure is not above 0)") {
		t.Errorf("%+v, %v", got, err)
	}
}

// Sides of a comparison are no nights, and share their name with some.
func TestSidesOfAComparisonAreNoNights(t *testing.T) {
	env, last := quiet(t, false)
	db, err := openHistory(t.Context(), env, historyFlags{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	side := *last
	side.ID, side.At, side.InTurnWith = "01KAJ5M0G00000000000000099", last.At.Add(-time.Hour), last.ID
	side.Targets = []record.Target{{Name: "web-1", Ending: record.Found, Repeats: []record.Repeat{{Restart: 1, Ending: record.Found, Sustained: &record.Sustained{Rate: 50, AtLimit: 50}}}}}
	if err := db.Add(t.Context(), &side); err != nil {
		t.Fatal(err)
	}
	if got, err := trend(t.Context(), db, last); err != nil || len(got.Nights) != 30 || !strings.HasPrefix(got.Verdict, "No change in 30 nights") {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := trend(t.Context(), db, &side); got != nil || err != nil {
		t.Errorf("a side of a comparison has nights: %+v, %v", got, err)
	}
	if n, err := watched(t.Context(), db, last.At); n != 1 || err != nil {
		t.Errorf("%d scenarios are watched, %v", n, err)
	}
	if code := run([]string{"history", "--limit", "2"}, env); code != 0 || !strings.Contains(env.stdout.(*bytes.Buffer).String(), "in turn with "+last.ID) {
		t.Errorf("exit %d, the list says\n%s", code, env.stdout)
	}
}

// The second and the third night say how they compare, and how many it takes to
// say more; each shows its interval.
func TestReportOfTheFirstNights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	db, err := history.Open(t.Context(), history.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var got *report.Trend
	for i, rate := range []float64{100, 100, 85} {
		r := kept()
		r.ID, r.At = fmt.Sprintf("01KAJ5M0G0000000000000000%d", i), r.At.AddDate(0, 0, i)
		r.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: rate, AtLimit: rate, Interval: &record.Interval{Lo: .97 * rate, Hi: 1.04 * rate, Level: .95, Basis: record.WithinHold}}
		if err := db.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got, err = trend(t.Context(), db, r); err != nil || (got == nil) != (i == 0) {
			t.Fatalf("night %d: %+v, %v", i+1, got, err)
		}
	}
	const want = "The last of 3 nights is -15.0% against those before. It takes 11 more nights before a change can be told from chance."
	if got.Verdict != want {
		t.Errorf("%q, want %q", got.Verdict, want)
	}
	if n := got.Nights[2]; math.Abs(n.Value-85) > 1e-6 || math.Abs(n.Lo-.97*85) > 1e-6 || math.Abs(n.Hi-1.04*85) > 1e-6 {
		t.Errorf("the third night is %+v", n)
	}
}

// Nights under other limits are other nights.
func TestTrendKeepsToItsTerms(t *testing.T) {
	env, last := quiet(t, true)
	db, err := openHistory(t.Context(), env, historyFlags{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other := *last
	other.ID, other.At = "01KAJ5M0G00000000000000099", last.At.AddDate(0, 0, 1)
	other.Load.Arrivals = "even"
	if err := db.Add(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	if got, err := trend(t.Context(), db, &other); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	check := *last
	check.ID, check.At, check.Load.Held = "01KAJ5M0G00000000000000098", last.At.AddDate(0, 0, 2), 90
	if err := db.Add(t.Context(), &check); err != nil {
		t.Fatal(err)
	}
	if got, err := trend(t.Context(), db, &check); got != nil || err != nil {
		t.Errorf("a check is a night: %+v, %v", got, err)
	}
	if got, err := trend(t.Context(), db, last); err != nil || len(got.Nights) != 30 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A requirement against the baseline is missed only where the whole interval is
// below it, and undecided where the two do not compare or there is none.
func TestRequireBaseline(t *testing.T) {
	env, last := quiet(t, true)
	q, err := appweight.ParseRequirement("sustained.rate >= 0.9 * baseline")
	if err != nil {
		t.Fatal(err)
	}
	base := kept()
	base.Conclude(nil, nil)
	for name, c := range map[string]struct {
		rate     float64
		arrivals string
		want     record.Outcome
	}{"met": {97, "", record.Met}, "missed": {60, "", record.Missed}, "another load": {97, "even", record.Undecided}} {
		r := kept()
		r.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: c.rate, AtLimit: c.rate}
		r.Load.Arrivals = c.arrivals
		r.Conclude(nil, []appweight.Requirement{q})
		r.HoldAgainst(base, []appweight.Requirement{q})
		if got := r.Requirements[0]; got.Outcome != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
	if got := baseline(t.Context(), env, historyFlags{}, scenarioOf(last), []appweight.Requirement{q}); got != nil || !strings.Contains(fmt.Sprint(env.stderr), "has no baseline") {
		t.Errorf("a baseline that is none: %v, %s", got, env.stderr)
	}
}

func scenarioOf(r *record.Record) *scenarios.Scenario { return &scenarios.Scenario{Name: r.Scenario} }
