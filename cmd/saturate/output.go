package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"saturate/record"
	"saturate/report"
)

// An output is one format and where it goes; an empty file is standard output.
type output struct{ format, file string }

func formatNames() string { return strings.Join(slices.Sorted(maps.Keys(report.Formats)), ", ") }

// parseOutputs are formatsOf the formats of a record; text is the default.
func parseOutputs(texts []string) ([]output, error) {
	if len(texts) == 0 {
		texts = []string{"text"}
	}
	return formatsOf(texts, slices.Sorted(maps.Keys(report.Formats))...)
}

// formatsOf reads "FORMAT" and "FORMAT=FILE" of the formats that there are, of
// which the first is the default, and finds what could not be written before a
// run rather than after it.
func formatsOf(texts []string, formats ...string) ([]output, error) {
	if len(texts) == 0 {
		return []output{{format: formats[0]}}, nil
	}
	var all []output
	for _, text := range texts {
		format, file, named := strings.Cut(text, "=")
		switch {
		case !slices.Contains(formats, format):
			return nil, hint(fmt.Errorf("-o %s: there is no format %q here", text, format), "one of "+strings.Join(formats, ", "))
		case named && file == "":
			return nil, hint(fmt.Errorf("-o %s: no file is named", text), "write -o "+format+"=FILE, or -o "+format+" for standard output")
		case named:
			if err := record.CheckWritable(file); err != nil {
				return nil, err
			}
		}
		all = append(all, output{format, file})
	}
	return all, nil
}

// write renders the record in every format.
func write(stdout io.Writer, outputs []output, r *record.Record, t *report.Trend) error {
	return deliver(stdout, outputs, func(w io.Writer, o output) error {
		return report.Formats[o.format](w, r, report.Options{Colour: o.coloured(stdout), Trend: t})
	})
}

// deliver renders every output. One that fails does not keep the others from
// being written; files come first, because who reads standard output may be
// gone, and a closed pipe there ends the program.
func deliver(stdout io.Writer, outputs []output, render func(io.Writer, output) error) error {
	var errs error
	for _, toFile := range []bool{true, false} {
		for _, o := range outputs {
			if (o.file != "") != toFile {
				continue
			}
			var b bytes.Buffer
			if err := render(&b, o); err != nil {
				errs = errors.Join(errs, fmt.Errorf("-o %s: %w", o.format, err))
				continue
			}
			errs = errors.Join(errs, o.put(stdout, b.Bytes()))
		}
	}
	return errs
}

// put writes what was rendered to where it goes.
func (o output) put(stdout io.Writer, text []byte) error {
	if o.file != "" {
		return record.WriteFile(o.file, text)
	}
	if _, err := stdout.Write(text); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// coloured tells whether an output is for a terminal that shows colour.
func (o output) coloured(stdout io.Writer) bool { return o.file == "" && isTerminal(stdout) }

// isTerminal tells whether w is a terminal that can be drawn on.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("NO_COLOR") != "" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
