package balancer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"saturate/internal/disk"
)

// reloadEvery is the least time between two reloads that change something: each
// doubles nginx's workers for a while.
const reloadEvery = 2 * time.Second

// A change is what is needed to change the upstream's file and to put it back.
type change struct {
	config Nginx

	mu sync.Mutex // one change at a time
	// found are the weights of the first look, and text the file then; ours is
	// the file as it was written here last.
	found      map[string]int
	text, ours string
	// reloads since everything was as found, and when the last was.
	reloads int
	last    time.Time
}

// set brings the weights into force. Weights as found are never made to wait, and
// cost nothing of the budget.
func (c *change) set(ctx context.Context, weights map[string]int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := master(c.config.PIDFile)
	if err != nil {
		return err
	}
	file, err := readUpstream(c.config)
	if err != nil {
		return err
	}
	c.look(file)
	if err := file.takes(weights); err != nil {
		return err
	}
	text, whole := c.wanted(file, weights)
	stale, err := file.stale(p.pid)
	if err != nil || text == file.text && stale == "" {
		return err
	}
	restoring := c.isRestoring(weights)
	if !restoring {
		if c.reloads >= c.config.Reloads {
			return fmt.Errorf("%w: %d since the weights were as found; they can still be put back", ErrBudget, c.reloads)
		}
		if err := sleep(ctx, time.Until(c.last.Add(reloadEvery))); err != nil {
			return err
		}
	}
	before, err := workers(p.pid)
	if err != nil {
		return err
	}
	if err := replace(c.config.UpstreamFile, text, file.info); err != nil {
		return err
	}
	c.ours = text
	reloading, err := c.bring(ctx, p.pid, before)
	switch {
	case err == nil:
	case restoring, reloading && ctx.Err() != nil:
		// Weights as found stay where they are written, for the next try; and so
		// do others that nginx was told of and will have in a moment.
		return err
	default:
		return c.undo(file, reloading, err)
	}
	if whole {
		c.reloads = 0
	}
	return nil
}

// look remembers what was found: the first weight that each server was seen with.
func (c *change) look(file upstreamFile) {
	if c.found == nil {
		c.found, c.text, c.ours = map[string]int{}, file.text, file.text
	}
	for _, s := range file.servers {
		if _, ok := c.found[s.address]; !ok {
			c.found[s.address] = s.weight
		}
	}
}

// takes reports whether the file has such servers, and nginx such weights.
func (f upstreamFile) takes(weights map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if !slices.ContainsFunc(f.servers, func(s serverLine) bool { return s.address == name }) {
			return fmt.Errorf("%w: %s", ErrUnknownServer, name)
		}
		if weights[name] < 1 {
			return fmt.Errorf("the weight of %s cannot be %d: nginx takes 1 and more", name, weights[name])
		}
	}
	return nil
}

// wanted is the file with the weights, and whether all are as found then. Where
// nobody else wrote to it meanwhile, that is the file as found, byte for byte.
func (c *change) wanted(file upstreamFile, weights map[string]int) (text string, whole bool) {
	whole = true
	for _, s := range file.servers {
		weight, ok := weights[s.address]
		if !ok {
			weight = s.weight
		}
		whole = whole && weight == c.found[s.address]
	}
	if whole && file.text == c.ours {
		return c.text, true
	}
	return file.setWeights(file.text, weights), whole
}

func (c *change) isRestoring(weights map[string]int) bool {
	for name, weight := range weights {
		if weight != c.found[name] {
			return false
		}
	}
	return true
}

// bring brings the file into force: tests, reloads and verifies. It tells whether
// nginx was told of it.
func (c *change) bring(ctx context.Context, master int, before []process) (reloading bool, err error) {
	testing, cancel := timeout(ctx, defaultTimeout)
	defer cancel()
	if _, err := run(testing, c.config.Test); err != nil {
		return false, fmt.Errorf("nginx refuses the new file: %w", err)
	}
	if err := c.reload(); err != nil {
		return true, err
	}
	return true, awaitRenewed(ctx, master, before)
}

// reload tells nginx to take the file; it is not broken off.
func (c *change) reload() error {
	c.reloads++
	c.last = time.Now()
	ctx, cancel := timeout(context.Background(), defaultTimeout)
	defer cancel()
	if _, err := run(ctx, c.config.Reload); err != nil {
		return fmt.Errorf("nginx was not reloaded: %w", err)
	}
	return nil
}

// undo puts the file back that was there before a change that failed.
func (c *change) undo(file upstreamFile, reloading bool, why error) error {
	path := c.config.UpstreamFile
	err := replace(path, file.text, file.info)
	if err == nil {
		c.ours = file.text
		// It is as old as it was: nginx runs just that.
		err = os.Chtimes(path, time.Time{}, file.info.ModTime())
	}
	if err == nil && reloading {
		err = c.reload()
	}
	if err != nil {
		return errors.Join(why, fmt.Errorf("and %s was not put back: %w", path, err))
	}
	return fmt.Errorf("%w; the file was put back", why)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// replace puts a text in a file's place at once, with the same owner and mode.
func replace(path, text string, like fs.FileInfo) (err error) {
	// A pattern that includes *.conf, or *, does not include this name.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".saturate-*")
	if err != nil {
		return fmt.Errorf("the upstream's file cannot be written: %w", err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("the upstream's file cannot be written: %w", err)
		}
	}()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if owner, ok := like.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(like.Mode().Perm()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}
