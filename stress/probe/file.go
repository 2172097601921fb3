package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// readFile reads a small kernel file whole. A file that went away while it was
// read (its process ended, its group was removed) does not exist.
func readFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENODEV) {
		err = &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return string(b), err
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
// in /proc/meminfo, are allowed, and what is no number is left out.
func parseKeyed(text string) map[string]float64 {
	m := make(map[string]float64)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if v, err := parseNumber(f[1]); err == nil {
			m[strings.TrimSuffix(f[0], ":")] = v
		}
	}
	return m
}
