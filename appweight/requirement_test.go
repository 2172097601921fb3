package appweight

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseRequirement(t *testing.T) {
	for _, c := range []struct {
		text string
		want Requirement
	}{
		{"appweight >= 1400", Requirement{Name: "appweight", Op: ">=", Number: 1400}},
		{"sustained.rate>300", Requirement{Name: "sustained.rate", Op: ">", Number: 300}},
		{"  failed_share <= 0.1%  ", Requirement{Name: "failed_share", Op: "<=", Number: .001}},
		{"failed_share < .001", Requirement{Name: "failed_share", Op: "<", Number: .001}},
		{"bottleneck == cpu", Requirement{Name: "bottleneck", Op: "==", Word: "cpu"}},
		{`bottleneck != "contended host"`, Requirement{Name: "bottleneck", Op: "!=", Word: "contended host"}},
		{"appweight >= 0.97 * baseline", Requirement{Name: "appweight", Op: ">=", Number: .97, Baseline: true}},
		{"appweight>baseline", Requirement{Name: "appweight", Op: ">", Number: 1, Baseline: true}},
		{"failed_share <= 150% * baseline", Requirement{Name: "failed_share", Op: "<=", Number: 1.5, Baseline: true}},
		{"cost <= 1e-3", Requirement{Name: "cost", Op: "<=", Number: .001}},
	} {
		c.want.Text = c.text
		got, err := ParseRequirement(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

func TestParseRequirementMistakes(t *testing.T) {
	for _, c := range []struct {
		text    string
		pos     int
		problem string
		hint    string
	}{
		{"", 0, "a comparison is missing", "such as appweight >= 1400"},
		{"appweight", 9, "a comparison is missing", "such as appweight >= 1400"},
		{">= 5", 0, "a name is missing", ""},
		{"appwieght >= 5", 0, `"appwieght" is not something`, "did you mean appweight?"},
		{" sustaind.rate >= 5", 1, `"sustaind.rate" is not something`, "did you mean sustained.rate?"},
		{"speed >= 5", 0, `"speed" is not something`, "one of appweight, bottleneck, break,"},
		{"appweight >=", 12, "a value is missing", ""},
		{"appweight == 5", 10, "== does not go with the number appweight", "compare numbers with"},
		{"appweight => 5", 10, "=> does not go", "compare numbers with"},
		{"bottleneck >= cpu", 11, ">= does not go with the word bottleneck", "compare words with"},
		{`bottleneck == ""`, 14, "a value is missing", ""},
		{"appweight >= 0.97 baseline", 13, `"0.97" is no factor of the baseline`, "0.97 * baseline"},
		{"appweight >= much * baseline", 13, `"much" is not a number`, ""},
		{"appweight >= 0 * baseline", 13, "nothing is held against nothing", ""},
		{"appweight >= baseline * 0.97", 13, `"baseline * 0.97" is not a number`, ""},
		{"appweight >= many", 13, `"many" is not a number`, ""},
		{"appweight >= -3", 13, "-3 is not a number to compare with", ""},
		{"appweight >= NaN", 13, "NaN is not a number to compare with", ""},
		{"appweight >= 5%", 14, "it is not a share", "leave the % away"},
		{"failed_share <= 5", 16, "5 is more than the whole", "did you mean 5%?"},
	} {
		_, err := ParseRequirement(c.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if syntax.Pos != c.pos || !strings.Contains(syntax.Problem, c.problem) || !strings.Contains(syntax.Hint(), c.hint) {
			t.Errorf("%q: at %d: %s (hint: %s)\nwant at %d: %s (hint: %s)", c.text, syntax.Pos, syntax.Problem, syntax.Hint(), c.pos, c.problem, c.hint)
		}
	}
}

func TestRequirementJudge(t *testing.T) {
	exact := func(v float64) []Fact { return []Fact{{Value: v, Lo: v, Hi: v}} }
	within := func(v, lo, hi float64) []Fact { return []Fact{{Value: v, Lo: lo, Hi: hi}} }
	atLeast := []Fact{{Value: 300, Lo: 300, Hi: math.Inf(1), Bound: true}}
	atMost := []Fact{{Value: 20, Lo: 0, Hi: 20, Bound: true}}
	cpu := []Fact{{Word: "cpu quota", Also: []string{"cpu"}}}
	for _, c := range []struct {
		text  string
		facts []Fact
		want  Outcome
		why   string
	}{
		{"appweight >= 1400", exact(1400), Met, "it is 1400"},
		{"appweight > 1400", exact(1400), Missed, "it is 1400"},
		{"appweight >= 1400", within(1450, 1410, 1490), Met, "it is 1450 (1410 to 1490)"},
		{"appweight >= 1400", within(1380, 1350, 1410), Met, "it is 1380 (1350 to 1410): on the wrong side, but not by more than the uncertainty"},
		{"appweight >= 1400", within(1300, 1280, 1399), Missed, "it is 1300 (1280 to 1399)"},
		{"appweight >= 0.97 * baseline", exact(1400), Undecided, "there is no baseline to hold it against"},
		{"appweight >= 1400", nil, Undecided, "the run did not find appweight"},
		{"appweight >= 1400", within(1300, math.NaN(), 1399), Undecided, "it is not known"},
		{"appweight >= 290", atLeast, Met, "it is at least 300"},
		{"appweight >= 310", atLeast, Undecided, "it is at least 300: the run found a bound only"},
		{"appweight <= 290", atLeast, Missed, "it is at least 300"},
		{"appweight >= 310", atMost, Missed, "it is at most 20"},
		{"failed_share <= 0.1%", exact(.0005), Met, "it is 0.0005"},
		{"failed_share < 0.1%", exact(.002), Missed, "it is 0.002"},
		{"bottleneck == cpu", cpu, Met, "it is cpu quota"},
		{"bottleneck == cpu quota", cpu, Met, "it is cpu quota"},
		{"bottleneck == workers", cpu, Missed, "it is cpu quota"},
		{"bottleneck != workers", cpu, Met, "it is cpu quota"},
		{"bottleneck != cpu", cpu, Missed, "it is cpu quota"},
		{"bottleneck == cpu", []Fact{{}}, Undecided, "it is not known"},
		{"appweight >= 5", []Fact{{Of: "a", Value: 6, Lo: 6, Hi: 6}, {Of: "b", Value: 4, Lo: 4, Hi: 4}}, Missed, "b: it is 4"},
		{"appweight >= 310", []Fact{{Of: "a", Value: 320, Lo: 320, Hi: 320}, {Of: "b", Value: 300, Lo: 300, Hi: math.Inf(1), Bound: true}}, Undecided, "b: it is at least 300: the run found a bound only"},
	} {
		r, err := ParseRequirement(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Judge(map[string][]Fact{r.Name: c.facts})
		if got.Outcome != c.want || got.Why != c.why || got.Text != c.text {
			t.Errorf("%q of %+v: %+v, want %s, %q", c.text, c.facts, got, c.want, c.why)
		}
	}
}

func FuzzParseRequirement(f *testing.F) {
	for _, s := range []string{"appweight >= 1400", "bottleneck == cpu", "failed_share <= 0.1%", ">= baseline", "cost<\xff", "a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRequirement(text)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%q: %T", text, err)
			}
			if syntax.Pos < 0 || syntax.Pos > len(text) {
				t.Fatalf("%q: position %d", text, syntax.Pos)
			}
			return
		}
		if math.IsNaN(r.Number) || math.IsInf(r.Number, 0) || r.Word == "" && names[r.Name] == word {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}
