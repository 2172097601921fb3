package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"saturate/record"
)

// htmlOf writes a record as HTML.
func htmlOf(t *testing.T, r *record.Record, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// steps are those of a ramp that found its limit.
func steps() []record.Step {
	var all []record.Step
	for i, rate := range []float64{0, 20, 88, 125, 144, 157} {
		s := record.Step{Phase: "approach", Level: rate, Rate: rate, Seconds: 3, Verdict: "sustained", Done: uint64(3 * rate),
			Pressure: map[record.Signal]float64{"workers": rate / 160, "cpu": .02 + rate/320}, LatencyP99: .1 + .01*float64(i)}
		if rate > 0 {
			s.Cost = &record.Cost{Unit: record.CPUSeconds, PerRequest: .003 + .01/rate}
		}
		all = append(all, s)
	}
	all[len(all)-1].Phase, all[len(all)-1].Seconds = record.Hold, 72
	return all
}

func trend() *Trend {
	at := time.Date(2026, 10, 20, 3, 0, 0, 0, time.UTC)
	t := &Trend{Name: "users per server", Verdict: "fell by 2%", SmallestDrop: .012, Goals: []string{"20% since 2016-01-01: at 17.9%"}}
	for i := range 30 {
		v := 1474 + 8*math.Sin(float64(i))
		if i > 25 {
			v *= .98
		}
		t.Nights = append(t.Nights, Night{At: at.AddDate(0, 0, i), Value: v, Lo: v * .99, Hi: v * 1.01, ID: "01K"})
	}
	t.Changes = []Change{{Before: at.AddDate(0, 0, 25), After: at.AddDate(0, 0, 26), Ratio: .98, P: 3e-6, Page: true}}
	t.Marks = []Mark{{at.AddDate(0, 0, 25).Add(12 * time.Hour), "rollout 4f2c1e"}}
	return t
}

var svgElement = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// Every chart is well-formed, has no coordinate that is not a number, and no
// page asks for anything from elsewhere.
func TestHTMLStandsAlone(t *testing.T) {
	for name, r := range records(t) {
		for i := range r.Targets {
			for j := range r.Targets[i].Repeats {
				r.Targets[i].Repeats[j].Steps = steps()
			}
		}
		for _, o := range []Options{{}, {Trend: trend()}} {
			page := htmlOf(t, r, o)
			for _, bad := range []string{"http:", "https:", "<script", "<link", "@import", "url(", "NaN", "Inf", "ZgotmplZ", "<no value>"} {
				if strings.Contains(page, bad) {
					t.Errorf("%s: the page has %q in it", name, bad)
				}
			}
			charts := svgElement.FindAllString(page, -1)
			if len(charts) == 0 {
				t.Errorf("%s: no chart", name)
			}
			for _, svg := range charts {
				d := xml.NewDecoder(strings.NewReader(svg))
				for {
					if _, err := d.Token(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatalf("%s: %v in %s", name, err, svg)
					}
				}
			}
		}
	}
}

// The verdict is what a reader meets first, and only a limit that was found is
// a bare number.
func TestHTMLVerdict(t *testing.T) {
	tags := regexp.MustCompile(`<[^>]*>`)
	for name, want := range map[string]string{
		"found":                  "94.4 users per server of epyc-zen4",
		"found_no_fleet":         "160 req/s",
		"found_instructions":     "1,474 users per server",
		"at_least":               "at least 94.4 users per server",
		"at_most":                "less than 20.0 req/s",
		"inconclusive_generator": "no answer",
	} {
		page := htmlOf(t, records(t)[name], Options{})
		start := strings.Index(page, "<h1>")
		end := strings.Index(page, "</h1>")
		if start < 0 || end < start {
			t.Fatalf("%s has no heading", name)
		}
		got := strings.Join(strings.Fields(tags.ReplaceAllString(page[start:end], "")), " ")
		if got != want {
			t.Errorf("%s: the verdict is %q, want %q", name, got, want)
		}
		if before := page[strings.Index(page, "<main>"):start]; strings.Contains(before, "<h2>") {
			t.Errorf("%s: something comes before the verdict", name)
		}
	}
}

// A name from a scenario or a server cannot become part of the page.
func TestHTMLEscapes(t *testing.T) {
	const evil = `</title><script>alert("x")</script>`
	r := records(t)["found"]
	r.Scenario, r.Targets[0].Name, r.Warnings = evil, evil, []string{evil}
	r.Targets[0].Repeats[0].Bottleneck.Sentence = evil
	r.Targets[0].Repeats[0].Steps = steps()
	r.Targets[0].Repeats[0].Steps[2].Pressure[record.Signal(evil)] = .5
	r.AppWeight = append(r.AppWeight, r.AppWeight[0])
	r.AppWeight[0].Generation = evil
	tr := trend()
	tr.Name, tr.Marks[0].Text, tr.Nights[3].ID = evil, evil, evil
	page := htmlOf(t, r, Options{Trend: tr})
	if strings.Contains(page, "<script") || strings.Count(page, "</title>") < 2 {
		t.Error("a name became part of the page")
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the name is not shown")
	}
}

func TestHTMLShowsTheNights(t *testing.T) {
	page := htmlOf(t, records(t)["found"], Options{Trend: trend()})
	for _, want := range []string{"fell by 2%", `class="page"`, "14 Nov 15:00: rollout 4f2c1e", "The smallest drop that these nights could have shown is 1.2%", "at 17.9%"} {
		if !strings.Contains(page, want) {
			t.Errorf("the nights do not show %q", want)
		}
	}
	if strings.Contains(htmlOf(t, records(t)["found"], Options{Trend: &Trend{}}), `id="nights"`) {
		t.Error("nights without a night")
	}
}

// Axes hold their values, and their ticks are round, inside and few.
func TestAxes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Float64Range(1e-6, 1e12).Draw(t, "most")
		a := upTo(most, 100, 0)
		ticks := a.ticks()
		if a.hi < most*(1-1e-9) || a.hi > most*2.5 {
			t.Fatalf("%v up to %v", most, a.hi)
		}
		if len(ticks) < 3 || len(ticks) > 7 || ticks[0] != 0 || ticks[len(ticks)-1] > a.hi*(1+1e-9) {
			t.Fatalf("%v: ticks %v", most, ticks)
		}
		if at := a.at(most); at < -1e-6 || at > 100 {
			t.Fatalf("%v is at %v", most, at)
		}
	})
}

// Labels keep their order and their distance while there is room.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfN(rapid.Float64Range(20, 240), 1, 12).Draw(t, "places")
		slices.Sort(places)
		out := spread(places, 20, 240)
		for i := range out {
			if out[i] > 240 || i > 0 && out[i]-out[i-1] < letterHeight-1e-9 {
				t.Fatalf("%v became %v", places, out)
			}
		}
	})
}

// A fleet of several generations has its own score, and what each needs.
func TestHTMLOfAMixedFleet(t *testing.T) {
	all := records(t)
	page := htmlOf(t, all["found_fleet"], Options{})
	for _, want := range []string{"<strong>2,000</strong> users per fully used server", "<td>turin<td>us<td>60.0 G<td>45.0 T<td>751<td>1,000<td>25%",
		"6,901,000 active users / 3,450.5 fully used servers", "3,451 servers carry the peak; the fleet has 4,600, of which 25% are headroom"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if page = htmlOf(t, all["found_fleet_unmeasured"], Options{}); !strings.Contains(page, "no AppWeight of the fleet: no server of generation turin") {
		t.Error("nothing said of the generation that was not measured")
	}
	if page = htmlOf(t, all["found_load_adjusted"], Options{}); !strings.Contains(page, "allowing for load: a request costs the fleet") {
		t.Error("nothing said of the load")
	}
}

// A drop is told of on the night that calls it, and on no other.
func TestOpenMetricsTellsOfADropOnce(t *testing.T) {
	r := records(t)["found"]
	tr := trend()
	last := len(tr.Nights) - 1
	for _, c := range []struct {
		found int
		want  string
	}{{last, `saturate_score_dropped_ratio{scenario="django-uwsgi"} 0.0`}, {last - 1, `saturate_score_dropped_ratio{scenario="django-uwsgi"} 0` + "\n"}} {
		tr.Changes[0].Found = tr.Nights[c.found].At
		var b bytes.Buffer
		if err := OpenMetrics(&b, r, Options{Trend: tr}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) || !strings.Contains(b.String(), `saturate_score_detectable_ratio{scenario="django-uwsgi"} 0.012`) {
			t.Errorf("found on night %d: no %q in\n%s", c.found, c.want, b.String())
		}
	}
}

// Long names stand above their bars and not on them, and what is a bound only
// says so there, too.
func TestHTMLOfLongNames(t *testing.T) {
	long := strings.Repeat("epyc-zen5-", 20)
	bars := string(sides([]record.Score{
		{Generation: long, Build: "4f2c1e", Ending: record.Found, UsersPerServer: 100},
		{Generation: "zen4", Ending: record.AtLeast, UsersPerServer: 50},
	}))
	for _, want := range []string{long[:109] + "…<", ">at least 50.0<", ">100<"} {
		if !strings.Contains(bars, want) {
			t.Errorf("no %q in\n%s", want, bars)
		}
	}
}

// A run that found its limit and missed what was required does not look well, and
// the bottleneck beside a score is that of the servers that the score is of.
func TestHTMLHeadline(t *testing.T) {
	r := records(t)["found"]
	r.Requirements = []record.Requirement{{Text: "a", Outcome: record.Undecided}, {Text: "b", Outcome: record.Missed}, {Text: "c", Outcome: record.Undecided}}
	if page := htmlOf(t, r, Options{}); !strings.Contains(page, `class="verdict found missed"`) {
		t.Error("a missed requirement is not seen in the verdict")
	}
	target := func(name, generation string, ending record.Ending) record.Target {
		return record.Target{Name: name, Labels: map[string]string{"generation": generation}, Ending: ending, Repeats: []record.Repeat{{
			Ending: ending, Sustained: &record.Sustained{Rate: 1}, Bottleneck: &record.Bottleneck{Name: "stops " + name}}}}
	}
	r = &record.Record{Ending: record.AtMost, Targets: []record.Target{target("web-1", "zen3", record.AtMost), target("web-2", "zen4", record.Found)},
		AppWeight: []record.Score{{Generation: "zen4", Ending: record.Found, UsersPerServer: 100}}}
	if h := newHeadline(r); !slices.Contains(h.Detail, "web-2: stops web-2") {
		t.Errorf("%+v", h)
	}
	if h := newHeadline(&record.Record{}); h.Figure != "no answer" {
		t.Errorf("%+v", h)
	}
}

// A fleet that has too few servers has no share of them left.
func TestCarryingTooFew(t *testing.T) {
	less := -.25
	if got := carrying(&record.FleetScore{MinimumServers: 125, Owned: 100, Headroom: &less}); got != "125 servers carry the peak; the fleet has 100, which are too few" {
		t.Error(got)
	}
}

// A series stands in a family once, whatever the record repeats.
func TestOpenMetricsSeriesOnce(t *testing.T) {
	r := records(t)["found"]
	r.Requirements = []record.Requirement{{Text: "a", Outcome: record.Met}, {Text: "a", Outcome: record.Met}}
	var b bytes.Buffer
	if err := OpenMetrics(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `requirement="a",outcome="met"`); n != 1 {
		t.Errorf("%d times in\n%s", n, b.String())
	}
}

// Two builds of one generation are told apart wherever their scores stand.
func TestScoresOfTwoBuilds(t *testing.T) {
	r := &record.Record{AppWeight: []record.Score{{Generation: "zen4", Build: "old", UsersPerServer: 1}, {Generation: "zen4", Build: "new", UsersPerServer: 2}, {Generation: "zen5", Build: "new", UsersPerServer: 3}}}
	var b bytes.Buffer
	if err := Text(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server of zen4 old\n", "server of zen4 new\n", "server of zen5\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if h := newHeadline(r); h.Unit != "users per server of zen4 old" {
		t.Errorf("%+v", h)
	}
}

// A machine is told of as far as it is known: an agent tells no number of CPUs.
func TestMachine(t *testing.T) {
	for want, e := range map[string]record.Env{"Xeon, 2 CPUs, amd64, Linux 6.18": {CPU: "Xeon", Cores: 2, ISA: "amd64", Kernel: "6.18"}, "Xeon, arm64": {CPU: "Xeon", ISA: "arm64"}, "": {}} {
		if got := machine(e); got != want {
			t.Errorf("%+v is %q", e, got)
		}
	}
}
