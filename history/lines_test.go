package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"saturate/record"
)

// records are histories that could be: a few records, some of them alike.
func records() *rapid.Generator[[]*record.Record] {
	text := rapid.StringMatching(`[a-z<>&"é \\\n]{1,8}`)
	share := rapid.Float64Range(0, 1)
	ending := rapid.SampledFrom([]record.Ending{record.Found, record.AtLeast, record.AtMost, record.Inconclusive})
	target := rapid.Custom(func(t *rapid.T) record.Target {
		out := record.Target{Name: text.Draw(t, "name"), Ending: ending.Draw(t, "ending"),
			Labels: rapid.MapOfN(rapid.SampledFrom([]string{"generation", "build", "region"}), text, 0, 3).Draw(t, "labels")}
		for i := range rapid.IntRange(0, 2).Draw(t, "repeats") {
			r := hold(i+1, rapid.Float64Range(1, 1e5).Draw(t, "rate"))
			r.Ending, r.FailedShare, r.Why = ending.Draw(t, "repeat's ending"), share.Draw(t, "failed"), text.Draw(t, "why")
			if rapid.Bool().Draw(t, "nothing was held") {
				r.Sustained, r.Work, r.Cost, r.Bottleneck = nil, nil, nil, nil
			}
			out.Repeats = append(out.Repeats, r)
		}
		return out
	})
	return rapid.Custom(func(t *rapid.T) []*record.Record {
		var all []*record.Record
		for i := range rapid.IntRange(0, 3).Draw(t, "records") {
			r := feed(0, rapid.SliceOfN(target, 0, 2).Draw(t, "targets")...)
			r.At = time.UnixMicro(rapid.Int64Range(1, 1e16).Draw(t, "at")).UTC()
			r.ID, r.Scenario, r.Ending = fmt.Sprintf("%d%s", i, text.Draw(t, "id")), text.Draw(t, "scenario"), ending.Draw(t, "ending")
			r.Labels = rapid.MapOfN(text, text, 0, 2).Draw(t, "labels")
			all = append(all, r)
		}
		return all
	})
}

// What is exported and imported elsewhere is the same history, and importing it
// again changes nothing.
func TestExportAndImport(t *testing.T) {
	from, errFrom := empty(t.Context())
	to, errTo := empty(t.Context())
	if err := errors.Join(errFrom, errTo); err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	rapid.Check(t, func(rt *rapid.T) {
		for _, db := range []*DB{from, to} {
			if _, err := db.sql.Exec("DELETE FROM baselines; DELETE FROM marks; DELETE FROM documents"); err != nil {
				rt.Fatal(err)
			}
		}
		all := records().Draw(rt, "history")
		add1(t, from, all...)
		for i := range rapid.IntRange(0, 2).Draw(rt, "marks") {
			if _, err := from.AddMark(t.Context(), Mark{Text: "a <b>", Scenario: "feed", At: day.AddDate(0, 0, i)}); err != nil {
				rt.Fatal(err)
			}
		}
		for _, r := range all {
			var not *BaselineError
			if _, err := from.SetBaseline(t.Context(), r.ID); err != nil && !errors.As(err, &not) {
				rt.Fatal(err)
			}
		}
		var exported bytes.Buffer
		if got, err := from.Export(t.Context(), &exported, Filter{}); err != nil || got != len(all) {
			rt.Fatal(got, err)
		}
		for i, want := range []Imported{{Added: len(all)}, {Present: len(all)}} {
			got, err := to.Import(t.Context(), bytes.NewReader(exported.Bytes()))
			if err != nil || got != want {
				rt.Fatalf("import %d: %+v, %v; want %+v", i, got, err, want)
			}
		}
		var again bytes.Buffer
		if _, err := to.Export(t.Context(), &again, Filter{}); err != nil || again.String() != exported.String() {
			rt.Fatalf("%v\n%s", err, cmp.Diff(exported.String(), again.String()))
		}
		a, errA := from.Entries(t.Context(), Filter{})
		b, errB := to.Entries(t.Context(), Filter{})
		if diff := cmp.Diff(a, b); errA != nil || errB != nil || diff != "" {
			rt.Fatalf("%v, %v\n%s", errA, errB, diff)
		}
		for _, r := range all {
			d, err := to.Find(t.Context(), r.ID)
			got, rerr := d.Record()
			wrote, _ := json.Marshal(r)
			read, _ := json.Marshal(got)
			if err != nil || rerr != nil || !bytes.Equal(wrote, read) {
				rt.Fatalf("%v, %v\n%s", err, rerr, cmp.Diff(string(wrote), string(read)))
			}
		}
	})
}

// An import takes what a run writes, and lines without a break at the end.
func TestImportTakesWhatRunsWrite(t *testing.T) {
	db := fresh(t)
	a, err := record.Marshal(feed(0))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(feed(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Imported{{Added: 2}, {Present: 2}} {
		got, err := db.Import(t.Context(), strings.NewReader(string(a)+string(b)))
		if err != nil || got != want {
			t.Errorf("import %d: %+v, %v; want %+v", i, got, err, want)
		}
	}
	if got, err := db.Import(t.Context(), strings.NewReader("")); err != nil || got != (Imported{}) {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestRead(t *testing.T) {
	db := fresh(t)
	want := feed(0, target("web-1", "zen4", hold(1, 1)))
	add1(t, db, want)
	if _, err := db.AddMark(t.Context(), Mark{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SetBaseline(t.Context(), want.ID); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := db.Export(t.Context(), &b, Filter{}); err != nil {
		t.Fatal(err)
	}
	all, err := Read(&b)
	if err != nil || len(all) != 1 || all[0].ID != want.ID {
		t.Fatal(all, err)
	}
	got, err := all[0].Record()
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	var line *LineError
	if _, err := Read(strings.NewReader("\n{}")); !errors.As(err, &line) || line.Line != 2 {
		t.Errorf("%v", err)
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	good, err := json.Marshal(feed(0))
	if err != nil {
		t.Fatal(err)
	}
	other := feed(1)
	other.ID = feed(0).ID
	for _, c := range []struct {
		name, text string
		line       int
		problem    string
	}{
		{"cut off", `{"version":1,"id"`, 2, "in the middle of a record"},
		{"no JSON", "rate: 5", 2, "invalid character"},
		{"no record", `[1]`, 2, "not a record"},
		{"a number", `7`, 2, "not a record"},
		{"no version", `{"id":"A"}`, 2, "version 0"},
		{"no id", `{"version":1,"ending":"found"}`, 2, "no id"},
		{"no scenario", `{"version":1,"id":"A","ending":"found"}`, 2, "no scenario"},
		{"no time", `{"version":1,"id":"A","ending":"found","scenario":"feed"}`, 2, "no time"},
		{"no ending", `{"version":1,"id":"A","scenario":"feed","at":"2026-11-21T03:00:00Z"}`, 2, "no ending"},
		{"newer without id", "\n\n" + `{"version":9}`, 4, "no id"},
		{"a wrong kind", `{"version":1,"id":"A","at":"2026-11-21T03:00:00Z","scenario":7}`, 2, "cannot unmarshal number"},
		{"a mark that says nothing", `{"mark":{"id":"M"}}`, 2, "a time and a text"},
		{"a baseline that is not there", `{"baseline":{"scenario":"feed","record":"nobody"}}`, 2, `no record "nobody"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := fresh(t)
			_, err := db.Import(t.Context(), strings.NewReader(string(good)+"\n"+c.text+"\n"))
			var line *LineError
			if !errors.As(err, &line) || line.Line != c.line || !strings.Contains(err.Error(), c.problem) || !strings.Contains(line.Hint(), "records are JSON") {
				t.Errorf("%v, hint %q; want line %d, %q", err, hintOf(err), c.line, c.problem)
			}
			if n := rowsOf(t, db, "documents"); n != 0 {
				t.Errorf("%d records were imported", n)
			}
		})
	}
	t.Run("conflict", func(t *testing.T) {
		db := fresh(t)
		r := feed(0)
		add1(t, db, r)
		other := *r
		other.Scenario = "other"
		text, err := json.Marshal(&other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Import(t.Context(), bytes.NewReader(text)); !errors.As(err, new(*ConflictError)) || !errors.As(err, new(*LineError)) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a reader that fails", func(t *testing.T) {
		db := fresh(t)
		broken := errors.New("broken pipe")
		if _, err := db.Import(t.Context(), failing{broken}); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestExportFails(t *testing.T) {
	db := fresh(t)
	add1(t, db, feed(0))
	broken := errors.New("broken pipe")
	if _, err := db.Export(t.Context(), failing{broken}, Filter{}); !errors.Is(err, broken) || strings.Contains(err.Error(), db.Path()) {
		t.Errorf("%v", err)
	}
}

// Nothing that is imported makes the history fail, and what it takes it gives
// back.
func FuzzImport(f *testing.F) {
	good, err := json.Marshal(feed(0, target("web-1", "zen4", hold(1, 160))))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(good), string(good[:200]), `{"mark":{"id":"M","at":"2026-11-21T03:00:00Z","text":"x"}}`, `{"version":2,"id":"A","at":"2026-11-21T03:00:00Z","scenario":"s","targets":[{"repeats":[null]}]}`, "{} []", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		db, err := empty(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		n, err := db.Import(t.Context(), strings.NewReader(text))
		var line *LineError
		if err != nil {
			if !errors.As(err, &line) || rowsOf(t, db, "documents") > 0 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var b bytes.Buffer
		if got, err := db.Export(t.Context(), &b, Filter{}); err != nil || got != n.Added {
			t.Fatalf("%d of %d, %v", got, n.Added, err)
		}
		if again, err := db.Import(t.Context(), &b); err != nil || again != (Imported{Present: n.Added}) {
			t.Fatalf("again: %+v, %v", again, err)
		}
		if _, err := db.Entries(t.Context(), Filter{}); err != nil {
			t.Fatal(err)
		}
	})
}
