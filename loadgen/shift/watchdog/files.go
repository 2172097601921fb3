package watchdog

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"strings"
)

// StateDir is the folder of journals when nobody says otherwise: saturate/live
// in the folder for state of the XDG Base Directory Specification. A relative
// $XDG_STATE_HOME is ignored, as the specification asks.
func StateDir(getenv func(string) string) (string, error) {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("neither HOME nor XDG_STATE_HOME says where the journal of live traffic is to be")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "saturate", "live"), nil
}

// files are those of one backend in the folder.
type files struct{ journal, lock, socket, log string }

func filesOf(dir, name string) files {
	base := filepath.Join(dir, fileName(name))
	return files{base + ".journal", base + ".lock", base + ".sock", base + ".log"}
}

// fileName is a backend's name as that of a file: its end, which people know it
// by, and what tells it from all others.
func fileName(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	letters := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '-'
	}, name)
	return fmt.Sprintf("%s-%08x", strings.Trim(letters[max(0, len(letters)-24):], "-"), h.Sum32())
}
