package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"saturate/record"
)

// A Filter chooses entries; what is left zero chooses all. A record is chosen
// when one of its targets is.
type Filter struct {
	Scenario, Target, Generation, Build string
	// Labels must all be a target's, or its run's.
	Labels map[string]string
	// Since and Until bound when a run began: at Since or later, before Until.
	Since, Until time.Time
	// Endings are a target's; any of them will do.
	Endings []record.Ending
	// Limit chooses the newest so many records.
	Limit int
}

// everything tells whether a filter chooses all.
func (f Filter) everything() bool {
	where, _ := f.where()
	return where == "" && f.Limit == 0
}

// where is the condition on entries, "" for none, with its arguments.
func (f Filter) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	for _, c := range []struct{ column, value string }{
		{"scenario", f.Scenario}, {"target", f.Target}, {"generation", f.Generation}, {"build", f.Build},
	} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	for name, value := range f.Labels {
		add("EXISTS (SELECT 1 FROM labels l WHERE l.record = entries.record AND l.position = entries.position AND name = ? AND value = ?)", name, value)
	}
	if !f.Since.IsZero() {
		add("at >= ?", millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("at < ?", millis(f.Until))
	}
	if len(f.Endings) > 0 {
		var endings []any
		for _, e := range f.Endings {
			endings = append(endings, string(e))
		}
		add("ending IN (?"+strings.Repeat(", ?", len(endings)-1)+")", endings...)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// millis rounds up: a bound between two milliseconds lies before the later one.
func millis(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// Entries are those that the filter chooses, newest first, and a record's in
// the order of its targets.
func (db *DB) Entries(ctx context.Context, f Filter) ([]Entry, error) {
	where, args := f.where()
	var all []Entry
	err := db.read(ctx, func(tx *sql.Tx) error {
		baselines, err := baselines(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+columns+" FROM entries"+where+" ORDER BY at DESC, record DESC, position", args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		alike := make(map[string]map[string]string) // labels, by their JSON: many have the same
		for records := 0; rows.Next(); {
			var w row
			if err := rows.Scan(w.fields()...); err != nil {
				return err
			}
			if len(all) == 0 || all[len(all)-1].ID != w.record {
				records++
			}
			if f.Limit > 0 && records > f.Limit {
				break
			}
			labels, ok := alike[w.labels]
			if !ok && w.labels != "{}" {
				if err := json.Unmarshal([]byte(w.labels), &labels); err != nil {
					return fmt.Errorf("labels of %s: %w", w.record, err)
				}
				alike[w.labels] = labels
			}
			e := w.entry(labels)
			e.Baseline = baselines[e.Scenario] == e.ID
			all = append(all, e)
		}
		return rows.Err()
	})
	return all, err
}

// A Document is a record as it was kept.
type Document struct {
	ID string
	// JSON is the record's, in one line, with the fields that only its own
	// version of saturate knows.
	JSON []byte
}

// Record reads the document, without the fields that are not known here. A
// record of a newer version is a *record.VersionError.
func (d Document) Record() (*record.Record, error) {
	r, err := decode(d.JSON)
	if err == nil && r.Version > record.Version {
		err = &record.VersionError{Version: r.Version}
	}
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", d.ID, err)
	}
	return r, nil
}

// Documents are the records that the filter chooses, whole, newest first.
func (db *DB) Documents(ctx context.Context, f Filter) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		stopped := errors.New("stopped")
		err := db.read(ctx, func(tx *sql.Tx) error {
			return documents(ctx, tx, f, "DESC", func(d Document) error {
				if !yield(d, nil) {
					return stopped
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(Document{}, err)
		}
	}
}

// Records are the records that the filter chooses, newest first.
func (db *DB) Records(ctx context.Context, f Filter) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		for d, err := range db.Documents(ctx, f) {
			var r *record.Record
			if err == nil {
				r, err = d.Record()
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// documents hands over what a filter chooses, by age.
func documents(ctx context.Context, tx *sql.Tx, f Filter, direction string, each func(Document) error) error {
	query := "SELECT id, json FROM documents"
	where, args := f.where()
	if where != "" {
		query += " WHERE id IN (SELECT record FROM entries" + where + ")"
	}
	if f.Limit > 0 { // the newest, whichever way they are handed over
		query = fmt.Sprintf("SELECT id, json FROM (SELECT id, json, at FROM documents%s ORDER BY at DESC, id DESC LIMIT %d)",
			strings.TrimPrefix(query, "SELECT id, json FROM documents"), f.Limit)
	}
	rows, err := tx.QueryContext(ctx, query+" ORDER BY at "+direction+", id "+direction, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d Document
		if err := rows.Scan(&d.ID, &d.JSON); err != nil {
			return err
		}
		if err := each(d); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Newest is the reference to the record of the latest run.
const Newest = "last"

// Find returns the record that ref names: by its ID, by as much of its
// beginning as no other ID has, in capitals or not, or Newest. Its errors are
// *NotFoundError and *AmbiguousError.
func (db *DB) Find(ctx context.Context, ref string) (Document, error) {
	var d Document
	err := db.read(ctx, func(tx *sql.Tx) error {
		if ref == Newest {
			err := documents(ctx, tx, Filter{Limit: 1}, "DESC", func(found Document) error { d = found; return nil })
			if err == nil && d.ID == "" {
				err = &NotFoundError{What: "record", Ref: ref}
			}
			return err
		}
		id, err := resolve(ctx, tx, "record", "documents", ref)
		if err != nil {
			return err
		}
		d.ID = id
		return tx.QueryRowContext(ctx, "SELECT json FROM documents WHERE id = ?", id).Scan(&d.JSON)
	})
	return d, err
}

// resolve finds the one ID in a table that ref is, or is the beginning of.
func resolve(ctx context.Context, tx *sql.Tx, what, table, ref string) (string, error) {
	if ref == "" {
		return "", errEmptyRef
	}
	rows, err := tx.QueryContext(ctx, "SELECT id FROM "+table+` WHERE substr(id, 1, length(?1)) IN (?1, ?2)
		ORDER BY id <> ?1, id LIMIT 6`, ref, strings.ToUpper(ref))
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return "", err
		}
		ids = append(ids, id)
	}
	switch {
	case rows.Err() != nil:
		return "", rows.Err()
	case len(ids) == 0:
		return "", &NotFoundError{What: what, Ref: ref}
	case len(ids) > 1 && ids[0] != ref:
		return "", &AmbiguousError{What: what, Ref: ref, IDs: ids}
	}
	return ids[0], nil
}
