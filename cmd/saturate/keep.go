package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
)

// historyFlags say which history a command uses.
type historyFlags struct {
	path string
	none bool
}

// add adds the flag of a command that reads a history.
func (h *historyFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&h.path, "history", "", "the history's file (default $SATURATE_HISTORY, else ~/.local/state/saturate/history.db)")
}

// addOff adds the flags of a command that can do without.
func (h *historyFlags) addOff(c *cobra.Command) {
	h.add(c)
	c.Flags().BoolVar(&h.none, "no-history", false, "keep no record in the history, and take no starting rate from it")
}

// file is the history's path; history.Off where none is to be used.
func (h historyFlags) file(env *environment) (string, error) {
	switch {
	case h.none:
		return history.Off, nil
	case h.path != "":
		return h.path, nil
	}
	return history.DefaultPath(env.getenv)
}

// openHistory opens the history that the flags name; that there is none is bad
// usage.
func openHistory(ctx context.Context, env *environment, h historyFlags, readOnly bool) (*history.DB, error) {
	path, err := h.file(env)
	if err != nil {
		return nil, err
	}
	if path == history.Off {
		return nil, hint(exitWith(exitUsage, errors.New("the history is off")), "unset SATURATE_HISTORY, or name a file with --history FILE")
	}
	return history.Open(ctx, history.Config{Path: path, ReadOnly: readOnly})
}

// keep adds a record to the history. Where that fails it goes to a file beside,
// with a warning, and the run's exit code stays what it found: only a record
// that could be kept nowhere is an error. A run that was interrupted is kept too.
func keep(ctx context.Context, env *environment, h historyFlags, r *record.Record) error {
	path, err := h.file(env)
	if err == nil && path == history.Off {
		return nil
	}
	if err == nil {
		err = keepAt(context.WithoutCancel(ctx), path, r)
	}
	if err == nil {
		return nil
	}
	file, lost := keepBeside(path, r)
	if lost != nil {
		return fmt.Errorf("the record was not kept: %w", errors.Join(err, lost))
	}
	warnOf(env.stderr, hint(fmt.Errorf("%w; the record is in %s", err, file), "when the history is well again: saturate history import "+file))
	return nil
}

func keepAt(ctx context.Context, path string, r *record.Record) error {
	db, err := history.Open(ctx, history.Config{Path: path})
	if err != nil {
		return err
	}
	return errors.Join(db.Add(ctx, r), db.Close())
}

// keepBeside writes a record to a file of its own: in the history's folder, or
// the working one, or the one for temporary files.
func keepBeside(path string, r *record.Record) (file string, err error) {
	data, err := record.Marshal(r)
	if err != nil {
		return "", err
	}
	folders := []string{".", os.TempDir()}
	if path != "" {
		folders = append([]string{filepath.Dir(path)}, folders...)
	}
	var errs error
	for _, folder := range folders {
		file := filepath.Join(folder, "saturate-"+r.ID+".json")
		err := record.WriteFile(file, data)
		if err == nil {
			return file, nil
		}
		errs = errors.Join(errs, err)
	}
	return "", errs
}

// lastKnown tells what the targets of scenarios were last found to carry, which
// is where their next searches begin: 0 where that is not known. A history that
// cannot be read is told of.
func lastKnown(ctx context.Context, env *environment, h historyFlags, names ...string) func(scenario, target, generation string) float64 {
	known := map[string]map[history.Series]history.Known{}
	err := consult(ctx, env, h, func(db *history.DB) (err error) {
		for _, name := range names {
			if known[name], err = db.Known(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		warnOf(env.stderr, fmt.Errorf("the search begins low: %w", err))
	}
	return func(scenario, target, generation string) float64 {
		return known[scenario][history.Series{Target: target, Generation: generation}].AtLimit
	}
}

// warnOf prints what went wrong without ending the program, and its remedies.
func warnOf(w io.Writer, err error) {
	fmt.Fprintf(w, "saturate: warning: %v\n", err)
	for _, h := range hints(err) {
		fmt.Fprintf(w, "saturate: hint: %s\n", h)
	}
}
