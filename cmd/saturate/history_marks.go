package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"saturate/history"
)

const historyMarkLong = `
history mark notes that something happened that may change the figures: a
rollout, a feature switch, a new kernel. Lists and reports set it beside the
change.

    saturate history mark "rollout 4f2c1e"
    saturate history mark "cache on" --scenario feed --at "2026-11-20 18:30"
`

func newHistoryMarkCommand(env *environment) *cobra.Command {
	var h historyFlags
	var scenario, at string
	c := &cobra.Command{
		Use:   "mark TEXT",
		Short: "Note a rollout or another change",
		Long:  historyMarkLong,
		Args:  exactlyOne("text"),
		RunE: func(c *cobra.Command, args []string) error {
			m := history.Mark{Text: args[0], Scenario: scenario}
			if at != "" {
				var err error
				if m.At, err = parseTime(at, time.Now()); err != nil {
					return exitWith(exitUsage, fmt.Errorf("--at: %w", err))
				}
			}
			return h.write(c.Context(), env, func(db *history.DB) error {
				m, err := db.AddMark(c.Context(), m)
				if err != nil {
					return err
				}
				return align(env.stdout, [][]string{markRow(m, false)})
			})
		},
	}
	h.add(c)
	c.Flags().StringVar(&scenario, "scenario", "", "whose figures it may change (default all)")
	c.Flags().StringVar(&at, "at", "", "when it happened: 2026-11-21 03:00, or 2h ago (default now)")
	return c
}

const historyMarksLong = `
history marks lists the marks, oldest first.

    saturate history marks --scenario feed --since 30d
`

func newHistoryMarksCommand(env *environment) *cobra.Command {
	var h historyFlags
	var f filterFlags
	var format string
	c := &cobra.Command{
		Use:   "marks",
		Short: "List the marks",
		Long:  historyMarksLong,
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			filter, err := f.filter()
			if err != nil {
				return exitWith(exitUsage, err)
			}
			return h.read(c.Context(), env, func(db *history.DB) error { return listMarks(c.Context(), env, db, filter, format) })
		},
	}
	h.add(c)
	c.Flags().StringVar(&f.f.Scenario, "scenario", "", "of this scenario, and of all")
	c.Flags().StringVar(&f.since, "since", "", "at this time or later: 2026-11-21, 2026-11-21 03:00, or 30d ago")
	c.Flags().StringVar(&f.until, "until", "", "before this time")
	addListFormat(c, &format)
	return c
}

func listMarks(ctx context.Context, env *environment, db *history.DB, f history.Filter, format string) error {
	marks, err := db.Marks(ctx, f)
	if err != nil {
		return err
	}
	if format != "text" {
		return writeList(env.stdout, format, marks)
	}
	var rows [][]string
	for _, m := range marks {
		rows = append(rows, markRow(m, false))
	}
	return align(env.stdout, rows)
}

const historyUnmarkLong = `
history unmark takes a mark away.

    saturate history unmark 01M7YYSC
`

func newHistoryUnmarkCommand(env *environment) *cobra.Command {
	var h historyFlags
	c := &cobra.Command{
		Use:   "unmark MARK",
		Short: "Take a mark away",
		Long:  historyUnmarkLong,
		Args:  exactlyOne("mark"),
		RunE: func(c *cobra.Command, args []string) error {
			return h.write(c.Context(), env, func(db *history.DB) error {
				m, err := db.DeleteMark(c.Context(), args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(env.stdout, "deleted %s, %q\n", m.ID, m.Text)
				return err
			})
		},
	}
	h.add(c)
	return c
}

func listBaselines(ctx context.Context, env *environment, db *history.DB) error {
	baselines, err := db.Baselines(ctx)
	if err != nil {
		return err
	}
	if len(baselines) == 0 {
		fmt.Fprintln(env.stderr, "saturate: no scenario has a baseline")
	}
	var errs error
	for _, scenario := range slices.Sorted(maps.Keys(baselines)) {
		_, err := fmt.Fprintf(env.stdout, "%s  %s\n", baselines[scenario], scenario)
		errs = errors.Join(errs, err)
	}
	return errs
}
