// Package history keeps records: every run's, whole, with what is needed to
// list and filter them in columns beside it.
//
// A record that was acknowledged stays, whatever kills the program or the
// machine afterwards, and a record is there whole or not at all. The history
// never changes what a record says: its JSON is given back as it came, with
// the fields of newer versions that this one does not know.
//
// It is one SQLite file. Several processes may write at once; they wait for
// each other. It belongs on a local disk: SQLite's locks do not hold on
// network file systems.
package history

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// Off is the path that means that no history is kept.
const Off = "off"

// DefaultPath is where the history is when nobody says otherwise:
// $SATURATE_HISTORY (which may be Off), else saturate/history.db in the folder
// for state of the XDG Base Directory Specification. A relative
// $XDG_STATE_HOME is ignored, as the specification asks.
func DefaultPath(getenv func(string) string) (string, error) {
	if path := getenv("SATURATE_HISTORY"); path != "" {
		return path, nil
	}
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home := getenv("HOME")
		if home == "" {
			return "", &Error{Err: errNoHome}
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "saturate", "history.db"), nil
}

// Config says where a history is and how it is opened.
type Config struct {
	// Path is the database's file. Its folder is made when it is missing.
	Path string
	// Wait is how long to wait while other processes write; 0 means 30 s.
	Wait time.Duration
	// ReadOnly never makes or writes the file, except that an older saturate's is
	// brought up to date. A file that does not exist, or is empty, reads as an
	// empty history.
	ReadOnly bool
}

const defaultWait = 30 * time.Second

// A DB is an open history. Its methods may be called at the same time.
type DB struct {
	path string
	sql  *sql.DB
}

// Open opens a history, and makes it or brings it up to date where that is
// needed. Its errors are *Error, and *VersionError where a newer saturate wrote
// the file.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, &Error{Path: c.Path, Err: err}
	}
	info, err := os.Stat(path)
	switch missing := errors.Is(err, fs.ErrNotExist); {
	case err != nil && !missing:
		return nil, &Error{Path: c.Path, Err: err}
	case !missing && !info.Mode().IsRegular():
		return nil, &Error{Path: c.Path, Err: errNoFile}
	case c.ReadOnly && (missing || info.Size() == 0):
		return empty(ctx)
	}
	if c.ReadOnly {
		db, err := open(ctx, path, c)
		if !errors.Is(err, errOutdated) {
			return db, err
		}
		c.ReadOnly = false
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, &Error{Path: c.Path, Err: err}
	}
	return open(ctx, path, c)
}

// open opens the database at an absolute path.
func open(ctx context.Context, path string, c Config) (*DB, error) {
	return connect(ctx, source(path, c), c)
}

// empty is a history without records.
func empty(ctx context.Context) (*DB, error) {
	db, err := connect(ctx, "file::memory:?_foreign_keys=1", Config{Wait: defaultWait})
	if err == nil {
		db.sql.SetMaxOpenConns(1) // each connection has a memory of its own
	}
	return db, err
}

func connect(ctx context.Context, dsn string, c Config) (*DB, error) {
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, &Error{Path: c.Path, Err: err}
	}
	db := &DB{path: c.Path, sql: pool}
	if err := db.prepare(ctx, c); err != nil {
		pool.Close()
		return nil, db.fail(err)
	}
	return db, nil
}

// source is the data source name. Transactions take the write lock when they
// begin, so that two writers queue instead of one failing halfway; every commit
// is flushed to the disk before it returns.
func source(path string, c Config) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(c.Wait.Milliseconds(), 10)},
		"_foreign_keys": {"1"},
		"_synchronous":  {"FULL"},
		"_txlock":       {"immediate"},
	}
	switch {
	case c.ReadOnly && writable(filepath.Dir(path)):
		q.Set("mode", "rw") // so that what SQLite puts beside the file goes when we do
		q.Set("_query_only", "1")
	case c.ReadOnly:
		q.Set("mode", "ro")
		if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
			// Nobody is writing. Without this SQLite would want to make a file beside.
			q.Set("immutable", "1")
		}
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Close closes the history.
func (db *DB) Close() error {
	if err := db.sql.Close(); err != nil {
		return db.fail(err)
	}
	return nil
}

// Path is the file's, as it was given.
func (db *DB) Path() string { return db.path }

// write runs f in a transaction: all of it happens, or nothing.
func (db *DB) write(ctx context.Context, f func(*sql.Tx) error) error {
	return db.transact(ctx, nil, f)
}

// read runs f on one state of the history, whatever is written meanwhile.
func (db *DB) read(ctx context.Context, f func(*sql.Tx) error) error {
	return db.transact(ctx, &sql.TxOptions{ReadOnly: true}, f)
}

func (db *DB) transact(ctx context.Context, o *sql.TxOptions, f func(*sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, o)
	if err != nil {
		return db.fail(err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(tx); err != nil {
		return db.fail(err)
	}
	if err := tx.Commit(); err != nil {
		return db.fail(err)
	}
	return nil
}
