package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"saturate/appweight"
	"saturate/appweight/fleet"
)

const (
	scrape = 15 * time.Second
	hour   = 3600 / 15 // samples
	hosts  = 40
)

// A world is one day of a fleet of 40 servers, each with 2 G instructions and
// half a CPU second a second, and what a trap does to it.
type world struct {
	page
	day   time.Time // midnight, UTC
	start time.Time // of the hour around the peak, which is at 20:30
}

// line is n values that rise by step, from step on.
func line(n int, step float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = float64(i+1) * step
	}
	return all
}

// users is a day with its peak at 20:30.
func (w world) users() {
	values := make([]float64, 24*60)
	for i := range values {
		values[i] = 1000 + 9000*max(0, 1-math.Abs(float64(i+1-1230))/720)
	}
	w.series("active_users", w.day.Add(time.Minute), time.Minute, values)
}

func (w world) up(job, host string, n int) {
	w.series(fmt.Sprintf(`up{job=%q,instance=%q}`, job, host), w.start, scrape, slices.Repeat([]float64{1}, n))
}

// agent writes the figures of one server's agent.
func (w world) agent(host string, instructions, cpu []float64) {
	w.agentOf("saturate", host, instructions, cpu)
}

func (w world) agentOf(job, host string, instructions, cpu []float64) {
	if instructions != nil {
		w.series(fmt.Sprintf(`saturate_instructions_total{job=%q,instance=%q,scope="host"}`, job, host), w.start, scrape, instructions)
	}
	w.series(fmt.Sprintf(`saturate_cpu_seconds_total{job=%q,instance=%q,scope="host"}`, job, host), w.start, scrape, cpu)
}

func name(i int) string { return fmt.Sprintf("web-%02d:9321", i) }

// rest are servers first to 39 without trouble.
func (w world) rest(first int) {
	for i := range hosts {
		w.up("saturate", name(i), hour)
		if i >= first {
			w.agent(name(i), line(hour, 15*2e9), line(hour, 15*.5))
		}
	}
}

// From 20:22 to 20:37 is the window: samples 88 to 148 of the hour from 20:00.
const (
	inside = 110
	last   = 149
)

// cut leaves the samples from a to b out.
func cut(values []float64, a, b int) []float64 {
	for i := a; i < b; i++ {
		values[i] = math.NaN()
	}
	return values
}

// restart begins a counter anew at sample at.
func restart(values []float64, at int) []float64 {
	for i := len(values) - 1; i >= at; i-- {
		values[i] -= values[at-1] - values[0]/2
	}
	return values
}

// A trap is a way in which figures lie, and what must come of it. The true
// figure is 80 G instructions a second for 40 servers.
type trap struct {
	name    string
	fill    func(world)
	config  fleet.Config
	want    float64 // instructions a second
	own     float64 // in the middle minute; 0: the same
	within  float64 // relative
	cover   float64
	doubts  []string // kinds that there must be, and no others
	refused string   // or why there is no figure
}

var traps = []trap{
	{name: "healthy", fill: func(w world) { w.rest(0) }, want: 80e9, within: 1e-3, cover: 1},
	{name: "one of forty missing", fill: func(w world) { w.rest(1) }, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "missing"}},
	{name: "three of forty missing", fill: func(w world) { w.rest(3) }, refused: "92.5% of the servers report", cover: .925, doubts: []string{"missing"}},
	{name: "two jobs", fill: func(w world) {
		w.rest(0)
		for i := range hosts {
			w.agentOf("other", strings.Replace(name(i), "9321", "9100", 1), line(hour, 15*2e9), line(hour, 15*.5))
		}
	}, want: 80e9, within: 1e-3, cover: 1, doubts: []string{"twice"}},
	{name: "restart", fill: func(w world) {
		w.rest(1)
		w.agent(name(0), restart(line(hour, 15*2e9), inside), restart(line(hour, 15*.5), inside))
	}, want: 80e9, within: 1e-3, cover: 1, doubts: []string{"restart"}},
	{name: "restart after a gap of a minute", fill: func(w world) {
		w.rest(1)
		w.agent(name(0), cut(restart(line(hour, 15*2e9), inside), inside-4, inside), cut(restart(line(hour, 15*.5), inside), inside-4, inside))
	}, want: 80e9, within: 3e-3, cover: 1, doubts: []string{"restart"}},
	{name: "all restart: the sum before the rate would be wild", fill: func(w world) {
		w.rest(hosts)
		for i := range hosts {
			w.agent(name(i), restart(line(hour, 15*2e9), 95+i), restart(line(hour, 15*.5), 95+i))
		}
	}, want: 80e9, within: .01, cover: 1, doubts: []string{"restart"}},
	{name: "gone at half time, without a staleness marker", fill: func(w world) {
		w.rest(1)
		w.agent(name(0), line(118, 15*2e9), line(118, 15*.5))
	}, want: 80e9, within: 2e-3, cover: 1 - .5/40, doubts: []string{"coverage", "gap"}},
	{name: "ends a minute before the window does", fill: func(w world) {
		w.rest(1)
		w.agent(name(0), line(last-5, 15*2e9), line(last-5, 15*.5))
	}, want: 80e9, within: 3e-3, cover: 1, doubts: []string{"no staleness"}},
	{name: "a gap of a third for all", fill: func(w world) {
		w.rest(hosts)
		for i := range hosts {
			w.agent(name(i), cut(line(hour, 15*2e9), 80, 110), cut(line(hour, 15*.5), 80, 110))
		}
	}, refused: "of the servers report", cover: .65, doubts: []string{"gap"}},
	{name: "an estimate that steps back", fill: func(w world) {
		w.rest(1)
		values := line(hour, 15*2e9)
		for i := range values {
			values[i] += 1e15
			if i >= inside {
				values[i] -= 31e9
			}
		}
		w.agent(name(0), values, line(hour, 15*.5))
	}, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "fell", "restart"}},
	{name: "a counter that stands still", fill: func(w world) {
		w.rest(1)
		values := line(hour, 15*2e9)
		for i := inside; i < len(values); i++ {
			values[i] = values[inside]
		}
		w.agent(name(0), values, line(hour, 15*.5))
	}, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "frozen"}},
	{name: "scrapes every five minutes", fill: func(w world) {
		for i := range hosts {
			w.up("saturate", name(i), hour)
			w.series(fmt.Sprintf(`saturate_instructions_total{job="saturate",instance=%q,scope="host"}`, name(i)), w.start, 5*time.Minute, line(12, 300*2e9))
		}
	}, refused: "of the servers report", cover: 0, doubts: []string{"few scrapes"}},
	{name: "scrapes every two minutes", fill: func(w world) {
		for i := range hosts {
			w.up("saturate", name(i), hour)
			w.series(fmt.Sprintf(`saturate_instructions_total{job="saturate",instance=%q,scope="host"}`, name(i)), w.start, 2*time.Minute, line(30, 120*2e9))
		}
	}, want: 80e9, within: 2e-3, cover: 1},
	{name: "half of them scraped every minute, by another job", fill: func(w world) {
		w.rest(hosts / 2)
		for i := range hosts / 2 {
			w.series(fmt.Sprintf(`saturate_instructions_total{job="slow",instance=%q,scope="host"}`, name(i)), w.start.Add(7*time.Second), time.Minute, line(60, 60*2e9))
		}
	}, want: 80e9, within: 1e-3, cover: 1},
	{name: "a job renamed in the window", fill: func(w world) {
		w.rest(1)
		w.agent(name(0), line(118, 15*2e9), line(118, 15*.5))
		w.agentOf("renamed", name(0), cut(line(hour, 15*2e9), 0, 118), cut(line(hour, 15*.5), 0, 118))
	}, want: 80e9, within: 1e-3, cover: 1},
	{name: "servers outside the inventory", fill: func(w world) {
		w.rest(0)
		w.agent("db-1:9321", line(hour, 15*9e9), line(hour, 15))
	}, want: 80e9, within: 1e-3, cover: 1, doubts: []string{"not listed"}},
	{name: "a busy minute in the middle", fill: func(w world) {
		w.rest(hosts)
		for i := range hosts {
			values := line(hour, 15*2e9)
			for s := 117; s < hour; s++ { // three times as much from 20:29 to 20:30
				values[s] += 15 * 4e9 * float64(min(s-116, 4))
			}
			w.agent(name(i), values, line(hour, 15*.5))
		}
	}, want: 80e9 + 160e9/15, own: 240e9, within: .01, cover: 1},
	{name: "own queries", fill: func(w world) { w.rest(1) }, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "missing"},
		config: fleet.Config{Source: fleet.Own, Hosts: `up{job="saturate"}`, Queries: fleet.Queries{Instructions: `sum by (instance) (rate(saturate_instructions_total[1m]))`}}},
}

// recorded are the doubts about what the recording rules keep of some traps:
// what is averaged in there can no longer be told.
var recorded = map[string][]string{
	"healthy":                     nil,
	"one of forty missing":        {"coverage", "missing"},
	"two jobs":                    {"twice"},
	"restart":                     nil,
	"an estimate that steps back": nil,
	"a counter that stands still": {"coverage", "frozen"},
}

func TestTraps(t *testing.T) {
	tool(t, "prometheus")
	now := time.Now().UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	day := func(i int) time.Time { return today.AddDate(0, 0, -1-i) }
	data := backfill(t, func(p page) {
		for i := len(traps) - 1; i >= 0; i-- { // a series' samples must come in order
			w := world{p, day(i), day(i).Add(20 * time.Hour)}
			w.users()
			traps[i].fill(w)
		}
	})
	for i, trap := range traps {
		if _, ok := recorded[trap.name]; ok {
			record(t, data, day(i).Add(20*time.Hour), day(i).Add(21*time.Hour))
		}
	}
	address := start(t, data)
	for i, trap := range traps {
		c := trap.config
		c.URL, c.Users, c.Timezone, c.Day = address, "active_users", "UTC", day(i).Format(time.DateOnly)
		t.Run(trap.name, func(t *testing.T) { trap.check(t, c, now) })
		if doubts, ok := recorded[trap.name]; ok {
			c.Recorded = true
			if trap.doubts = doubts; len(doubts) == 0 {
				trap.cover = 1
			}
			t.Run(trap.name+" recorded", func(t *testing.T) { trap.check(t, c, now) })
		}
	}
}

func (trap trap) check(t *testing.T, c fleet.Config, now time.Time) {
	report, err := fleet.Read(context.Background(), c, now)
	if err != nil {
		t.Fatal(err)
	}
	if from := report.Peak.From.Format("15:04"); from != "20:22" {
		t.Errorf("the peak begins at %s", from)
	}
	at := slices.IndexFunc(report.Units, func(u fleet.Unit) bool { return u.Unit == appweight.Instructions })
	if at < 0 {
		t.Fatalf("no instructions: %q", report.Warnings())
	}
	unit := report.Units[at]
	var kinds []string
	for _, d := range unit.Doubts {
		kinds = append(kinds, d.Kind)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, trap.doubts) {
		t.Errorf("doubts %q, want %q:\n%s", kinds, trap.doubts, strings.Join(report.Warnings(), "\n"))
	}
	if math.Abs(unit.Coverage-trap.cover) > .005 {
		t.Errorf("coverage %v, want %v", unit.Coverage, trap.cover)
	}
	if !strings.Contains(unit.Refused, trap.refused) || (unit.Refused == "") != (trap.refused == "") {
		t.Errorf("refused: %q, want %q", unit.Refused, trap.refused)
	}
	if off := unit.PerSecond/trap.want - 1; trap.want > 0 && !(math.Abs(off) <= trap.within) {
		t.Errorf("%.5g instructions/s, %+.2g%% off", unit.PerSecond, 100*off)
	}
	if trap.own == 0 {
		trap.own = trap.want
	}
	if off := unit.OwnPerSecond/trap.own - 1; trap.want > 0 && !(math.Abs(off) <= max(.02, trap.within)) {
		t.Errorf("%.5g instructions/s in the middle, %+.2g%% off", unit.OwnPerSecond, 100*off)
	}
}

// node writes a server with two CPUs, each with 1 G instructions and half a
// second a second, as node_exporter counts them.
func (w world) node(job, host string, instructions ...[]float64) {
	for cpu, values := range instructions {
		w.series(fmt.Sprintf(`node_perf_instructions_total{job=%q,instance=%q,cpu="%d"}`, job, host, cpu), w.start, scrape, values)
		w.series(fmt.Sprintf(`node_cpu_seconds_total{job=%q,instance=%q,cpu="%d",mode="user"}`, job, host, cpu), w.start, scrape, line(hour, 15*.5))
		w.series(fmt.Sprintf(`node_cpu_seconds_total{job=%q,instance=%q,cpu="%d",mode="idle"}`, job, host, cpu), w.start, scrape, line(hour, 15*.5))
	}
}

// nodes are servers first to 39 without trouble, of two generations.
func (w world) nodes(first int) {
	for i := range hosts {
		w.up("node", name(i), hour)
		w.series(fmt.Sprintf(`node_uname_info{job="node",instance=%q,machine="x86_64"}`, name(i)), w.start, scrape, slices.Repeat([]float64{1}, hour))
		if i >= first {
			w.node("node", name(i), line(hour, 15e9), line(hour, 15e9))
		}
	}
}

var nodeTraps = []trap{
	{name: "healthy", fill: func(w world) { w.nodes(0) }, want: 80e9, within: 1e-3, cover: 1},
	{name: "one CPU of one server stands still since it was off-line", fill: func(w world) {
		w.nodes(1)
		frozen := line(hour, 15e9)
		for i := 20; i < hour; i++ {
			frozen[i] = frozen[19]
		}
		w.node("node", name(0), line(hour, 15e9), frozen)
	}, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "frozen"}},
	{name: "two jobs", fill: func(w world) {
		w.nodes(0)
		for i := range hosts {
			w.node("node-perf", name(i), line(hour, 15e9), line(hour, 15e9))
		}
	}, want: 80e9, within: 1e-3, cover: 1, doubts: []string{"twice"}},
	{name: "without --collector.perf on one", fill: func(w world) {
		w.nodes(1)
		w.series(fmt.Sprintf(`node_cpu_seconds_total{job="node",instance=%q,cpu="0",mode="user"}`, name(0)), w.start, scrape, line(hour, 15*.5))
	}, want: 80e9, within: 1e-3, cover: .975, doubts: []string{"coverage", "missing"}},
}

func TestNodeExporterTraps(t *testing.T) {
	tool(t, "prometheus")
	now := time.Now().UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	day := func(i int) time.Time { return today.AddDate(0, 0, -1-i) }
	data := backfill(t, func(p page) {
		for i := len(nodeTraps) - 1; i >= 0; i-- {
			w := world{p, day(i), day(i).Add(20 * time.Hour)}
			w.users()
			nodeTraps[i].fill(w)
		}
	})
	for i := range nodeTraps {
		record(t, data, day(i).Add(20*time.Hour), day(i).Add(21*time.Hour))
	}
	address := start(t, data)
	for i, trap := range nodeTraps {
		for _, recorded := range []bool{false, true} {
			c := fleet.Config{URL: address, Users: "active_users", Timezone: "UTC", Day: day(i).Format(time.DateOnly), Source: fleet.NodeExporter, Recorded: recorded}
			t.Run(fmt.Sprintf("%s recorded=%v", trap.name, recorded), func(t *testing.T) { trap.check(t, c, now) })
		}
	}
}

// TestRules lets promtool check the recording rules and the alerts, and run
// their own tests.
func TestRules(t *testing.T) {
	const shipped = "../../deploy/prometheus/saturate-"
	do(t, tool(t, "promtool"), "check", "rules", rules, shipped+"alerts.yml")
	do(t, tool(t, "promtool"), "test", "rules", shipped+"rules-test.yml", shipped+"alerts-test.yml")
}

func TestUsersOfSeveralSeries(t *testing.T) {
	now := time.Now().UTC()
	day := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, time.UTC)
	data := backfill(t, func(p page) {
		w := world{p, day, day.Add(20 * time.Hour)}
		w.rest(0)
		for _, server := range []string{"web-1", "web-2"} {
			w.series(fmt.Sprintf("active_users{instance=%q}", server), w.day.Add(time.Minute), time.Minute, line(1440, 1))
		}
	})
	_, err := fleet.Read(context.Background(), fleet.Config{URL: start(t, data), Users: "active_users", Timezone: "UTC"}, now)
	if !errors.Is(err, fleet.ErrRefused) || !strings.Contains(err.Error(), "gives 2 series") {
		t.Errorf("%v", err)
	}
}

// A real Prometheus's own words for a query that is too large are understood.
func TestQueryLimit(t *testing.T) {
	now := time.Now().UTC()
	day := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, time.UTC)
	data := backfill(t, func(p page) {
		w := world{p, day, day.Add(20 * time.Hour)}
		w.users()
		w.rest(0)
	})
	_, err := fleet.Read(context.Background(), fleet.Config{URL: start(t, data, "--query.max-samples=100"), Users: "active_users", Timezone: "UTC"}, now)
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "too many samples") || !strings.Contains(hinted.Hint(), "recording rules") {
		t.Errorf("%v", err)
	}
}
