package watchdog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"saturate/internal/disk"
	"saturate/loadgen/shift/balancer"
)

// journalVersion is that of the journal's format.
const journalVersion = 1

// A head is a journal's first line: all that is needed to put a backend back.
type head struct {
	Version int    `json:"version"`
	Epoch   uint64 `json:"epoch"`
	Name    string `json:"name"`
	// Balancer is how the backend is reached.
	Balancer balancer.Config  `json:"balancer"`
	Holder   string           `json:"holder"`
	PID      int              `json:"pid"` // of the watchdog
	Began    time.Time        `json:"began"`
	Servers  []string         `json:"servers"`
	MaxConns map[string]int   `json:"max_conns,omitempty"`
	Caps     Caps             `json:"caps"`
	Found    balancer.Backend `json:"found"`
}

// A note is any other line. Set is written before the weights are.
type note struct {
	At    time.Time         `json:"at"`
	Set   map[string]int    `json:"set,omitempty"`
	Why   string            `json:"why,omitempty"`
	Left  map[string]string `json:"left,omitempty"`
	LeftV map[string]string `json:"left_maxconn,omitempty"`
	Ended *Ended            `json:"ended,omitempty"` // the journal is finished
}

// A page is what a journal says.
type page struct {
	head
	why   string
	ours  map[string][]int
	left  map[string]string
	leftV map[string]string
	ended *Ended // nil: unfinished
}

// readJournal reads the journal; one that does not exist is nil. What was being
// written when its writer died, the last line, may be incomplete.
func readJournal(path string) (*page, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseJournal(path, text)
}

func parseJournal(path string, text []byte) (*page, error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	p := &page{}
	if err := json.Unmarshal(lines[0], &p.head); err != nil || p.Version != journalVersion || p.Epoch == 0 || len(p.Found.Servers) == 0 {
		return nil, fmt.Errorf("%s: line 1: no journal of this version of saturate", path)
	}
	h := newHold(p.head, 0)
	for i, line := range lines[1:] {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var n note
		if err := json.Unmarshal(line, &n); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+2, err)
		}
		h.attempt(n.Set)
		if n.Why != "" {
			p.why = n.Why
		}
		if n.Left != nil {
			h.left = n.Left
		}
		if n.LeftV != nil {
			h.leftV = n.LeftV
		}
		p.ended = n.Ended
	}
	p.ours, p.left, p.leftV = h.ours, h.left, h.leftV
	return p, nil
}

const (
	// reserve is how much of the disk is taken ahead, in bytes, and spare how much
	// of it is kept for the epoch's end: a disk that fills up stops the pushes, and
	// not the putting back.
	reserve, spare = 64 << 10, 8 << 10
)

// A journal is one that is being written.
type journal struct {
	file     *os.File
	size     int64
	reserved int64
}

// createJournal writes a new journal in the place of the one before. When it
// returns, the journal is on the disk. Where it fails, the one before stands.
func createJournal(path string, h head) (*journal, error) {
	h.Version = journalVersion
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	temporary := path + ".new"
	os.Remove(temporary) // one that was left behind
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if err = j.write(append(line, '\n')); err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = disk.SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		file.Close()
		os.Remove(temporary)
		return nil, err
	}
	return j, nil
}

// openJournal goes on with a journal that was left unfinished. An incomplete last
// line is cut off.
func openJournal(path string) (*journal, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	size := int64(bytes.LastIndexByte(text, '\n') + 1)
	if err := file.Truncate(size); err != nil {
		file.Close()
		return nil, err
	}
	return &journal{file: file, size: size, reserved: size}, nil
}

// add writes a note down. Only one that ends the epoch may use what is spared.
func (j *journal) add(n note) error {
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if n.Set == nil {
		return j.append(line)
	}
	return j.write(line)
}

// write appends a line where there is room for more than that.
func (j *journal) write(line []byte) error {
	for j.size+int64(len(line))+spare > j.reserved {
		err := unix.Fallocate(int(j.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, j.reserved, reserve)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
			return fmt.Errorf("%s: %w", j.file.Name(), err)
		}
		j.reserved += reserve
	}
	return j.append(line)
}

// append puts a line on the disk. Of one that fails nothing stays.
func (j *journal) append(line []byte) error {
	n, err := j.file.Write(line)
	if err == nil {
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil {
		if n > 0 {
			j.file.Truncate(j.size) // which gives up what is reserved, too
		}
		return fmt.Errorf("%s: %w", j.file.Name(), err)
	}
	j.size += int64(len(line))
	return nil
}

func (j *journal) close() error { return j.file.Close() }
