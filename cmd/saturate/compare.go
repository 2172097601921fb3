package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
	"saturate/report"
)

const compareLong = `
compare holds two sides against each other and says what moved: the sustained
rate, the cost of a request at equal load, the work that one server can do, and
users per server, each with its ratio, an interval, and the smallest change that
would have been seen. What differs in limits, engine, arrivals, mix, scope or
unit is refused, with the reason.

A side is a file with a record, a record of the history by the beginning of its
id, "last", "baseline", or a label that chooses targets of the history:

    saturate compare generation=zen3 generation=zen4
    saturate compare build=4f2c1e build=9a0b77 --scenario web --since 30d
    saturate compare baseline last
    saturate compare before.json after.json -o markdown

Labels cores, watts and price of a target give the rate per core, watt and unit
of currency. An interval needs several servers, or several restarts of one.
`

func newCompareCommand(env *environment) *cobra.Command {
	var h historyFlags
	var scenario, since string
	var formats []string
	c := &cobra.Command{
		Use:   "compare BASE NEW",
		Short: "Say whether two builds or generations differ",
		Long:  compareLong,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return hint(fmt.Errorf("compare: needs two sides, not %d", len(args)), "saturate compare BASE NEW")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			outputs, err := formatsOf(formats, "text", "json", "markdown")
			if err != nil {
				return exitWith(exitUsage, err)
			}
			f := history.Filter{Scenario: scenario}
			if since != "" {
				if f.Since, err = parseTime(since, time.Now()); err != nil {
					return exitWith(exitUsage, fmt.Errorf("--since: %w", err))
				}
			}
			return compare(c.Context(), env, chooser{env: env, history: h, filter: f}, args, outputs)
		},
	}
	c.Flags().StringArrayVarP(&formats, "output", "o", nil, "text, json or markdown, to standard output or =FILE; several allowed")
	c.Flags().StringVar(&scenario, "scenario", "", "of this scenario, where a side is a label or baseline")
	c.Flags().StringVar(&since, "since", "", "begun at this time or later, where a side is a label: 2026-11-21 or 30d")
	h.add(c)
	return c
}

func compare(ctx context.Context, env *environment, choose chooser, args []string, outputs []output) error {
	var sides [2]record.Subject
	var errs error
	for i, name := range args {
		side, err := choose.side(ctx, name)
		sides[i], errs = side, errors.Join(errs, err)
	}
	if errs != nil {
		return errs
	}
	c := record.Compare(sides[0], sides[1])
	errs = writeComparison(env.stdout, outputs, c)
	if errs == nil && c.Measures[0].Refused != "" {
		return exitWith(exitNoAnswer, nil) // there is nothing to compare
	}
	return errs
}

// writeComparison renders a comparison in every format.
func writeComparison(stdout io.Writer, outputs []output, c record.Comparison) error {
	return deliver(stdout, outputs, func(w io.Writer, o output) error {
		return report.ComparisonFormats[o.format](w, c, report.Options{Colour: o.coloured(stdout)})
	})
}

// A chooser finds what a side is.
type chooser struct {
	env     *environment
	history historyFlags
	filter  history.Filter
}

func (c chooser) side(ctx context.Context, name string) (record.Subject, error) {
	measured, err := c.find(ctx, name)
	if err != nil {
		return record.Subject{}, err
	}
	s, err := record.NewSubject(name, measured)
	if err != nil {
		return s, hint(exitWith(exitNoAnswer, err), "saturate history lists what there is")
	}
	return s, nil
}

func (c chooser) find(ctx context.Context, name string) ([]record.Measured, error) {
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		r, err := record.Unmarshal(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return all(r), nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	db, err := openHistory(ctx, c.env, c.history, true)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if label, value, is := strings.Cut(name, "="); is {
		return c.labelled(ctx, db, label, value)
	}
	doc, err := c.one(ctx, db, name)
	if err != nil {
		return nil, err
	}
	r, err := doc.Record()
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", doc.ID, err)
	}
	return all(r), nil
}

// one is a record of the history by its name.
func (c chooser) one(ctx context.Context, db *history.DB, name string) (history.Document, error) {
	if name != "baseline" {
		return db.Find(ctx, name)
	}
	baselines, err := db.Baselines(ctx)
	if err != nil {
		return history.Document{}, err
	}
	id := baselines[c.filter.Scenario]
	if c.filter.Scenario == "" && len(baselines) == 1 {
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

// all are the targets of a record.
func all(r *record.Record) []record.Measured {
	var out []record.Measured
	for i := range r.Targets {
		out = append(out, record.Measured{Record: r, Target: &r.Targets[i]})
	}
	return out
}

// labelled are the targets of the history with a label that found their limit.
func (c chooser) labelled(ctx context.Context, db *history.DB, label, value string) ([]record.Measured, error) {
	f := c.filter
	f.Labels = map[string]string{label: value}
	var out []record.Measured
	scenario := ""
	for r, err := range db.Records(ctx, f) {
		if err != nil {
			return nil, err
		}
		if scenario != "" && r.Scenario != scenario {
			return nil, hint(exitWith(exitUsage, fmt.Errorf("%s=%s is in records of the scenarios %s and %s", label, value, scenario, r.Scenario)), "say which with --scenario")
		}
		scenario = r.Scenario
		for _, m := range all(r) {
			if r.Label(m.Target, label) == value && m.Target.Ending == record.Found && r.Load.Held == 0 {
				out = append(out, m)
			}
		}
	}
	return out, nil
}
