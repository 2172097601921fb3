package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"saturate/record"
)

// A ComparisonFormat writes a comparison.
type ComparisonFormat func(w io.Writer, c record.Comparison, o Options) error

// ComparisonFormats are the formats by the name that -o takes.
var ComparisonFormats = map[string]ComparisonFormat{
	"text":     ComparisonText,
	"markdown": ComparisonMarkdown,
	"json":     ComparisonJSON,
}

// ComparisonText writes what moved for a person: the verdict first, then each
// figure with how sure it is.
func ComparisonText(w io.Writer, c record.Comparison, o Options) error {
	p := &page{colour: o.Colour}
	p.line("verdict", bold, "%s", c.Verdict())
	p.gap()
	p.line("base", "", "%s", subject(c.Base))
	p.line("new", "", "%s", subject(c.New))
	p.gap()
	for i, m := range c.Measures {
		p.line(first(i, "compared"), "", "%s", measure(m))
	}
	if turns := c.Pairs; turns != nil {
		p.line("in turn", "", "%s", inTurn(turns))
	}
	if !slices.Equal(c.Base.Bottlenecks, c.New.Bottlenecks) {
		p.line("moved", "", "the bottleneck, from %s to %s", strings.Join(c.Base.Bottlenecks, ", "), strings.Join(c.New.Bottlenecks, ", "))
	}
	for i, warning := range c.Warnings {
		p.line(first(i, "doubts"), yellow, "%s", warning)
	}
	return p.writeTo(w)
}

// inTurn is what the pairs came to.
func inTurn(p *record.Pairs) string {
	text := fmt.Sprintf("%s; evidence %.3g (20 or more settles it)", p.Why, p.Evidence)
	if p.Outcome != "different" && p.More > 0 {
		text += fmt.Sprintf("; to settle a change of the size seen takes some %d pairs more", p.More)
	}
	return text
}

// mostNamed is how many targets, say, are named before the rest are counted.
const mostNamed = 4

// subject is a side in one line.
func subject(s record.Subject) string {
	parts := []string{s.Name}
	named := func(name string, values []string) {
		if n := len(values) - mostNamed; n > 1 {
			values = append(values[:mostNamed:mostNamed], fmt.Sprintf("and %d more", n))
		}
		if len(values) > 0 {
			parts = append(parts, name+" "+strings.Join(values, ", "))
		}
	}
	named("generation", s.Generations)
	named("build", s.Builds)
	named("target", s.Targets)
	parts = append(parts, fmt.Sprintf("repeats %d", s.Repeats))
	named("stopped by", s.Bottlenecks)
	return strings.Join(parts, "; ")
}

// measure is a figure of both sides in one line.
func measure(m record.Measure) string {
	name := measured(m)
	if m.Refused != "" {
		return name + ": not compared: " + m.Refused
	}
	text := fmt.Sprintf("%s: %s to %s, %s", name, sideFigure(m.Base, m), sideFigure(m.New, m), change(m))
	if m.Need != "" {
		text += fmt.Sprintf("; to be sure of so small a change takes %s", m.Need)
	}
	return text
}

// measured is what a measure is of.
func measured(m record.Measure) string {
	name := m.Name
	if m.Of != "" {
		name += " per " + m.Of
	}
	return join(" ", name, parenthesised(m.At))
}

func sideFigure(v float64, m record.Measure) string {
	switch {
	case m.Name == record.MeasureCost:
		return cost(v, m.Unit)
	case m.Name == record.MeasureWork:
		return work(v, m.Unit) + "/s"
	case m.Unit == "":
		return figure(v)
	}
	return figure(v) + " " + m.Unit
}

// change is the ratio with its interval, as percentages.
func change(m record.Measure) string {
	text := fmt.Sprintf("%+.1f%%", 100*(m.Ratio-1))
	if m.Interval == nil {
		return text
	}
	text += fmt.Sprintf(" (%+.1f%% to %+.1f%%, %s", 100*(m.Interval.Lo-1), 100*(m.Interval.Hi-1), m.Interval.Basis)
	if m.P != nil {
		text += fmt.Sprintf(", p %.2g", *m.P)
	}
	return text + ")"
}

// ComparisonMarkdown writes the same as a table, for the summary of a CI job.
func ComparisonMarkdown(w io.Writer, c record.Comparison, _ Options) error {
	var b strings.Builder
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	fmt.Fprintf(&b, "**%s**\n\n| | base | new | change |\n|---|---:|---:|---|\n| | %s | %s | |\n", cell(c.Verdict()), cell(c.Base.Name), cell(c.New.Name))
	for _, m := range c.Measures {
		name := measured(m)
		if m.Refused != "" {
			fmt.Fprintf(&b, "| %s | | | not compared: %s |\n", cell(name), cell(m.Refused))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(name), cell(sideFigure(m.Base, m)), cell(sideFigure(m.New, m)), cell(change(m)))
	}
	fmt.Fprintf(&b, "| bottleneck | %s | %s | |\n", cell(strings.Join(c.Base.Bottlenecks, ", ")), cell(strings.Join(c.New.Bottlenecks, ", ")))
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "\n> %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ComparisonJSON writes it for programs.
func ComparisonJSON(w io.Writer, c record.Comparison, _ Options) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c)
}
