package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"saturate/appweight"
)

// smallShare is the share of the fleet's servers below which a generation's own
// coverage forbids nothing.
const smallShare = .01

// A sum is what is added up of some servers.
type sum struct{ servers, reporting, perSecond, own float64 }

func (a *sum) add(b sum) {
	a.servers += b.servers
	a.reporting += b.reporting
	a.perSecond += b.perSecond
	a.own += b.own
}

// sum fills in the figures: what is missing of a generation is taken to do what
// the rest of it does, give or take.
func (j *judged) sum(u *Unit, parts map[label]sum) {
	var all sum
	generations := map[hardware]sum{}
	for kind, p := range parts {
		g := generations[kind.hardware()]
		g.add(p)
		generations[kind.hardware()] = g
	}
	missingWork := 0.0
	for _, kind := range slices.SortedFunc(maps.Keys(parts), label.compare) {
		p, g := parts[kind], generations[kind.hardware()]
		each := 0.0
		if g.reporting > 0 {
			each = g.perSecond / g.reporting
		}
		gone := each * (p.servers - p.reporting)
		missingWork += gone
		u.Parts = append(u.Parts, Part{Generation: kind.generation, Region: kind.region, ISA: kind.isa,
			PerSecond: p.perSecond + gone, Measured: p.perSecond, Servers: p.servers, Reporting: p.reporting})
		all.add(p)
		u.PerSecond += p.perSecond + gone
	}
	u.Servers, u.Reporting, u.Measured = all.servers, all.reporting, all.perSecond
	u.Coverage = all.reporting / all.servers
	if all.perSecond > 0 {
		u.OwnPerSecond = all.own * u.PerSecond / all.perSecond
		// A missing server may have done anything from nothing to twice what the
		// others did, and all that are missing the same: a uniform distribution's
		// standard deviation.
		u.SE = missingWork / math.Sqrt(3) / u.PerSecond
	}
	if p := j.peak; p.StandardError > 0 {
		u.SE = math.Hypot(u.SE, p.StandardError/p.ActiveUsers)
	}
	j.refuse(u, generations)
	j.separate(u)
}

// refuse says why figures must not be used.
func (j *judged) refuse(u *Unit, generations map[hardware]sum) {
	if u.Coverage < appweight.LeastCoverage {
		u.Refused = fmt.Sprintf("%s of the servers report, and a score needs %.0f%%", percent(u.Coverage), 100*appweight.LeastCoverage)
		u.Remedy = "see the servers named, or correct the inventory: hosts"
		return
	}
	for _, of := range slices.SortedFunc(maps.Keys(generations), hardware.compare) {
		g, name := generations[of], of.generation
		share := g.reporting / g.servers
		switch {
		case share >= appweight.LeastCoverage:
		case g.servers < smallShare*u.Servers && share > 0:
			j.doubts = append(j.doubts, Doubt{Kind: "coverage", Text: fmt.Sprintf("of generation %q, %.0f servers, %s report", name, g.servers, percent(share))})
		default:
			u.Refused = fmt.Sprintf("%s of the servers of generation %q report, and a score needs %.0f%%", percent(share), name, 100*appweight.LeastCoverage)
			u.Remedy = "see the servers named, or correct the inventory: hosts"
			return
		}
	}
	if !(u.PerSecond > 0) {
		u.Refused, u.Remedy = "the servers report no work", "check the query by hand: -o json prints it"
		return
	}
	if u.Coverage < 1 {
		j.doubts = append(j.doubts, Doubt{Kind: "coverage", Text: fmt.Sprintf(
			"%s of the servers report: what the others did is taken to be the same, which makes the figures uncertain by %s", percent(u.Coverage), percent(u.SE))})
	}
}

// separate takes the sums of what does not add up away.
func (j *judged) separate(u *Unit) {
	if u.Unit != appweight.Instructions {
		return
	}
	sets := map[string]bool{}
	for _, p := range u.Parts {
		sets[p.ISA] = true
	}
	if len(sets) == 1 {
		return
	}
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(sets)), func(s string) bool { return s == "" })
	if len(known) == 1 {
		j.doubts = append(j.doubts, Doubt{Kind: "instruction set", Text: fmt.Sprintf("some servers do not tell their instruction set; they are taken to be %s as the others", known[0]),
			Remedy: "let the inventory or the info query have the label " + j.config.Labels.ISA})
		return
	}
	u.PerSecond, u.Measured, u.OwnPerSecond = 0, 0, 0
	j.doubts = append(j.doubts, Doubt{Kind: "instruction set",
		Text: fmt.Sprintf("instructions of %s do not add up: there is a figure for each generation, and none for the fleet", strings.Join(known, " and "))})
}

// total is what series say that name no server.
func (r *reader) total(g *gathering) Unit {
	u := Unit{Unit: g.meter.unit, Scope: r.config.Scope, OwnWindow: g.own.Seconds()}
	if u.Unit == appweight.Requests {
		u.Scope = ""
	}
	for _, kind := range slices.SortedFunc(maps.Keys(g.totals), label.compare) {
		t := g.totals[kind]
		rate := t.work / g.meter.per(g.window)
		if g.meter.counter == "" {
			rate = t.work / t.seen
		}
		if !sane(rate) {
			rate = 0
		}
		u.Parts = append(u.Parts, Part{Generation: kind.generation, Region: kind.region, ISA: kind.isa, PerSecond: rate, Measured: rate})
		u.PerSecond += rate
		if sane(t.own) {
			u.OwnPerSecond += t.own
		}
		if share := t.seen / g.figures(""); share < wholePresence {
			u.Doubts = append(u.Doubts, Doubt{Kind: "gap", Text: fmt.Sprintf("there are figures for %s of the window only", percent(share))})
		}
	}
	u.Measured = u.PerSecond
	if r.peak.StandardError > 0 {
		u.SE = r.peak.StandardError / r.peak.ActiveUsers
	}
	switch {
	case u.Unit != appweight.Requests:
		u.Refused = fmt.Sprintf("the query names no servers (label %q): nobody can tell how many are missing", r.config.Labels.Host)
		u.Remedy = fmt.Sprintf("write a query that gives one series per server: sum by (%s) (...)", r.config.Labels.Host)
	case u.PerSecond == 0:
		u.Refused, u.Remedy = "the query gives no number above 0", "check the query by hand: -o json prints it"
	default:
		u.Doubts = append(u.Doubts, Doubt{Kind: "coverage", Text: "the query names no servers: it is taken to be of the whole fleet"})
	}
	return u
}

func (l label) compare(other label) int {
	return cmp.Or(strings.Compare(l.generation, other.generation), strings.Compare(l.region, other.region), strings.Compare(l.isa, other.isa))
}

// hardware is a kind in all regions: what coverage is held against.
type hardware struct{ generation, isa string }

func (l label) hardware() hardware { return hardware{l.generation, l.isa} }

func (h hardware) compare(other hardware) int {
	return cmp.Or(strings.Compare(h.generation, other.generation), strings.Compare(h.isa, other.isa))
}

// percent writes a share so that 99.97 % is not 100 %.
func percent(share float64) string {
	p := 100 * share
	if p > 99 && p < 100 {
		return fmt.Sprintf("%.4g%%", math.Floor(p*100)/100)
	}
	return fmt.Sprintf("%.3g%%", p)
}
