package report

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"saturate/record"
)

// OpenMetrics writes the figures of a run for a metrics system: as OpenMetrics
// 1.0, in the part of it that is the Prometheus text format, too, so that
// node_exporter's textfile collector takes it. A textfile must have no
// timestamps, so when the run began is a value of its own.
//
// Only a limit that was found is a bare number. Otherwise the family of that
// name has no sample, and the bounds' has the side that is known.
func OpenMetrics(w io.Writer, r *record.Record, o Options) error {
	m := &metrics{}
	m.run(r)
	for i := range r.Targets {
		m.target(r, &r.Targets[i])
	}
	for _, s := range r.AppWeight {
		m.score(r, s)
	}
	m.fleet(r)
	m.live(r)
	m.nights(r, o.Trend)
	for _, q := range r.Requirements {
		for _, outcome := range []record.Outcome{record.Met, record.Missed, record.Undecided} {
			m.state("saturate_requirement", "What became of a requirement: 1 for its outcome, 0 for the others.", q.Outcome == outcome,
				"scenario", r.Scenario, "requirement", q.Text, "outcome", string(outcome))
		}
	}
	return m.writeTo(w)
}

// metrics collects samples by family, which may be written only once each.
type metrics struct {
	families []*family
}

type family struct {
	name, help, unit string
	samples          []string
}

// add adds a sample of a gauge; what is not finite was not read, and is left
// out. The unit is a suffix of the family's name, as OpenMetrics wants it.
func (m *metrics) add(name, unit, help string, value float64, labels ...string) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	if unit != "" {
		name += "_" + unit
	}
	at := slices.IndexFunc(m.families, func(f *family) bool { return f.name == name })
	if at < 0 {
		m.families = append(m.families, &family{name: name, help: help, unit: unit})
		at = len(m.families) - 1
	}
	f := m.families[at]
	series := name + braces(labels) + " "
	if slices.ContainsFunc(f.samples, func(s string) bool { return strings.HasPrefix(s, series) }) {
		return // a requirement that stands there twice, say: a series may not
	}
	f.samples = append(f.samples, series+strconv.FormatFloat(value, 'g', -1, 64))
}

// with is labels and more of them.
func with(labels []string, more ...string) []string { return slices.Concat(labels, more) }

// nights adds what the last of the nights called. A drop is told of on the night
// that calls it, and not again on every one after it.
func (m *metrics) nights(r *record.Record, t *Trend) {
	if t == nil || len(t.Nights) == 0 {
		return
	}
	var dropped, watched float64
	for _, c := range t.Changes {
		switch {
		case t.called(c):
			dropped = max(dropped, 1-c.Ratio)
		case !c.Page:
			watched = max(watched, 1-c.Ratio)
		}
	}
	of := []string{"scenario", r.Scenario}
	m.add("saturate_score_dropped", "ratio", "The part of the score that was lost, where this night told that from chance; else 0.", dropped, of...)
	m.add("saturate_score_watched", "ratio", "The part of the score that may have been lost; else 0.", watched, of...)
	if t.SmallestDrop > 0 {
		m.add("saturate_score_detectable", "ratio", "The smallest drop that would be seen within 7 nights, four times in five.", t.SmallestDrop, of...)
	}
}

// state adds a sample of 1 or 0.
func (m *metrics) state(name, help string, on bool, labels ...string) {
	value := 0.0
	if on {
		value = 1
	}
	m.add(name, "", help, value, labels...)
}

func (m *metrics) writeTo(w io.Writer) error {
	var b strings.Builder
	for _, f := range m.families {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", f.name)
		if f.unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", f.name, f.unit)
		}
		fmt.Fprintf(&b, "# HELP %s %s\n", f.name, f.help)
		for _, s := range f.samples {
			b.WriteString(s + "\n")
		}
	}
	b.WriteString("# EOF\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// braces writes labels, given as name, value, name, value; empty ones are left
// out, which is the same to a metrics system.
func braces(labels []string) string {
	var all []string
	for i := 0; i+1 < len(labels); i += 2 {
		if labels[i+1] != "" {
			all = append(all, labels[i]+`="`+escaped(labels[i+1])+`"`)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

// escaped is a label's value as both formats write it.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "�"))
}

func (m *metrics) run(r *record.Record) {
	of := []string{"scenario", r.Scenario}
	m.add("saturate_run_info", "", "The latest run of a scenario.", 1, with(of, "record", r.ID, "saturate", r.Versions["saturate"],
		"load", r.Load.Kind, "engine", r.Load.Engine, "arrivals", r.Load.Arrivals, "kernel", r.Env.Kernel, "cpu", r.Env.CPU)...)
	m.add("saturate_run_start_time", "seconds", "When the run began, since the epoch.", float64(r.At.UnixMilli())/1000, of...)
	m.add("saturate_run_duration", "seconds", "How long the run took.", r.DurationSeconds, of...)
	for _, ending := range []record.Ending{record.Found, record.AtLeast, record.AtMost, record.Inconclusive} {
		m.state("saturate_run_ending", "How the run ended: 1 for its ending, 0 for the others.", r.Ending == ending,
			with(of, "ending", string(ending))...)
	}
	if r.Load.Held > 0 {
		m.add("saturate_run_held_level", "", "The level that a check kept to, in the loader's unit.", r.Load.Held, with(of, "unit", r.Load.Unit)...)
	}
	m.add("saturate_run_doubts", "", "How many doubts there are about the figures.", float64(len(r.Warnings)), of...)
}

func (m *metrics) target(r *record.Record, t *record.Target) {
	own := labelsOf(r, t)
	of := []string{"scenario", r.Scenario, "target", t.Name, "generation", own["generation"], "build", own["build"]}
	m.add("saturate_target_info", "", "A server under test, with its labels.", 1, with(of, others(own)...)...)
	told := telling(t)
	if told == nil {
		return
	}
	if b := told.Bottleneck; b != nil && b.Name != record.NoneReached {
		m.add("saturate_target_bottleneck_info", "", "Why a server does not carry more.", 1, with(of, "bottleneck", b.Name)...)
	}
	rated := with(of, "unit", r.Load.Unit)
	s := t.Sustained()
	const bounds = "Bounds of the rate at which a server reaches its first limit."
	switch {
	case t.Ending == record.Found && s != nil:
		m.add("saturate_target_sustained_rate", "", "The rate that a server really served in the hold, every signal inside its limit.", s.Rate, rated...)
		if s.AtLimit > 0 {
			m.add("saturate_target_limit_rate", "", "The rate at which a server reaches its first limit.", s.AtLimit, rated...)
		}
		m.bounds("saturate_target_limit_rate_bound", "", bounds, s.Interval, rated)
	case t.Ending == record.AtLeast && s != nil:
		m.add("saturate_target_limit_rate_bound", "", bounds, s.Rate, with(rated, "bound", "lower")...)
	case t.Ending == record.AtMost && told.Break > 0:
		m.add("saturate_target_limit_rate_bound", "", bounds, told.Break, with(rated, "bound", "upper")...)
	}
	if t.Ending == record.Found {
		m.held(told, of)
	}
}

// held adds what was read in the hold.
func (m *metrics) held(told *record.Repeat, of []string) {
	if n := told.RunnerUp; n != nil {
		m.add("saturate_target_next_limit_headroom", "ratio", "How much of the next limit is free.", n.Headroom, with(of, "signal", string(n.Signal))...)
	}
	if k := told.Work; k != nil {
		m.add("saturate_target_work_per_second", "", "What a server spends at its limit.", k.PerSecond, with(of, "unit", k.Unit, "scope", k.Scope)...)
	}
	if c := told.Cost; c != nil {
		m.add("saturate_target_cost_per_request", "", "What a request costs the server.", c.PerRequest, with(of, "unit", c.Unit)...)
	}
	if l := told.Latency; l != nil {
		for _, q := range []struct {
			name  string
			value float64
		}{{"0.5", l.P50}, {"0.9", l.P90}, {"0.99", l.P99}} {
			m.add("saturate_target_latency", "seconds", "Latency at the limit, from the intended time.", q.value, with(of, "percentile", q.name)...)
		}
	}
	m.add("saturate_target_failed", "ratio", "The share of requests that failed in the hold.", told.FailedShare, of...)
}

const usersPerServer = "users_per_server"

func (m *metrics) score(r *record.Record, s record.Score) {
	of := []string{"scenario", r.Scenario, "generation", s.Generation, "build", s.Build}
	const bounds = "Bounds of AppWeight."
	if s.Ending == record.AtLeast {
		m.add("saturate_appweight_bound", usersPerServer, bounds, s.UsersPerServer, with(of, "bound", "lower")...)
		return
	}
	m.add("saturate_appweight", usersPerServer, "AppWeight: how many users one fully used server carries.", s.UsersPerServer, of...)
	m.bounds("saturate_appweight_bound", usersPerServer, bounds, s.Interval, of)
	if s.LoadAdjusted > 0 {
		m.add("saturate_appweight_load_adjusted", usersPerServer, "AppWeight, allowing for a cost per request that falls with load.", s.LoadAdjusted, of...)
	}
	if s.MinimumServers > 0 {
		m.add("saturate_minimum", "servers", "How many such servers carry the fleet's peak.", s.MinimumServers, of...)
	}
	if s.Headroom != nil {
		m.add("saturate_headroom", "ratio", "The share of the servers that the peak leaves free.", *s.Headroom, of...)
	}
}

// bounds adds both ends of an interval.
func (m *metrics) bounds(name, unit, help string, iv *record.Interval, of []string) {
	if iv == nil {
		return
	}
	of = with(of, "confidence", strconv.FormatFloat(iv.Level, 'g', -1, 64), "basis", iv.Basis)
	m.add(name, unit, help, iv.Lo, with(of, "bound", "lower")...)
	m.add(name, unit, help, iv.Hi, with(of, "bound", "upper")...)
}

func (m *metrics) fleet(r *record.Record) {
	of := []string{"scenario", r.Scenario}
	if f := r.Fleet; f != nil {
		m.add("saturate_fleet_active_users", "", "Users active in the fleet's peak minute.", f.ActiveUsers, of...)
		if f.PerSecond > 0 {
			m.add("saturate_fleet_work_per_second", "", "What the fleet spends in its peak.", f.PerSecond, with(of, "unit", f.Unit, "scope", f.Scope)...)
		}
		if f.Coverage > 0 {
			m.add("saturate_fleet_coverage", "ratio", "The share of the fleet's servers that reported.", f.Coverage, of...)
		}
	}
	s := r.FleetScore
	if s == nil || s.Refused != "" {
		return
	}
	const bounds = "Bounds of the whole fleet's AppWeight."
	if s.Ending == record.AtLeast {
		m.add("saturate_fleet_appweight_bound", usersPerServer, bounds, s.UsersPerServer, with(of, "bound", "lower")...)
		return
	}
	m.add("saturate_fleet_appweight", usersPerServer, "AppWeight of a fleet of several generations.", s.UsersPerServer, of...)
	m.bounds("saturate_fleet_appweight_bound", usersPerServer, bounds, s.Interval, of)
	for _, d := range s.Demands {
		part := with(of, "generation", d.Name, "region", d.Region)
		m.add("saturate_fleet_part_minimum", "servers", "How many servers of a generation carry its share of the peak.", d.MinimumServers, part...)
		if d.Owned > 0 {
			m.add("saturate_fleet_part_owned", "servers", "How many servers of a generation the fleet has.", d.Owned, part...)
		}
	}
	if s.MinimumServers > 0 {
		m.add("saturate_fleet_minimum", "servers", "How many of the fleet's servers carry its peak.", s.MinimumServers, of...)
	}
	if s.Headroom != nil {
		m.add("saturate_fleet_headroom", "ratio", "The share of the fleet's servers that its peak leaves free.", *s.Headroom, of...)
	}
}

// others are the user's own labels, under names that a metrics system takes; one
// that would be taken for another's is left out.
func others(labels map[string]string) []string {
	taken := []string{"scenario", "target", "generation", "build"}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		clean := labelName(name)
		if !slices.Contains(taken, clean) {
			taken, all = append(taken, clean), append(all, clean, labels[name])
		}
	}
	return all
}

// labelName keeps letters, digits and underscores; no digit comes first, and
// two underscores at the beginning are the metrics system's own.
func labelName(name string) string {
	clean := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, name)
	clean = strings.TrimLeft(clean, "_")
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "label_" + clean
	}
	return clean
}
