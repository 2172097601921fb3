package history

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"saturate/record"
)

var day = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// hold is a repeat that found its limit.
func hold(restart int, rate float64) record.Repeat {
	return record.Repeat{
		Restart: restart, Ending: record.Found, Break: rate * 1.2, FailedShare: .0002, Done: 9000, HoldSeconds: 60,
		Sustained: &record.Sustained{Rate: rate, AtLimit: rate / .98,
			Interval: &record.Interval{Lo: rate * .97, Hi: rate * 1.07, Level: .95, Basis: record.WithinHold}},
		Bottleneck: &record.Bottleneck{Name: record.WorkersBound, Signal: "workers"},
		Work:       &record.Work{Unit: record.CPUSeconds, Scope: "cgroup", PerSecond: rate * .003},
		Cost:       &record.Cost{Unit: record.CPUSeconds, PerRequest: .003},
		Steps:      []record.Step{{Phase: "hold", Level: rate, Verdict: "sustained"}},
	}
}

func target(name, generation string, repeats ...record.Repeat) record.Target {
	return record.Target{Name: name, Labels: map[string]string{"generation": generation}, Ending: repeats[0].Ending, Repeats: repeats}
}

// feed is a record of the night n.
func feed(n int, targets ...record.Target) *record.Record {
	at := day.AddDate(0, 0, n)
	r := &record.Record{
		Version: record.Version, ID: record.NewID(at), At: at, Scenario: "feed", Ending: record.Found,
		Labels: map[string]string{"service": "web", "build": fmt.Sprintf("b%d", n)},
		Load:   record.Load{Kind: record.SyntheticMix, Unit: "req/s", Engine: "fast", Arrivals: "poisson"},
		Limits: map[record.Signal]float64{"cpu": .9}, Targets: targets, Warnings: []string{"a < b"},
	}
	if len(targets) > 0 {
		r.Ending = targets[0].Ending
	}
	return r
}

func open1(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func fresh(t testing.TB) *DB {
	return open1(t, filepath.Join(t.TempDir(), "state", "history.db"))
}

func add1(t testing.TB, db *DB, records ...*record.Record) {
	t.Helper()
	for _, r := range records {
		if err := db.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// hintOf is an error's remedy.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestDefaultPath(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"SATURATE_HISTORY": "/x/h.db", "XDG_STATE_HOME": "/s", "HOME": "/h"}, "/x/h.db"},
		{map[string]string{"SATURATE_HISTORY": "off", "HOME": "/h"}, Off},
		{map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/saturate/history.db"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/saturate/history.db"},
		{map[string]string{"HOME": "/h"}, "/h/.local/state/saturate/history.db"},
	} {
		got, err := DefaultPath(func(name string) string { return c.env[name] })
		if err != nil || got != c.want {
			t.Errorf("%v: %q, %v; want %q", c.env, got, err, c.want)
		}
	}
	if _, err := DefaultPath(func(string) string { return "" }); err == nil || hintOf(err) == "" {
		t.Errorf("without a home: %v, hint %q", err, hintOf(err))
	}
}

// A record comes back as it was given, by any way to name it.
func TestAddAndFind(t *testing.T) {
	db := fresh(t)
	r := feed(0, target("web-1", "zen4", hold(1, 160)))
	add1(t, db, r, r) // the second changes nothing
	for _, ref := range []string{r.ID, r.ID[:12], strings.ToLower(r.ID[:12]), Newest} {
		d, err := db.Find(t.Context(), ref)
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		got, err := d.Record()
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", ref, err, diff)
		}
	}
	changed := *r
	changed.Scenario = "other"
	var conflict *ConflictError
	if err := db.Add(t.Context(), &changed); !errors.As(err, &conflict) || conflict.ID != r.ID {
		t.Errorf("another record of the same ID: %v", err)
	}
	if _, err := db.Find(t.Context(), "nobody"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("unknown: %v", err)
	}
	add1(t, db, feed(0))
	var several *AmbiguousError
	if _, err := db.Find(t.Context(), r.ID[:10]); !errors.As(err, &several) || len(several.IDs) != 2 {
		t.Errorf("two that begin alike: %v", err)
	}
	if err := db.Add(t.Context(), &record.Record{Version: 1}); err == nil {
		t.Error("a record without an id was kept")
	}
}

func TestEntriesTellTheRecord(t *testing.T) {
	db := fresh(t)
	r := feed(0, target("web-1", "zen4", hold(1, 100), hold(2, 121)), target("web-2", "zen5", hold(1, 300)))
	r.Targets[1].Labels["build"] = "canary"
	r.Targets[0].Repeats[1].FailedShare = .0004
	r.AppWeight = []record.Score{{Generation: "zen4", Build: "b0", Ending: record.Found, UsersPerServer: 80, MinimumServers: 150,
		Interval: &record.Interval{Lo: 70, Hi: 90, Level: .95, Basis: record.Restarts}}}
	r.FleetScore = &record.FleetScore{Ending: record.AtLeast, UsersPerServer: 99}
	check := feed(1, record.Target{Name: "web-1", Ending: record.AtMost, Repeats: []record.Repeat{{Restart: 1, Ending: record.AtMost, Break: 50}}})
	check.Load.Held, check.Ending, check.InTurnWith = 50, record.AtMost, r.ID
	empty := feed(2)
	empty.Labels, empty.Ending, empty.Warnings = nil, record.Inconclusive, nil
	add1(t, db, empty, r, check)

	failed := .0003
	same := .0002
	want := []Entry{
		{ID: empty.ID, At: empty.At, Scenario: "feed", Ending: record.Inconclusive, Unit: "req/s", Arrivals: "poisson", Engine: "fast"},
		{ID: check.ID, At: check.At, Scenario: "feed", Target: "web-1", Build: "b1", Labels: check.Labels, Ending: record.AtMost,
			InTurnWith: r.ID, Held: 50, Unit: "req/s", Arrivals: "poisson", Engine: "fast", Break: 50, Warnings: 1},
		{ID: r.ID, At: r.At, Scenario: "feed", Target: "web-1", Generation: "zen4", Build: "b0",
			Labels: map[string]string{"service": "web", "build": "b0", "generation": "zen4"},
			Ending: record.Found, Unit: "req/s", Arrivals: "poisson", Engine: "fast", Break: 120, Bottleneck: record.WorkersBound,
			Sustained: r.Targets[0].Sustained(), Work: &record.Work{Unit: record.CPUSeconds, Scope: "cgroup", PerSecond: .33},
			Cost: &record.Cost{Unit: record.CPUSeconds, PerRequest: .003}, FailedShare: &failed, Repeats: 2, Warnings: 1,
			AppWeight: &AppWeight{Ending: record.Found, UsersPerServer: 80, MinimumServers: 150, Interval: r.AppWeight[0].Interval},
			Fleet:     &AppWeight{Ending: record.AtLeast, UsersPerServer: 99}},
		{ID: r.ID, At: r.At, Scenario: "feed", Target: "web-2", Generation: "zen5", Build: "canary",
			Labels: map[string]string{"service": "web", "build": "canary", "generation": "zen5"},
			Ending: record.Found, Unit: "req/s", Arrivals: "poisson", Engine: "fast", Break: 360, Bottleneck: record.WorkersBound,
			Sustained: r.Targets[1].Sustained(), Work: r.Targets[1].Repeats[0].Work,
			Cost: r.Targets[1].Repeats[0].Cost, FailedShare: &same, Repeats: 1, Warnings: 1,
			Fleet: &AppWeight{Ending: record.AtLeast, UsersPerServer: 99}},
	}
	for i := range want {
		want[i].Terms = mustTerms(t, r)
	}
	got, err := db.Entries(t.Context(), Filter{})
	close := cmp.Comparer(func(a, b float64) bool { return a == b || a/b-1 < 1e-12 && b/a-1 < 1e-12 })
	if diff := cmp.Diff(want, got, close); err != nil || diff != "" {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
}

func mustTerms(t *testing.T, r *record.Record) string {
	t.Helper()
	terms, err := termsOf(r)
	if err != nil {
		t.Fatal(err)
	}
	return terms
}

// Runs on other terms do not compare.
func TestTerms(t *testing.T) {
	same := mustTerms(t, feed(0))
	for name, change := range map[string]func(*record.Record){
		"limits":   func(r *record.Record) { r.Limits["cpu"] = .8 },
		"mix":      func(r *record.Record) { r.Load.Mix = map[string]float64{"feed": 1} },
		"kind":     func(r *record.Record) { r.Load.Kind = "live" },
		"arrivals": func(r *record.Record) { r.Load.Arrivals = "even" },
	} {
		r := feed(0)
		change(r)
		if mustTerms(t, r) == same {
			t.Errorf("other %s, and the same terms", name)
		}
	}
	if other := feed(5); mustTerms(t, other) != same {
		t.Error("another night is on other terms")
	}
}

func TestFilter(t *testing.T) {
	db := fresh(t)
	names := make(map[string]string)
	for i, r := range []*record.Record{
		feed(0, target("web-1", "zen4", hold(1, 160))),
		feed(1, target("web-1", "zen4", hold(1, 161)), target("web-2", "zen5", hold(1, 300))),
		feed(2, target("web-2", "zen5", record.Repeat{Restart: 1, Ending: record.Inconclusive})),
		feed(3),
	} {
		if i == 3 {
			r.Scenario = "inbox"
		}
		add1(t, db, r)
		names[r.ID] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name string
		f    Filter
		want string // records and targets, newest first
	}{
		{"all", Filter{}, "3 2/web-2 1/web-1 1/web-2 0/web-1"},
		{"scenario", Filter{Scenario: "inbox"}, "3"},
		{"target", Filter{Target: "web-1"}, "1/web-1 0/web-1"},
		{"generation", Filter{Generation: "zen5"}, "2/web-2 1/web-2"},
		{"build", Filter{Build: "b1"}, "1/web-1 1/web-2"},
		{"label of the run", Filter{Labels: map[string]string{"service": "web", "build": "b0"}}, "0/web-1"},
		{"label of the target", Filter{Labels: map[string]string{"generation": "zen5", "build": "b1"}}, "1/web-2"},
		{"no such label", Filter{Labels: map[string]string{"generation": "zen4", "service": "api"}}, ""},
		{"since", Filter{Since: day.AddDate(0, 0, 2)}, "3 2/web-2"},
		{"since, a moment later", Filter{Since: day.AddDate(0, 0, 2).Add(1)}, "3"},
		{"until", Filter{Until: day.AddDate(0, 0, 1)}, "0/web-1"},
		{"endings", Filter{Endings: []record.Ending{record.Inconclusive, record.AtMost}}, "2/web-2"},
		{"limit", Filter{Limit: 3}, "3 2/web-2 1/web-1 1/web-2"},
		{"limit and more", Filter{Limit: 1, Target: "web-1", Endings: []record.Ending{record.Found}}, "1/web-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries, err := db.Entries(t.Context(), c.f)
			if err != nil {
				t.Fatal(err)
			}
			var got, records []string
			for _, e := range entries {
				name := names[e.ID]
				if len(records) == 0 || records[len(records)-1] != name {
					records = append(records, name)
				}
				if e.Target != "" {
					name += "/" + e.Target
				}
				got = append(got, name)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			var whole []string
			for r, err := range db.Records(t.Context(), c.f) {
				if err != nil {
					t.Fatal(err)
				}
				whole = append(whole, names[r.ID])
			}
			if diff := cmp.Diff(records, whole); diff != "" {
				t.Errorf("whole records differ from entries:\n%s", diff)
			}
		})
	}
	for r, err := range db.Records(t.Context(), Filter{}) { // one may stop early, and go on with something else
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Delete(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		break
	}
}

// Known is what searches of the scenario itself found: no checks, no bounds, and
// no side of a comparison.
func TestKnown(t *testing.T) {
	db := fresh(t)
	found := func(n int, rate float64) *record.Record { return feed(n, target("web-1", "zen4", hold(1, rate))) }
	check := found(5, 999)
	check.Load.Held = 999
	bound := found(6, 500)
	bound.Targets[0].Ending, bound.Targets[0].Repeats[0].Ending = record.AtLeast, record.AtLeast
	bound.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: 500}
	side := found(9, 400)
	side.InTurnWith = check.ID
	nothing := found(10, 0)
	newest, second, third := found(4, 98), feed(7, target("web-2", "zen4", hold(1, 49))), feed(8, target("web-1", "zen5", hold(1, 147)))
	add1(t, db, newest, found(3, 150), check, bound, second, third, side, nothing)

	got, err := db.Known(t.Context(), "feed")
	want := map[Series]Known{
		{"web-1", "zen4"}: {AtLimit: 98 / .98, Unit: "req/s", ID: newest.ID, At: newest.At},
		{"web-2", "zen4"}: {AtLimit: 49 / .98, Unit: "req/s", ID: second.ID, At: second.At},
		{"web-1", "zen5"}: {AtLimit: 147 / .98, Unit: "req/s", ID: third.ID, At: third.At},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
	if got, err := db.Known(t.Context(), "inbox"); err != nil || len(got) != 0 {
		t.Errorf("another scenario: %v, %v", got, err)
	}
}

func TestDeleteIsAllOrNothing(t *testing.T) {
	db := fresh(t)
	a, b, c := feed(0, target("web-1", "zen4", hold(1, 1))), feed(1, target("web-1", "zen4", hold(1, 2))), feed(2, target("web-1", "zen4", hold(1, 3)))
	add1(t, db, a, b, c)
	if scenario, err := db.SetBaseline(t.Context(), c.ID); err != nil || scenario != "feed" {
		t.Fatal(scenario, err)
	}
	if err := db.Delete(t.Context(), a.ID, "nobody"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("one that is not there: %v", err)
	}
	if err := db.Delete(t.Context(), a.ID, c.ID); !errors.As(err, new(*BaselineError)) || hintOf(err) == "" {
		t.Errorf("a baseline: %v", err)
	}
	if entries, err := db.Entries(t.Context(), Filter{}); err != nil || len(entries) != 3 {
		t.Errorf("%d are left, %v", len(entries), err)
	}
	if err := db.Delete(t.Context(), a.ID, b.ID, a.ID); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"documents", "entries"} {
		if n := rowsOf(t, db, table); n != 1 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
	if n := rowsOf(t, db, "labels"); n != 3 {
		t.Errorf("labels has %d rows", n)
	}
}

func rowsOf(t testing.TB, db *DB, table string) int {
	t.Helper()
	var n int
	if err := db.sql.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMarks(t *testing.T) {
	db := fresh(t)
	later, err := db.AddMark(t.Context(), Mark{Text: "rollout 4f2c1e", At: day.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := db.AddMark(t.Context(), Mark{Text: "new cache on", Scenario: "feed", At: day})
	if err != nil {
		t.Fatal(err)
	}
	now, err := db.AddMark(t.Context(), Mark{Text: "now", Scenario: "inbox"})
	if err != nil || time.Since(now.At) > time.Minute {
		t.Fatal(now, err)
	}
	for _, c := range []struct {
		f    Filter
		want []Mark
	}{
		{Filter{}, []Mark{earlier, later, now}},
		{Filter{Scenario: "feed"}, []Mark{earlier, later}},
		{Filter{Since: day.Add(time.Minute), Until: day.Add(2 * time.Hour)}, []Mark{later}},
	} {
		got, err := db.Marks(t.Context(), c.f)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", c.f, err, diff)
		}
	}
	if _, err := db.AddMark(t.Context(), Mark{}); err == nil {
		t.Error("a mark that says nothing was kept")
	}
	if gone, err := db.DeleteMark(t.Context(), strings.ToLower(later.ID)); err != nil || gone != later {
		t.Errorf("deleted %+v, %v", gone, err)
	}
	if _, err := db.DeleteMark(t.Context(), later.ID); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestBaseline(t *testing.T) {
	db := fresh(t)
	first, second := feed(0, target("web-1", "zen4", hold(1, 1))), feed(1, target("web-1", "zen4", hold(1, 2)))
	check, bound := feed(2, target("web-1", "zen4", hold(1, 3))), feed(3, target("web-1", "zen4", record.Repeat{Restart: 1, Ending: record.AtLeast}))
	check.Load.Held = 3
	add1(t, db, first, second, check, bound)
	if _, ok, err := db.Baseline(t.Context(), "feed"); ok || err != nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	for _, r := range []*record.Record{first, second} {
		if _, err := db.SetBaseline(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		d, ok, err := db.Baseline(t.Context(), "feed")
		if !ok || err != nil || d.ID != r.ID {
			t.Errorf("%s, %v, %v; want %s", d.ID, ok, err, r.ID)
		}
	}
	for _, r := range []*record.Record{check, bound} {
		if _, err := db.SetBaseline(t.Context(), r.ID); !errors.As(err, new(*BaselineError)) || hintOf(err) == "" {
			t.Errorf("%s: %v", r.Ending, err)
		}
	}
	entries, err := db.Entries(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Baseline != (e.ID == second.ID) {
			t.Errorf("%s is a baseline: %v", e.ID, e.Baseline)
		}
	}
	if err := db.UnsetBaseline(t.Context(), "feed"); err != nil {
		t.Fatal(err)
	}
	if err := db.UnsetBaseline(t.Context(), "feed"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("unset twice: %v", err)
	}
}

// Fields and versions that this saturate does not know pass through it.
func TestNewerRecordsAreKept(t *testing.T) {
	db := fresh(t)
	added := `{"version":1,"id":"A","at":"2026-11-21T03:00:00Z","scenario":"feed","ending":"found","targets":[{"name":"web-1","ending":"found","repeats":[],"colour":"red"}],"env":{},"limits":{},"load":{},"duration_seconds":1e2,"z":{"b":1,"a":[]}}`
	newer := `{"version":2,"id":"B","at":"2026-11-22T03:00:00Z","scenario":"feed","ending":"tired","targets":"two","labels":{"service":"web"}}`
	if n, err := db.Import(t.Context(), strings.NewReader(added+"\n"+newer)); err != nil || n.Added != 2 {
		t.Fatal(n, err)
	}
	var b bytes.Buffer
	if n, err := db.Export(t.Context(), &b, Filter{}); err != nil || n != 2 || b.String() != added+"\n"+newer+"\n" {
		t.Errorf("%d, %v\n%s", n, err, b.String())
	}
	d, err := db.Find(t.Context(), "A")
	if r, rerr := d.Record(); err != nil || rerr != nil || r.Targets[0].Name != "web-1" {
		t.Errorf("fields that were added: %v, %v", err, rerr)
	}
	d, err = db.Find(t.Context(), "B")
	if _, rerr := d.Record(); err != nil || !errors.As(rerr, new(*record.VersionError)) {
		t.Errorf("a newer version: %v, %v", err, rerr)
	}
	entries, err := db.Entries(t.Context(), Filter{Scenario: "feed"})
	if err != nil || len(entries) != 2 || entries[0].ID != "B" {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	look := func(want int) {
		t.Helper()
		db, err := Open(t.Context(), Config{Path: path, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if entries, err := db.Entries(t.Context(), Filter{}); err != nil || len(entries) != want {
			t.Errorf("%d entries, %v; want %d", len(entries), err, want)
		}
		if err := db.Add(t.Context(), feed(9)); want > 0 && err == nil {
			t.Error("it was written to")
		}
	}
	look(0)
	if _, err := os.Stat(path); err == nil {
		t.Error("reading made the file")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // made, and killed
		t.Fatal(err)
	}
	look(0)
	db := open1(t, path)
	add1(t, db, feed(0), feed(1))
	look(2) // beside a writer
	db.Close()
	look(2)
	if beside, err := filepath.Glob(path + "-*"); err != nil || len(beside) > 0 {
		t.Errorf("reading left %v, %v", beside, err)
	}
}

// A path is a path, whatever is in it.
func TestOddPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "what?.db", "50%.db", "#1.db", "naïve.db", "a&b=c.db"} {
		db := open1(t, filepath.Join(dir, name))
		add1(t, db, feed(0))
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	db := open1(t, path)
	add1(t, db, feed(0, target("web-1", "zen4", hold(1, 1))))
	next := append(migrations(), "ALTER TABLE marks ADD COLUMN colour TEXT; CREATE TABLE goals (x)")
	broken := append(migrations(), "CREATE TABLE goals (x); CREATE TABLE goals (x)")
	if err := db.migrate(t.Context(), broken); err == nil {
		t.Error("a migration that fails was taken")
	}
	if current, err := db.current(t.Context(), len(migrations())); err != nil || !current {
		t.Errorf("a migration that fails leaves the file as it was: %v, %v", current, err)
	}
	for range 2 { // the second has nothing to do
		if err := db.migrate(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	if n := rowsOf(t, db, "documents"); n != 1 {
		t.Errorf("%d records are left", n)
	}
	db.Close()
	for _, readOnly := range []bool{false, true} {
		var newer *VersionError
		if _, err := Open(t.Context(), Config{Path: path, ReadOnly: readOnly}); !errors.As(err, &newer) || newer.Version != len(next) || hintOf(err) == "" {
			t.Errorf("a newer saturate's history: %v", err)
		}
	}
}

// An older saturate's index is made anew, whatever it was, by who reads too.
func TestOldIndex(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "history.db")
		db := open1(t, path)
		add1(t, db, feed(0, target("web-1", "zen4", hold(1, 1)), target("web-2", "zen4", hold(1, 2))), feed(1))
		want, err := db.Entries(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.sql.Exec("DROP TABLE labels; DROP TABLE entries; CREATE TABLE entries (x); PRAGMA user_version = 1"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		again, err := Open(t.Context(), Config{Path: path, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.Entries(t.Context(), Filter{})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if n := rowsOf(t, again, "labels"); n != 8 {
			t.Errorf("%d labels", n)
		}
		again.Close()
	}
}

func TestForeignAndDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "places.sqlite")
	other, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec("CREATE TABLE bookmarks (x)"); err != nil {
		t.Fatal(err)
	}
	other.Close()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged.db")
	db := open1(t, damaged)
	for i := range 50 {
		add1(t, db, feed(i, target("web-1", "zen4", hold(1, 1))))
	}
	db.Close()
	data, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(data); i++ {
		data[i] ^= 0x5a
	}
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	use := func(c Config) error {
		db, err := Open(context.Background(), c)
		if err != nil {
			return err
		}
		defer db.Close()
		if c.ReadOnly {
			_, err = db.Entries(context.Background(), Filter{})
			return err
		}
		return db.Add(context.Background(), feed(99, target("web-1", "zen4", hold(1, 1))))
	}
	for _, c := range []struct{ path, problem, hint string }{
		{foreign, "some other program's database", "--history FILE"},
		{text, "no database", "move the file away"},
		{damaged, "damaged", "move the file away"},
		{dir, "is a folder", "--history FILE"},
		{filepath.Join(text, "history.db"), "not a directory", "--history FILE"},
	} {
		for _, readOnly := range []bool{false, true} {
			err := use(Config{Path: c.path, ReadOnly: readOnly})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), c.path) || !strings.Contains(e.Hint(), c.hint) {
				t.Errorf("%s, read only %v: %v, hint %q", filepath.Base(c.path), readOnly, err, hintOf(err))
			}
		}
	}
	if again, _ := os.ReadFile(text); len(again) != 15000 {
		t.Error("a file that is no database was written to")
	}
}

func TestColumnsAndFieldsAgree(t *testing.T) {
	if n, want := len(new(row).fields()), strings.Count(columns, ",")+1; n != want {
		t.Errorf("a row has %d fields and %d columns", n, want)
	}
	if _, err := json.Marshal(Entry{}); err != nil {
		t.Error(err)
	}
}
