package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"saturate/history"
	"saturate/record"
	"saturate/report"
)

const reportLong = `
report prints past records again, in any format. A record is a file, "-" for
standard input, or an ID of the history (as much of it as no other has, or
"last"). A file may hold several records, such as history export writes.

    saturate report last -o html=night.html
    saturate report web.json -o markdown >> "$GITHUB_STEP_SUMMARY"
    saturate report web.json -o junit=junit.xml -o openmetrics=saturate.prom
    saturate history export --scenario feed | saturate report - -o benchfmt

text, json, markdown and benchfmt take several records, the other formats one.
The exit code is 0 whatever the records say; "saturate run" tells by its own.
`

// severals are the formats that several records can be written in.
func severals() []string { return []string{"text", "json", "markdown", "benchfmt"} }

func newReportCommand(env *environment) *cobra.Command {
	var h historyFlags
	var outputs []string
	c := &cobra.Command{
		Use:   "report RECORD...",
		Short: "Print past records in any format",
		Long:  reportLong,
		Args:  atLeastOne("record"),
		ValidArgsFunction: func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			offered, _ := completeRecord(env, &h)(c, args, begun)
			return offered, cobra.ShellCompDirectiveKeepOrder // files, too
		},
		RunE: func(c *cobra.Command, args []string) error {
			to, err := parseOutputs(outputs)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			records, err := readRecords(c.Context(), env, h, args)
			if err != nil {
				return err
			}
			var nights *report.Trend
			if len(records) == 1 {
				nights = past(c.Context(), env, h, records[0])
			}
			return reportAll(env.stdout, to, records, nights)
		},
	}
	h.add(c)
	c.Flags().StringArrayVarP(&outputs, "output", "o", nil, "FORMAT or FORMAT=FILE, several allowed: "+formatNames()+" (default text)")
	return c
}

// readRecords finds what the references name, in their order.
func readRecords(ctx context.Context, env *environment, h historyFlags, refs []string) ([]*record.Record, error) {
	var all []*record.Record
	for _, ref := range refs {
		documents, err := readDocuments(ctx, env, h, ref)
		if err != nil {
			return nil, err
		}
		for _, d := range documents {
			r, err := d.Record()
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// readDocuments reads standard input, a file, or what the history has of that
// name.
func readDocuments(ctx context.Context, env *environment, h historyFlags, ref string) ([]history.Document, error) {
	in := env.stdin
	if ref != "-" {
		f, err := os.Open(ref)
		if errors.Is(err, os.ErrNotExist) {
			return findDocument(ctx, env, h, ref)
		} else if err != nil {
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
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return documents, nil
}

func findDocument(ctx context.Context, env *environment, h historyFlags, ref string) ([]history.Document, error) {
	var found history.Document
	err := h.read(ctx, env, func(db *history.DB) (err error) {
		found, err = db.Find(ctx, ref)
		return err
	})
	var not *history.NotFoundError
	if errors.As(err, &not) {
		return nil, hint(fmt.Errorf("there is no file and no record %q", ref), not.Hint())
	}
	return []history.Document{found}, err
}

// reportAll writes the records in every format: one, or several where the format
// can.
func reportAll(stdout io.Writer, outputs []output, records []*record.Record, nights *report.Trend) error {
	if len(records) == 1 {
		return write(stdout, outputs, records[0], nights)
	}
	var errs error
	for _, o := range outputs {
		if !slices.Contains(severals(), o.format) {
			errs = errors.Join(errs, fmt.Errorf("-o %s: takes one record, and these are %d", o.format, len(records)))
		}
	}
	if errs != nil {
		return exitWith(exitUsage, hint(errs, fmt.Sprintf("name one; %v take several", severals())))
	}
	return deliver(stdout, outputs, func(w io.Writer, o output) error { return severalTo(w, o, records, o.coloured(stdout)) })
}

// severalTo renders several records in one format.
func severalTo(w io.Writer, o output, records []*record.Record, coloured bool) error {
	if o.format == "benchfmt" { // in which one record's configuration would go on to hold for the next
		return report.Benchmarks(w, records)
	}
	for i, r := range records {
		if i > 0 && o.format == "text" {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := report.Formats[o.format](w, r, report.Options{Colour: coloured}); err != nil {
			return err
		}
	}
	return nil
}
