package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"saturate/appweight"
	"saturate/appweight/fleet"
)

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
