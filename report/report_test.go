package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/record"
	"saturate/stress"
)

var update = flag.Bool("update", false, "write the golden files")

// hold is a repeat that found the limit of eight workers.
func hold(restart int, rate float64) record.Repeat {
	limits := stress.NewLimits(stress.Default).InForce()
	return record.Repeat{
		Restart: restart, Ending: ramp.Found,
		Sustained: &record.Sustained{Rate: rate, AtLimit: rate / .98,
			Interval: &record.Interval{Lo: rate * .99, Hi: rate * 1.05, Level: .95, Basis: "within hold"}},
		Bottleneck: &record.Bottleneck{Name: "workers", Signal: "workers", Pressure: .98,
			Sentence: "the 8 workers are busy 88% of the time (limit 90%), while CPU is at 52% of its limit",
			Evidence: []string{"the accept queue is 4.1% full", "a request takes a worker 51 ms (50 ms at low load)"}},
		RunnerUp: &record.RunnerUp{Signal: "cpu", Headroom: .48},
		Work:     &record.Work{Unit: "cpu_seconds", Scope: "cgroup", PerSecond: rate * .003},
		Cost:     &record.Cost{Unit: "cpu_seconds", PerRequest: .003},
		Latency:  &record.Latency{P50: .052, P90: .080, P99: .180, Max: .4},
		Pressure: map[stress.Signal]float64{"cpu": .52, "workers": .98, "latency_p99": .36, "errors": 0, "memory": .3, "file_descriptors": .1},
		Limits:   limits, FailedShare: .0002, HoldSeconds: 72, DurationSeconds: 140,
	}
}

func run(targets ...record.Target) *record.Record {
	return &record.Record{
		Version: record.Version, ID: "01KAJ5M0G00000000000000000", At: time.Date(2026, 11, 21, 9, 12, 0, 0, time.UTC),
		Scenario: "django-uwsgi", Limits: stress.NewLimits(stress.Default).InForce(),
		Load:    record.Load{Kind: record.SyntheticMix, Unit: "req/s", Engine: "vegeta", Arrivals: "poisson"},
		Targets: targets, DurationSeconds: 252,
	}
}

func target(name string, repeats ...record.Repeat) record.Target {
	return record.Target{Name: name, Repeats: repeats}
}

// without turns a hold into a run that did not find the limit.
func without(ending ramp.Ending, why string, change func(*record.Repeat)) record.Repeat {
	r := hold(1, 160)
	r.Ending, r.Why, r.Sustained = ending, why, nil
	change(&r)
	return r
}

// instructions counts a hold's work in 40 M instructions per request.
func instructions(r record.Repeat) record.Repeat {
	r.Work = &record.Work{Unit: "instructions", Scope: "host", PerSecond: r.Sustained.Rate * 40e6}
	r.Cost = &record.Cost{Unit: "instructions", PerRequest: 40e6}
	r.Measured = []record.Work{*r.Work, {Unit: "requests", PerSecond: r.Sustained.Rate}}
	r.CostSE = map[string]float64{"instructions": .004}
	return r
}

// falling gives a hold the steps of a server whose requests cost less as its load
// rises: 60, 48 and 44 M instructions.
func falling(r record.Repeat) record.Repeat {
	for _, s := range []struct {
		phase     ramp.Phase
		part, per float64
	}{{ramp.Approach, .2, 60e6}, {ramp.Approach, .5, 48e6}, {ramp.Approach, .9, 41e6}, {ramp.Reference, .614, 44e6}} {
		level := s.part * r.Sustained.Rate
		r.Steps = append(r.Steps, record.Step{Phase: s.phase, Level: level, Rate: level, Seconds: 10, Verdict: stress.OutcomeSustained, Pressure: r.Pressure,
			Work: map[string]float64{"instructions": level * s.per, "requests": level}, CostSE: map[string]float64{"instructions": .006}})
	}
	return r
}

func records(t *testing.T) map[string]*record.Record {
	fleet := &appweight.Fleet{Unit: "cpu_seconds", Scope: "cgroup", PerSecond: 61, ActiveUsers: 12000, Servers: 200}
	labelled := func(generation string, t record.Target) record.Target {
		t.Labels = map[string]string{"generation": generation, "build": "4f2c1e"}
		return t
	}
	doubtful := hold(1, 118)
	doubtful.Notes, doubtful.Sustained.Hangover, doubtful.Break = []string{"hangover", "knee"}, 104, 131

	full := hold(1, 900)
	full.Bottleneck = &record.Bottleneck{Name: "cpu", Signal: "cpu", Pressure: .98, Sentence: "88% of 2 CPUs are used (limit 90%), while workers is at 96% of its limit"}
	full.RunnerUp = &record.RunnerUp{Signal: "workers", Headroom: .04}
	full.Work = &record.Work{Unit: "instructions", Scope: "host", PerSecond: 39.8e9}
	full.Cost = &record.Cost{Unit: "instructions", PerRequest: 44.2e6}
	talk := &appweight.Fleet{Unit: "instructions", Scope: "host", PerSecond: 264.6e12, ActiveUsers: 9.8e6}

	all := map[string]*record.Record{}
	add := func(name string, fleet *appweight.Fleet, require []string, targets ...record.Target) {
		r := run(targets...)
		var requirements []appweight.Requirement
		for _, text := range require {
			q, err := appweight.ParseRequirement(text)
			if err != nil {
				t.Fatal(err)
			}
			requirements = append(requirements, q)
		}
		var fleets []appweight.Fleet
		if fleet != nil {
			fleets = append(fleets, *fleet)
		}
		r.Conclude(fleets, requirements)
		all[name] = r
	}
	add("found", fleet, []string{"appweight >= 90", "bottleneck == cpu"}, labelled("epyc-zen4", target("web-1", hold(1, 160))))
	add("found_no_fleet", nil, nil, target("web-1", hold(1, 160)))
	add("found_doubts", nil, nil, target("web-1", doubtful))
	add("found_instructions", talk, nil, target("web-1", full))
	add("found_repeats", fleet, []string{"sustained.rate >= 155"}, target("web-1", hold(1, 160), hold(2, 157),
		without(ramp.Inconclusive, "7 of 60 windows are void (contended host)", func(r *record.Repeat) {
			r.Restart, r.Bottleneck = 3, &record.Bottleneck{Name: stress.ContendedCPU}
		})))
	add("found_generations", fleet, nil, labelled("old", target("web-1", hold(1, 80))), labelled("new", target("web-2", hold(1, 160))))
	threeKinds := &appweight.Fleet{Unit: "instructions", Scope: "host", ActiveUsers: 6901000, Window: "2026-11-20 20:08 to 20:23 Europe/Berlin", Coverage: .973,
		Generations: []appweight.Generation{
			{Name: "skylake", Region: "eu", ISA: "amd64", PerSecond: 30e12, Servers: 1600},
			{Name: "zen4", Region: "eu", ISA: "amd64", PerSecond: 60e12, Servers: 2000},
			{Name: "turin", Region: "us", ISA: "amd64", PerSecond: 45.03e12, Servers: 1000}}}
	kinds := []record.Target{labelled("skylake", target("web-1", instructions(hold(1, 625)))), labelled("zen4", target("web-2", instructions(hold(1, 1000)))),
		labelled("turin", target("web-3", instructions(hold(1, 1500))))}
	add("found_fleet", threeKinds, []string{"minimum_servers <= 3400"}, kinds...)
	add("found_fleet_unmeasured", threeKinds, nil, kinds[:2]...)
	byLoad := *threeKinds
	byLoad.Generations = nil
	byLoad.PerSecond, byLoad.Servers, byLoad.Coverage = 40.5e12, 1500, 0
	add("found_load_adjusted", &byLoad, nil, labelled("zen4", target("web-2", falling(instructions(hold(1, 1000))))))
	add("at_least", fleet, []string{"sustained.rate >= 300", "appweight >= 200"}, target("web-1",
		without(ramp.AtLeast, "the highest level allowed, 100, presses the target to 0.61 of its limit", func(r *record.Repeat) {
			r.Sustained = &record.Sustained{Rate: 99.6}
			r.Bottleneck = &record.Bottleneck{Name: stress.NoneReached, Signal: "workers", Sentence: "no limit was reached: the nearest is workers, at 61% of its limit"}
		})))
	add("at_most", nil, []string{"sustained.rate >= 100"}, target("web-1",
		without(ramp.AtMost, "latency_p99 is at 1.4 of its limit at the first level", func(r *record.Repeat) {
			r.Break, r.Done, r.RunnerUp = 20, 160, nil
			r.Steps, r.Pressure = []record.Step{{Phase: ramp.Approach, Level: 20, Pressure: r.Pressure}}, nil
			r.Bottleneck = &record.Bottleneck{Name: stress.LatencyBound, Signal: "latency_p99",
				Sentence: "the 99th percentile is 702 ms (limit 500 ms) although no resource that was read is at its limit (the nearest, cpu, is at 3.0% of it): locks, garbage collection or something unseen"}
		})))
	add("inconclusive_generator", fleet, nil, target("web-1",
		without(ramp.Inconclusive, "9 of 60 windows are void (generator)", func(r *record.Repeat) {
			r.Bottleneck = &record.Bottleneck{Name: stress.Generator, Sentence: "the generator, not the target, was the limit: 3.8% of the hits could not be sent in time"}
		})))
	add("inconclusive_contended", nil, nil, target("web-1",
		without(ramp.Inconclusive, "9 of 60 windows are void (contended host)", func(r *record.Repeat) {
			r.Bottleneck = &record.Bottleneck{Name: stress.ContendedCPU, Sentence: "somebody else used the target's CPUs: they were 100% busy, and the target itself used 43% of its share"}
		})))
	add("inconclusive_gone", nil, nil, target("web-1",
		record.Repeat{Restart: 1, Ending: ramp.Inconclusive, Why: "connection refused: nothing listens on 127.0.0.1:18080"}))
	live := func(restored bool) *record.Record {
		r := run(target("web-1", hold(1, 160)), target("web-2", hold(1, 157)))
		r.Load = record.Load{Kind: record.LiveTraffic, Unit: "req/s", Engine: "haproxy"}
		why, left := record.RunEnded, 10
		if !restored {
			why, left = "the lease ended", 21
		}
		r.Live = &record.Live{Balancer: "haproxy", Backend: "haproxy /run/haproxy/admin.sock web",
			Caps: record.LiveCaps{Times: 3, Share: .25, Seconds: 1200}, Squeezes: []record.Squeeze{{
				Restart: 1, Epoch: 7, Why: why, Restored: restored, RestoreSeconds: .31,
				Servers: []record.SqueezedServer{
					{Target: "web-1", Server: "s1", Found: 10, Left: &left, Allowed: 30, Bound: "3 times the weight found", MaxConns: 16,
						Weights: []record.WeightChange{{AtSeconds: 12.2, Weight: 15}, {AtSeconds: 21, Weight: 21}, {AtSeconds: 96.4, Weight: left}}},
					{Target: "web-2", Server: "web-2", Found: 10, Left: new(10), Allowed: 30, Bound: "3 times the weight found",
						Weights: []record.WeightChange{{AtSeconds: 12.4, Weight: 14}, {AtSeconds: 23, Weight: 20}, {AtSeconds: 96.4, Weight: 10}}}},
				Siblings: &record.Siblings{Names: []string{"s3", "s4", "s5", "s6"}, Requests: 61234,
					Quiet: record.SiblingFigures{FailedShare: new(0.0), Response: new(.021), P99: new(.038)},
					Worst: record.SiblingFigures{FailedShare: new(0.0), Response: new(.022), P99: new(.041)}},
				Traffic: &record.LiveRates{From: 812, To: 790, Least: 770, Most: 815},
			}}}
		r.Conclude([]appweight.Fleet{*fleet}, nil)
		return r
	}
	all["live"], all["live_not_restored"] = live(true), live(false)
	refused := run(target("web-1", record.Repeat{Restart: 1, Ending: ramp.Inconclusive, Why: "s3 is down (DOWN 1/2)"}))
	refused.Load, refused.Live = all["live"].Load, &record.Live{Backend: all["live"].Live.Backend, Caps: all["live"].Live.Caps}
	refused.Conclude(nil, nil)
	all["live_refused"] = refused
	return all
}

func TestTextGolden(t *testing.T) {
	for name, r := range records(t) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, r, Options{}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("-want +got (-update writes it):\n%s", diff)
			}
			for _, line := range strings.Split(b.String(), "\n") {
				if utf8.RuneCountInString(line) > width || strings.Trim(line, " ") != strings.TrimLeft(line, " ") {
					t.Errorf("too wide, or spaces at its end: %q", line)
				}
				for _, c := range line {
					if c > 126 {
						t.Errorf("%q has a letter that not every terminal shows", line)
					}
				}
			}
		})
	}
}

// Only a limit that was found is a bare number.
func TestNoBareNumber(t *testing.T) {
	for name, r := range records(t) {
		var b bytes.Buffer
		if err := Text(&b, r, Options{}); err != nil {
			t.Fatal(err)
		}
		bare := regexp.MustCompile(`(?m)^(sustains|AppWeight) +[0-9]`).MatchString(b.String())
		if found := r.Ending == ramp.Found; bare != found {
			t.Errorf("%s ended %s and prints a bare number: %v\n%s", name, r.Ending, bare, b.String())
		}
	}
}

func TestColour(t *testing.T) {
	r := records(t)["found"]
	var plain, colour bytes.Buffer
	if err := Text(&plain, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Text(&colour, r, Options{Colour: true}); err != nil {
		t.Fatal(err)
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(colour.String(), "")
	if stripped != plain.String() {
		t.Errorf("colour changes the text:\n%s", cmp.Diff(plain.String(), stripped))
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colour.String(), red+"MISSED") {
		t.Errorf("colour where none was asked for, or none where it was:\n%q", colour.String())
	}
}

func TestJSON(t *testing.T) {
	for name, r := range records(t) {
		var b bytes.Buffer
		if err := Formats["json"](&b, r, Options{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := record.Unmarshal(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("%s read again differs:\n%s", name, diff)
		}
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{figure(0), "0.000"}, {figure(.00012), "0.00012"}, {figure(.4812), "0.481"}, {figure(1.234), "1.23"}, {figure(61), "61.0"},
		{figure(99.96), "100"}, {figure(160.4), "160"}, {figure(999.6), "1,000"}, {figure(1474), "1,474"}, {figure(9.8e6), "9,800,000"},
		{work(39.8e9, "instructions"), "39.8 G instructions"}, {work(12, "instructions"), "12.0 instructions"}, {work(.48, "cpu_seconds"), "0.480 cpu_seconds"},
		{cost(.003, "cpu_seconds"), "3.00 ms of CPU"}, {cost(44.2e6, "instructions"), "44.2 M instructions"},
		{span(59.4), "59 s"}, {span(59.6), "1 min 0 s"}, {span(252), "4 min 12 s"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// The curve is told where the cost changes by more than a tenth and its error.
func TestCurve(t *testing.T) {
	at := func(se float64, costs ...float64) *record.Repeat {
		r := hold(1, 100)
		r.CostSE = map[string]float64{"cpu_seconds": se}
		for i, c := range costs {
			level := float64(10 * (i + 1))
			r.Steps = append(r.Steps, record.Step{Phase: ramp.Approach, Level: level, Rate: level, Verdict: stress.OutcomeSustained,
				Work: map[string]float64{"cpu_seconds": c * level, "requests": level}, CostSE: map[string]float64{"cpu_seconds": se}})
		}
		return &r
	}
	for _, c := range []struct {
		r    *record.Repeat
		want string
	}{
		{at(.01, .003, .0031), ""},
		{at(.01, .006, .004), "less as the load rises: 6.00 ms of CPU at 10.0, 4 ms at 20.0 req/s"},
		{at(.01, .002, .0025), "more as the load rises: 2.00 ms of CPU at 10.0, 2.5 ms at 20.0 req/s"},
		{at(.01, .003, .004, .003), "at other loads another amount: 3.00 ms of CPU at 10.0, 4 ms at 20.0, 3 ms at 30.0 req/s"},
		{at(.3, .006, .004), ""},
		{at(.01, .006), ""},
		{at(.01, .009, .008, .007, .006, .005, .004, .003), "less as the load rises: 9.00 ms of CPU at 10.0, 8 ms at 20.0, 6 ms at 40.0, 5 ms at 50.0, 3 ms at 70.0 req/s"},
	} {
		if got := curve(c.r, "req/s"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	with := func(name string, runner *record.RunnerUp) record.Repeat {
		r := hold(1, 160)
		r.Bottleneck.Name, r.RunnerUp = name, runner
		return r
	}
	half := &record.RunnerUp{Signal: "memory", Headroom: .5}
	for _, c := range []struct {
		name   string
		runner *record.RunnerUp
		want   string
	}{
		{"workers", half, "CPU is at 52% of its limit: more workers would carry more, up to about 2.0 times as much, where memory is the limit"},
		{"workers", nil, "CPU is at 52% of its limit: more workers would carry more"},
		{"cpu", &record.RunnerUp{Signal: "workers", Headroom: .03}, "less CPU per request or more CPU would carry more, but workers is next and almost as full"},
		{"cpu", &record.RunnerUp{Signal: "memory", Headroom: .97}, "less CPU per request or more CPU would carry more"},
		{"backend", half, "make what the workers wait for faster; more workers would mostly wait in a longer line"},
		{"pool_used", half, "more of what pool_used counts, or a higher limit in stress.metrics, would carry more, up to about 2.0 times as much, where memory is the limit"},
	} {
		if got := advice(with(c.name, c.runner), record.Load{}); got != c.want {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
	for _, name := range []string{stress.QuotaBound, stress.MemoryBound, stress.NetworkBound, stress.ConntrackBound, stress.DescriptorsBound,
		stress.LatencyBound, stress.ErrorsBound, stress.OverflowCollapse, stress.Generator, stress.ContendedCPU} {
		if advice(with(name, nil), record.Load{}) == "" {
			t.Errorf("no advice for %s", name)
		}
	}
}

// The users' traffic has no ramp to change either.
func TestAdviceOnLiveTraffic(t *testing.T) {
	r, live := hold(1, 160), record.Load{Kind: record.LiveTraffic}
	if got, want := advice(r, live), advice(r, record.Load{}); got != want {
		t.Errorf("found: %q, want %q", got, want)
	}
	for ending, want := range map[ramp.Ending]string{ramp.AtLeast: "when there is more traffic", ramp.AtMost: "past a limit with the traffic that it has"} {
		r.Ending = ending
		if got := advice(r, live); !strings.Contains(got, want) || strings.Contains(got, "ramp.") {
			t.Errorf("%s: %q", ending, got)
		}
	}
}

// A check was told its level: there is no ramp to change.
func TestAdviceOnACheck(t *testing.T) {
	r := hold(1, 160)
	r.Done = 1000
	for ending, want := range map[ramp.Ending]string{
		ramp.AtMost:  "CPU is at 52% of its limit: more workers would carry more",
		ramp.AtLeast: "",
	} {
		r.Ending = ending
		if got := advice(r, record.Load{Held: 160}); got != want {
			t.Errorf("%s: %q, want %q", ending, got, want)
		}
		if !strings.Contains(advice(r, record.Load{}), "ramp.") {
			t.Errorf("%s: no advice on the search", ending)
		}
	}
}
