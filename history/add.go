package history

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"saturate/record"
)

// Add keeps a record. When it returns nil the record is on the disk and stays,
// whatever happens next; otherwise nothing was changed. A record that is there
// already is not added again; another one of the same ID is a *ConflictError.
func (db *DB) Add(ctx context.Context, r *record.Record) error {
	data, err := record.Marshal(r)
	if err != nil {
		return err
	}
	return db.write(ctx, func(tx *sql.Tx) error {
		_, err := add(ctx, tx, data)
		return err
	})
}

// add keeps a record as it is, but for its spaces and line breaks, and tells
// whether it was new.
func add(ctx context.Context, tx *sql.Tx, data []byte) (bool, error) {
	r, err := decode(data)
	if err != nil {
		return false, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return false, fmt.Errorf("read record: %w", err)
	}
	var before string
	err = tx.QueryRowContext(ctx, "SELECT json FROM documents WHERE id = ?", r.ID).Scan(&before)
	switch {
	case err == nil && before == compact.String():
		return false, nil
	case err == nil:
		return false, &ConflictError{ID: r.ID}
	case !errors.Is(err, sql.ErrNoRows):
		return false, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO documents (id, at, scenario, json) VALUES (?, ?, ?, ?)",
		r.ID, r.At.UnixMilli(), r.Scenario, compact.String())
	if err != nil {
		return false, err
	}
	return true, addEntries(ctx, tx, r)
}

// addEntries writes a record's rows of the index.
func addEntries(ctx context.Context, tx *sql.Tx, r *record.Record) error {
	rows, labels, err := index(r)
	if err != nil {
		return err
	}
	insert := fmt.Sprintf("INSERT INTO entries (%s) VALUES (?%s)", columns, strings.Repeat(", ?", strings.Count(columns, ",")))
	for i := range rows {
		if _, err := tx.ExecContext(ctx, insert, rows[i].fields()...); err != nil {
			return err
		}
		for name, value := range labels[i] {
			_, err := tx.ExecContext(ctx, "INSERT INTO labels (record, position, name, value) VALUES (?, ?, ?, ?)",
				r.ID, rows[i].position, name, value)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete takes records away, all of them or none. It wants whole IDs; one that
// is not there is a *NotFoundError, and a baseline a *BaselineError.
func (db *DB) Delete(ctx context.Context, ids ...string) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		baselines, err := baselines(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			if scenario, ok := baselineOf(baselines, id); ok {
				return &BaselineError{ID: id, Why: "is the baseline of " + scenario,
					hint: fmt.Sprintf("name another first: `saturate history baseline ID`, or none: `saturate history baseline --unset %s`", scenario)}
			}
			result, err := tx.ExecContext(ctx, "DELETE FROM documents WHERE id = ?", id)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, &NotFoundError{What: "record", Ref: id})
			}
		}
		return nil
	})
}

// baselineOf is the scenario that a record is the baseline of.
func baselineOf(baselines map[string]string, id string) (string, bool) {
	for scenario, baseline := range baselines {
		if baseline == id {
			return scenario, true
		}
	}
	return "", false
}
