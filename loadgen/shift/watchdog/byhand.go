package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"saturate/loadgen/shift/balancer"
)

// A Journal is what a folder holds about one backend: its last epoch.
type Journal struct {
	// Name is the backend's.
	Name     string
	Balancer balancer.Config
	Epoch    uint64
	Holder   string
	Began    time.Time
	Servers  []string
	// Ended is how the epoch ended; nil where it has not, or not to the end.
	Ended *Ended
	// PID is the watchdog's that has the backend now; 0 where none has.
	PID int

	dir    string
	socket string
}

// Journals are those in a folder, by name. A folder that does not exist has none.
// One that cannot be read is an error, and does not keep the others.
func Journals(dir string) (all []Journal, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		base, is := strings.CutSuffix(e.Name(), ".journal")
		if !is {
			continue
		}
		p, bad := readJournal(filepath.Join(dir, e.Name()))
		if bad != nil || p == nil {
			err = errors.Join(err, bad)
			continue
		}
		j := Journal{
			Name: p.Name, Balancer: p.Balancer, Epoch: p.Epoch, Holder: p.Holder, Began: p.Began, Servers: p.Servers,
			Ended: p.ended, dir: dir,
		}
		if o, held := lockOwner(filepath.Join(dir, base+".lock")); held {
			j.PID, j.socket = o.PID, o.Socket
		}
		all = append(all, j)
	}
	return all, err
}

// Restore puts back what a journal's epoch has left, and tells how it ended: by
// the watchdog that has the backend, whose epoch it ends, or else by itself. Where
// ctx ends before everything is as found, the error says why.
func (j Journal) Restore(ctx context.Context, why string, log func(string)) (Ended, error) {
	if j.PID != 0 {
		return j.ask(ctx, why)
	}
	w, err := Open(Config{Balancer: j.Balancer, Dir: j.dir, Log: log})
	if err != nil {
		return Ended{}, err
	}
	late := w.Idle(ctx)
	err = w.Close(ctx, why)
	if late != nil && err == nil {
		err = late
	}
	if w.last == nil {
		return Ended{}, err
	}
	return *w.last, err
}

// ask has the watchdog that runs do it.
func (j Journal) ask(ctx context.Context, why string) (Ended, error) {
	c := DialSocket(j.socket)
	defer c.Close()
	return Restore(ctx, c, why)
}

// Restore has a watchdog that runs end the epoch that it holds, if it does, and
// waits until everything is as found.
func Restore(ctx context.Context, c *Client, why string) (Ended, error) {
	for {
		s, err := c.State(ctx)
		switch {
		case err != nil:
			return Ended{}, err
		case s.Epoch != 0:
			if e, err := c.End(ctx, End{Epoch: s.Epoch, Why: why}); err != nil || e.Restored {
				return e, err
			}
		case !s.Restoring && s.Last == nil:
			return Ended{Restored: true}, nil
		case !s.Restoring:
			return *s.Last, nil
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			if s.Last == nil {
				s.Last = &Ended{}
			}
			return *s.Last, fmt.Errorf("not everything is as found yet: %s", s.Trouble)
		}
	}
}
