package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
)

// recordNames says what a record may be named by, in the help of the commands
// that take one.
const recordNames = `
A record is a file (JSON, or JSON Lines such as history export writes), "-" for
standard input, or of the history: an ID or as much of it as no other has,
"last", "baseline", or a label, which names all records that have it.
--scenario and --since say among which records these three are looked for.
`

// A chooser finds the records that a name stands for.
type chooser struct {
	env      *environment
	history  historyFlags
	scenario string
	since    string
}

func (c *chooser) add(command *cobra.Command) {
	c.history.add(command)
	command.Flags().StringVar(&c.scenario, "scenario", "", "of this scenario, where a record is named by last, baseline or a label")
	command.Flags().StringVar(&c.since, "since", "", "begun at this time or later, where a record is named by last or a label: 2026-11-21 or 30d")
}

// filter are the flags.
func (c *chooser) filter() (f history.Filter, err error) {
	f.Scenario = c.scenario
	if c.since == "" {
		return f, nil
	}
	if f.Since, err = parseTime(c.since, time.Now()); err != nil {
		return f, exitWith(exitUsage, fmt.Errorf("--since: %w", err))
	}
	return f, nil
}

// chosen is what a name stands for.
type chosen struct {
	name    string
	records []*record.Record
	// label and value are the name's where it is a label. Several says that the
	// name may stand for many records, of which some may be of no use.
	label, value string
	several      bool
}

// find reads standard input, a file, or what the history has of that name.
func (c *chooser) find(ctx context.Context, name string) (chosen, error) {
	found := chosen{name: name}
	filter, err := c.filter()
	if err != nil {
		return found, err
	}
	documents, err := c.read(name)
	found.several = len(documents) > 1
	if errors.Is(err, os.ErrNotExist) {
		err = c.history.read(ctx, c.env, func(db *history.DB) (err error) {
			documents, err = found.look(ctx, db, filter)
			return err
		})
	}
	var not *history.NotFoundError
	if errors.As(err, &not) && not.Ref == name {
		err = hint(fmt.Errorf("there is no file and no record %q", name), not.Hint())
	}
	if err != nil {
		return found, err
	}
	for _, d := range documents {
		r, err := d.Record()
		if err != nil {
			return found, err
		}
		found.records = append(found.records, r)
	}
	return found, nil
}

// read reads standard input or a file.
func (c *chooser) read(name string) ([]history.Document, error) {
	in := c.env.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	documents, err := history.Read(in)
	if err == nil && len(documents) == 0 {
		err = errors.New("there is no record in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return documents, nil
}

// look is what the history has of a name; nothing has a label that none has.
func (c *chosen) look(ctx context.Context, db *history.DB, f history.Filter) (all []history.Document, err error) {
	c.label, c.value, c.several = strings.Cut(c.name, "=")
	switch {
	case c.several:
		f.Labels = map[string]string{c.label: c.value}
	case c.name == history.Newest:
		f.Limit = 1
	case c.name == "baseline":
		d, err := onlyBaseline(ctx, db, f.Scenario)
		return []history.Document{d}, err
	default:
		d, err := db.Find(ctx, c.name)
		return []history.Document{d}, err
	}
	for d, err := range db.Documents(ctx, f) {
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	if len(all) == 0 && !c.several {
		return nil, &history.NotFoundError{What: "record", Ref: c.name}
	}
	return all, nil
}

// onlyBaseline is the baseline of a scenario, or the only one that there is.
func onlyBaseline(ctx context.Context, db *history.DB, scenario string) (history.Document, error) {
	baselines, err := db.Baselines(ctx)
	if err != nil {
		return history.Document{}, err
	}
	id := baselines[scenario]
	if scenario == "" && len(baselines) == 1 {
		for _, only := range baselines {
			id = only
		}
	}
	if id == "" {
		return history.Document{}, hint(exitWith(exitNoAnswer, errors.New("there is no baseline")),
			"name one with saturate history baseline ID; where several scenarios have one, say which with --scenario")
	}
	return db.Find(ctx, id)
}

// measured are the targets of what was chosen. Of several records only those that
// found their limit count; left is how many did not.
func (c chosen) measured() (all []record.Measured, left int) {
	for _, r := range c.records {
		for i := range r.Targets {
			m := record.Measured{Record: r, Target: &r.Targets[i]}
			switch {
			case c.label != "" && r.Label(m.Target, c.label) != c.value:
			case c.several && (m.Target.Ending != record.Found || r.Load.Held > 0):
				left++
			default:
				all = append(all, m)
			}
		}
	}
	return all, left
}
