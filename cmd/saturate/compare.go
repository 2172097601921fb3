package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"saturate/record"
	"saturate/report"
)

const compareLong = `
compare holds two sides against each other and says what moved: the sustained
rate, the cost of a request at equal load, the work that one server can do, and
users per server, each with its ratio, an interval, and the smallest change that
would have been seen. What differs in limits, engine, arrivals, mix, scope or
unit is refused, with the reason.

    saturate compare generation=zen3 generation=zen4
    saturate compare build=4f2c1e build=9a0b77 --scenario web --since 30d
    saturate compare baseline last
    saturate compare before.json after.json -o markdown
` + recordNames + `
Of several records those that found their limit are compared. An interval needs
several servers, or several restarts of one; of two single holds it takes
restarts to differ as they usually do, and says so. Labels cores, watts and
price of a target give the rate per core, watt and unit of currency.
`

func newCompareCommand(env *environment) *cobra.Command {
	choose := chooser{env: env}
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
			return compare(c.Context(), choose, args, outputs)
		},
	}
	c.Flags().StringArrayVarP(&formats, "output", "o", nil, "text, json or markdown, to standard output or =FILE; several allowed")
	choose.add(c)
	return c
}

func compare(ctx context.Context, choose chooser, args []string, outputs []output) error {
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
	errs = writeComparison(choose.env.stdout, outputs, c)
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

// side is one of the two that are compared.
func (c *chooser) side(ctx context.Context, name string) (record.Subject, error) {
	found, err := c.find(ctx, name)
	if err != nil {
		return record.Subject{}, err
	}
	for _, r := range found.records {
		if first := found.records[0]; r.Scenario != first.Scenario {
			return record.Subject{}, hint(exitWith(exitUsage, fmt.Errorf("%s has records of the scenarios %s and %s", name, first.Scenario, r.Scenario)),
				"a side is of one scenario: say which of the history's with --scenario")
		}
	}
	measured, left := found.measured()
	if left > 0 {
		fmt.Fprintf(c.env.stderr, "saturate: %s: %s found no limit and %s left out\n", name, count(left, "measurement"), map[bool]string{true: "is", false: "are"}[left == 1])
	}
	s, err := record.NewSubject(name, measured)
	if err != nil {
		return s, hint(exitWith(exitNoAnswer, err), "saturate history lists what there is")
	}
	return s, nil
}

// all are the targets of a record.
func all(r *record.Record) []record.Measured {
	m, _ := chosen{records: []*record.Record{r}}.measured()
	return m
}
