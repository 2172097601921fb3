package record

import (
	"strings"
	"testing"
)

// zen4 labels the servers of this file.
var zen4 = map[string]string{"generation": "epyc-zen4"}

// squeezed is a record of two servers that were squeezed at once.
func squeezed() *Record {
	r := night(zen4, map[string][]float64{"web-1": {160}, "web-2": {160}})
	r.ID = newRecord().ID
	r.Load = Load{Kind: LiveTraffic, Unit: "req/s", Engine: "haproxy"}
	r.Live = &Live{Balancer: "haproxy", Backend: "haproxy /run/haproxy/admin.sock web", Caps: LiveCaps{Times: 3, Share: .25, Seconds: 1200},
		Squeezes: []Squeeze{{Restart: 1, Epoch: 7, Why: RunEnded, Restored: true, RestoreSeconds: .3,
			Servers: []SqueezedServer{
				{Target: "web-1", Server: "s1", Found: 10, Left: new(10), Allowed: 30, Bound: "3 times the weight found", MaxConns: 16,
					Weights: []WeightChange{{12.2, 14}, {20.4, 22}, {95, 10}}},
				{Target: "web-2", Server: "s2", Found: 12, Left: new(12), Weights: []WeightChange{{12.2, 17}, {95, 12}}},
			},
			Siblings: &Siblings{Names: []string{"s3", "s4"}, Requests: 40120, Failed: 1,
				Quiet: SiblingFigures{FailedShare: new(0.0), P99: new(.038)}, Worst: SiblingFigures{FailedShare: new(.0001), P99: new(.041)}},
			Traffic: &LiveRates{From: 812, To: 790, Least: 770, Most: 815},
		}}}
	r.Conclude(fleets(), nil)
	return r
}

func TestGoldenLive(t *testing.T) { golden(t, "live.json", squeezed()) }

// What the users sent is not held against what was generated, whatever else is
// alike; live traffic is held against live traffic, with a doubt.
func TestLiveComparesWithLiveOnly(t *testing.T) {
	generated := night(zen4, map[string][]float64{"web-1": {158}, "web-2": {158}})
	generated.Conclude(fleets(), nil)
	c := Compare(side(t, "generated", generated), side(t, "live", squeezed()))
	if want := "their kinds of load differ: synthetic mix against live traffic; measure both on live traffic, or both by generated load"; c.Measures[0].Refused != want {
		t.Errorf("refused with %q, want %q", c.Measures[0].Refused, want)
	}
	if c := Compare(side(t, "live", squeezed()), side(t, "generated", generated)); c.Measures[0].Refused == "" {
		t.Error("not refused the other way round")
	}
	other := squeezed()
	other.ID = "01KAJ5M0G00000000000000001"
	c = Compare(side(t, "monday", squeezed()), side(t, "tuesday", other))
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
	q.Servers[0].Left, q.Servers[1].Left = new(21), nil
	if got := q.PutBack(); got != "NOT VERIFIED, found were s1 10 and 21 when last read, s2 12 and not read since" || (&Live{Squeezes: []Squeeze{q}}).Restored() {
		t.Errorf("%q", got)
	}
	if most := q.Servers[0].Highest(); most != 22 {
		t.Errorf("highest %d", most)
	}
}
