package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"saturate/record"
)

const (
	// width is how wide a line may be, and indent where the text begins.
	width, indent = 96, 14
)

// The escapes of a terminal that shows colour.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// page collects lines: a label on the left, text beside it.
type page struct {
	colour bool
	b      strings.Builder
}

// line writes a field, wrapped; the label stands on its first line only.
func (p *page) line(label, style, format string, args ...any) {
	for i, text := range wrap(fmt.Sprintf(format, args...), width-indent) {
		if i > 0 {
			label = ""
		}
		if p.colour && style != "" {
			text = style + text + reset
		}
		p.b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", indent, label, text), " ") + "\n")
	}
}

func (p *page) gap() { p.b.WriteString("\n") }

func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	return err
}

// wrap breaks text at spaces into lines of at most n letters. A line that
// begins with spaces keeps them, also on the lines it is broken into.
func wrap(text string, n int) []string {
	body := strings.TrimLeft(text, " ")
	margin := text[:len(text)-len(body)]
	var lines []string
	line := margin
	for _, word := range strings.Fields(body) {
		switch {
		case line == margin:
			line += word
		case len(line)+1+len(word) > n:
			lines = append(lines, line)
			line = margin + word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// figure writes a number with three digits or more, and thousands apart.
func figure(v float64) string {
	switch {
	case v != 0 && v < .01 && v > -.01:
		return fmt.Sprintf("%.3g", v)
	case v < 1 && v > -1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return whole(v)
}

// whole writes a whole number with its thousands apart.
func whole(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// work writes an amount of work with its unit.
func work(v float64, unit string) string {
	if unit != record.Instructions {
		return figure(v) + " " + unit
	}
	for _, step := range []struct {
		size   float64
		prefix string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= step.size {
			return figure(v/step.size) + " " + step.prefix + " " + unit
		}
	}
	return figure(v) + " " + unit
}

// cost writes the work of one request.
func cost(v float64, unit string) string {
	if unit == record.CPUSeconds {
		return record.Seconds(v) + " of CPU"
	}
	return work(v, unit)
}

// span writes seconds as a person says them.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
