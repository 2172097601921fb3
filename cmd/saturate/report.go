package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"saturate/record"
	"saturate/report"
)

const reportLong = `
report prints past records again, in any format, with the nights before them.

    saturate report last -o html=night.html
    saturate report last --scenario web
    saturate report web.json -o markdown >> "$GITHUB_STEP_SUMMARY"
    saturate report web.json -o junit=junit.xml -o openmetrics=saturate.prom
    saturate history export --scenario feed | saturate report - -o benchfmt
` + recordNames + `
text, json, markdown and benchfmt take several records, the other formats one.
The exit code is 0 whatever the records say; "saturate run" tells by its own.
`

// severals are the formats that several records can be written in.
func severals() []string { return []string{"text", "json", "markdown", "benchfmt"} }

func newReportCommand(env *environment) *cobra.Command {
	choose := chooser{env: env}
	var outputs []string
	c := &cobra.Command{
		Use:   "report RECORD...",
		Short: "Print past records in any format",
		Long:  reportLong,
		Args:  atLeastOne("record"),
		ValidArgsFunction: func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			offered, _ := completeRecord(env, &choose.history)(c, args, begun)
			return offered, cobra.ShellCompDirectiveKeepOrder // files, too
		},
		RunE: func(c *cobra.Command, args []string) error {
			to, err := parseOutputs(outputs)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			var records []*record.Record
			for _, name := range args {
				found, err := choose.find(c.Context(), name)
				if err != nil {
					return err
				}
				if len(found.records) == 0 {
					return hint(fmt.Errorf("the history has no record with %s", name), "saturate history lists what there is")
				}
				records = append(records, found.records...)
			}
			var nights *report.Trend
			if len(records) == 1 {
				nights = past(c.Context(), env, choose.history, records[0])
			}
			return reportAll(env.stdout, to, records, nights)
		},
	}
	choose.add(c)
	c.Flags().StringArrayVarP(&outputs, "output", "o", nil, "FORMAT or FORMAT=FILE, several allowed: "+formatNames()+" (default text)")
	return c
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
