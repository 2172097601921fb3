package history

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	errNoHome   = errors.New("$HOME is not set, so there is no place for a history")
	errForeign  = errors.New("this is some other program's database, not a history of saturate")
	errOutdated = errors.New("an older saturate made this history, and it has to be brought up to date")
	errNoFile   = errors.New("this is a folder or a device, and a history is a file")
	errEmptyRef = errors.New("no record is named")
)

// An Error says what is wrong with a history's file.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "history: " + e.Err.Error()
	}
	return fmt.Sprintf("history %s: %s", e.Path, e.problem())
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// problem is what is wrong, in words; SQLite's own where there are no better.
func (e *Error) problem() string {
	var path *fs.PathError
	switch sqliteCode(e.Err) {
	case sqlite3.SQLITE_FULL:
		return "there is no room for it on the disk"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "it may not be written to"
	case sqlite3.SQLITE_CANTOPEN:
		return "it cannot be opened"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "other processes have been writing to it all the time"
	case sqlite3.SQLITE_CORRUPT:
		return "the file is damaged"
	case sqlite3.SQLITE_NOTADB:
		return "the file is no database, or its beginning is damaged"
	case sqlite3.SQLITE_IOERR:
		return "reading or writing failed: " + e.Err.Error()
	}
	if errors.As(e.Err, &path) {
		return fmt.Sprintf("%s %s: %v", path.Op, path.Path, path.Err)
	}
	return e.Err.Error()
}

// Hint is the remedy; "" where none is known.
func (e *Error) Hint() string {
	const elsewhere = "name another file with --history FILE or SATURATE_HISTORY, or keep none with --no-history"
	switch sqliteCode(e.Err) {
	case sqlite3.SQLITE_FULL:
		return "make room, or " + elsewhere + "; all that was kept before is untouched"
	case sqlite3.SQLITE_IOERR:
		return "is the disk full, a quota used up, or the disk broken? " + elsewhere
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return "the file and its folder must be yours to write (SQLite keeps its log beside the file); " + elsewhere
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "see who has it open: fuser " + e.Path
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Sprintf("move the file away together with its -wal and -shm; then import an export, or what `sqlite3 %s .recover` finds", e.Path)
	}
	switch {
	case errors.Is(e.Err, errNoHome), errors.Is(e.Err, errForeign), errors.Is(e.Err, errNoFile):
		return elsewhere
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS), errors.Is(e.Err, syscall.ENOTDIR), errors.Is(e.Err, syscall.ENOSPC):
		return elsewhere
	}
	return ""
}

// fail names the file in the errors of the database; the history's own errors
// say all that is needed.
func (db *DB) fail(err error) error {
	var own interface{ history() }
	var file *Error
	if err == nil || errors.As(err, &own) || errors.As(err, &file) {
		return err
	}
	return &Error{Path: db.path, Err: err}
}

// sqliteCode is SQLite's primary result code; 0 where an error is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

func isBusy(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// writable tells whether this process may write to a folder.
func writable(folder string) bool { return unix.Access(folder, unix.W_OK) == nil }

// own marks the errors of the history itself.
type own struct{}

func (own) history() {}

// A VersionError says that a newer saturate made the history.
type VersionError struct {
	own
	Version, Newest int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the history has version %d, and this saturate knows versions up to %d", e.Version, e.Newest)
}

// Hint is the remedy.
func (e *VersionError) Hint() string {
	return "a newer saturate made it: use that one, or another history with --history FILE; `saturate history export` of the newer one and `import` here carry the records over"
}

// A NotFoundError says that no record, or no mark, goes by a name.
type NotFoundError struct {
	own
	What, Ref string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.What, e.Ref) }

// Hint is the remedy.
func (e *NotFoundError) Hint() string {
	if e.What == "mark" {
		return "`saturate history marks` lists them"
	}
	return "`saturate history` lists them; --history FILE names another history"
}

// An AmbiguousError says that several records' or marks' IDs begin alike.
type AmbiguousError struct {
	own
	What, Ref string
	IDs       []string // the first few
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("the IDs of several %ss begin with %q", e.What, e.Ref)
}

// Hint is the remedy.
func (e *AmbiguousError) Hint() string { return "write more of it: " + strings.Join(e.IDs, ", ") }

// A ConflictError says that another record of the same ID is there already.
type ConflictError struct {
	own
	ID string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("another record with the ID %s is there already", e.ID)
}

// Hint is the remedy.
func (e *ConflictError) Hint() string {
	return fmt.Sprintf("compare them: `saturate history show %s`; to replace it, `saturate history delete %s` first", e.ID, e.ID)
}

// A BaselineError says why a record cannot be a baseline, or why it must stay.
type BaselineError struct {
	own
	ID, Why, hint string
}

func (e *BaselineError) Error() string { return fmt.Sprintf("record %s %s", e.ID, e.Why) }

// Hint is the remedy.
func (e *BaselineError) Hint() string { return e.hint }

// A LineError says which line of a stream of records is wrong.
type LineError struct {
	own
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Hint is the remedy.
func (e *LineError) Hint() string {
	return "records are JSON, one after another, as `saturate history export` and `saturate run -o json` write them"
}
