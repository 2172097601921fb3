package history

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"saturate/record"
)

// Known is what a target was last found to carry.
type Known struct {
	// AtLimit is the estimate of the rate at pressure 1.0, in Unit.
	AtLimit float64
	Unit    string
	ID      string // the record's
	At      time.Time
}

// Last is the newest capacity that a search found of the same scenario, target
// and generation, whichever its build: where the next search may begin. It is
// false where there is none.
func (db *DB) Last(ctx context.Context, scenario, target, generation string) (Known, bool, error) {
	var k Known
	var at int64
	err := db.read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT at_limit, unit, record, at FROM entries
			WHERE scenario = ? AND target = ? AND generation = ? AND ending = ? AND held IS NULL AND at_limit IS NOT NULL
			ORDER BY at DESC, record DESC LIMIT 1`, scenario, target, generation, string(record.Found)).
			Scan(&k.AtLimit, &k.Unit, &k.ID, &at)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Known{}, false, nil
	}
	k.At = time.UnixMilli(at).UTC()
	return k, err == nil, err
}
