package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"saturate/appweight/fleet"
)

// writeFleet renders the report in every format, without its secrets.
func writeFleet(env *environment, outputs []output, r fleet.Report, redact func(string) string) error {
	return deliver(env.stdout, outputs, func(w io.Writer, o output) error {
		var b bytes.Buffer
		var err error
		switch o.format {
		case "json":
			err = fleetJSON(&b, r)
		case "scenario":
			err = fleetScenario(&b, r)
		default:
			fleetText(&b, r)
		}
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, redact(b.String()))
		return err
	})
}

func fleetJSON(w io.Writer, r fleet.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Version int `json:"version"`
		fleet.Report
	}{1, r})
}

// A sheet prints fields: a label on the left, text beside it.
type sheet struct {
	w    io.Writer
	last string
}

// line prints a field; a label that repeats stands once.
func (s *sheet) line(label, format string, args ...any) {
	shown := label
	if label == s.last {
		shown = ""
	}
	s.last = label
	text := fmt.Sprintf(format, args...)
	for len(text) > 0 {
		end := len(text)
		if end > 84 {
			if end = strings.LastIndexByte(text[:85], ' '); end <= 0 {
				end = len(text)
			}
		}
		fmt.Fprintf(s.w, "%-13s %s\n", shown, text[:end])
		text, shown = strings.TrimLeft(text[end:], " "), ""
	}
}

func (s *sheet) gap() {
	s.last = ""
	fmt.Fprintln(s.w)
}

func fleetText(w io.Writer, r fleet.Report) {
	s := &sheet{w: w}
	p := r.Peak
	clock := func(t time.Time) string { return t.Format("15:04") }
	s.line("day", "%s, time zone %s", r.Day, r.Timezone)
	s.line("peak", "%s to %s, the window with the most active users", clock(p.From), clock(p.To))
	s.line("active users", "%s in a minute, the mean over the window%s", grouped(p.ActiveUsers), uncertain(p.StandardError/p.ActiveUsers))
	if p.AtUsers > 0 {
		s.line("active users", "%s in the minute to %s, its middle", grouped(p.AtUsers), clock(p.At))
		if p.Busiest != p.At {
			s.line("active users", "%s in the day's busiest minute, to %s", grouped(p.BusiestUsers), clock(p.Busiest))
		}
	}
	for _, u := range r.Units {
		s.gap()
		fleetUnit(s, p, u)
	}
	fleetParts(w, r.Units)
	fleetDoubts(s, r)
}

// fleetUnit prints I and I/U, or why there is none.
func fleetUnit(s *sheet, p fleet.Peak, u fleet.Unit) {
	scope := ""
	if u.Scope != "" {
		scope = ", scope " + u.Scope
	}
	switch {
	case u.Refused != "":
		s.line(u.Unit, "no figure%s: %s", scope, u.Refused)
		if u.Remedy != "" {
			s.line(u.Unit, "%s", u.Remedy)
		}
	case u.PerSecond > 0:
		s.line(u.Unit, "%s/s of the whole fleet%s", amount(u.PerSecond), scope)
		s.line(u.Unit, "%s/s for each active user%s", amount(u.PerSecond/p.ActiveUsers), uncertain(u.SE))
		if p.AtUsers > 0 && u.OwnPerSecond > 0 {
			s.line(u.Unit, "%s/s, and %s/s for each user, in the %.0f s around %s", amount(u.OwnPerSecond),
				amount(u.OwnPerSecond/p.AtUsers), u.OwnWindow, p.At.Format("15:04"))
		}
	default:
		s.line(u.Unit, "by generation only%s", scope)
	}
	if u.Servers > 0 {
		interval := ""
		if u.ScrapeInterval > 0 {
			interval = fmt.Sprintf(", scraped about every %.0f s", u.ScrapeInterval)
		}
		s.line(u.Unit, "%s of %s servers report (%s)%s", servers(u.Reporting), servers(u.Servers), share(u.Coverage), interval)
	}
}

// fleetParts is a table of the generations and regions, with a column for each
// unit.
func fleetParts(w io.Writer, units []fleet.Unit) {
	type kind struct{ generation, region, isa string }
	rows := map[kind]map[int]fleet.Part{}
	for i, u := range units {
		for _, p := range u.Parts {
			k := kind{p.Generation, p.Region, p.ISA}
			if rows[k] == nil {
				rows[k] = map[int]fleet.Part{}
			}
			rows[k][i] = p
		}
	}
	delete(rows, kind{})
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "generation\tregion\tservers\treport")
	for _, u := range units {
		fmt.Fprintf(t, "\t%s/s\ta server", strings.TrimSuffix(u.Unit+" "+u.Scope, " "))
	}
	fmt.Fprintln(t)
	kinds := slices.SortedFunc(maps.Keys(rows), func(a, b kind) int {
		return cmp.Or(strings.Compare(a.generation, b.generation), strings.Compare(a.region, b.region), strings.Compare(a.isa, b.isa))
	})
	for _, k := range kinds {
		owned, least := 0.0, 1.0 // the unit that fewest report says how well the kind is covered
		for _, p := range rows[k] {
			if p.Servers > 0 {
				owned, least = p.Servers, min(least, p.Reporting/p.Servers)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s", dash(strings.TrimSpace(k.generation+" "+k.isa)), dash(k.region), servers(owned), share(least))
		for i := range units {
			p, each := rows[k][i], "-"
			if p.Reporting > 0 {
				each = amount(p.Measured / p.Reporting)
			}
			fmt.Fprintf(t, "\t%s\t%s", amount(p.PerSecond), each)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// fleetDoubts prints every doubt once, with the units that it concerns where
// these are not all.
func fleetDoubts(s *sheet, r fleet.Report) {
	concerned := map[string][]string{}
	var order []fleet.Doubt
	for _, u := range r.Units {
		for _, d := range u.Doubts {
			if concerned[d.String()] == nil {
				order = append(order, d)
			}
			concerned[d.String()] = append(concerned[d.String()], u.Unit)
		}
	}
	if len(order)+len(r.Doubts) > 0 {
		s.gap()
	}
	print := func(about string, d fleet.Doubt) {
		if d.Remedy != "" {
			d.Remedy = ": " + d.Remedy
		}
		s.line("doubts", "%s%s%s", about, d, d.Remedy)
	}
	for _, d := range r.Doubts {
		print("", d)
	}
	for _, d := range order {
		about := ""
		if of := concerned[d.String()]; len(of) < len(r.Units) {
			about = strings.Join(of, ", ") + ": "
		}
		print(about, d)
	}
}

func uncertain(se float64) string {
	if se == 0 {
		return ""
	}
	return fmt.Sprintf(", standard error %.2g%%", 100*se)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// servers writes a mean number of servers, which need not be whole.
func servers(n float64) string {
	if math.Abs(n-math.Round(n)) < .05 {
		return grouped(n)
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// share writes a share; only the whole is 100%.
func share(v float64) string {
	if v < 1 && v > .995 {
		return fmt.Sprintf("%.2f%%", math.Floor(v*1e4)/100)
	}
	return fmt.Sprintf("%.3g%%", 100*v)
}

// amount writes a figure with four digits and the prefix of its size.
func amount(v float64) string {
	for _, p := range []struct {
		from float64
		name string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}} {
		if v >= p.from {
			return fmt.Sprintf("%.4g %s", v/p.from, p.name)
		}
	}
	if v >= 1e4 {
		return grouped(v)
	}
	return fmt.Sprintf("%.4g", v)
}
