package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
)

const historyExportLong = `
history export writes records as JSON Lines, oldest first, each one whole and in
a line of its own, to standard output or to a file. Without a filter it is all
of the history: marks and baselines follow the records.

    saturate history export > history.jsonl
    saturate history export --scenario feed --since 30d | jq .appweight
`

func newHistoryExportCommand(env *environment) *cobra.Command {
	var h historyFlags
	var f filterFlags
	c := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write records as JSON Lines",
		Long:  historyExportLong,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactlyOne("file")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			filter, err := f.filter()
			if err != nil {
				return exitWith(exitUsage, err)
			}
			return h.read(c.Context(), env, func(db *history.DB) error {
				file := "-"
				if len(args) == 1 {
					file = args[0]
				}
				return export(c.Context(), env, db, filter, file)
			})
		},
	}
	h.add(c)
	f.add(c)
	return c
}

func export(ctx context.Context, env *environment, db *history.DB, f history.Filter, file string) error {
	if file == "-" {
		_, err := db.Export(ctx, env.stdout, f)
		return err
	}
	var lines bytes.Buffer
	n, err := db.Export(ctx, &lines, f)
	if err != nil {
		return err
	}
	if err := record.WriteFile(file, lines.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s in %s\n", count(n, "record"), file)
	return err
}

const historyImportLong = `
history import adds the records of a file, or of standard input for "-": what
history export wrote, or files of "saturate run -o json=FILE". All are added, or
none where one is not a record. Those that are there already are left as they
are, so that importing twice changes nothing.

    saturate history import history.jsonl
    ssh nightly saturate history export | saturate history import -
`

func newHistoryImportCommand(env *environment) *cobra.Command {
	var h historyFlags
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "Add records that were exported",
		Long:  historyImportLong,
		Args:  atLeastOne("file"),
		RunE: func(c *cobra.Command, args []string) error {
			return h.write(c.Context(), env, func(db *history.DB) error {
				for _, file := range args {
					if err := importFile(c.Context(), env, db, file); err != nil {
						return fmt.Errorf("nothing was imported from %s: %w", file, err)
					}
				}
				return nil
			})
		},
	}
	h.add(c)
	return c
}

func importFile(ctx context.Context, env *environment, db *history.DB, file string) error {
	in := env.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return errors.Unwrap(err) // the path is said already
		}
		defer f.Close()
		in = f
	}
	n, err := db.Import(ctx, in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s: %s added, %d there already\n", file, count(n.Added, "record"), n.Present)
	return err
}
