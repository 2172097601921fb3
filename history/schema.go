package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// applicationID marks a SQLite file as a history of saturate, so that no other
// program's database is written to by mistake ("satu" in ASCII).
const applicationID = 0x73617475

// migrations bring what is kept from each version of the schema to the next; the
// first makes version 1. One that has been released is never changed. The index
// is made anew in every version, so what changes only that is an empty step.
// Times are Unix milliseconds.
func migrations() []string {
	return []string{`
CREATE TABLE documents (
	id       TEXT PRIMARY KEY,
	at       INTEGER NOT NULL,
	scenario TEXT NOT NULL,
	json     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_at ON documents (at, id);

CREATE TABLE marks (
	id       TEXT PRIMARY KEY,
	at       INTEGER NOT NULL,
	scenario TEXT NOT NULL, -- '' is all of them
	text     TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE baselines (
	scenario TEXT PRIMARY KEY,
	record   TEXT NOT NULL REFERENCES documents (id)
) WITHOUT ROWID;
CREATE INDEX baselines_record ON baselines (record);
`,
		"", // the fleet's score and terms
		"", // sides of a comparison
	}
}

// indexTables find documents by what is in them: entries has a row for each
// target of a record. What was not read is NULL.
const indexTables = `
DROP TABLE IF EXISTS labels;
DROP TABLE IF EXISTS entries;

CREATE TABLE entries (
	record          TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
	position        INTEGER NOT NULL,
	at              INTEGER NOT NULL,
	scenario        TEXT NOT NULL,
	target          TEXT NOT NULL,
	generation      TEXT NOT NULL,
	build           TEXT NOT NULL,
	labels          TEXT NOT NULL, -- a JSON object
	ending          TEXT NOT NULL,
	in_turn_with    TEXT,          -- the record of the other side
	held            REAL,          -- the level of a check
	unit            TEXT NOT NULL, -- of rates
	arrivals        TEXT NOT NULL,
	engine          TEXT NOT NULL,
	break           REAL,
	rate            REAL,
	at_limit        REAL,
	at_limit_lo     REAL,
	at_limit_hi     REAL,
	at_limit_level  REAL,
	at_limit_basis  TEXT,
	hangover        REAL,
	bottleneck      TEXT,
	work            REAL,          -- per second
	work_unit       TEXT,
	work_scope      TEXT,
	cost            REAL,          -- per request
	cost_unit       TEXT,
	failed_share    REAL,
	repeats         INTEGER NOT NULL,
	users           REAL,          -- per server: AppWeight
	users_ending    TEXT,
	users_lo        REAL,
	users_hi        REAL,
	users_level     REAL,
	users_basis     TEXT,
	minimum_servers REAL,
	fleet           REAL,          -- users per server of a mixed fleet
	fleet_ending    TEXT,
	fleet_lo        REAL,
	fleet_hi        REAL,
	fleet_level     REAL,
	fleet_basis     TEXT,
	fleet_servers   REAL,          -- how many carry its peak
	terms           TEXT NOT NULL,
	warnings        INTEGER NOT NULL,
	PRIMARY KEY (record, position)
) WITHOUT ROWID;
CREATE INDEX entries_at ON entries (at, record, position);
CREATE INDEX entries_series ON entries (scenario, target, generation, at);

CREATE TABLE labels (
	record   TEXT NOT NULL,
	position INTEGER NOT NULL,
	name     TEXT NOT NULL,
	value    TEXT NOT NULL,
	PRIMARY KEY (record, position, name),
	FOREIGN KEY (record, position) REFERENCES entries (record, position) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX labels_value ON labels (name, value);
`

// prepare checks what a file is and, where it may write, brings it to the
// newest schema.
func (db *DB) prepare(ctx context.Context, c Config) error {
	steps := migrations()
	current, err := db.current(ctx, len(steps))
	switch {
	case err != nil || current:
		return err
	case c.ReadOnly:
		return errOutdated
	}
	if err := db.logAhead(ctx, c.Wait); err != nil {
		return err
	}
	return db.migrate(ctx, steps)
}

// current tells whether the file is a history with the newest schema.
func (db *DB) current(ctx context.Context, newest int) (bool, error) {
	var current bool
	err := db.read(ctx, func(tx *sql.Tx) error {
		version, err := version(ctx, tx, newest)
		current = version == newest
		return err
	})
	return current, err
}

// version is the schema's, 0 for a file that is new.
func version(ctx context.Context, tx *sql.Tx, newest int) (int, error) {
	var application, version, tables int
	err := errors.Join(
		tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application),
		tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
		tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables),
	)
	switch {
	case err != nil:
		return 0, err
	case application != applicationID && (application != 0 || version != 0 || tables > 0):
		return 0, errForeign
	case version > newest:
		return 0, &VersionError{Version: version, Newest: newest}
	}
	return version, nil
}

// logAhead turns write-ahead logging on, which the file remembers: readers do
// not wait for writers. Turning it on needs the file alone, and SQLite gives up
// at once where another process does the same.
func (db *DB) logAhead(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		_, err := db.sql.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// migrate takes the steps that the file has not taken yet, all or none.
func (db *DB) migrate(ctx context.Context, steps []string) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		from, err := version(ctx, tx, len(steps))
		if err != nil {
			return err
		}
		for _, step := range steps[from:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("bring the history up to date: %w", err)
			}
		}
		if from < len(steps) {
			if err := reindex(ctx, tx); err != nil {
				return fmt.Errorf("bring the history's index up to date: %w", err)
			}
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(steps)))
		return err
	})
}

// reindex makes the index anew.
func reindex(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, indexTables); err != nil {
		return err
	}
	return documents(ctx, tx, Filter{}, "ASC", func(d Document) error {
		r, err := decode(d.JSON)
		if err != nil {
			return err
		}
		return addEntries(ctx, tx, r)
	})
}
