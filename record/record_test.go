package record

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

var update = flag.Bool("update", false, "write the golden files")

// run is a search on a server of eight workers that CPU leaves half idle: idle,
// two steps of approach, a hold.
func run(rate float64) ramp.Run {
	limits := stress.NewLimits(stress.Default).InForce()
	var windows []ramp.Window
	at := time.Duration(0)
	add := func(phase ramp.Phase, n int, level float64) {
		for i := range n {
			share := level / (rate / .98)
			o := stress.Observation{Window: stress.Window{Start: at, End: at + time.Second}, Asked: level,
				Sent: uint64(level), Done: uint64(level), Work: map[string]float64{"requests": level, "cpu_seconds": level * .003}}
			if level > 0 {
				o.Latency = stress.Latency{Count: uint64(level), P50: 52 * time.Millisecond, P90: 70 * time.Millisecond, P99: 120 * time.Millisecond, Max: 180 * time.Millisecond, Mean: 55 * time.Millisecond}
			}
			o.Signals = map[stress.Signal]float64{stress.CPU: .48 * share, stress.Workers: .9 * share, stress.WorkerCount: 8, stress.CPUs: 1}
			o.Pressure = map[stress.Signal]float64{stress.CPU: .48 * share / .9, stress.Workers: share}
			windows = append(windows, ramp.Window{Phase: phase, Settling: i == 0, Seen: o})
			at += time.Second
		}
	}
	add(ramp.Idle, 3, 0)
	add(ramp.Approach, 5, 50)
	add(ramp.Approach, 5, 120)
	add(ramp.Hold, 41, rate)
	return ramp.Conclude(ramp.Result{
		Ending: ramp.Found, From: 14, To: 54,
		Sustained: &ramp.Sustained{Rate: rate, AtLimit: rate / .98,
			Interval: ramp.Interval{Lo: rate / .98 * .97, Hi: rate / .98 * 1.03, Level: .95, Basis: "within hold"}},
		Notes: []string{"knee"},
		Trips: []ramp.Trip{{At: 11 * time.Second, Level: 170, Why: "workers at 1.2 of its limit for 3 s"}},
	}, windows, limits)
}

func newRecord() *Record {
	return &Record{
		Version: Version, ID: "01KAJ5M0G00000000000000000", At: time.Date(2026, 11, 21, 9, 12, 0, 0, time.UTC),
		Scenario: "django-uwsgi", ScenarioHash: Hash("name: django-uwsgi\n"), Labels: map[string]string{"service": "web"},
		Versions: map[string]string{"saturate": "0.1.0"}, Env: Env{CPU: "EPYC", Cores: 2, ISA: "amd64", Kernel: "6.18"},
		Limits:          stress.NewLimits(stress.Default).InForce(),
		Load:            Load{Kind: SyntheticMix, Unit: "req/s", Engine: "vegeta", Arrivals: "poisson", Mix: map[string]float64{"feed": 1}},
		DurationSeconds: 60,
	}
}

func fleet() appweight.Fleet {
	return appweight.Fleet{Unit: appweight.CPUSeconds, Scope: "cgroup", PerSecond: 61, ActiveUsers: 12000, Servers: 200}
}

func fleets() []appweight.Fleet { return []appweight.Fleet{fleet()} }

func requirements(t *testing.T, texts ...string) []appweight.Requirement {
	t.Helper()
	var all []appweight.Requirement
	for _, text := range texts {
		r, err := appweight.ParseRequirement(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestGolden(t *testing.T) {
	r := newRecord()
	r.Targets = []Target{{Name: "web-1", Labels: map[string]string{"generation": "epyc-zen4", "build": "4f2c1e"},
		Repeats: []Repeat{NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})}}}
	r.Conclude(fleets(), requirements(t, "appweight >= 90", "bottleneck == cpu"))
	golden(t, "record.json", r)
}

// golden holds what a record is written as to a file, and reads it again.
func golden(t *testing.T, name string, r *Record) {
	t.Helper()
	got, err := Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the format changed (-update writes it):\n%s", diff)
	}
	again, err := Unmarshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("read again it differs:\n%s", diff)
	}
}

func TestUnmarshalIsStrict(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for _, c := range []struct {
		name, text, want, hint string
	}{
		{"a newer version", strings.Replace(text, `"version": 1`, `"version": 2`, 1), "version 2, and this saturate knows 1 to 1", "a newer saturate wrote it"},
		{"no version", `{"id": "x"}`, "version 0", "is it a record at all?"},
		{"something after it", text + "{}", "after top-level value", ""},
		{"an unknown ending", strings.Replace(text, `"ending": "found"`, `"ending": "fine"`, 1), `"fine" is no ending`, ""},
		{"no id", strings.Replace(text, `"id": "01KAJ5M0G00000000000000000"`, `"id": ""`, 1), "no id", ""},
		{"half of it", text[:len(text)/2], "unexpected end", ""},
		{"nothing", "", "unexpected end", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Unmarshal([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			var version *VersionError
			if c.hint != "" && (!errors.As(err, &version) || !strings.Contains(version.Hint(), c.hint)) {
				t.Errorf("hint of %v, want %q", err, c.hint)
			}
		})
	}
}

// A field that a later saturate added within the version is passed over, wherever
// it stands, and all else is read.
func TestUnmarshalPassesOverWhatWasAdded(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	later := string(text)
	for _, at := range []string{`"env": {`, `"load": {`, `"sustained": {`, `"bottleneck": {`, `"fleet": {`} {
		if !strings.Contains(later, at) {
			t.Fatalf("the record has no %s", at)
		}
		later = strings.ReplaceAll(later, at, at+` "added_later": [{"x": 1}],`)
	}
	got, err := Unmarshal([]byte(strings.Replace(later, "{", `{"moon": "full",`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzUnmarshal(f *testing.F) {
	good, _ := os.ReadFile(filepath.Join("testdata", "record.json"))
	f.Add(good)
	f.Add([]byte(`{"version":1,"id":"a","ending":"found","targets":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Unmarshal(data)
		if err != nil {
			return
		}
		again, err := Marshal(r)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if _, err := Unmarshal(again); err != nil {
			t.Fatalf("written but not read: %v", err)
		}
	})
}

// Repeats of one server give an interval over restarts, servers one over
// servers, and generations are never pooled.
func TestScores(t *testing.T) {
	repeat := func(rate float64) Repeat {
		return NewRepeat(run(rate), 1, map[string]string{appweight.CPUSeconds: "cgroup"})
	}
	gen := func(g string) map[string]string { return map[string]string{"generation": g} }
	for _, c := range []struct {
		name    string
		targets []Target
		basis   []string
		users   []float64
	}{
		{"one hold", []Target{{Name: "a", Repeats: []Repeat{repeat(160)}}}, []string{"within hold"}, []float64{160 * .003 / 61 * 12000}},
		{"restarts", []Target{{Name: "a", Repeats: []Repeat{repeat(160), repeat(150), repeat(170)}}}, []string{"restarts"}, []float64{94.3}},
		{"servers", []Target{{Name: "a", Repeats: []Repeat{repeat(160)}}, {Name: "b", Repeats: []Repeat{repeat(170)}}}, []string{"servers"}, []float64{97.3}},
		{"generations", []Target{{Name: "a", Labels: gen("old"), Repeats: []Repeat{repeat(80)}}, {Name: "b", Labels: gen("new"), Repeats: []Repeat{repeat(160)}}},
			[]string{"within hold", "within hold"}, []float64{47.2, 94.4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord()
			r.Targets = c.targets
			r.Conclude(fleets(), nil)
			if len(r.AppWeight) != len(c.users) {
				t.Fatalf("%d scores, want %d: %q", len(r.AppWeight), len(c.users), r.Warnings)
			}
			for i, s := range r.AppWeight {
				if d := s.UsersPerServer/c.users[i] - 1; d > .002 || d < -.002 || s.Interval == nil || s.Interval.Basis != c.basis[i] {
					t.Errorf("score %d: %+v %+v, want %v %s", i, s, s.Interval, c.users[i], c.basis[i])
				}
				if s.Interval != nil && (s.Interval.Lo >= s.UsersPerServer || s.Interval.Hi <= s.UsersPerServer) {
					t.Errorf("%v is outside %+v", s.UsersPerServer, s.Interval)
				}
			}
		})
	}
}

// TestServersAreAsUncertain: how many servers it takes follows from the score,
// and with it how sure that is: 97 to 103 % of 94.4 users are 124 to 132 servers.
func TestServersAreAsUncertain(t *testing.T) {
	r := newRecord()
	r.Targets = []Target{{Name: "a", Repeats: []Repeat{NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})}}}
	r.Conclude(fleets(), requirements(t, "minimum_servers <= 127", "minimum_servers <= 123"))
	got := r.Facts()["minimum_servers"][0]
	if got.Value != 128 || got.Lo != 124 || got.Hi != 132 {
		t.Errorf("%+v", got)
	}
	if a, b := r.Requirements[0], r.Requirements[1]; a.Outcome != appweight.Met || b.Outcome != appweight.Missed {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestEndings(t *testing.T) {
	with := func(ending ramp.Ending, why string) Repeat {
		r := NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})
		r.Ending, r.Why, r.Notes = ending, why, nil
		switch ending {
		case ramp.AtLeast:
			r.Sustained = &Sustained{Rate: 160}
		case ramp.AtMost:
			r.Sustained, r.Break = nil, 20
		case ramp.Inconclusive:
			r.Sustained = nil
		}
		return r
	}
	found, least := with(ramp.Found, ""), with(ramp.AtLeast, "the highest level allowed")
	most, none := with(ramp.AtMost, "the first level fails"), with(ramp.Inconclusive, "contended host")
	for _, c := range []struct {
		name     string
		targets  []Target
		want     ramp.Ending
		scores   int
		warnings string
		rate     appweight.Outcome // of sustained.rate >= 100
	}{
		{"found", []Target{{Name: "a", Repeats: []Repeat{found}}}, ramp.Found, 1, "", appweight.Met},
		{"at least", []Target{{Name: "a", Repeats: []Repeat{least}}}, ramp.AtLeast, 1, "", appweight.Met},
		{"at most", []Target{{Name: "a", Repeats: []Repeat{most}}}, ramp.AtMost, 0, "no AppWeight: no capacity was found", appweight.Missed},
		{"inconclusive", []Target{{Name: "a", Repeats: []Repeat{none}}}, ramp.Inconclusive, 0, "no AppWeight: no capacity was found", appweight.Undecided},
		{"one repeat was void", []Target{{Name: "a", Repeats: []Repeat{found, none}}}, ramp.Found, 1, "a, restart 1 ended inconclusive and does not count: contended host", appweight.Met},
		{"one target was void", []Target{{Name: "a", Repeats: []Repeat{found}}, {Name: "b", Repeats: []Repeat{none}}}, ramp.Inconclusive, 1, "", appweight.Met},
		{"no target", nil, ramp.Inconclusive, 0, "", appweight.Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord()
			r.Targets = c.targets
			r.Conclude(fleets(), requirements(t, "sustained.rate >= 100"))
			if r.Ending != c.want || len(r.AppWeight) != c.scores {
				t.Errorf("ended %s with %d scores, want %s with %d", r.Ending, len(r.AppWeight), c.want, c.scores)
			}
			if got := strings.Join(r.Warnings, "; "); got != c.warnings {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
			if got := r.Requirements[0]; got.Outcome != c.rate {
				t.Errorf("requirement %+v, want %s", got, c.rate)
			}
			if _, err := Marshal(r); err != nil {
				t.Errorf("cannot be written: %v", err)
			}
			for _, s := range r.AppWeight {
				if s.Ending == ramp.AtLeast && s.Interval != nil {
					t.Errorf("a bound has an interval: %+v", s)
				}
			}
		})
	}
}

func TestScoreRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*appweight.Fleet)
		want   string
	}{
		{"scope", func(f *appweight.Fleet) { f.Scope = "host" }, `scope "cgroup" and the fleet's has "host": they do not compare; count the same`},
		{"unit", func(f *appweight.Fleet) { f.Unit = appweight.Instructions }, `the server's work has unit "cpu_seconds, requests" and the fleet's has "instructions": they do not compare; give the fleet's figure in`},
		{"undefined", func(f *appweight.Fleet) { f.ActiveUsers = 0 }, "the number of active users is 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fleet()
			c.change(&f)
			r := newRecord()
			r.Targets = []Target{{Name: "a", Repeats: []Repeat{NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})}}}
			r.Conclude([]appweight.Fleet{f}, requirements(t, "appweight >= 1"))
			if len(r.AppWeight) != 0 || !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, c.want) }) {
				t.Errorf("%+v, warnings %q, want %q", r.AppWeight, r.Warnings, c.want)
			}
			if r.Requirements[0].Outcome != appweight.Undecided {
				t.Errorf("requirement without a score: %+v", r.Requirements[0])
			}
		})
	}
}

// TestWorkUnits: every unit is kept, the best first, and the fleet's figures
// decide which of them the score is computed in.
func TestWorkUnits(t *testing.T) {
	s := stress.Summary{Work: map[string]float64{"requests": 160, "cpu_seconds": .5, "instructions": 2e9}}
	scopes := map[string]string{appweight.CPUSeconds: "cgroup", appweight.Instructions: "host"}
	want := []Work{{Unit: "instructions", Scope: "host", PerSecond: 2e9}, {Unit: "requests", PerSecond: 160}, {Unit: "cpu_seconds", Scope: "cgroup", PerSecond: .5}}
	if diff := cmp.Diff(want, newWork(s, scopes)); diff != "" {
		t.Error(diff)
	}
	if got := newWork(stress.Summary{}, nil); got != nil {
		t.Errorf("work of nothing: %+v", got)
	}
	for _, c := range []struct {
		fleets []appweight.Fleet
		unit   string
		why    string
	}{
		{nil, "requests", ""},
		{fleets(), "cpu_seconds", ""},
		{append(fleets(), appweight.Fleet{Unit: appweight.Requests, PerSecond: 2e4, ActiveUsers: 12000}), "requests", ""},
		{append(fleets(), appweight.Fleet{Unit: appweight.Instructions, Scope: "host", PerSecond: 2e12, ActiveUsers: 12000}), "cpu_seconds", "counted in cpu_seconds: the target's instructions were not counted"},
	} {
		r := newRecord()
		r.Targets = []Target{{Name: "a", Repeats: []Repeat{NewRepeat(run(160), 1, scopes)}}}
		r.Conclude(c.fleets, nil)
		if w := r.Targets[0].Repeats[0].Work; w.Unit != c.unit || c.fleets != nil && (r.AppWeight[0].Work.Unit != c.unit || r.Fleet.Unit != c.unit) {
			t.Errorf("%+v, want %s: %+v", w, c.unit, r.AppWeight)
		}
		if c.fleets != nil && !strings.HasPrefix(r.Fleet.Why, c.why) {
			t.Errorf("why %q, want %q", r.Fleet.Why, c.why)
		}
	}
}

func TestID(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 12, 0, 0, time.UTC)
	var ids []string
	for i := range 200 {
		ids = append(ids, NewID(at.Add(time.Duration(i)*time.Millisecond)))
	}
	if !slices.IsSorted(ids) {
		t.Error("later IDs do not sort after earlier ones")
	}
	seen := map[string]bool{}
	for range 1000 {
		id := NewID(at)
		if len(id) != 26 || strings.Trim(id, crockford) != "" || seen[id] {
			t.Fatalf("bad or double ID %q", id)
		}
		seen[id] = true
	}
}
