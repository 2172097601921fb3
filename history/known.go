package history

import (
	"context"
	"database/sql"
	"time"

	"saturate/record"
)

// A Series is one target on one generation of servers, whichever its build.
type Series struct{ Target, Generation string }

// Known is what a target was last found to carry.
type Known struct {
	// AtLimit is the estimate of the rate at pressure 1.0, in Unit.
	AtLimit float64
	Unit    string
	ID      string // the record's
	At      time.Time
}

// Known are the newest capacities that searches found of a scenario's targets:
// where their next searches may begin. Sides of a comparison do not count, since
// one of the two may carry far more than what runs every night.
func (db *DB) Known(ctx context.Context, scenario string) (map[Series]Known, error) {
	all := make(map[Series]Known)
	err := db.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT target, generation, at_limit, unit, record, at FROM entries
			WHERE scenario = ? AND ending = ? AND held IS NULL AND in_turn_with IS NULL AND at_limit > 0
			ORDER BY at, record`, scenario, string(record.Found))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Series
			var k Known
			var at int64
			if err := rows.Scan(&s.Target, &s.Generation, &k.AtLimit, &k.Unit, &k.ID, &at); err != nil {
				return err
			}
			k.At = time.UnixMilli(at).UTC()
			all[s] = k // a later one takes its place
		}
		return rows.Err()
	})
	return all, err
}
