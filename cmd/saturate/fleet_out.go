package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"saturate/appweight"
	"saturate/appweight/fleet"
	"saturate/record"
)

// writeFleet renders the report in every format, files first.
func writeFleet(env *environment, outputs []output, r fleet.Report, redact func(string) string) error {
	slices.SortStableFunc(outputs, func(a, b output) int { return strings.Compare(b.file, a.file) })
	var errs error
	for _, o := range outputs {
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
		text := []byte(redact(b.String()))
		switch {
		case err != nil:
		case o.file != "":
			err = record.WriteFile(o.file, text)
		default:
			_, err = env.stdout.Write(text)
		}
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("-o %s: %w", o.format, err))
		}
	}
	return errs
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
	s.line("active users", "%s in a minute, the mean over the window%s", grouped(p.ActiveUsers), ofUsers(p))
	if p.AtUsers > 0 {
		s.line("active users", "%s in the minute to %s in its middle; at most %s, in the minute to %s",
			grouped(p.AtUsers), clock(p.At), grouped(p.BusiestUsers), clock(p.Busiest))
	}
	for _, u := range r.Units {
		s.gap()
		fleetUnit(s, r, u)
	}
	if len(r.Doubts) > 0 {
		s.gap()
		doubts(s, r.Doubts)
	}
}

func ofUsers(p fleet.Peak) string {
	if p.StandardError > 0 {
		return fmt.Sprintf(", standard error %.2g%%", 100*p.StandardError/p.ActiveUsers)
	}
	return ""
}

func fleetUnit(s *sheet, r fleet.Report, u fleet.Unit) {
	name, p := u.Unit, r.Peak
	scope := ""
	if u.Scope != "" {
		scope = ", scope " + u.Scope
	}
	if u.Refused != "" {
		s.line(name, "no figure%s: %s", scope, u.Refused)
		if u.Remedy != "" {
			s.line(name, "%s", u.Remedy)
		}
	}
	if u.Refused == "" && u.PerSecond > 0 {
		s.line(name, "%s/s of the whole fleet%s", amount(u.PerSecond), scope)
		s.line(name, "%s/s for each active user%s", amount(u.PerSecond/p.ActiveUsers), uncertain(u.SE))
		if p.AtUsers > 0 && u.OwnPerSecond > 0 {
			s.line(name, "%s/s and %s/s for each user in the peak's middle alone (mean of %s)", amount(u.OwnPerSecond),
				amount(u.OwnPerSecond/p.AtUsers), time.Duration(u.OwnWindow)*time.Second)
		}
	}
	if u.Coverage > 0 || u.Refused != "" && u.Servers > 0 {
		s.line("servers", "%s, of which %s report (%s)%s", servers(u.Servers), servers(u.Reporting), share(u.Coverage), scraped(u))
	}
	if len(u.Parts) > 1 || len(u.Parts) == 1 && u.Parts[0].Generation+u.Parts[0].Region != "" {
		parts(s, u)
	}
	doubts(s, u.Doubts)
}

// parts is a table of a unit's generations and regions.
func parts(s *sheet, u fleet.Unit) {
	fmt.Fprintln(s.w)
	t := tabwriter.NewWriter(s.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%13s\tgeneration\tregion\t%s/s\ta server\tservers\treport\t\n", "", u.Unit)
	for _, p := range u.Parts {
		each, reporting := "-", "-"
		if p.Reporting > 0 {
			each = amount(p.Measured / p.Reporting)
		}
		if p.Servers > 0 {
			reporting = share(p.Reporting / p.Servers)
		}
		generation := p.Generation
		if p.ISA != "" {
			generation += " (" + p.ISA + ")"
		}
		fmt.Fprintf(t, "%13s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", "", dash(strings.TrimSpace(generation)), dash(p.Region), amount(p.PerSecond), each, servers(p.Servers), reporting)
	}
	t.Flush()
	s.gap()
}

func doubts(s *sheet, all []fleet.Doubt) {
	for _, d := range all {
		s.line("doubts", "%s", d)
		if d.Remedy != "" {
			s.line("doubts", "  %s", d.Remedy)
		}
	}
}

func uncertain(se float64) string {
	if se == 0 {
		return ""
	}
	return fmt.Sprintf(", standard error %.2g%%", 100*se)
}

func scraped(u fleet.Unit) string {
	if u.ScrapeInterval == 0 {
		return ""
	}
	return fmt.Sprintf(", scraped about every %.0f s", u.ScrapeInterval)
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

// fleetScenario is a section to paste into a scenario: the figures of the best
// unit that can be used.
func fleetScenario(w io.Writer, r fleet.Report) error {
	all := r.Fleets()
	for _, unit := range []string{appweight.Instructions, appweight.Requests, appweight.CPUSeconds} {
		for _, f := range all {
			if f.Unit == unit {
				_, err := io.WriteString(w, fixed(f))
				return err
			}
		}
	}
	return nil // why, the exit says
}

// fixed writes the figures as a scenario has them.
func fixed(f appweight.Fleet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "fleet:\n  fixed: # %s\n", f.Window)
	field := func(indent, key string, v any) {
		switch v := v.(type) {
		case string:
			if v != "" {
				fmt.Fprintf(&b, "%s%s: %s\n", indent, key, quoted(v))
			}
		case float64:
			if v != 0 {
				fmt.Fprintf(&b, "%s%s: %s\n", indent, key, sevenDigits(v))
			}
		}
	}
	field("    ", "unit", f.Unit)
	field("    ", "scope", f.Scope)
	field("    ", "per_second", f.PerSecond)
	field("    ", "active_users", f.ActiveUsers)
	field("    ", "servers", f.Servers)
	field("    ", "requests_per_second", f.RequestsPerSecond)
	if len(f.Generations) > 0 {
		fmt.Fprintf(&b, "    generations:\n")
	}
	for _, g := range f.Generations {
		fmt.Fprintf(&b, "      - name: %s\n", quoted(g.Name))
		field("        ", "region", g.Region)
		field("        ", "isa", g.ISA)
		field("        ", "per_second", g.PerSecond)
		field("        ", "servers", g.Servers)
		field("        ", "requests_per_second", g.RequestsPerSecond)
	}
	return b.String()
}

// quoted writes text as YAML has it, in quotes where it could be something else.
func quoted(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '/' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if plain && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}

// sevenDigits writes a number with as many digits as its uncertainty could use.
func sevenDigits(v float64) string {
	text := strconv.FormatFloat(v, 'g', 7, 64)
	back, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(back, 'f', -1, 64)
}
