package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"saturate/history"
)

// filterFlags choose records.
type filterFlags struct {
	f            history.Filter
	labels       []string
	since, until string
	endings      []string
	limit        int
}

func (f *filterFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.f.Scenario, "scenario", "", "of this scenario")
	flags.StringVar(&f.f.Target, "target", "", "of this target")
	flags.StringVar(&f.f.Generation, "generation", "", "with this generation of servers")
	flags.StringVar(&f.f.Build, "build", "", "with this build")
	flags.StringArrayVar(&f.labels, "label", nil, "with this label, as NAME=VALUE; several must all hold")
	flags.StringVar(&f.since, "since", "", "begun at this time or later: 2026-11-21, 2026-11-21 03:00, or 30d ago")
	flags.StringVar(&f.until, "until", "", "begun before this time")
	flags.StringArrayVar(&f.endings, "ending", nil, "ended so: found, at_least, at_most or inconclusive; several allowed")
	flags.IntVar(&f.limit, "limit", 0, "the newest so many records; 0 for all")
}

// filter reads the flags.
func (f *filterFlags) filter() (history.Filter, error) {
	out := f.f
	if f.limit < 0 {
		return out, fmt.Errorf("--limit: %d is not a number of records", f.limit)
	}
	out.Limit = f.limit
	var errs error
	for _, label := range f.labels {
		name, value, ok := strings.Cut(label, "=")
		if !ok || name == "" {
			errs = errors.Join(errs, hint(fmt.Errorf("--label: %q is no label", label), "write it as NAME=VALUE"))
		}
		if out.Labels == nil {
			out.Labels = make(map[string]string)
		}
		out.Labels[name] = value
	}
	for _, text := range f.endings {
		e, err := knownEnding(text)
		errs, out.Endings = errors.Join(errs, err), append(out.Endings, e)
	}
	now := time.Now()
	for _, bound := range []struct {
		flag, text string
		into       *time.Time
	}{{"since", f.since, &out.Since}, {"until", f.until, &out.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := parseTime(bound.text, now)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("--%s: %w", bound.flag, err))
		}
		*bound.into = at
	}
	return out, errs
}

// parseTime reads a time, in the local zone where it names none, or how long
// ago it was.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	ago := strings.TrimSpace(strings.TrimSuffix(text, "ago"))
	if days, ok := strings.CutSuffix(ago, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, hint(fmt.Errorf("%q is not a time", text), "write 2026-11-21, 2026-11-21 03:00, 2026-11-21T03:00:00Z, or how long ago: 30d, 12h")
}

// tableLimit is how many records a table has when nobody says otherwise.
const tableLimit = 50

func newHistoryListCommand(env *environment) *cobra.Command {
	var h historyFlags
	var f filterFlags
	var format string
	c := &cobra.Command{
		Use:   "history",
		Short: "List, show and keep the records of past runs",
		Long:  historyLong,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := noSuchCommand(c, args[0])
			if len(c.SuggestionsFor(args[0])) == 0 {
				err = hint(exitWith(exitUsage, fmt.Errorf("history: there is no command %q", args[0])), `see "saturate help history"`)
			}
			return err
		},
		RunE: func(c *cobra.Command, _ []string) error {
			filter, err := f.filter()
			if err != nil {
				return exitWith(exitUsage, err)
			}
			if !c.Flags().Changed("limit") && format == "text" {
				filter.Limit = tableLimit
			}
			return h.read(c.Context(), env, func(db *history.DB) error { return list(c.Context(), env, db, filter, format) })
		},
	}
	h.add(c)
	f.add(c)
	addListFormat(c, &format)
	c.Flags().Lookup("limit").Usage = "the newest so many records; 0 for all (default 50 as text, all as JSON)"
	return c
}

// addListFormat adds the -o of commands that list.
func addListFormat(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "text", "text, json or jsonl")
	c.PreRunE = func(*cobra.Command, []string) error {
		switch *format {
		case "text", "json", "jsonl":
			return nil
		}
		return hint(exitWith(exitUsage, fmt.Errorf("-o %s: there is no such format for a list", *format)), "text, json or jsonl")
	}
}

func list(ctx context.Context, env *environment, db *history.DB, f history.Filter, format string) error {
	entries, err := db.Entries(ctx, f)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		fmt.Fprintf(env.stderr, "saturate: no record is like that in %s\n", place(db))
	}
	if format != "text" {
		return writeList(env.stdout, format, entries)
	}
	if len(entries) == 0 {
		return nil
	}
	since := history.Filter{Scenario: f.Scenario, Since: f.Since, Until: f.Until}
	if f.Limit > 0 {
		since.Since = entries[len(entries)-1].At
	}
	marks, err := db.Marks(ctx, since)
	if err != nil {
		return err
	}
	if err := writeTable(env.stdout, entries, marks, isTerminal(env.stdout)); err != nil {
		return err
	}
	if f.Limit == tableLimit && records(entries) == tableLimit {
		fmt.Fprintf(env.stderr, "saturate: these are the newest %d; --limit 0 shows all\n", tableLimit)
	}
	return nil
}

func place(db *history.DB) string {
	if db.Path() == "" {
		return "the history, which is empty"
	}
	return db.Path()
}

func records(entries []history.Entry) int {
	n, last := 0, ""
	for _, e := range entries {
		if e.ID != last {
			n, last = n+1, e.ID
		}
	}
	return n
}

// writeList writes values as one JSON array, or a line each.
func writeList[T any](w io.Writer, format string, all []T) error {
	buffered := bufio.NewWriterSize(w, 64<<10) // a year has 73,000 lines
	e := json.NewEncoder(buffered)
	e.SetEscapeHTML(false)
	if format == "json" {
		e.SetIndent("", "  ")
		if all == nil {
			all = []T{}
		}
		if err := e.Encode(all); err != nil {
			return err
		}
		return buffered.Flush()
	}
	for _, one := range all {
		if err := e.Encode(one); err != nil {
			return err
		}
	}
	return buffered.Flush()
}
