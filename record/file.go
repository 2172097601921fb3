package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"saturate/internal/disk"
)

// A WriteError says why a file could not be written.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string { return fmt.Sprintf("write %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Hint is the remedy; "" where none is known.
func (e *WriteError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "the disk is full: make room, or write to another disk; what was there before is untouched"
	case errors.Is(e.Err, syscall.EROFS):
		return "the file system is read-only: write elsewhere"
	case errors.Is(e.Err, syscall.EISDIR):
		return "name a file, not a folder"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "make the folder first"
	case errors.Is(e.Err, fs.ErrPermission):
		return "write to a folder that is yours"
	}
	return ""
}

// WriteFile writes a file whole or not at all: to a temporary file beside it,
// flushed to the disk, and then renamed. A reader never sees half a record, and
// a full disk leaves what was there before. A path that names no regular file
// (a pipe, a terminal, /dev/stdout) is written to as it is. Every error is a
// *WriteError.
func WriteFile(path string, data []byte) error {
	var err error
	if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
		err = writeOpen(path, os.O_WRONLY, data)
	} else {
		err = replace(resolved(path), data)
	}
	if err != nil {
		return &WriteError{Path: path, Err: cause(err)}
	}
	return nil
}

// CheckWritable finds out whether WriteFile could write to path, as far as that
// can be told without doing it, and leaves nothing behind. Its errors are
// WriteFile's.
func CheckWritable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = syscall.EISDIR
	case err == nil && !info.Mode().IsRegular():
		err = unix.Access(path, unix.W_OK)
	default:
		temporary := resolved(path) + "." + NewID(time.Now()) + ".tmp"
		if err = writeOpen(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, nil); err == nil {
			err = os.Remove(temporary)
		}
	}
	if err != nil {
		return &WriteError{Path: path, Err: cause(err)}
	}
	return nil
}

// resolved is where a path leads by symbolic links; itself where nothing is yet.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// replace puts a new file in the place of path.
func replace(path string, data []byte) error {
	temporary := path + "." + NewID(time.Now()) + ".tmp"
	if err := writeOpen(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, data); err != nil {
		os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

// writeOpen opens, writes, flushes where the file can be flushed, and closes.
func writeOpen(path string, flags int, data []byte) error {
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if flags&os.O_CREATE != 0 {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

// cause takes the path of the temporary file out of an error.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
