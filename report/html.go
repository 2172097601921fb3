package report

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"saturate/record"
)

//go:embed html.tmpl html.css
var htmlFiles embed.FS

// HTML writes one file that needs nothing else: no script, no font, no network.
// The verdict comes first, then how it was found, then what is doubtful. It
// follows the reader's light or dark, and prints.
func HTML(w io.Writer, r *record.Record, o Options) error {
	css, err := htmlFiles.ReadFile("html.css")
	if err != nil {
		return err
	}
	t, err := template.New("html.tmpl").Funcs(template.FuncMap{
		"figure": figure, "whole": whole, "share": record.Share, "seconds": record.Seconds, "span": span, "work": work,
		"value": record.Value, "sure": sure, "pairs": pairs,
	}).ParseFS(htmlFiles, "html.tmpl")
	if err != nil {
		return err
	}
	return t.Execute(w, newSheet(r, o, template.CSS(css)))
}

// A sheet is what the page shows, in its order.
type sheet struct {
	*record.Record
	Style    template.CSS
	About    string
	Headline headline
	Required record.Outcome // the worst of the requirements'; "" where all are met
	Scores   []scoreView
	Mixed    *mixedView
	Sides    template.HTML
	Nights   *nightsView
	Targets  []targetView
	Live     *liveView
	Fleet    []fact
	Machine  []fact
}

// A headline is the verdict: the one figure that the page is about.
type headline struct {
	Ending record.Ending
	Bound  string // "at least", "less than"; "" before a figure that was found
	Figure string
	Unit   string
	Detail []string
}

// A fact is a line of a table.
type fact struct{ Name, Value string }

type scoreView struct {
	record.Score
	Name       string
	Arithmetic string
	Adjusted   string
}

// A mixedView is the score of a fleet of several generations.
type mixedView struct {
	Lines []string
	Rows  [][]string
}

type targetView struct {
	*record.Target
	Labels   string
	Told     *record.Repeat
	Facts    []fact
	Pressure template.HTML
	Time     template.HTML
	Cost     template.HTML
}

func newSheet(r *record.Record, o Options, css template.CSS) sheet {
	s := sheet{Record: r, Style: css, About: about(r), Headline: newHeadline(r), Sides: sides(r.AppWeight)}
	for _, score := range r.AppWeight {
		s.Scores = append(s.Scores, newScoreView(r, score))
	}
	s.Mixed = newMixedView(r)
	for _, q := range r.Requirements {
		if q.Outcome == record.Missed || q.Outcome == record.Undecided && s.Required == "" {
			s.Required = q.Outcome
		}
	}
	for i := range r.Targets {
		s.Targets = append(s.Targets, newTargetView(r, &r.Targets[i]))
	}
	s.Live = newLiveView(r.Live)
	s.Nights = newNightsView(o.Trend)
	s.Fleet = fleetFacts(r)
	s.Machine = machineFacts(r)
	return s
}

// newHeadline is the fleet's score or the first target's where there is one, else
// what that target sustains. Only a limit that was found is a bare number.
func newHeadline(r *record.Record) headline {
	h := headline{Ending: r.Ending, Figure: "no answer"}
	t := speaking(r)
	var told *record.Repeat
	if t != nil {
		told = telling(t)
	}
	switch f := r.FleetScore; {
	case f != nil && f.Refused == "":
		h.Bound, h.Figure, h.Unit = strings.TrimSpace(bound(f.Ending)), figure(f.UsersPerServer), "users per fully used server"
		h.Detail = append(h.Detail, carrying(f))
		if f.Interval != nil {
			h.Detail = append(h.Detail, sure(f.Interval))
		}
	case len(r.AppWeight) > 0:
		s := r.AppWeight[0]
		h.Figure, h.Unit = figure(s.UsersPerServer), "users per server"
		if name := scored(r, s); name != "" {
			h.Unit += " of " + name
		}
		if s.Ending == record.AtLeast {
			h.Bound = "at least"
		}
		if s.Interval != nil {
			h.Detail = append(h.Detail, sure(s.Interval))
		}
	case t != nil:
		h.Bound, h.Figure, h.Unit = sustains(t, told, r.Load.Unit)
	}
	of := ""
	if len(r.Targets) > 1 {
		of = t.Name + ": "
	}
	if told != nil && told.Bottleneck != nil && r.Ending != record.Inconclusive {
		h.Detail = append(h.Detail, of+bottleneck(*told.Bottleneck))
	}
	if told != nil && r.Ending != record.Found && told.Why != "" {
		h.Detail = append(h.Detail, of+told.Why)
	}
	return h
}

// speaking is the target that the headline is about: the first, or where the
// first score is of others, the first of those; nil where there is none.
func speaking(r *record.Record) *record.Target {
	for _, s := range r.AppWeight[:min(1, len(r.AppWeight))] {
		for i := range r.Targets {
			if t := &r.Targets[i]; r.Label(t, "generation") == s.Generation && r.Label(t, "build") == s.Build && t.Ending == s.Ending {
				return t
			}
		}
	}
	if len(r.Targets) == 0 {
		return nil
	}
	return &r.Targets[0]
}

// sustains is a target's answer in three words.
func sustains(t *record.Target, told *record.Repeat, unit string) (bound, rate, of string) {
	s := t.Sustained()
	switch {
	case t.Ending == record.Found && s != nil:
		return "", figure(s.Rate), unit
	case t.Ending == record.AtLeast && s != nil:
		return "at least", figure(s.Rate), unit
	case t.Ending == record.AtMost && told != nil && told.Break > 0:
		return "less than", figure(told.Break), unit
	}
	return "", "no answer", ""
}

func newScoreView(r *record.Record, s record.Score) scoreView {
	v := scoreView{Score: s, Name: strings.TrimSpace(s.Generation + " " + s.Build)}
	if r.FleetScore != nil {
		v.MinimumServers = 0 // the fleet is not of this kind alone
	}
	if r.Fleet != nil {
		v.Arithmetic = arithmetic(s, r.Fleet) + scoped(s.Work)
	}
	if s.LoadAdjusted > 0 {
		v.Adjusted = figure(s.LoadAdjusted) + loadAdjusted(s)
	}
	return v
}

func newMixedView(r *record.Record) *mixedView {
	f := r.FleetScore
	switch {
	case f == nil:
		return nil
	case f.Refused != "":
		return &mixedView{Lines: []string{"no AppWeight of the fleet: " + f.Refused}}
	}
	v := mixedView{Lines: []string{
		fmt.Sprintf("%s%s users per fully used server%s = %s", bound(f.Ending), figure(f.UsersPerServer), within(f.Interval), equivalents(r, f)),
	}, Rows: demands(r, f)}
	if f.LoadAdjusted > 0 {
		v.Lines = append(v.Lines, figure(f.LoadAdjusted)+" users per fully used server, allowing for load: a request costs a fleet that is not full more")
	}
	v.Lines = append(v.Lines, carrying(f)+", given that "+evenly)
	return &v
}

func newTargetView(r *record.Record, t *record.Target) targetView {
	v := targetView{Target: t, Labels: pairs(t.Labels), Told: telling(t)}
	bound, rate, unit := sustains(t, v.Told, r.Load.Unit)
	v.Facts = append(v.Facts, fact{"sustains", strings.Join(strings.Fields(bound+" "+rate+" "+unit), " ")})
	if v.Told == nil {
		return v
	}
	add := func(name, value string) {
		if value != "" {
			v.Facts = append(v.Facts, fact{name, value})
		}
	}
	if t.Env != nil {
		add("machine", machine(*t.Env))
	}
	if s := t.Sustained(); s != nil && s.Interval != nil && t.Ending == record.Found {
		add("at the limit itself", fmt.Sprintf("%s %s (%s)", figure(s.AtLimit), unit, sure(s.Interval)))
	}
	if v.Told.Bottleneck != nil {
		add(label(t.Ending), bottleneck(*v.Told.Bottleneck))
		add("also seen", strings.Join(v.Told.Bottleneck.Evidence, "; "))
	}
	if n := v.Told.RunnerUp; n != nil && n.Headroom > 0 && t.Ending == record.Found {
		add("next limit", fmt.Sprintf("%s, with %s of it still free", n.Signal, record.Share(n.Headroom)))
	}
	add("costs", costs(*v.Told))
	add("to change it", advice(*v.Told, r.Load))
	v.Pressure, v.Time, v.Cost = pressures(v.Told, r.Load.Unit), overTime(v.Told, r.Load.Unit), costCurve(v.Told, r.Load.Unit)
	return v
}

func fleetFacts(r *record.Record) []fact {
	f := r.Fleet
	if f == nil {
		return nil
	}
	all := []fact{{"active users", whole(f.ActiveUsers)}}
	add := func(name, value string, is bool) {
		if is {
			all = append(all, fact{name, value})
		}
	}
	add("work per second", work(f.PerSecond, f.Unit), f.PerSecond > 0)
	add("scope", f.Scope, f.Scope != "")
	add("requests per second", figure(f.RequestsPerSecond), f.RequestsPerSecond > 0)
	add("unit", f.Why, f.Why != "")
	add("window", f.Window, f.Window != "")
	add("servers", whole(f.Servers), f.Servers > 0)
	add("coverage", record.Share(f.Coverage), f.Coverage > 0)
	for _, g := range slices.Sorted(maps.Keys(f.Generations)) {
		add("work per second of "+cmp.Or(g, "(none)"), work(f.Generations[g], f.Unit), true)
	}
	return all
}

// machineFacts are what a reader needs to run it again.
func machineFacts(r *record.Record) []fact {
	var all []fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, fact{name, value})
		}
	}
	add("record", r.ID)
	add("labels", pairs(r.Labels))
	add("load", strings.Join(slices.DeleteFunc([]string{r.Load.Kind, r.Load.Engine, r.Load.Arrivals}, func(s string) bool { return s == "" }), ", "))
	add("mix", mix(r.Load.Mix))
	add("measured from", machine(r.Env))
	add("versions", pairs(r.Versions))
	add("scenario's SHA-256", r.ScenarioHash)
	return all
}

func machine(e record.Env) string {
	cpus, kernel := "", ""
	if e.Cores > 0 { // an agent tells no number
		cpus = fmt.Sprintf("%d CPUs", e.Cores)
	}
	if e.Kernel != "" {
		kernel = "Linux " + e.Kernel
	}
	return join(", ", e.CPU, cpus, e.ISA, kernel)
}

func mix(shares map[string]float64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		all = append(all, name+" "+record.Share(shares[name]))
	}
	return strings.Join(all, ", ")
}
