package live

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"saturate/ramp"
	"saturate/record"
)

// A show is one way to squeeze, held against generated load on the same server.
type show struct {
	name    string
	bed     Config
	share   float64 // of what the six can, that the crowd uses
	squeeze squeeze
	within  float64 // of what generated load finds
}

// Two at once take all of 30 % at the default limit of 90 % of the workers: with
// less of them allowed, they can have enough.
const seventy = "{workers: 0.7}"

var shows = []show{
	{name: "HAProxy, one", bed: Config{Balancer: "haproxy"}, share: .3, within: .06},
	{name: "HAProxy, two at once", bed: Config{Balancer: "haproxy"}, share: .3, within: .06,
		squeeze: squeeze{servers: []string{"s1", "s2"}, stress: seventy}},
	{name: "HAProxy, two at once of more traffic", bed: Config{Balancer: "haproxy"}, share: .45, within: .06,
		squeeze: squeeze{servers: []string{"s1", "s2"}}},
	{name: "nginx, one", bed: Config{Balancer: "nginx"}, share: .3, within: .08},
	{name: "command, one", bed: Config{Balancer: "haproxy"}, share: .3, within: .08, squeeze: squeeze{balancer: "command"}},
}

// TestShowsSqueeze squeezes with the traffic of the crowd, and generates load for
// the very same servers.
func TestShowsSqueeze(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "squeezes to the limit beside generated load")
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "show\tserver\tgenerated\tlive\toff\tbottleneck\tfailed\tof users\tp99 quiet, squeezed\tsiblings' p99 quiet, squeezed\t")
	for _, s := range shows {
		for round := range rounds(1) {
			t.Run(fmt.Sprintf("%s/%d", s.name, round+1), func(t *testing.T) { s.try(t, w) })
		}
	}
	w.Flush()
	t.Logf("\n%s", &b)
}

func (s show) try(t *testing.T, table *tabwriter.Writer) {
	p := produce(t, s.bed, s.share*Count*sustained)
	if s.squeeze.balancer == "command" {
		s.squeeze.balancer = p.commandLines(t)
	}
	if s.squeeze.servers == nil {
		s.squeeze.servers = []string{p.Servers[0].Name}
	}
	s.squeeze.precision = precision()
	time.Sleep(20 * time.Second)
	quiet := p.wantWell(t, 0)

	run := p.squeeze(t, s.squeeze).start(t)
	before := time.Now()
	run.wantExit(t, 15*time.Minute, 0)
	squeezed := p.wantWell(t, 0)
	p.wantAsFound(t, time.Now())
	t.Logf("quiet:\n%s\nin %.0f s of squeezing:\n%s\n%s", quiet, time.Since(before).Seconds(), squeezed, &run.out)
	live := run.record(t)
	wantLive(t, live, len(s.squeeze.servers))

	var siblings []string
	for _, server := range p.Servers {
		if !slices.Contains(s.squeeze.servers, server.Name) {
			siblings = append(siblings, server.Name)
		}
	}
	if q, during := quiet.P99(siblings...), squeezed.P99(siblings...); during > q*12/10 {
		t.Errorf("the siblings' p99 is %v, and was %v when it was quiet", during, q)
	}
	for i, target := range live.Targets {
		name := s.squeeze.servers[i]
		found := target.Repeats[0]
		if limit := time.Duration(found.Limits["latency_p99"] * float64(time.Second)); squeezed.P99(name) > limit {
			t.Errorf("the p99 of %s is %v, and its limit %v", name, squeezed.P99(name), limit)
		}
		generated := p.generate(t, name, s.squeeze.stress)
		want := generated.Targets[0].Repeats[0]
		if found.Ending != ramp.Found || want.Ending != ramp.Found {
			t.Errorf("%s ended %s (%s) on live traffic, %s on generated", name, found.Ending, found.Why, want.Ending)
			continue
		}
		off := found.Sustained.AtLimit/want.Sustained.AtLimit - 1
		if math.Abs(off) > s.within {
			t.Errorf("%s: %.1f req/s at the limit, %.1f by generated load: %+.1f %%", name, found.Sustained.AtLimit, want.Sustained.AtLimit, 100*off)
		}
		if found.Bottleneck.Name != "workers" {
			t.Errorf("the bottleneck of %s is %s", name, found.Bottleneck.Name)
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%.1f\t%+.1f %%\t%s\t%d\t%d\t%v, %v\t%v, %v\t\n", s.name, name, want.Sustained.AtLimit, found.Sustained.AtLimit,
			100*off, found.Bottleneck.Name, squeezed.Failed, squeezed.Done, quiet.P99(name).Round(time.Millisecond), squeezed.P99(name).Round(time.Millisecond),
			quiet.P99(siblings...).Round(time.Millisecond), squeezed.P99(siblings...).Round(time.Millisecond))
	}
}

// precision is standard; SATURATE_PRECISION=quick makes the shows shorter.
func precision() string { return cmp.Or(os.Getenv("SATURATE_PRECISION"), "standard") }

// wantLive wants the record to tell of the squeeze.
func wantLive(t *testing.T, r *record.Record, servers int) {
	t.Helper()
	if r == nil || r.Live == nil || len(r.Live.Squeezes) != 1 || len(r.Targets) != servers {
		t.Fatal("the record does not tell of the squeeze")
	}
	q := r.Live.Squeezes[0]
	if !q.Restored || len(q.Servers) != servers || q.Siblings == nil || r.Load.Kind != record.LiveTraffic {
		t.Errorf("the record tells of the squeeze as %+v on %q", q, r.Load.Kind)
	}
	for _, s := range q.Servers {
		if s.Left == nil || *s.Left != s.Found || s.Highest() <= s.Found {
			t.Errorf("the record has %+v", s)
		}
	}
}

// generate measures a server by itself, while the crowd stays away.
func (p *production) generate(t *testing.T, name, stress string) *record.Record {
	t.Helper()
	p.crowd.Stop()
	server, err := p.Server(name)
	if err != nil {
		t.Fatal(err)
	}
	scenario := fmt.Sprintf("targets:\n  - name: alone\n    url: http://%s\n    probes: {pidfile: %s, uwsgi: %q}\n%sramp: {start: 40}\n",
		server.Address, server.Pidfile, server.Stats, Traffic())
	if stress != "" {
		scenario += "stress: " + stress + "\n"
	}
	json := filepath.Join(t.TempDir(), "record.json")
	run := saturate(t, t.TempDir(), "run", write(t, "generated.yaml", scenario), "--precision", precision(), "-o", "text", "-o", "json="+json)
	run.json = json
	run.start(t).wantExit(t, 10*time.Minute, 0)
	t.Logf("generated:\n%s", &run.out)
	r := run.record(t)
	if r == nil {
		t.Fatal("no record of generated load")
	}
	return r
}

// commandLines reach HAProxy by two programs, as any balancer can be.
func (p *production) commandLines(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs("weights")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("command: {get: [%s, %s, get], set: [%s, %s, set, \"{server}\", \"{weight}\"], delay: 1s, max_weight: 256}\n",
		script, p.Socket(), script, p.Socket())
}
