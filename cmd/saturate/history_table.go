package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"saturate/history"
	"saturate/record"
)

var tableHead = []string{"RECORD", "BEGAN (UTC)", "SCENARIO", "TARGET", "GENERATION", "BUILD", "SUSTAINS", "AT THE LIMIT", "BOTTLENECK", "USERS/SERVER", "NOTE"}

// shortID is how much of an ID a terminal shows: the time to the millisecond,
// and two letters for those that began together.
const shortID = 12

// writeTable writes entries, newest first, with the marks between them. Its
// columns are always the same; only a terminal gets shortened IDs.
func writeTable(w io.Writer, entries []history.Entry, marks []history.Mark, short bool) error {
	rows := [][]string{tableHead}
	for _, e := range entries {
		for ; len(marks) > 0 && marks[len(marks)-1].At.After(e.At); marks = marks[:len(marks)-1] {
			rows = append(rows, markRow(marks[len(marks)-1], short))
		}
		rows = append(rows, entryRow(e, short))
	}
	for ; len(marks) > 0; marks = marks[:len(marks)-1] {
		rows = append(rows, markRow(marks[len(marks)-1], short))
	}
	return align(w, rows)
}

func entryRow(e history.Entry, short bool) []string {
	row := []string{briefID(e.ID, short), stamp(e.At), e.Scenario, e.Target, e.Generation, e.Build,
		sustains(e), atLimit(e), e.Bottleneck, usersPerServer(e.AppWeight), note(e, short)}
	for i := range row {
		if row[i] == "" && i < len(row)-1 {
			row[i] = "-"
		}
	}
	return row
}

// markRow is a row whose last cell is as wide as it likes.
func markRow(m history.Mark, short bool) []string {
	scenario := m.Scenario
	if scenario == "" {
		scenario = "(all)"
	}
	return []string{briefID(m.ID, short), stamp(m.At), scenario, "mark: " + m.Text}
}

func briefID(id string, short bool) string {
	if short && len(id) > shortID {
		return id[:shortID]
	}
	return id
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// sustains is a bare number only for a limit that was found.
func sustains(e history.Entry) string {
	switch s := e.Sustained; {
	case e.Ending == record.Found && s != nil:
		return digits(s.Rate) + " " + e.Unit
	case e.Ending == record.AtLeast && s != nil:
		return ">= " + digits(s.Rate) + " " + e.Unit
	case e.Ending == record.AtMost && e.Break > 0:
		return "< " + digits(e.Break) + " " + e.Unit
	}
	return string(e.Ending)
}

func atLimit(e history.Entry) string {
	if e.Ending != record.Found || e.Sustained == nil || e.Sustained.AtLimit == 0 {
		return ""
	}
	return digits(e.Sustained.AtLimit) + between(e.Sustained.Interval)
}

func usersPerServer(a *history.AppWeight) string {
	switch {
	case a == nil:
		return ""
	case a.Ending == record.AtLeast:
		return ">= " + digits(a.UsersPerServer)
	}
	return digits(a.UsersPerServer) + between(a.Interval)
}

func between(i *record.Interval) string {
	if i == nil {
		return ""
	}
	return fmt.Sprintf(" (%s to %s)", digits(i.Lo), digits(i.Hi))
}

func note(e history.Entry, short bool) string {
	var notes []string
	if e.Baseline {
		notes = append(notes, "baseline")
	}
	if e.Held > 0 {
		notes = append(notes, "check at "+digits(e.Held))
	}
	if e.InTurnWith != "" {
		notes = append(notes, "in turn with "+briefID(e.InTurnWith, short))
	}
	if e.Repeats > 1 {
		notes = append(notes, count(e.Repeats, "repeat"))
	}
	if e.Warnings > 0 {
		notes = append(notes, count(e.Warnings, "doubt"))
	}
	return strings.Join(notes, ", ")
}

// digits writes three of them, and of large numbers all before the point.
func digits(v float64) string {
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// align writes rows in columns two spaces apart. A row's last cell does not
// widen its column.
func align(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out := bufio.NewWriter(w)
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	return out.Flush()
}
