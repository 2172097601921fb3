package history

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"saturate/record"
)

// A Mark is something that happened and may have changed the figures: a
// rollout, a feature switch, a new kernel.
type Mark struct {
	ID string    `json:"id"`
	At time.Time `json:"at"` // to the millisecond, UTC
	// Scenario is whose figures it may have changed; "" is all of them.
	Scenario string `json:"scenario,omitempty"`
	Text     string `json:"text"`
}

// AddMark keeps a mark, and returns it with what was left open filled in: its
// time is now, and it gets an ID.
func (db *DB) AddMark(ctx context.Context, m Mark) (Mark, error) {
	if m.Text == "" {
		return Mark{}, errors.New("a mark needs a text that says what happened")
	}
	now := time.Now()
	if m.At.IsZero() {
		m.At = now
	}
	m.At = m.At.UTC().Truncate(time.Millisecond)
	if m.ID == "" {
		m.ID = record.NewID(now)
	}
	return m, db.write(ctx, func(tx *sql.Tx) error {
		_, err := addMark(ctx, tx, m)
		return err
	})
}

// addMark tells whether the mark was new.
func addMark(ctx context.Context, tx *sql.Tx, m Mark) (bool, error) {
	if m.ID == "" || m.Text == "" || m.At.IsZero() {
		return false, errors.New("a mark has an id, a time and a text")
	}
	result, err := tx.ExecContext(ctx, "INSERT INTO marks (id, at, scenario, text) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		m.ID, m.At.UnixMilli(), m.Scenario, m.Text)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// Marks are those of the filter's time and scenario, oldest first; a mark of
// all scenarios is one of each.
func (db *DB) Marks(ctx context.Context, f Filter) ([]Mark, error) {
	var all []Mark
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		all, err = marks(ctx, tx, f)
		return err
	})
	return all, err
}

func marks(ctx context.Context, tx *sql.Tx, f Filter) ([]Mark, error) {
	where, args := Filter{Since: f.Since, Until: f.Until}.where()
	rows, err := tx.QueryContext(ctx, "SELECT id, at, scenario, text FROM marks"+where+" ORDER BY at, id", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Mark
	for rows.Next() {
		var m Mark
		var at int64
		if err := rows.Scan(&m.ID, &at, &m.Scenario, &m.Text); err != nil {
			return nil, err
		}
		m.At = time.UnixMilli(at).UTC()
		if f.Scenario == "" || m.Scenario == "" || m.Scenario == f.Scenario {
			all = append(all, m)
		}
	}
	return all, rows.Err()
}

// DeleteMark takes away the mark that ref names, by its ID or its beginning,
// and returns it. Its errors are *NotFoundError and *AmbiguousError.
func (db *DB) DeleteMark(ctx context.Context, ref string) (Mark, error) {
	var m Mark
	err := db.write(ctx, func(tx *sql.Tx) error {
		id, err := resolve(ctx, tx, "mark", "marks", ref)
		if err != nil {
			return err
		}
		var at int64
		err = tx.QueryRowContext(ctx, "DELETE FROM marks WHERE id = ? RETURNING id, at, scenario, text", id).
			Scan(&m.ID, &at, &m.Scenario, &m.Text)
		m.At = time.UnixMilli(at).UTC()
		return err
	})
	return m, err
}
