package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"saturate/record"
)

// SetBaseline makes a record what `baseline` means for its scenario, instead of
// the one before. It wants the whole ID. Only a search that found its limit can
// be compared with; any other record is a *BaselineError.
func (db *DB) SetBaseline(ctx context.Context, id string) (scenario string, err error) {
	err = db.write(ctx, func(tx *sql.Tx) error {
		var d = Document{ID: id}
		err := tx.QueryRowContext(ctx, "SELECT scenario, json FROM documents WHERE id = ?", id).Scan(&scenario, &d.JSON)
		if errors.Is(err, sql.ErrNoRows) {
			return &NotFoundError{What: "record", Ref: id}
		} else if err != nil {
			return err
		}
		r, err := d.Record()
		switch {
		case err != nil:
			return err
		case r.Load.Held > 0:
			return &BaselineError{ID: id, Why: fmt.Sprintf("checked whether %g %s is sustained, and searched for no limit", r.Load.Held, r.Load.Unit), hint: onlyFound}
		case r.Ending != record.Found:
			return &BaselineError{ID: id, Why: fmt.Sprintf("ended %s", r.Ending), hint: onlyFound}
		}
		return setBaseline(ctx, tx, scenario, id, "DO UPDATE SET record = excluded.record")
	})
	return scenario, err
}

const onlyFound = "only a limit that was found can be compared with: `saturate history --ending found` lists such records"

func setBaseline(ctx context.Context, tx *sql.Tx, scenario, id, otherwise string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO baselines (scenario, record) VALUES (?, ?) ON CONFLICT (scenario) "+otherwise, scenario, id)
	return err
}

// UnsetBaseline leaves a scenario without a baseline; one that has none is a
// *NotFoundError.
func (db *DB) UnsetBaseline(ctx context.Context, scenario string) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM baselines WHERE scenario = ?", scenario)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, &NotFoundError{What: "baseline of scenario", Ref: scenario})
		}
		return nil
	})
}

// Baseline is the record that `baseline` means for a scenario; false where none
// was named.
func (db *DB) Baseline(ctx context.Context, scenario string) (Document, bool, error) {
	var d Document
	err := db.read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT id, json FROM baselines JOIN documents ON id = record WHERE baselines.scenario = ?", scenario).
			Scan(&d.ID, &d.JSON)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Document{}, false, nil
	}
	return d, err == nil, err
}

// Baselines are the records' IDs by scenario.
func (db *DB) Baselines(ctx context.Context) (map[string]string, error) {
	var all map[string]string
	err := db.read(ctx, func(tx *sql.Tx) (err error) {
		all, err = baselines(ctx, tx)
		return err
	})
	return all, err
}

func baselines(ctx context.Context, tx *sql.Tx) (map[string]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT scenario, record FROM baselines")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]string)
	for rows.Next() {
		var scenario, id string
		if err := rows.Scan(&scenario, &id); err != nil {
			return nil, err
		}
		all[scenario] = id
	}
	return all, rows.Err()
}
