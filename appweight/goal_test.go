package appweight

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// course is a history of a year with a rise of 30 % at night 100 and drops of
// 5 % and 4 % at nights 150 and 250.
func course(seed uint64) []Night {
	x := leaning(.01, .2)(rand.New(rand.NewPCG(seed, 1)), 300)
	for i := range x {
		if i >= 100 {
			x[i] += math.Log(1.30)
		}
		if i >= 150 {
			x[i] += math.Log(.95)
		}
		if i >= 250 {
			x[i] += math.Log(.96)
		}
	}
	return history(x)
}

func TestStand(t *testing.T) {
	nights := course(2)
	trend, err := FindChanges(nights, DefaultNights)
	if err != nil {
		t.Fatal(err)
	}
	since := Day{nights[20].At}
	stand := func(improvement, budget Percent) Standing {
		s, err := Goal{Since: since, Improvement: improvement, RegressionBudget: budget}.Stand(nights, trend)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := stand(.10, .12)
	if s.From != 20 || !near(s.Ratio, 1.30*.95*.96, .01) || s.Improvement != Met || !near(s.Reached, math.Log(1.30*.95*.96)/math.Log(1.1), .06) {
		t.Errorf("%+v", s)
	}
	if len(s.Drops) != 2 || !near(s.Spent, 1-.95*.96, .1) || s.Budget != Met || !(s.SpentLo < .088 && .088 < s.SpentHi) {
		t.Errorf("drops %+v, spent %g (%g to %g): %s", s.Drops, s.Spent, s.SpentLo, s.SpentHi, s.Budget)
	}
	if s := stand(.30, .05); s.Improvement != Missed || s.Budget != Missed {
		t.Errorf("improvement %s, budget %s", s.Improvement, s.Budget)
	}
	if s := stand(.1856, .088); s.Improvement != Undecided || s.Budget != Undecided {
		t.Errorf("improvement %s of %g, budget %s", s.Improvement, s.Ratio, s.Budget)
	}
	// From after the last drop on nothing was spent.
	since = Day{nights[260].At}
	if s := stand(0, .05); s.Spent != 0 || s.Improvement != "" || s.Budget != Met || !near(s.Ratio, 1, .01) {
		t.Errorf("%+v", s)
	}
	since = Day{nights[0].At.AddDate(0, -2, 0)}
	if s := stand(.1, 0); len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "begins on 2026-01-01, not on 2025-11-01") {
		t.Errorf("%q", s.Warnings)
	}
	since = Day{nights[298].At}
	if _, err := (Goal{Since: since, Improvement: .1}).Stand(nights, trend); !errors.Is(err, ErrNoNights) {
		t.Errorf("%v", err)
	}
}

// What creeps is no change, and counts all the same.
func TestStandSeesWhatCreeps(t *testing.T) {
	x := leaning(.01, .2)(rand.New(rand.NewPCG(5, 1)), 200)
	for i := range x {
		x[i] -= .0003 * float64(i)
	}
	nights := history(x)
	s, err := Goal{Since: Day{nights[0].At}, Improvement: .01}.Stand(nights, Trend{Values: mustFind(t, nights).Values})
	if err != nil || s.Improvement != Missed || !near(s.Ratio, math.Exp(-.0003*186), .015) {
		t.Errorf("%+v, %v", s, err)
	}
}

func mustFind(t *testing.T, nights []Night) Trend {
	trend, err := FindChanges(nights, DefaultNights)
	if err != nil {
		t.Fatal(err)
	}
	return trend
}

func TestGoalReads(t *testing.T) {
	var p Percent
	for text, want := range map[string]Percent{"20%": .2, " 13.1 %": .131, "0.05": .05} {
		if err := p.UnmarshalText([]byte(text)); err != nil || !near(float64(p), float64(want), 1e-12) {
			t.Errorf("%q: %g, %v", text, p, err)
		}
	}
	var d Day
	if err := d.UnmarshalText([]byte("2016-01-01")); err != nil || d.Format("Mon 2 Jan 2006") != "Fri 1 Jan 2016" {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "nan", "inf%", "20 percent"} {
		if p.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is a share", bad)
		}
		if d.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is a day", bad)
		}
	}
	if err := (Goal{Since: d, Improvement: .2, RegressionBudget: .131}).Validate(); err != nil {
		t.Error(err)
	}
	err := Goal{Improvement: -1, RegressionBudget: 13.1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "regression_budget: 1310%") {
		t.Errorf("%v", err)
	}
	if err := (Goal{Since: d}).Validate(); err == nil || !strings.Contains(err.Error(), "improvement: is missing, and so is") {
		t.Errorf("%v", err)
	}
}

func TestJudgeAgainst(t *testing.T) {
	fact := func(v, half float64) Fact { return Fact{Of: "zen4", Value: v, Lo: v / (1 + half), Hi: v * (1 + half)} }
	r := Requirement{Text: "appweight >= 0.97 * baseline", Name: "appweight", Op: ">=", Number: .97}
	inf := math.Inf(1)
	for _, c := range []struct {
		name      string
		now, base []Fact
		spread    float64
		want      Outcome
		why       string
	}{
		{"same", []Fact{fact(1000, .02)}, []Fact{fact(1000, .02)}, 0, Met, "it is 1 (0.9724 to 1.028) times the baseline's 1000"},
		{"15 % less", []Fact{fact(850, .03)}, []Fact{fact(1000, .03)}, math.Sqrt2 * RestartSD, Missed, "0.85"},
		{"5 % less, by too few repeats", []Fact{fact(950, .02)}, []Fact{fact(1000, .02)}, math.Sqrt2 * RestartSD, Met, "not by more than the uncertainty"},
		{"5 % less, sure", []Fact{fact(950, .005)}, []Fact{fact(1000, .005)}, 0, Missed, "0.95"},
		{"at least", []Fact{{Of: "zen4", Value: 990, Lo: 990, Hi: inf, Bound: true}}, []Fact{fact(1000, 0)}, 0, Met, "at least 0.99"},
		{"at least too little", []Fact{{Of: "zen4", Value: 900, Lo: 900, Hi: inf, Bound: true}}, []Fact{fact(1000, 0)}, 0, Undecided, "a bound only"},
		{"baseline at least", []Fact{fact(900, 0)}, []Fact{{Of: "zen4", Value: 1000, Lo: 1000, Hi: inf, Bound: true}}, 0, Missed, "at most 0.9"},
		{"other generation", []Fact{fact(1000, 0)}, []Fact{{Of: "zen3", Value: 1, Lo: 1, Hi: 1}}, 0, Undecided, "the baseline did not find appweight"},
		{"nothing", nil, []Fact{fact(1000, 0)}, 0, Undecided, "the run did not find"},
	} {
		j := r.JudgeAgainst(map[string][]Fact{"appweight": c.now}, map[string][]Fact{"appweight": c.base}, map[string]float64{"zen4": c.spread})
		if j.Outcome != c.want || !strings.Contains(j.Why, c.why) || j.Text != r.Text {
			t.Errorf("%s: %+v, want %s and %q", c.name, j, c.want, c.why)
		}
	}
}

// No part of nothing is more than nothing: what the baseline had none of is held
// against 0, and not against a ratio that does not exist.
func TestJudgeAgainstNothing(t *testing.T) {
	r := Requirement{Text: "failed_share <= 1.5 * baseline", Name: "failed_share", Op: "<=", Number: 1.5}
	none := map[string][]Fact{"failed_share": {{Of: "web-1"}}}
	for share, want := range map[float64]Outcome{0: Met, .01: Missed} {
		now := map[string][]Fact{"failed_share": {{Of: "web-1", Value: share, Lo: share, Hi: share}}}
		if j := r.JudgeAgainst(now, none, nil); j.Outcome != want || !strings.Contains(j.Why, "the baseline's was 0") {
			t.Errorf("%g: %+v, want %s", share, j, want)
		}
	}
}

// A record keeps the goal with a day and numbers in it, and reads that again, and
// a time and text, too.
func TestGoalJSON(t *testing.T) {
	want := Goal{Since: Day{time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)}, Improvement: .2, RegressionBudget: .131}
	text, err := json.Marshal(want)
	if err != nil || string(text) != `{"since":"2016-01-01","improvement":0.2,"regression_budget":0.131}` {
		t.Errorf("%s, %v", text, err)
	}
	for _, text := range []string{string(text), `{"since":"2016-01-01T00:00:00Z","improvement":"0.2","regression_budget":"13.1%"}`} {
		var got Goal
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Since.Equal(want.Since.Time) || got.Improvement != .2 || !near(float64(got.RegressionBudget), .131, 1e-9) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"since":"soon"}`), new(Goal)); err == nil {
		t.Error("soon is a day")
	}
}
