package appweight

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*math.Abs(b) }

// The talk's own figures: 39.8 G instructions/s of one server, 264.6 T of the
// fleet for 9.8 M active users are 1474 users per server.
func TestComputeTalk(t *testing.T) {
	n := Work{Unit: Instructions, Scope: "host", PerSecond: 39.8e9}
	f := Fleet{Unit: Instructions, Scope: "host", PerSecond: 264.6e12, ActiveUsers: 9.8e6, Servers: 9000}
	s, err := Compute(n, f, Interval{Lo: 39.4e9, Hi: 40.2e9, Level: .95, Basis: Servers, DF: 4})
	if err != nil {
		t.Fatal(err)
	}
	if !near(s.UsersPerServer, 1474, .001) || !near(s.WorkPerUser, 27e6, .001) {
		t.Errorf("%+v", s)
	}
	if !near(s.Interval.Lo, 1474*39.4/39.8, .001) || !near(s.Interval.Hi, 1474*40.2/39.8, .001) || s.Interval.Basis != Servers {
		t.Errorf("interval %+v", s.Interval)
	}
	if s.MinimumServers != 6649 || !near(*s.Headroom, 1-6648.2/9000, .001) {
		t.Errorf("needs %v servers, headroom %v", s.MinimumServers, *s.Headroom)
	}
	if len(s.Warnings) > 0 {
		t.Errorf("warnings: %q", s.Warnings)
	}
}

func TestComputeRefuses(t *testing.T) {
	n := Work{Unit: CPUSeconds, Scope: "cgroup", PerSecond: 1.8}
	f := Fleet{Unit: CPUSeconds, Scope: "cgroup", PerSecond: 61, ActiveUsers: 12000}
	for _, c := range []struct {
		name   string
		change func(*Work, *Fleet)
		want   string
		hint   string
	}{
		{"units", func(n *Work, _ *Fleet) { n.Unit = Instructions }, `unit "instructions" and the fleet's has "cpu_seconds"`, "give the fleet's figure in instructions"},
		{"scopes", func(_ *Work, f *Fleet) { f.Scope = "host" }, `scope "cgroup" and the fleet's has "host"`, "count the same on both sides"},
		{"instruction sets", func(n *Work, f *Fleet) { n.Unit, f.Unit, n.ISA, f.ISA = Instructions, Instructions, "arm64", "amd64" }, `instruction set "arm64" and the fleet's has "amd64"`, "no sum and no ratio"},
		{"no work", func(n *Work, _ *Fleet) { n.PerSecond = 0 }, "undefined: the server's work is 0", ""},
		{"no number", func(n *Work, _ *Fleet) { n.PerSecond = math.NaN() }, "undefined: the server's work is NaN", ""},
		{"negative fleet", func(_ *Work, f *Fleet) { f.PerSecond = -1 }, "undefined: the fleet's work is -1", ""},
		{"no users", func(_ *Work, f *Fleet) { f.ActiveUsers = 0 }, "undefined: the number of active users is 0", ""},
		{"overflow", func(n *Work, f *Fleet) { n.PerSecond, f.PerSecond = 1e300, 1e-300 }, "undefined", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, f := n, f
			c.change(&n, &f)
			_, err := Compute(n, f, Interval{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if c.hint == "" {
				if !errors.Is(err, ErrUndefined) {
					t.Errorf("%v is not ErrUndefined", err)
				}
				return
			}
			var mix *MixError
			if !errors.As(err, &mix) || !strings.Contains(mix.Hint(), c.hint) {
				t.Errorf("hint of %v, want %q", err, c.hint)
			}
		})
	}
}

func TestComputeWarns(t *testing.T) {
	for _, c := range []struct {
		name string
		n    Work
		f    Fleet
		want string
	}{
		{"scope not said", Work{Unit: CPUSeconds, Scope: "cgroup", PerSecond: 1.8}, Fleet{Unit: CPUSeconds, PerSecond: 61, ActiveUsers: 12000}, "does not say its scope"},
		{"requests", Work{Unit: Requests, PerSecond: 300}, Fleet{Unit: Requests, PerSecond: 6100, ActiveUsers: 12000}, "counted in requests"},
		{"coverage", Work{Unit: CPUSeconds, Scope: "host", PerSecond: 1.8}, Fleet{Unit: CPUSeconds, Scope: "host", PerSecond: 61, ActiveUsers: 12000, Coverage: .975}, "97.5% of the fleet's servers reported: its work is scaled to all of them, times 1.026"},
		{"instruction set not said", Work{Unit: Instructions, Scope: "host", PerSecond: 1.8, ISA: "arm64"}, Fleet{Unit: Instructions, Scope: "host", PerSecond: 61, ActiveUsers: 12000}, "taken to be the target's (arm64)"},
		{"too few servers", Work{Unit: CPUSeconds, Scope: "host", PerSecond: 1.8}, Fleet{Unit: CPUSeconds, Scope: "host", PerSecond: 61, ActiveUsers: 12000, Servers: 20}, "needs 34 servers of this kind and the fleet has 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Compute(c.n, c.f, Interval{})
			if err != nil || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], c.want) {
				t.Errorf("%v %q, want %q", err, s.Warnings, c.want)
			}
		})
	}
}

// More work of a server never gives a lower score, and the score stays inside
// its interval.
func TestComputeProperties(t *testing.T) {
	value := rapid.Float64Range(1e-3, 1e15)
	rapid.Check(t, func(t *rapid.T) {
		f := Fleet{Unit: CPUSeconds, Scope: "host", PerSecond: value.Draw(t, "I"), ActiveUsers: value.Draw(t, "U"),
			SE: rapid.Float64Range(0, .2).Draw(t, "se"), DF: rapid.Float64Range(0, 20).Draw(t, "df")}
		a := value.Draw(t, "N")
		b := a * rapid.Float64Range(1, 10).Draw(t, "more")
		iv := Interval{Lo: a * rapid.Float64Range(.5, 1).Draw(t, "lo"), Hi: a * rapid.Float64Range(1, 2).Draw(t, "hi"), Level: .95, DF: rapid.Float64Range(0, 10).Draw(t, "dfN")}
		less, err := Compute(Work{Unit: CPUSeconds, Scope: "host", PerSecond: a}, f, iv)
		if err != nil {
			t.Fatal(err)
		}
		more, err := Compute(Work{Unit: CPUSeconds, Scope: "host", PerSecond: b}, f, Interval{})
		if err != nil {
			t.Fatal(err)
		}
		if more.UsersPerServer < less.UsersPerServer || more.MinimumServers > less.MinimumServers {
			t.Fatalf("%v work gives %+v, %v gives %+v", a, less, b, more)
		}
		s := less.UsersPerServer
		if less.Interval.Lo > s*(1+1e-9) || less.Interval.Hi < s*(1-1e-9) {
			t.Fatalf("%v is not in %+v", s, less.Interval)
		}
		alone := f
		alone.SE = 0
		narrow, _ := Compute(Work{Unit: CPUSeconds, Scope: "host", PerSecond: a}, alone, iv)
		if w, n := less.Interval.Hi/less.Interval.Lo, narrow.Interval.Hi/narrow.Interval.Lo; iv.DF == 0 && f.DF == 0 && w < n*(1-1e-9) {
			t.Fatalf("the fleet's uncertainty narrows %v to %v", n, w)
		}
	})
}

// Welch and Satterthwaite, by hand: vN = .0004 with 4, vD = .0001 with 9
// degrees of freedom give .0005^2/(4e-8+1.111e-9) = 6.081 and t = 2.439.
func TestWelchSatterthwaite(t *testing.T) {
	half := quantile(.95, 4) * .02
	iv := Interval{Lo: 100 * math.Exp(-half), Hi: 100 * math.Exp(half), Level: .95, DF: 4}
	s, err := Compute(Work{Unit: CPUSeconds, Scope: "host", PerSecond: 100}, Fleet{Unit: CPUSeconds, Scope: "host", PerSecond: 1, ActiveUsers: 1, SE: .01, DF: 9}, iv)
	if err != nil {
		t.Fatal(err)
	}
	if !near(s.Interval.DF, 6.081, .001) || !near(s.Interval.Hi, 100*math.Exp(2.439*math.Sqrt(.0005)), .0002) {
		t.Errorf("%+v", s.Interval)
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct{ df, want float64 }{{1, 12.706}, {2, 4.303}, {4, 2.776}, {10, 2.228}, {0, 1.960}} {
		if got := quantile(.95, c.df); !near(got, c.want, .0005) {
			t.Errorf("t(.975, %v) = %v, want %v", c.df, got, c.want)
		}
	}
}

func TestPool(t *testing.T) {
	center, iv, err := Pool([][]float64{{100, 100}, {110, 110}, {121, 121}}, .95)
	if err != nil || !near(center, 110, 1e-9) {
		t.Fatalf("%v, %v", center, err)
	}
	half := 4.3027 * math.Log(1.1) / math.Sqrt(3)
	if !near(iv.Hi, 110*math.Exp(half), .0001) || !near(iv.Lo, 110*math.Exp(-half), .0001) || iv.Basis != Servers || iv.DF != 2 {
		t.Errorf("%+v", iv)
	}
	if _, iv, err = Pool([][]float64{{98, 100, 102}}, .95); err != nil || iv.Basis != Restarts || iv.DF != 2 {
		t.Errorf("%+v, %v", iv, err)
	}
	if center, _, err = Pool([][]float64{{98}}, .95); !errors.Is(err, ErrTooFew) || !near(center, 98, 1e-9) {
		t.Errorf("%v, %v", center, err)
	}
	for _, bad := range [][][]float64{nil, {{}}, {{100}, {}}, {{0, 1}}, {{-1}, {2}}, {{math.NaN(), 1}}} {
		if _, _, err := Pool(bad, .95); !errors.Is(err, ErrUndefined) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// The interval covers the truth as often as it says, for five servers with two
// restarts each and the deviations that research assumed.
func TestPoolCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const runs = 4000
	covered := 0
	for range runs {
		servers := make([][]float64, 5)
		for s := range servers {
			level := r.NormFloat64() * .02
			for range 2 {
				servers[s] = append(servers[s], 100*math.Exp(level+r.NormFloat64()*.012))
			}
		}
		if _, iv, err := Pool(servers, .95); err == nil && iv.Lo <= 100 && 100 <= iv.Hi {
			covered++
		}
	}
	if share := float64(covered) / runs; share < .94 || share > .96 {
		t.Errorf("covers %.1f%% of the time", 100*share)
	}
}

func TestFleetValidate(t *testing.T) {
	good := Fleet{Unit: CPUSeconds, PerSecond: 61, ActiveUsers: 12000}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	err := Fleet{Unit: "cpu", PerSecond: math.NaN(), ActiveUsers: -1, Servers: math.Inf(1)}.Validate()
	var paths []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			var m *Mistake
			if errors.As(e, &m) {
				paths = append(paths, m.Path)
			}
		}
	}
	if got := strings.Join(paths, " "); got != "unit per_second active_users servers" {
		t.Errorf("mistakes of %q: %v", got, err)
	}
	if err := (Fleet{PerSecond: 1, ActiveUsers: 1}).Validate(); err == nil || err.Error() != "unit: is missing" {
		t.Errorf("no unit: %v", err)
	}
}
