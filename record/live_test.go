package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"saturate/appweight"
)

// squeezed is a record of two servers that were squeezed at once.
func squeezed() *Record {
	share := func(v float64) *float64 { return &v }
	ten, twelve := 10, 12
	r := newRecord()
	r.Load = Load{Kind: LiveTraffic, Unit: "req/s", Engine: "haproxy"}
	r.Live = &Live{Balancer: "haproxy", Backend: "haproxy /run/haproxy/admin.sock web", Caps: LiveCaps{Times: 3, Share: .25, Seconds: 1200},
		Squeezes: []Squeeze{{Restart: 1, Epoch: 7, Why: "the run ended", Restored: true, RestoreSeconds: .3,
			Servers: []SqueezedServer{
				{Target: "web-1", Server: "s1", Found: 10, Left: &ten, Allowed: 30, Bound: "3 times the weight found", MaxConns: 16,
					Weights: []WeightChange{{12.2, 14}, {20.4, 22}, {95, 10}}},
				{Target: "web-2", Server: "s2", Found: 12, Left: &twelve, Weights: []WeightChange{{12.2, 17}, {95, 12}}},
			},
			Siblings: &Siblings{Names: []string{"s3", "s4"}, Requests: 40120, Failed: 1,
				Quiet: SiblingFigures{FailedShare: share(0), P99: share(.038)}, Worst: SiblingFigures{FailedShare: share(.0001), P99: share(.041)}},
			Traffic: &LiveRates{From: 812, To: 790, Least: 770, Most: 815},
		}}}
	for _, name := range []string{"web-1", "web-2"} {
		r.Targets = append(r.Targets, Target{Name: name, Labels: map[string]string{"generation": "epyc-zen4"},
			Repeats: []Repeat{NewRepeat(run(160), 1, map[string]string{appweight.CPUSeconds: "cgroup"})}})
	}
	r.Conclude(fleets(), nil)
	return r
}

func TestGoldenLive(t *testing.T) {
	r := squeezed()
	got, err := Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "live.json")
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

// What the users sent is not held against what was generated, whatever else is
// alike; live traffic is held against live traffic, with a doubt.
func TestLiveComparesWithLiveOnly(t *testing.T) {
	subject := func(name string, r *Record) Subject {
		s, err := NewSubject(name, []Measured{{r, &r.Targets[0]}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	generated := newRecord()
	generated.Targets = []Target{{Name: "web-1", Labels: map[string]string{"generation": "epyc-zen4"},
		Repeats: []Repeat{NewRepeat(run(158), 1, map[string]string{appweight.CPUSeconds: "cgroup"})}}}
	generated.Conclude(fleets(), nil)
	c := Compare(subject("generated", generated), subject("live", squeezed()))
	if want := "their kinds of load differ: synthetic mix against live traffic; measure both on live traffic, or both by generated load"; c.Measures[0].Refused != want {
		t.Errorf("refused with %q, want %q", c.Measures[0].Refused, want)
	}
	if c := Compare(subject("live", squeezed()), subject("generated", generated)); c.Measures[0].Refused == "" {
		t.Error("not refused the other way round")
	}
	other := squeezed()
	other.ID = "01KAJ5M0G00000000000000001"
	c = Compare(subject("monday", squeezed()), subject("tuesday", other))
	if c.Measures[0].Refused != "" || !strings.Contains(strings.Join(c.Warnings, "\n"), "whose mix nobody chose") {
		t.Errorf("refused %q, doubts %q", c.Measures[0].Refused, c.Warnings)
	}
}

// A requirement against a baseline is not judged by another kind of load.
func TestLiveBaseline(t *testing.T) {
	require := requirements(t, "sustained.rate >= 0.9 * baseline")
	r, base := squeezed(), newRecord()
	base.Targets = []Target{{Name: "web-1", Repeats: []Repeat{NewRepeat(run(160), 1, nil)}}}
	base.Conclude(nil, nil)
	r.Requirements = nil
	r.Conclude(nil, require)
	r.HoldAgainst(base, require)
	if got := r.Requirements[0]; got.Outcome != Undecided || !strings.Contains(got.Why, "kinds of load differ") {
		t.Errorf("%+v", got)
	}
}

func TestPutBack(t *testing.T) {
	q := squeezed().Live.Squeezes[0]
	if got, want := q.PutBack(), "weights back as found: s1 10, s2 12; read back in 0.3 s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	q.Respected = []string{"s2"}
	if got := q.PutBack(); !strings.Contains(got, "but for what somebody else had set meanwhile and was left alone: s2") {
		t.Errorf("%q", got)
	}
	q.Restored = false
	stands := 21
	q.Servers[0].Left, q.Servers[1].Left = &stands, nil
	if got := q.PutBack(); got != "NOT VERIFIED, found were s1 10 and 21 when last read, s2 12 and not read since" || (&Live{Squeezes: []Squeeze{q}}).Restored() {
		t.Errorf("%q", got)
	}
	if most := q.Servers[0].Highest(); most != 22 {
		t.Errorf("highest %d", most)
	}
}
