package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"saturate/record"
)

// Markdown writes the summary for a page that renders GitHub's Markdown, such as
// a workflow's step summary ($GITHUB_STEP_SUMMARY): the verdict, then targets,
// score, requirements and doubts, each as far as there are any.
func Markdown(w io.Writer, r *record.Record, o Options) error {
	m := &markdown{w: bufio.NewWriter(w)}
	m.verdict(r, o)
	m.targets(r)
	m.live(r)
	m.scores(r)
	m.requirements(r)
	m.list("Doubts", r.Warnings)
	m.details(r)
	return m.w.Flush()
}

// markdown writes blocks with an empty line after each.
type markdown struct{ w *bufio.Writer }

func (m *markdown) block(format string, args ...any) { fmt.Fprintf(m.w, format+"\n\n", args...) }

// verdict is the heading and what became of the requirements.
func (m *markdown) verdict(r *record.Record, o Options) {
	h := newHeadline(r)
	m.block("## %s: %s", safe(r.Scenario), safe(join(" ", h.Bound, h.Figure, h.Unit)))
	if verdict := required(r.Requirements); verdict != "" {
		m.block("**%s**", verdict)
	}
	if o.Trend != nil && o.Trend.Verdict != "" {
		m.block("%s", safe(o.Trend.Verdict))
	}
	m.block("%s", safe(about(r)))
}

// required says in a sentence what became of the requirements; "" where there
// are none.
func required(all []record.Requirement) string {
	of := map[record.Outcome]int{}
	for _, q := range all {
		of[q.Outcome]++
	}
	switch {
	case len(all) == 0:
		return ""
	case of[record.Met] == len(all):
		return "Every requirement is met."
	}
	var parts []string
	if n := of[record.Missed]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d missed", n))
	}
	if n := of[record.Undecided]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d undecided", n))
	}
	return fmt.Sprintf("Of %d requirements: %s.", len(all), strings.Join(parts, ", "))
}

func (m *markdown) targets(r *record.Record) {
	var rows [][]string
	for i := range r.Targets {
		t := &r.Targets[i]
		told := telling(t)
		bound, rate, unit := sustains(t, told, r.Load.Unit)
		row := []string{join(" ", t.Name, parenthesised(pairs(t.Labels))), join(" ", bound, rate, unit), "", "", "", "", ""}
		if s := t.Sustained(); s != nil && s.Interval != nil && t.Ending == record.Found {
			row[2] = fmt.Sprintf("%s (%s to %s)", figure(s.AtLimit), figure(s.Interval.Lo), figure(s.Interval.Hi))
		}
		if told != nil {
			row[3] = whyNotMore(t, told)
			if n := told.RunnerUp; n != nil && n.Headroom > 0 && t.Ending == record.Found {
				row[4] = fmt.Sprintf("%s, %s free", n.Signal, record.Share(n.Headroom))
			}
			row[5], row[6] = spent(t, told)
		}
		rows = append(rows, row)
	}
	m.table([]string{"target", "sustains", "at the limit itself", "why not more", "next limit", "a request costs", "99% within"}, rows)
}

// spent is what a request costs the target and its client, where the load was
// held.
func spent(t *record.Target, told *record.Repeat) (work, p99 string) {
	if t.Ending != record.Found && t.Ending != record.AtLeast {
		return "", ""
	}
	if told.Cost != nil {
		work = cost(told.Cost.PerRequest, told.Cost.Unit)
	}
	if told.Latency != nil {
		p99 = record.Seconds(told.Latency.P99)
	}
	return work, p99
}

// whyNotMore is the bottleneck; where no limit was found, why.
func whyNotMore(t *record.Target, told *record.Repeat) string {
	var parts []string
	if t.Ending != record.Found && told.Why != "" {
		parts = append(parts, told.Why)
	}
	if b := told.Bottleneck; b != nil && (b.Name != record.NoneReached || t.Ending != record.Inconclusive) {
		parts = append(parts, bottleneck(*b))
	}
	return strings.Join(parts, "; ")
}

func (m *markdown) scores(r *record.Record) {
	var rows [][]string
	for _, s := range r.AppWeight {
		row := []string{join(" ", s.Generation, s.Build), bound(s.Ending) + figure(s.UsersPerServer), interval(s.Interval), "", "", ""}
		if s.LoadAdjusted > 0 {
			row[3] = figure(s.LoadAdjusted) + within(s.LoadAdjustedInterval)
		}
		if r.FleetScore == nil && s.Ending == record.Found {
			row[4], row[5] = servers(s.MinimumServers, s.Headroom)
		}
		rows = append(rows, row)
	}
	f := r.FleetScore
	scored := f != nil && f.Refused == ""
	if scored {
		row := []string{"the whole fleet", bound(f.Ending) + figure(f.UsersPerServer), interval(f.Interval), "", "", ""}
		if f.LoadAdjusted > 0 {
			row[3] = figure(f.LoadAdjusted)
		}
		row[4], row[5] = servers(f.MinimumServers, f.Headroom)
		rows = append(rows, row)
	}
	m.table([]string{"servers", "users per server (AppWeight)", "how sure", "allowing for load", "servers that carry the peak", "headroom"}, rows)
	switch {
	case scored:
		rows := demands(r, f)
		m.table(rows[0], rows[1:])
	case f != nil:
		m.block("No AppWeight of the fleet: %s", safe(f.Refused))
	}
}

func interval(iv *record.Interval) string {
	if iv == nil {
		return ""
	}
	return fmt.Sprintf("%s to %s (%.0f%%, %s)", figure(iv.Lo), figure(iv.Hi), 100*iv.Level, iv.Basis)
}

func servers(minimum float64, headroom *float64) (least, free string) {
	if minimum > 0 {
		least = whole(minimum)
	}
	if headroom != nil {
		free = record.Share(*headroom)
	}
	return least, free
}

func (m *markdown) requirements(r *record.Record) {
	words := map[record.Outcome]string{record.Met: "met", record.Missed: "MISSED", record.Undecided: "UNDECIDED"}
	var rows [][]string
	for _, q := range r.Requirements {
		rows = append(rows, []string{q.Text, words[q.Outcome], q.Why})
	}
	m.table([]string{"required", "outcome", "why"}, rows)
}

// details are what few readers want, folded away.
func (m *markdown) details(r *record.Record) {
	var lines []string
	for _, s := range r.AppWeight {
		if r.Fleet != nil {
			lines = append(lines, fmt.Sprintf("AppWeight %s%s = %s%s", bound(s.Ending), figure(s.UsersPerServer), arithmetic(s, r.Fleet), scoped(s.Work)))
		}
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		if told := telling(t); told != nil && len(told.Limits) > 0 {
			var limits []string
			for _, s := range slices.Sorted(maps.Keys(told.Limits)) {
				limit := fmt.Sprintf("%s %s", s, record.Value(s, told.Limits[s]))
				if !wasRead(*told, s) {
					limit += " (not read)"
				}
				limits = append(limits, limit)
			}
			lines = append(lines, fmt.Sprintf("limits of %s: %s", t.Name, strings.Join(limits, ", ")))
		}
		if len(t.Repeats) > 1 {
			for _, repeat := range t.Repeats {
				lines = append(lines, fmt.Sprintf("%s, repeat %s", t.Name, one(repeat, r.Load.Unit)))
			}
		}
	}
	lines = append(lines, "record: "+r.ID)
	m.block("<details><summary>Arithmetic, limits and record</summary>")
	m.items(lines)
	m.block("</details>")
}

// list is a heading and its items; nothing where there are none.
func (m *markdown) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	m.block("### %s", heading)
	m.items(items)
}

func (m *markdown) items(items []string) {
	for _, item := range items {
		fmt.Fprintf(m.w, "- %s\n", safe(item))
	}
	fmt.Fprintln(m.w)
}

// table leaves out columns that have nothing in them.
func (m *markdown) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var used []int
	for i := range head {
		if slices.ContainsFunc(rows, func(row []string) bool { return row[i] != "" }) {
			used = append(used, i)
		}
	}
	line := func(cell func(i int) string) {
		for _, i := range used {
			fmt.Fprintf(m.w, "| %s ", cell(i))
		}
		fmt.Fprintln(m.w, "|")
	}
	line(func(i int) string { return head[i] })
	line(func(int) string { return "---" })
	for _, row := range rows {
		line(func(i int) string { return safe(row[i]) })
	}
	fmt.Fprintln(m.w)
}

// safe writes text that Markdown leaves as it is, on one line.
func safe(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
		"<", "&lt;", ">", "&gt;", "|", `\|`, "#", `\#`, "~", `\~`, "@", "&#64;").Replace(text)
}

// join joins what is not empty.
func join(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}

func parenthesised(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
