package record

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"saturate/appweight"
)

// held is what becomes of a requirement of a record against its baseline.
func held(t *testing.T, r, base *Record, text string) Requirement {
	t.Helper()
	q := requirements(t, text)
	r.Requirements = nil
	r.Conclude(nil, q)
	base.Conclude(nil, nil)
	r.HoldAgainst(base, q)
	return r.Requirements[0]
}

// Two runs that were not asked the same do not compare, whatever their servers
// are called; and what does not matter to a figure does not keep it apart.
func TestHoldAgainstTerms(t *testing.T) {
	one := func(rate float64) *Record { return night(nil, map[string][]float64{"web-1": {rate}}) }
	for _, c := range []struct {
		name, require string
		change        func(now *Record)
		want          appweight.Outcome
		why           string
	}{
		{"the same", "sustained.rate >= 0.9 * baseline", func(*Record) {}, Met, "times the baseline's"},
		{"another mix", "sustained.rate >= 0.9 * baseline", func(r *Record) { r.Load.Mix = map[string]float64{"x": 1} }, Undecided, "mixes of requests differ"},
		{"another mix on another server", "appweight >= 0.9 * baseline", func(r *Record) {
			r.Targets[0].Name, r.Load.Mix = "web-9", map[string]float64{"x": 1}
		}, Undecided, "mixes of requests differ"},
		{"another mix on another server of another kind", "appweight >= 0.9 * baseline", func(r *Record) {
			r.Targets[0].Name, r.Load.Mix = "web-9", map[string]float64{"x": 1}
			r.Targets[0].Labels = map[string]string{"generation": "zen9"}
		}, Undecided, "mixes of requests differ"},
		{"another CPU: the rate", "sustained.rate >= 0.9 * baseline", func(r *Record) { r.Env.CPU = "another" }, Met, "times the baseline's"},
		{"another CPU: the cost", "cost <= 1.1 * baseline", func(r *Record) { r.Env.CPU = "another" }, Undecided, "CPUs, whose seconds are not the same"},
		{"a cost in another unit", "cost >= 0.9 * baseline", func(r *Record) {
			repeat := &r.Targets[0].Repeats[0]
			repeat.Cost = &Cost{Unit: appweight.Instructions, PerRequest: 5e6}
			repeat.Measured = append(repeat.Measured, Work{Unit: appweight.Instructions, Scope: "host", PerSecond: 8e8})
		}, Undecided, "units of work differ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, now := one(160), one(158)
			c.change(now)
			if got := held(t, now, base, c.require); got.Outcome != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("%+v, want %s and %q", got, c.want, c.why)
			}
		})
	}
}

// The cost of several repeats is one fact with an interval: a single repeat that
// costs a little more by chance misses nothing.
func TestHoldAgainstCostOfRepeats(t *testing.T) {
	costs := func(each ...float64) *Record {
		r := night(nil, map[string][]float64{"web-1": {160, 160, 160}})
		for i, c := range each {
			r.Targets[0].Repeats[i].Cost = &Cost{Unit: appweight.CPUSeconds, PerRequest: c}
		}
		return r
	}
	base := costs(.00500, .00506, .00494)
	for _, c := range []struct {
		now  *Record
		want appweight.Outcome
	}{{costs(.00496, .00513, .00503), Met}, {costs(.0060, .0061, .0059), Missed}} {
		if got := held(t, c.now, base, "cost <= 1.02 * baseline"); got.Outcome != c.want {
			t.Errorf("%+v, want %s", got, c.want)
		}
	}
}

// What one hold leaves out is allowed for once: not in what several servers, which
// differ by more, have in their interval already, but in the fleet's score, too.
func TestSpreads(t *testing.T) {
	of := func(basis string, servers ...string) *Record {
		iv := &Interval{Lo: 1, Hi: 2, Level: .95, Basis: basis}
		r := night(map[string]string{"generation": "zen4"}, map[string][]float64{})
		for _, name := range servers {
			r.Targets = append(r.Targets, Target{Name: name, Ending: Found, Repeats: []Repeat{{Ending: Found, Sustained: &Sustained{Rate: 1}}}})
		}
		r.AppWeight, r.FleetScore = []Score{{Generation: "zen4", Interval: iv}}, &FleetScore{Interval: iv}
		return r
	}
	sides := 2.0
	once, twice := appweight.RestartSD, math.Sqrt(sides)*appweight.RestartSD
	for _, c := range []struct {
		now, base *Record
		want      map[string]float64
	}{
		{of(WithinHold, "web-1"), of(WithinHold, "web-1"), map[string]float64{"web-1": twice, "zen4": twice, "the fleet": twice}},
		{of(Servers, "web-1", "web-2"), of(WithinHold, "web-1"), map[string]float64{"web-1": twice, "web-2": once, "zen4": once, "the fleet": once}},
		{of(Servers, "web-1"), of(Servers, "web-2"), map[string]float64{"web-1": once, "web-2": once}},
	} {
		if diff := cmp.Diff(c.want, c.now.spreads(c.base)); diff != "" {
			t.Error(diff)
		}
	}
}
