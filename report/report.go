// Package report writes records for people and for programs, one file a
// format. It decides nothing: every figure and every judgement is the record's.
//
// A run that did not find the limit never prints a bare number: it says "at
// least" or "less than", or that there is no answer, and why.
package report

import (
	"io"

	"saturate/record"
)

// Options are what a reader may choose.
type Options struct {
	// Colour marks the answer, what was missed and the doubts for a terminal.
	Colour bool
	// Trend is the history that the record is the last of; nil where none is known.
	Trend *Trend
}

// A Format writes a record.
type Format func(w io.Writer, r *record.Record, o Options) error

// Formats are the formats by the name that -o takes.
var Formats = map[string]Format{
	"text":        Text,
	"json":        JSON,
	"html":        HTML,
	"markdown":    Markdown,
	"junit":       JUnit,
	"openmetrics": OpenMetrics,
	"benchfmt":    Benchfmt,
}
