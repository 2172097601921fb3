package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"saturate/record"
)

// scores writes what the fleet's figures and the targets' work come to.
func (p *page) scores(r *record.Record) {
	if len(r.AppWeight) == 0 && r.FleetScore == nil {
		return
	}
	p.gap()
	for _, s := range r.AppWeight {
		p.score(r, s)
	}
	if r.FleetScore != nil {
		p.fleetScore(r, r.FleetScore)
	}
	p.assumptions(r)
}

// score writes AppWeight and how it was computed.
func (p *page) score(r *record.Record, s record.Score) {
	of := ""
	if name := scored(r, s); name != "" {
		of = " of " + name
	}
	p.line("AppWeight", bold, "%s%s users per server%s%s", bound(s.Ending), figure(s.UsersPerServer), of, within(s.Interval))
	if f := r.Fleet; f != nil {
		p.line("", "", "= %s%s", arithmetic(s, f), scoped(s.Work))
	}
	if s.LoadAdjusted > 0 {
		p.line("", "", "%s%s", figure(s.LoadAdjusted), loadAdjusted(s))
	}
	if s.Spread != nil {
		p.line("", "", "%s", spreadOf(s.Spread))
	}
	if r.FleetScore == nil && s.Ending == record.Found && s.MinimumServers > 0 {
		text := fmt.Sprintf("%s such servers carry the fleet's peak", whole(s.MinimumServers))
		if s.Headroom != nil && *s.Headroom >= 0 {
			text += fmt.Sprintf("; %s of those it has are headroom", record.Share(*s.Headroom))
		}
		p.line("", "", "%s", text)
	}
}

// spreadOf says what the score varies by, and what it could tell apart.
func spreadOf(s *record.Spread) string {
	var parts []string
	for _, part := range s.Parts {
		if part.Share < .005 {
			continue // it says nothing
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s of the variance)", part.Source, record.Share(part.SD), record.Share(part.Share)))
	}
	text := "varies by " + strings.Join(parts, ", ")
	if s.Detectable > 0 {
		text += fmt.Sprintf("; two such measurements would tell a change of %s from chance, four times in five", record.Share(s.Detectable))
	}
	for _, unknown := range s.Unknown {
		text += "; " + unknown
	}
	return text
}

// scored is what a score is of: the generation, and the build where another of the
// same generation has a score of its own.
func scored(r *record.Record, s record.Score) string {
	for _, other := range r.AppWeight {
		if other.Generation == s.Generation && other.Build != s.Build {
			return join(" ", s.Generation, s.Build)
		}
	}
	return s.Generation
}

// arithmetic is the definition with its figures.
func arithmetic(s record.Score, f *record.Fleet) string {
	return fmt.Sprintf("%s/s of one server / (%s/s of the fleet / %s active users)",
		work(s.Work.PerSecond, s.Work.Unit), work(f.PerSecond, f.Unit), figure(f.ActiveUsers))
}

// scoped says whose work was counted.
func scoped(w record.Work) string {
	text := ""
	if w.Scope != "" {
		text = ", scope " + w.Scope
	}
	if w.ISA != "" {
		text += ", " + w.ISA
	}
	return text
}

// loadAdjusted says what the adjusted figure allows for, and how sure it is.
func loadAdjusted(s record.Score) string {
	text := fmt.Sprintf("%s allowing for load: a request costs the fleet, which is not full, %s more than a full server",
		within(s.LoadAdjustedInterval), record.Share(s.LoadAdjusted/s.UsersPerServer-1))
	if s.FleetLoad > 0 {
		text += fmt.Sprintf(" (one of the fleet's does %s/s)", work(s.FleetLoad, s.Work.Unit))
	}
	return text
}

// fleetScore writes the score of a fleet of several generations, and a table of
// what each needs.
func (p *page) fleetScore(r *record.Record, f *record.FleetScore) {
	if f.Refused != "" {
		p.line("fleet", yellow, "no AppWeight of the fleet: %s", f.Refused)
		return
	}
	p.line("fleet", bold, "%s%s users per fully used server%s", bound(f.Ending), figure(f.UsersPerServer), within(f.Interval))
	p.line("", "", "= %s", equivalents(r, f))
	if f.LoadAdjusted > 0 {
		p.line("", "", "%s allowing for load", figure(f.LoadAdjusted))
	}
	p.line("", "", "%s", carrying(f))
	p.table(demands(r, f))
}

// equivalents is the fleet's definition with its figures.
func equivalents(r *record.Record, f *record.FleetScore) string {
	servers, tenth, _ := strings.Cut(fmt.Sprintf("%.1f", f.Equivalents), ".")
	n, err := strconv.ParseFloat(servers, 64)
	if err != nil {
		n = f.Equivalents
	}
	return fmt.Sprintf("%s active users / %s.%s fully used servers", figure(r.Fleet.ActiveUsers), whole(n), tenth)
}

// carrying says how many servers carry the peak, and what is left of the fleet's.
func carrying(f *record.FleetScore) string {
	text := whole(f.MinimumServers) + " servers carry the peak"
	if f.Ending == record.AtLeast {
		text = "at most " + whole(f.MinimumServers) + " servers are needed to carry the peak"
	}
	switch {
	case f.Headroom != nil && *f.Headroom < 0:
		text += fmt.Sprintf("; the fleet has %s, which are too few", whole(f.Owned))
	case f.Headroom != nil:
		text += fmt.Sprintf("; the fleet has %s, of which %s are headroom", whole(f.Owned), record.Share(*f.Headroom))
	}
	return text
}

// evenly is what the score of a fleet of several generations takes for granted.
const evenly = "every generation keeps its share of the work, spread evenly over its servers"

// demands is a row for each generation and region.
func demands(r *record.Record, f *record.FleetScore) [][]string {
	named := slices.ContainsFunc(f.Demands, func(d record.Demand) bool { return d.Region != "" })
	row := func(generation, region string, cells ...string) []string {
		if named {
			return append([]string{generation, region}, cells...)
		}
		return append([]string{generation}, cells...)
	}
	rows := [][]string{row("generation", "region", "one does, "+r.Fleet.Unit+"/s", "fleet spends", "needs", "has", "headroom")}
	for _, d := range f.Demands {
		owned, headroom := "", ""
		if d.Owned > 0 {
			owned = whole(d.Owned)
		}
		if d.Headroom != nil {
			headroom = record.Share(*d.Headroom)
		}
		rows = append(rows, row(cmp.Or(d.Name, "(none)"), d.Region, amount(d.Sustains, r.Fleet.Unit), amount(d.PerSecond, r.Fleet.Unit),
			whole(d.MinimumServers), owned, headroom))
	}
	return rows
}

// amount is work without its unit, for a table whose unit is said beside it.
func amount(v float64, unit string) string {
	return strings.TrimSpace(strings.TrimSuffix(work(v, unit), unit))
}

// table writes rows in columns; all but the words at their beginning are set to
// the right.
func (p *page) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	words := len(rows[0]) - 5
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			w := widths[i]
			if i < words {
				w = -w
			}
			fmt.Fprintf(&b, "%*s  ", w, cell)
		}
		p.b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", indent, "", b.String()), " ") + "\n")
	}
}

// assumptions are what the scores take for granted, and the unit they are in.
func (p *page) assumptions(r *record.Record) {
	f := r.Fleet
	if f == nil {
		return
	}
	var all []string
	if s := r.FleetScore; s != nil && s.Refused == "" {
		all = append(all, evenly)
	}
	if f.Coverage >= 1 { // else a doubt says it
		all = append(all, "all of the fleet's servers reported")
	}
	if f.Window != "" {
		all = append(all, "the fleet's figures are of "+f.Window)
	}
	if f.Why != "" {
		all = append(all, f.Why)
	}
	if len(all) > 0 {
		p.line("given that", "", "%s", strings.Join(all, "; "))
	}
}

// bound comes before a score that is a lower bound only.
func bound(e record.Ending) string {
	if e == record.AtLeast {
		return "at least "
	}
	return ""
}

// within is an interval after its figure.
func within(iv *record.Interval) string {
	if iv == nil {
		return ""
	}
	return fmt.Sprintf(" (%s to %s, %.0f%%, %s)", figure(iv.Lo), figure(iv.Hi), 100*iv.Level, iv.Basis)
}

const (
	// A curve is worth telling where the cost at some step is off the hold's by
	// so much, and by twice its error; in so many points.
	curveMatters, curvePoints = .10, 5
)

// curve is what a request cost from step to step, where that is not the same all
// the way; "" where it is.
func curve(r *record.Repeat, unit string) string {
	if r.Cost == nil {
		return ""
	}
	points := r.Curve(r.Cost.Unit)
	matters := false
	for _, c := range points {
		off := math.Abs(math.Log(c.Cost() / r.Cost.PerRequest))
		matters = matters || off > math.Log1p(curveMatters) && off > 2*math.Hypot(c.SE, r.CostSE[r.Cost.Unit])
	}
	if !matters || len(points) < 2 {
		return ""
	}
	slices.SortFunc(points, func(a, b record.CostPoint) int { return cmp.Compare(a.Rate, b.Rate) })
	said := "at other loads another amount"
	switch first := points[0].Cost(); {
	case first > r.Cost.PerRequest*(1+curveMatters):
		said = "less as the load rises"
	case first < r.Cost.PerRequest/(1+curveMatters):
		said = "more as the load rises"
	}
	var shown []string
	last, n := len(points)-1, min(curvePoints, len(points))
	for i := range n {
		c := points[i*last/(n-1)]
		amount := briefCost(c.Cost(), r.Cost.Unit)
		if i == 0 {
			amount = cost(c.Cost(), r.Cost.Unit)
		}
		shown = append(shown, fmt.Sprintf("%s at %s", amount, figure(c.Rate)))
	}
	return fmt.Sprintf("%s: %s %s", said, strings.Join(shown, ", "), unit)
}
