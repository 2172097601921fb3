package appweight

import (
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	counted := map[string]string{Instructions: "host", Requests: "", CPUSeconds: "cgroup"}
	uncounted := map[string]string{Requests: "", CPUSeconds: "cgroup"}
	f := func(unit, scope string) Fleet { return Fleet{Unit: unit, Scope: scope} }
	several := Fleet{Unit: Instructions, Scope: "host", Generations: []Generation{{ISA: "amd64"}, {ISA: "arm64"}}}
	for _, c := range []struct {
		name     string
		measured map[string]string
		fleets   []Fleet
		unit     string // "" for an error
		says     string // why, or the error
	}{
		{"the best", counted, []Fleet{f(CPUSeconds, "cgroup"), f(Requests, ""), f(Instructions, "host")}, Instructions, ""},
		{"a scope not said", counted, []Fleet{f(Instructions, "")}, Instructions, ""},
		{"given in one unit", counted, []Fleet{f(CPUSeconds, "cgroup")}, CPUSeconds, ""},
		{"the fleet has nothing better that fits", counted, []Fleet{f(CPUSeconds, "cgroup"), f(CPUSeconds, "host")}, CPUSeconds, "counted in cpu_seconds: the fleet's figures have no instructions; the fleet's figures have no requests"},
		{"this machine cannot count", uncounted, []Fleet{f(Instructions, "host"), f(Requests, "")}, Requests, "counted in requests: the target's instructions were not counted"},
		{"nothing better was on offer", uncounted, []Fleet{f(Requests, "")}, Requests, ""},
		{"another scope", counted, []Fleet{f(Instructions, "processes"), f(CPUSeconds, "cgroup")}, CPUSeconds, `instructions are of scope "host" on the target and "processes" in the fleet`},
		{"the one of two scopes that fits", counted, []Fleet{f(Instructions, "host/user"), f(Instructions, "host")}, Instructions, ""},
		{"several instruction sets", counted, []Fleet{several, f(Requests, "")}, Requests, "the fleet's instructions are of several sets (amd64, arm64), which have no sum"},
		{"several instruction sets and nothing else", counted, []Fleet{several}, Instructions, ""},
		{"no scope in common", counted, []Fleet{f(Instructions, "processes")}, "", `scope "host" and the fleet's has "processes"`},
		{"no unit in common", uncounted, []Fleet{f(Instructions, "host")}, "", `unit "cpu_seconds, requests" and the fleet's has "instructions"`},
		{"no fleet", counted, nil, "", "there are no figures of the fleet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, why, err := Choose(c.measured, c.fleets)
			if c.unit == "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%+v, error %v, want %q", got, err, c.says)
				}
				var mix *MixError
				if len(c.fleets) > 0 && !errors.As(err, &mix) {
					t.Errorf("%T is no *MixError", err)
				}
				return
			}
			if err != nil || got.Unit != c.unit || !strings.Contains(why, c.says) || (c.says == "") != (why == "") {
				t.Errorf("%+v, %q, %v; want %s, %q", got, why, err, c.unit, c.says)
			}
		})
	}
}

func TestPerServer(t *testing.T) {
	one := Fleet{Unit: CPUSeconds, PerSecond: 60, Servers: 100}
	some := Fleet{Unit: CPUSeconds, PerSecond: 60, Servers: 100, Generations: []Generation{
		{Name: "a", Region: "eu", PerSecond: 20, Servers: 40}, {Name: "a", Region: "us", PerSecond: 10, Servers: 20}, {Name: "b", PerSecond: 30}}}
	for _, c := range []struct {
		fleet Fleet
		of    string
		want  float64
		ok    bool
	}{{one, "", .6, true}, {one, "a", .6, true}, {Fleet{PerSecond: 60}, "", 0, false}, {some, "a", .5, true}, {some, "b", 0, false}, {some, "new", 0, false}} {
		if got, ok := c.fleet.PerServer(c.of); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %v, %v; want %v, %v", c.of, got, ok, c.want, c.ok)
		}
	}
}

func TestValidateGenerations(t *testing.T) {
	good := func() Fleet {
		return Fleet{Unit: Instructions, ActiveUsers: 9, Generations: []Generation{gen("a", 100, 10), gen("b", 50, 5)}}
	}
	for _, c := range []struct {
		name   string
		change func(*Fleet)
		want   string // "" for none
	}{
		{"no sum given", func(*Fleet) {}, ""},
		{"the sum", func(f *Fleet) { f.PerSecond, f.Servers = 150.9, 15 }, ""},
		{"another sum", func(f *Fleet) { f.PerSecond = 200 }, "per_second: the generations add up to 150, not to 200"},
		{"another number", func(f *Fleet) { f.Servers = 20 }, "servers: the generations add up to 15, not to 20"},
		{"a sum of two sets", func(f *Fleet) { f.PerSecond, f.Generations[0].ISA, f.Generations[1].ISA = 150, "amd64", "arm64" }, "per_second: instructions of several sets have no sum"},
		{"two sets", func(f *Fleet) { f.Generations[0].ISA, f.Generations[1].ISA = "amd64", "arm64" }, ""},
		{"requests of two sets", func(f *Fleet) {
			f.Unit, f.PerSecond, f.Generations[0].ISA, f.Generations[1].ISA = Requests, 150, "amd64", "arm64"
		}, ""},
		{"twice", func(f *Fleet) { f.Generations[1].Name = "a" }, "generations[1].name: a is there twice"},
		{"in two regions", func(f *Fleet) { f.Generations[1].Name, f.Generations[1].Region = "a", "us" }, ""},
		{"no name", func(f *Fleet) { f.Generations[0].Name = "" }, "generations[0].name: is missing"},
		{"no work", func(f *Fleet) { f.Generations[1].PerSecond = 0 }, "generations[1].per_second: 0 is not"},
		{"no number of servers", func(f *Fleet) { f.Generations[1].Servers = -1 }, "generations[1].servers: -1 is not a number of servers"},
		{"no number of requests", func(f *Fleet) { f.RequestsPerSecond = -1 }, "requests_per_second: -1 is not a number of requests"},
		{"nothing", func(f *Fleet) { f.Generations = nil }, "per_second: 0 is not a number above 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good()
			c.change(&f)
			err := f.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
