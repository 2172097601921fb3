package record

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"saturate/appweight"
)

// night is a record of some servers, each with the rates of its restarts.
func night(labels map[string]string, rates map[string][]float64) *Record {
	r := newRecord()
	r.ID = NewID(r.At)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		t := Target{Name: name, Labels: labels}
		for i, rate := range rates[name] {
			t.Repeats = append(t.Repeats, NewRepeat(run(rate), i+1, map[string]string{appweight.CPUSeconds: "cgroup"}))
		}
		if len(t.Repeats) > 0 {
			r.Targets = append(r.Targets, t)
		}
	}
	return r
}

func side(t *testing.T, name string, records ...*Record) Subject {
	t.Helper()
	var measured []Measured
	for _, r := range records {
		for i := range r.Targets {
			measured = append(measured, Measured{r, &r.Targets[i]})
		}
	}
	s, err := NewSubject(name, measured)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func named(t *testing.T, c Comparison, name, of string) Measure {
	t.Helper()
	for _, m := range c.Measures {
		if m.Name == name && m.Of == of {
			return m
		}
	}
	t.Fatalf("no %s per %q in %+v", name, of, c.Measures)
	return Measure{}
}

// A new build on the same three servers serves a tenth more: rate and score move
// by that, and the fleet's work per user is taken to change as the cost does.
func TestCompareBuilds(t *testing.T) {
	fleet := []appweight.Fleet{{Unit: "cpu_seconds", Scope: "cgroup", PerSecond: 61, ActiveUsers: 12000}}
	base := night(map[string]string{"build": "old"}, map[string][]float64{"web-1": {160, 162}, "web-2": {150, 151}, "web-3": {171, 169}})
	base.Conclude(fleet, nil)
	new := night(map[string]string{"build": "new"}, map[string][]float64{"web-1": {176, 178.2}, "web-2": {165, 166.1}, "web-3": {188.1, 185.9}})
	new.Conclude(fleet, nil)

	c := Compare(side(t, "build=old", base), side(t, "build=new", new))
	rate := named(t, c, MeasureRate, "")
	if math.Abs(rate.Ratio-1.1) > .001 || !rate.Real() || rate.Interval.Basis != appweight.SameServers || rate.P == nil || *rate.P > 1e-4 {
		t.Errorf("rate %+v", rate)
	}
	score := named(t, c, MeasureScore, "")
	if math.Abs(score.New/score.Base-1.1) > .001 || math.Abs(score.Base-base.AppWeight[0].UsersPerServer) > 1e-9 || !strings.Contains(score.At, "D x c_new/c_old") {
		t.Errorf("score %+v", score)
	}
	if cost := named(t, c, MeasureCost, ""); math.Abs(cost.Ratio-1) > .001 || !strings.Contains(cost.At, "at 1") {
		t.Errorf("cost %+v", cost)
	}
	if got := c.Verdict(); !strings.HasPrefix(got, "build=new carries more users per server than build=old: +10.0%") {
		t.Errorf("verdict %q", got)
	}
}

// Two generations: per core, watt and unit of currency by the labels.
func TestCompareHardware(t *testing.T) {
	hardware := func(generation, cores, watts, price string) map[string]string {
		return map[string]string{"generation": generation, "cores": cores, "watts": watts, "price": price}
	}
	base := night(hardware("zen3", "32", "400", "8000"), map[string][]float64{"web-1": {100}, "web-2": {101}, "web-3": {99}})
	base.Conclude(nil, nil)
	new := night(hardware("zen4", "64", "500", "12000"), map[string][]float64{"web-1": {200}, "web-2": {202}, "web-3": {198}})
	for i := range new.Targets {
		new.Targets[i].Name = fmt.Sprintf("other-%d", i)
	}
	new.Conclude(nil, nil)
	c := Compare(side(t, "zen3", base), side(t, "zen4", new))
	for of, want := range map[string]float64{"": 2, "core": 1, "watt": 1.6, "price": 4. / 3} {
		if m := named(t, c, MeasureRate, of); math.Abs(m.Ratio-want) > .001 || math.Abs(m.New/m.Base-want) > .001 || m.Interval == nil {
			t.Errorf("per %q: %+v, want %v", of, m, want)
		}
	}
	if m := named(t, c, MeasureWork, ""); math.Abs(m.Ratio-2) > .001 || m.Interval.Basis != appweight.Servers {
		t.Errorf("work %+v", m)
	}
}

func TestCompareRefuses(t *testing.T) {
	rates := map[string][]float64{"web-1": {100, 101}, "web-2": {100, 102}}
	base := night(nil, rates)
	base.Conclude(nil, nil)
	for name, c := range map[string]struct {
		change  func(*Record)
		measure string
		want    string
	}{
		"limits":   {func(r *Record) { r.Limits["cpu"] = .7 }, MeasureRate, "limits differ: cpu 0.9 against cpu 0.7"},
		"mix":      {func(r *Record) { r.Load.Mix = map[string]float64{"other": 1} }, MeasureRate, "mixes of requests differ"},
		"arrivals": {func(r *Record) { r.Load.Arrivals = "even" }, MeasureRate, "arrivals differ"},
		"engine":   {func(r *Record) { r.Load.Engine = "fast" }, MeasureRate, "engines differ"},
		"ending":   {func(r *Record) { r.Targets[0].Ending = AtLeast }, MeasureRate, "found no limit"},
		"cpu":      {func(r *Record) { r.Env.CPU = "Xeon" }, MeasureWork, "CPUs, whose seconds are not the same"},
		"scope": {func(r *Record) {
			for i := range r.Targets {
				for j := range r.Targets[i].Repeats {
					r.Targets[i].Repeats[j].WorkIn("cpu_seconds").Scope = "host"
				}
			}
		}, MeasureCost, "scopes differ"},
	} {
		t.Run(name, func(t *testing.T) {
			new := night(nil, rates)
			new.Conclude(nil, nil)
			c.change(new)
			got := named(t, Compare(side(t, "a", base), side(t, "b", new)), c.measure, "")
			if !strings.Contains(got.Refused, c.want) || got.Ratio != 0 {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
	if _, err := NewSubject("build=x", nil); err == nil {
		t.Error("nothing is a side")
	}
}

// Of single holds the interval is that of restarts as they usually differ, says
// so, and says how many repeats a smaller change would take.
func TestCompareSingleHolds(t *testing.T) {
	one := func(server string, rate float64) *Record {
		r := night(nil, map[string][]float64{server: {rate}})
		r.Conclude(nil, nil)
		return r
	}
	for _, c := range []struct {
		server  string
		rate    float64
		real    bool
		verdict string
		doubt   string
	}{
		{"web-1", 85, true, "carries fewer requests than baseline: -15.0%, where restarts differ by 1.2%, as they usually do", "repeat either three times"},
		{"web-1", 99, false, "no difference was seen (-1.0%, where restarts differ by 1.2%", "repeat either three times"},
		{"web-2", 85, true, "-15.0%", "how servers differ is not in the intervals"},
	} {
		got := Compare(side(t, "baseline", one("web-1", 100)), side(t, "last", one(c.server, c.rate)))
		m := named(t, got, MeasureRate, "")
		if m.Real() != c.real || m.Interval == nil || m.Interval.Basis != appweight.Assumed || m.P != nil || (m.Need == "") != c.real {
			t.Errorf("%v: %+v", c, m)
		}
		if half := math.Log(m.Interval.Hi/m.Interval.Lo) / 2; half < 1.96*math.Sqrt2*appweight.RestartSD || half > .06 {
			t.Errorf("%v: an interval of %.3f", c, half)
		}
		if text := strings.Join(got.Warnings, "; "); !strings.Contains(got.Verdict(), c.verdict) || !strings.Contains(text, c.doubt) ||
			strings.Contains(text, "how servers differ") != (c.server == "web-2") {
			t.Errorf("%v: %q, warnings %q", c, got.Verdict(), text)
		}
	}
}

// A record from elsewhere may leave a target's name out; it compares all the same.
func TestCompareNamelessTarget(t *testing.T) {
	base, new := night(nil, map[string][]float64{"web-1": {100}}), night(nil, map[string][]float64{"web-1": {85}})
	base.Targets[0].Name = ""
	for _, r := range []*Record{base, new} {
		r.Conclude(nil, nil)
	}
	for _, c := range []Comparison{Compare(side(t, "a", base), side(t, "b", new)), Compare(side(t, "b", new), side(t, "a", base))} {
		if m := named(t, c, MeasureRate, ""); m.Refused != "" || m.Interval == nil || m.Interval.Basis != appweight.Assumed {
			t.Errorf("%+v", m)
		}
	}
}

// Equals: nothing is claimed.
func TestCompareClaimsNothing(t *testing.T) {
	one := func(rates ...float64) *Record {
		r := night(nil, map[string][]float64{"web-1": rates})
		r.Conclude(nil, nil)
		return r
	}
	if got := Compare(side(t, "a", one(100, 102, 99)), side(t, "b", one(101, 99, 100))).Verdict(); !strings.HasPrefix(got, "no difference was seen") || !strings.Contains(got, "would have been") {
		t.Errorf("equals: %q", got)
	}
}

// A label that chooses the same record for both sides, or records of different
// scenarios, is told of; two nights of one scenario are not.
func TestCompareDoubts(t *testing.T) {
	one, two, other := night(nil, map[string][]float64{"web-1": {160, 161}}), night(nil, map[string][]float64{"web-1": {150, 151}}), night(nil, map[string][]float64{"web-1": {150, 152}})
	other.Scenario = "another"
	for _, r := range []*Record{one, two, other} {
		r.Conclude(nil, nil)
	}
	for _, c := range []struct {
		base, new Subject
		want      string
	}{
		{side(t, "a", one), side(t, "b", two), ""},
		{side(t, "a", one, two), side(t, "b", two), "1 of the base's 2 measurements are on the other side, too"},
		{side(t, "a", one), side(t, "b", other), "different scenarios (django-uwsgi and another)"},
	} {
		text := strings.Join(Compare(c.base, c.new).Warnings, "; ")
		if doubted := strings.Contains(text, "on the other side") || strings.Contains(text, "different scenarios"); doubted != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%q, want %q", text, c.want)
		}
	}
}
