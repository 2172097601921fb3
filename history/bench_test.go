package history

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"saturate/record"
)

// BenchmarkYear is a year of nights of 200 scenarios: 73,000 records.
func BenchmarkYear(b *testing.B) {
	db := fresh(b)
	steps := make([]record.Step, 12)
	for i := range steps {
		steps[i] = record.Step{Phase: "approach", Level: float64(i), Pressure: map[record.Signal]float64{"cpu": .5, "workers": .7, "memory": .3}}
	}
	err := db.write(b.Context(), func(tx *sql.Tx) error {
		for night := range 365 {
			for scenario := range 200 {
				r := feed(night, target("web-1", "zen4", hold(1, 160)))
				r.Scenario, r.Targets[0].Repeats[0].Steps = fmt.Sprintf("scenario-%d", scenario), steps
				data, err := json.Marshal(r)
				if err != nil {
					return err
				}
				if _, err := add(b.Context(), tx, data); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    Filter
		want int
	}{
		{"all", Filter{}, 73000},
		{"newest50", Filter{Limit: 50}, 50},
		{"scenario", Filter{Scenario: "scenario-7"}, 365},
		{"label", Filter{Labels: map[string]string{"build": "b7"}}, 200},
	} {
		b.Run("entries/"+c.name, func(b *testing.B) {
			for b.Loop() {
				if entries, err := db.Entries(b.Context(), c.f); err != nil || len(entries) != c.want {
					b.Fatal(len(entries), err)
				}
			}
		})
	}
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if known, err := db.Known(b.Context(), "scenario-7"); len(known) != 1 || err != nil {
				b.Fatal(known, err)
			}
		}
	})
	b.Run("export", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.Export(b.Context(), io.Discard, Filter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("import", func(b *testing.B) {
		var lines bytes.Buffer
		if _, err := db.Export(b.Context(), &lines, Filter{Limit: 1000}); err != nil {
			b.Fatal(err)
		}
		dir := b.TempDir()
		for i := 0; b.Loop(); i++ {
			to := open1(b, filepath.Join(dir, fmt.Sprint(i)))
			if _, err := to.Import(b.Context(), bytes.NewReader(lines.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
	if info, err := os.Stat(db.Path()); err == nil {
		b.Logf("%d MiB", info.Size()>>20)
	}
}
