package appweight

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// byHand reads the example of docs/score.md: the fleet, and the table's rows by
// their first cell.
func byHand(t *testing.T) (Fleet, map[string][]float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "score.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "### By hand\n")
	_, block, _ := strings.Cut(after, "```yaml\n")
	block, after, _ = strings.Cut(block, "```\n")
	var f Fleet
	if err := yaml.Unmarshal([]byte(block), &f); err != nil {
		t.Fatal(err)
	}
	rows := map[string][]float64{}
	for line := range strings.Lines(after) {
		cells := strings.Split(strings.Trim(line, "| \n"), "|")
		if len(cells) != 8 {
			continue
		}
		var values []float64
		for _, c := range cells[1:] {
			v, err := strconv.ParseFloat(strings.Trim(c, " %"), 64)
			if err != nil {
				v = math.NaN()
			}
			values = append(values, v)
		}
		rows[strings.TrimSpace(cells[0])] = values
	}
	return f, rows
}

const (
	sustains, spends, equivalents, minimum, owned, spare, users = 0, 1, 2, 3, 4, 5, 6
)

// TestMixByHand: the program's figures are those that docs/score.md works out.
func TestMixByHand(t *testing.T) {
	f, rows := byHand(t)
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(f.Generations) != 3 {
		t.Fatalf("%d generations in the docs", len(f.Generations))
	}
	is := func(of, what string, got, want, within float64) {
		t.Helper()
		if !(math.Abs(got-want) <= within) {
			t.Errorf("%s: %s is %v, the docs say %v", of, what, got, want)
		}
	}
	var measured []Measured
	for _, g := range f.Generations {
		n := Work{Unit: Instructions, Scope: "host", ISA: "amd64", PerSecond: rows[g.Name][sustains] * 1e9}
		measured = append(measured, Measured{Generation: g.Name, Work: n})
		s, err := Compute(n, f, Interval{})
		if err != nil {
			t.Fatal(err)
		}
		is(g.Name, "AppWeight", s.UsersPerServer, rows[g.Name][users], .05)
		is(g.Name, "I", g.PerSecond, rows[g.Name][spends]*1e12, 1)
	}
	m, err := Mix(measured, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Demands {
		is(d.Name, "I/N", d.Equivalents, rows[d.Name][equivalents], 1e-9)
		is(d.Name, "minimum", d.MinimumServers, rows[d.Name][minimum], 0)
		is(d.Name, "owned", d.Servers, rows[d.Name][owned], 0)
		is(d.Name, "headroom", 100**d.Headroom, rows[d.Name][spare], .005)
	}
	fleet := rows["fleet"]
	is("fleet", "I", f.Total(), fleet[spends]*1e12, 1e3)
	is("fleet", "M", m.Equivalents, fleet[equivalents], 1e-9)
	is("fleet", "minimum", m.MinimumServers, fleet[minimum], 0)
	is("fleet", "owned", m.Owned, fleet[owned], 0)
	is("fleet", "headroom", 100**m.Headroom, fleet[spare], .005)
	is("fleet", "AppWeight", m.UsersPerServer, fleet[users], 1e-6)
	if len(m.Warnings) > 0 {
		t.Errorf("warnings %q", m.Warnings)
	}
}

func gen(name string, perSecond, servers float64) Generation {
	return Generation{Name: name, PerSecond: perSecond, Servers: servers}
}

func server(name string, n float64) Measured {
	return Measured{Generation: name, Work: Work{Unit: Instructions, Scope: "host", ISA: "amd64", PerSecond: n}}
}

func TestMixRefuses(t *testing.T) {
	good := func() Fleet {
		return Fleet{Unit: Instructions, Scope: "host", ISA: "amd64", ActiveUsers: 1000, Generations: []Generation{gen("a", 100, 0), gen("b", 50, 0)}}
	}
	both := []Measured{server("a", 10), server("b", 20)}
	for _, c := range []struct {
		name    string
		servers []Measured
		change  func(*Fleet)
		want    string
		hint    string
	}{
		{"unmeasured", both[:1], nil, "no server of generation b was brought to its limit", "label generation: b"},
		{"nothing measured", nil, nil, "generation a, b", "label generation: a"},
		{"hosts without a generation", both, func(f *Fleet) { f.Generations = append(f.Generations, gen("", 5, 0)) }, "generation (not known)", "label that says"},
		{"coverage", both, func(f *Fleet) { f.Coverage = .94 }, "94% of the fleet's servers reported their work, and a score needs 95%", "come out too high"},
		{"instruction set", both, func(f *Fleet) { f.Generations[1].ISA = "arm64" }, `generation b: the server's work has instruction set "amd64" and the fleet's has "arm64"`, "no sum and no ratio"},
		{"scope", both, func(f *Fleet) { f.Scope = "host/user" }, `generation a: the server's work has scope "host"`, "count the same"},
		{"unit", both, func(f *Fleet) { f.Unit = CPUSeconds }, `has unit "instructions"`, "give the fleet's figure in instructions"},
		{"no users", both, func(f *Fleet) { f.ActiveUsers = 0 }, "number of active users is 0", ""},
		{"no work at all", both, func(f *Fleet) { f.Generations = []Generation{gen("a", 0, 0)} }, "the peak fills is 0", ""},
		{"no number", both, func(f *Fleet) { f.Generations[0].PerSecond = math.NaN() }, "the work of generation a is NaN", ""},
		{"a dead server", []Measured{server("a", 0), server("b", 1)}, nil, "the work of a server of generation a is 0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good()
			if c.change != nil {
				c.change(&f)
			}
			_, err := Mix(c.servers, f)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			var hinted interface{ Hint() string }
			if c.hint != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), c.hint)) {
				t.Errorf("hint of %v, want %q", err, c.hint)
			}
		})
	}
}

// Two instruction sets have no common I, so that no server has an AppWeight by
// the definition; the fleet as a whole has.
func TestMixOfInstructionSets(t *testing.T) {
	f := Fleet{Unit: Instructions, Scope: "host", ActiveUsers: 30000, Generations: []Generation{
		{Name: "zen4", ISA: "amd64", PerSecond: 4e12, Servers: 200}, {Name: "graviton", ISA: "arm64", PerSecond: 3e12, Servers: 300}}}
	if f.Total() != 0 {
		t.Errorf("the sum of two sets is %v", f.Total())
	}
	x86, arm := server("zen4", 40e9), server("graviton", 15e9)
	arm.Work.ISA = "arm64"
	m, err := Mix([]Measured{x86, arm}, f)
	if err != nil || m.Equivalents != 300 || m.UsersPerServer != 100 || *m.Headroom != .4 {
		t.Errorf("%+v, %v", m, err)
	}
	var mix *MixError
	if _, err := Compute(arm.Work, f, Interval{}); !errors.As(err, &mix) || mix.What != "instruction set" {
		t.Errorf("an AppWeight by instructions of two sets: %v", err)
	}
	f = Fleet{Unit: Requests, ActiveUsers: 30000, Generations: []Generation{{Name: "zen4", ISA: "amd64", PerSecond: 4e4}, {Name: "graviton", ISA: "arm64", PerSecond: 3e4}}}
	if s, err := Compute(Work{Unit: Requests, PerSecond: 700, ISA: "arm64"}, f, Interval{}); err != nil || !near(s.UsersPerServer, 300, 1e-9) {
		t.Errorf("requests of two instruction sets: %+v, %v", s, err)
	}
}

func TestMixBoundsAndDoubts(t *testing.T) {
	f := Fleet{Unit: Instructions, Scope: "host", ISA: "amd64", ActiveUsers: 1000, Coverage: .96, Servers: 12,
		Generations: []Generation{{Name: "a", Region: "eu", PerSecond: 45, Servers: 4}, {Name: "a", Region: "us", PerSecond: 41}, gen("b", 50, 5)}}
	a, b := server("a", 10), server("b", 20)
	b.Bound = true
	m, err := Mix([]Measured{a, b, server("new", 99)}, f)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Bound || !near(m.Equivalents, 4.5+4.1+2.5, 1e-9) || m.MinimumServers != 5+5+3 || m.Owned != 12 || m.Demands[1].Headroom != nil {
		t.Errorf("%+v", m)
	}
	text := strings.Join(m.Warnings, "\n")
	for _, want := range []string{"96% of the fleet's servers reported", "times 1.042", "needs 5 servers of a in eu and the fleet has 4"} {
		if !strings.Contains(text, want) {
			t.Errorf("warnings %q lack %q", text, want)
		}
	}
	b.Bound = false // one that the fleet has none of bounds nothing
	extra := server("new", 99)
	extra.Bound = true
	if m, err = Mix([]Measured{a, b, extra}, f); err != nil || m.Bound {
		t.Errorf("%+v, %v", m, err)
	}
}

// A fleet told apart by regions only has servers of one kind, whatever the target
// is called.
func TestMixOfRegions(t *testing.T) {
	f := Fleet{Unit: Instructions, Scope: "host", ISA: "amd64", ActiveUsers: 1000, Generations: []Generation{{Region: "eu", PerSecond: 45, Servers: 9}, {Region: "us", PerSecond: 41, Servers: 9}}}
	m, err := Mix([]Measured{server("zen4", 10)}, f)
	if err != nil || !near(m.Equivalents, 8.6, 1e-9) || m.MinimumServers != 10 {
		t.Errorf("%+v, %v", m, err)
	}
	if load, ok := f.PerServer("zen4"); !ok || !near(load, 86./18, 1e-9) {
		t.Errorf("%v, %v", load, ok)
	}
	if _, err := Mix([]Measured{server("zen4", 10), server("turin", 20)}, f); err == nil {
		t.Error("which of two kinds the fleet has is not known")
	}
}

// By hand: half of M each with log variances .0004 (4 degrees of freedom) and
// .0009 (9), and the fleet's .0001 without number: v = .000425, df =
// v^2 / ((.0001)^2/4 + (.000225)^2/9) = 22.2, t = 2.073.
func TestMixInterval(t *testing.T) {
	with := func(m Measured, sd, df float64, basis string) Measured {
		half := quantile(.95, df) * sd
		m.Interval = Interval{Lo: m.Work.PerSecond * math.Exp(-half), Hi: m.Work.PerSecond * math.Exp(half), Level: .95, DF: df, Basis: basis}
		return m
	}
	f := Fleet{Unit: Instructions, Scope: "host", ISA: "amd64", ActiveUsers: 2000, SE: .01, Generations: []Generation{gen("a", 100, 0), gen("b", 200, 0)}}
	a, b := with(server("a", 10), .02, 4, Servers), with(server("b", 20), .03, 9, WithinHold)
	m, err := Mix([]Measured{a, b}, f)
	if err != nil {
		t.Fatal(err)
	}
	half := 2.073 * math.Sqrt(.000425)
	if !near(m.Interval.DF, 22.2, .005) || !near(m.Interval.Hi, 100*math.Exp(half), .0005) || !near(m.Interval.Lo, 100*math.Exp(-half), .0005) || m.Interval.Basis != WithinHold || m.Interval.Level != .95 {
		t.Errorf("%+v", m.Interval)
	}
	b.Interval = Interval{}
	if m, err = Mix([]Measured{a, b}, f); err != nil || m.Interval != (Interval{}) {
		t.Errorf("an interval although b has none: %+v, %v", m.Interval, err)
	}
}

// A fleet of one generation scores as that generation does, and a mixed one lies
// between its generations.
func TestMixProperties(t *testing.T) {
	value := rapid.Float64Range(1, 1e6)
	rapid.Check(t, func(t *rapid.T) {
		n, i, u := value.Draw(t, "N"), value.Draw(t, "I"), value.Draw(t, "U")
		iv := Interval{Lo: n * rapid.Float64Range(.5, 1).Draw(t, "lo"), Hi: n * rapid.Float64Range(1, 2).Draw(t, "hi"), Level: .95, DF: float64(rapid.IntRange(0, 9).Draw(t, "df")), Basis: Servers}
		f := Fleet{Unit: Instructions, Scope: "host", ISA: "amd64", ActiveUsers: u, SE: rapid.Float64Range(0, .1).Draw(t, "se"), Generations: []Generation{gen("a", i, 0)}}
		a := server("a", n)
		a.Interval = iv
		one, err := Mix([]Measured{a}, f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Compute(a.Work, f, iv)
		if err != nil {
			t.Fatal(err)
		}
		if !near(one.UsersPerServer, s.UsersPerServer, 1e-9) || one.MinimumServers != s.MinimumServers ||
			!near(one.Interval.Lo, s.Interval.Lo, 1e-6) || !near(one.Interval.Hi, s.Interval.Hi, 1e-6) {
			t.Fatalf("alone %+v, mixed %+v", s, one)
		}
		b := server("b", value.Draw(t, "N of b"))
		f.Generations = append(f.Generations, gen("b", value.Draw(t, "I of b"), 0))
		m, err := Mix([]Measured{a, b}, f)
		if err != nil {
			t.Fatal(err)
		}
		sa, _ := Compute(a.Work, f, Interval{})
		sb, _ := Compute(b.Work, f, Interval{})
		lo, hi := min(sa.UsersPerServer, sb.UsersPerServer), max(sa.UsersPerServer, sb.UsersPerServer)
		if m.UsersPerServer < lo*(1-1e-9) || m.UsersPerServer > hi*(1+1e-9) {
			t.Fatalf("%v is not between %v and %v", m.UsersPerServer, lo, hi)
		}
	})
}
