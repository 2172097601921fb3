package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"saturate/history"
	"saturate/record"
)

const historyLong = `
history lists the records that runs have left, newest first, a line a target.

    saturate history --scenario feed --since 30d
    saturate history --label region=eu --ending found -o json
    saturate history show last

A record is named by its ID, or by as much of its beginning as no other has, or
by "last". What is not a capacity that was found never stands there as a bare
number: ">=" is a lower bound, "<" the lowest level that failed.

Every run adds its record, unless it is told --no-history, or
SATURATE_HISTORY=off. The history is one SQLite file; SATURATE_HISTORY=FILE or
--history FILE names another one.
`

func newHistoryCommand(env *environment) *cobra.Command {
	c := newHistoryListCommand(env)
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(
		newHistoryShowCommand(env),
		newHistoryDeleteCommand(env),
		newHistoryExportCommand(env),
		newHistoryImportCommand(env),
		newHistoryBaselineCommand(env),
		newHistoryMarkCommand(env),
		newHistoryMarksCommand(env),
		newHistoryUnmarkCommand(env),
	)
	return c
}

// read runs f on the history that the flags name.
func (h historyFlags) read(ctx context.Context, env *environment, f func(*history.DB) error) error {
	db, err := openHistory(ctx, env, h, true)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// write is read for what changes the history.
func (h historyFlags) write(ctx context.Context, env *environment, f func(*history.DB) error) error {
	db, err := openHistory(ctx, env, h, false)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

const historyShowLong = `
history show prints a record of the history in the formats of "saturate run".

    saturate history show last
    saturate history show 01M7YYSC -o html=night.html -o text
`

func newHistoryShowCommand(env *environment) *cobra.Command {
	var h historyFlags
	var outputs []string
	c := &cobra.Command{
		Use:               "show RECORD",
		Short:             "Print a record",
		Long:              historyShowLong,
		Args:              exactlyOne("record"),
		ValidArgsFunction: completeRecord(env, &h),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := parseOutputs(outputs)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			return h.read(c.Context(), env, func(db *history.DB) error {
				d, err := db.Find(c.Context(), args[0])
				if err != nil {
					return err
				}
				r, err := d.Record()
				if err != nil {
					return err
				}
				return write(env.stdout, to, r, past(c.Context(), env, h, r))
			})
		},
	}
	h.add(c)
	c.Flags().StringArrayVarP(&outputs, "output", "o", nil, "FORMAT or FORMAT=FILE, several allowed: "+formatNames()+" (default text)")
	return c
}

// completeRecord offers the newest records.
func completeRecord(env *environment, h *historyFlags) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		offered := []string{history.Newest}
		err := h.read(c.Context(), env, func(db *history.DB) error {
			entries, err := db.Entries(c.Context(), history.Filter{Limit: 20})
			for _, e := range entries {
				offered = append(offered, fmt.Sprintf("%s\t%s %s", e.ID, e.Scenario, stamp(e.At)))
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

const historyDeleteLong = `
history delete takes records out of the history for good: all that are named,
or none. It asks before it does, unless it is told --yes. A baseline stays.

    saturate history delete 01M7YYSC 01M7YYB2
`

func newHistoryDeleteCommand(env *environment) *cobra.Command {
	var h historyFlags
	var yes bool
	c := &cobra.Command{
		Use:               "delete RECORD...",
		Short:             "Take records out of the history",
		Long:              historyDeleteLong,
		Args:              atLeastOne("record"),
		ValidArgsFunction: completeRecord(env, &h),
		RunE: func(c *cobra.Command, args []string) error {
			return h.write(c.Context(), env, func(db *history.DB) error { return deleteRecords(c.Context(), env, db, args, yes) })
		},
	}
	h.add(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func deleteRecords(ctx context.Context, env *environment, db *history.DB, refs []string, yes bool) error {
	var ids []string
	for _, ref := range refs {
		d, err := db.Find(ctx, ref)
		if err != nil {
			return err
		}
		ids = append(ids, d.ID)
	}
	if !yes {
		if f, ok := env.stdin.(*os.File); !ok || !isTTY(f) {
			return hint(exitWith(exitUsage, errors.New("delete: nobody is there to be asked")), "say --yes")
		}
		fmt.Fprintf(env.stderr, "delete %s for good: %s? [y/N] ", count(len(ids), "record"), strings.Join(ids, ", "))
		var answer string
		fmt.Fscanln(env.stdin, &answer) // no answer is a no
		if answer := strings.ToLower(answer); answer != "y" && answer != "yes" {
			return errors.New("nothing was deleted")
		}
	}
	if err := db.Delete(ctx, ids...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "deleted %s\n", strings.Join(ids, ", "))
	return err
}

func isTTY(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

const historyBaselineLong = `
history baseline makes a record what "baseline" means for its scenario, in
require and in compare. Without a record it lists the baselines.

    saturate history baseline 01M7YYSC
    saturate history baseline --unset feed
`

func newHistoryBaselineCommand(env *environment) *cobra.Command {
	var h historyFlags
	var unset string
	c := &cobra.Command{
		Use:               "baseline [RECORD]",
		Short:             "Say which record later ones are held against",
		Long:              historyBaselineLong,
		ValidArgsFunction: completeRecord(env, &h),
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case unset != "":
				return none(c, args)
			case len(args) > 0:
				return exactlyOne("record")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			switch {
			case unset != "":
				return h.write(ctx, env, func(db *history.DB) error { return db.UnsetBaseline(ctx, unset) })
			case len(args) == 1:
				return h.write(ctx, env, func(db *history.DB) error { return setBaseline(ctx, env, db, args[0]) })
			}
			return h.read(ctx, env, func(db *history.DB) error { return listBaselines(ctx, env, db) })
		},
	}
	h.add(c)
	c.Flags().StringVar(&unset, "unset", "", "leave this scenario without a baseline")
	return c
}

func setBaseline(ctx context.Context, env *environment, db *history.DB, ref string) error {
	d, err := db.Find(ctx, ref)
	if err != nil {
		return err
	}
	scenario, err := db.SetBaseline(ctx, d.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s is the baseline of %s\n", d.ID, scenario)
	return err
}

// knownEnding reads the name of an ending.
func knownEnding(text string) (record.Ending, error) {
	for _, e := range []record.Ending{record.Found, record.AtLeast, record.AtMost, record.Inconclusive} {
		if text == string(e) {
			return e, nil
		}
	}
	return "", hint(fmt.Errorf("--ending: %q is no ending of a run", text), "found, at_least, at_most or inconclusive")
}
