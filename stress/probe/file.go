package probe

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A rootFS is where a machine's /proc and /sys are found: "/" but for tests.
type rootFS string

func (r rootFS) path(elem ...string) string {
	return filepath.Join(append([]string{string(r)}, elem...)...)
}

// real reports whether the files are this machine's own, so that system calls
// speak of the same processes.
func (r rootFS) real() bool { return r == "/" }

func (r rootFS) read(elem ...string) (string, error) {
	return readFile(r.path(elem...))
}

// chunk is how much of a file is read at once: the whole of most.
const chunk = 8 << 10

// readFile reads a kernel file whole, by system calls: five times a second, and
// many of them, what package os does around those is most of the cost. A file
// that went away while it was read (its process ended, its group was removed)
// does not exist.
func readFile(path string) (string, error) {
	fd, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readOpen(fd, path)
}

func openFile(path string) (int, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	return fd, fileError("open", path, err)
}

// readOpen reads an open file from its beginning.
func readOpen(fd int, path string) (string, error) {
	var buf [chunk]byte
	text := ""
	for {
		n, err := again(func() (int, error) { return unix.Pread(fd, buf[:], int64(len(text))) })
		if err != nil {
			return "", fileError("read", path, err)
		}
		if n == 0 {
			return text, nil
		}
		text += string(buf[:n])
	}
}

func fileError(op, path string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.ESRCH, unix.ENODEV:
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// again repeats a system call that a signal interrupted.
func again(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// files are read by their path below the root.
type files interface {
	read(elem ...string) (string, error)
	path(elem ...string) string
}

// keptFiles are the machine's own, which stay: they are opened once, for to open
// one costs as much as to read it. They are not for concurrent use.
type keptFiles struct {
	rootFS
	open map[string]int
}

func (k *keptFiles) read(elem ...string) (string, error) {
	path := k.path(elem...)
	fd, kept := k.open[path]
	if !kept {
		var err error
		if fd, err = openFile(path); err != nil {
			return "", err
		}
		if k.open == nil {
			k.open = make(map[string]int)
		}
		k.open[path] = fd
	}
	text, err := readOpen(fd, path)
	if err != nil { // the next time it may be another file
		unix.Close(fd)
		delete(k.open, path)
	}
	return text, err
}

// Close closes them.
func (k *keptFiles) Close() {
	for _, fd := range k.open {
		unix.Close(fd)
	}
	k.open = nil
}

// readNumber reads a file that holds one number.
func readNumber(path string) (float64, error) {
	text, err := readFile(path)
	if err != nil {
		return 0, err
	}
	v, err := parseNumber(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// parseNumber reads a count of the kernel's: decimal, not negative.
func parseNumber(text string) (float64, error) {
	v, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a number", text)
	}
	return float64(v), nil
}

// parseKeyed reads lines of "key value"; "key:" and units behind the value, as
// in /proc/meminfo, are allowed, and what is no number is left out. Where keys
// are named, it reads those alone.
func parseKeyed(text string, keys ...string) map[string]float64 {
	m := make(map[string]float64)
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		key = strings.TrimSuffix(key, ":")
		if len(keys) > 0 && !slices.Contains(keys, key) {
			continue
		}
		value, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		if v, err := parseNumber(value); err == nil {
			m[key] = v
		}
	}
	return m
}
