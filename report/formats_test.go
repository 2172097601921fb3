package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/perf/benchfmt"

	"saturate/record"
)

// rendered is a record in a format.
func rendered(t *testing.T, f Format, r *record.Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostile has in all its words what a format must not take for its own.
func hostile(t *testing.T) *record.Record {
	r := records(t)["found"]
	const words = "a|b <c> \"d\" \\ `e` *f* _g_ # @h\n\x01 ü end"
	r.Scenario, r.Labels = words, map[string]string{words: words, "7": "x", "__x": "y", "Region": "eu", "scenario": "z"}
	r.Targets[0].Name = words
	r.Targets[0].Repeats[0].Bottleneck.Sentence = words
	r.Warnings = []string{words, "\xff"}
	for i := range r.Requirements {
		r.Requirements[i].Text, r.Requirements[i].Why = words+strconv.Itoa(i), words
	}
	return r
}

func TestGoldenFormats(t *testing.T) {
	all, summary := records(t), regexp.MustCompile(`(?s)<!\[CDATA\[.*\]\]>`) // which has goldens of its own
	for ending, f := range map[string]Format{"md": Markdown, "xml": JUnit, "prom": OpenMetrics, "bench": Benchfmt} {
		for _, name := range []string{"found", "found_doubts", "found_repeats", "found_generations", "found_fleet", "found_fleet_unmeasured", "found_load_adjusted", "at_least", "at_most", "inconclusive_generator", "live", "live_not_restored"} {
			t.Run(name+"."+ending, func(t *testing.T) {
				got := summary.ReplaceAllString(rendered(t, f, all[name]), "SUMMARY")
				path := filepath.Join("testdata", name+"."+ending)
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("-want +got (-update writes it):\n%s", diff)
				}
			})
		}
	}
}

// all is every record of the tests, the hostile one among them.
func all(t *testing.T) map[string]*record.Record {
	all := records(t)
	all["hostile"] = hostile(t)
	return all
}

// Only a limit that was found is a bare number, in every format.
func TestNoBareNumberInAnyFormat(t *testing.T) {
	for name, r := range records(t) {
		found := r.Ending == record.Found
		for what, bare := range map[string]bool{
			"markdown":    regexp.MustCompile(`(?m)^## [^:]*: [0-9]`).MatchString(rendered(t, Markdown, r)),
			"openmetrics": regexp.MustCompile(`(?m)^saturate_(appweight_users|target_sustained_rate|target_limit_rate\{)`).MatchString(rendered(t, OpenMetrics, r)),
			"benchfmt":    strings.Contains(rendered(t, Benchfmt, r), "BenchmarkSaturate/"),
			"junit":       !strings.Contains(rendered(t, JUnit, r), "<error") || r.Ending == record.Found,
		} {
			if bare != found {
				t.Errorf("%s ended %s, and in %s it is a bare number: %v", name, r.Ending, what, bare)
			}
		}
	}
}

// Every row of a table has as many cells as its head, and nothing in a cell is
// taken for Markdown or HTML.
func TestMarkdownTables(t *testing.T) {
	cell := regexp.MustCompile(`(?:[^|\\]|\\.)*`)
	for name, r := range all(t) {
		text := rendered(t, Markdown, r)
		var width int
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				width = 0
				continue
			}
			cells := len(cell.FindAllString(strings.Trim(line, "|\n"), -1))
			if width == 0 {
				width = cells
			}
			if cells != width {
				t.Errorf("%s: a row has %d cells, its head %d: %s", name, cells, width, line)
			}
		}
		plain := strings.NewReplacer("<details><summary>", "", "</summary>", "", "</details>", "").Replace(text)
		if strings.ContainsAny(plain, "<>@") || strings.Contains(text, "\n\n\n") {
			t.Errorf("%s: markup, or too many empty lines:\n%s", name, text)
		}
	}
}

func TestMarkdownTellsTheTrend(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, records(t)["found"], Options{Trend: &Trend{Verdict: "It fell by 3%."}}); err != nil || !strings.Contains(b.String(), "\nIt fell by 3%.\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// The elements and attributes that readers of JUnit's XML know (Jenkins' schema
// of it, which GitLab, GitHub's actions and Gradle share).
var junitKnows = map[string]struct{ children, attributes []string }{
	"testsuites": {[]string{"testsuite"}, []string{"name", "tests", "failures", "errors", "time"}},
	"testsuite": {[]string{"properties", "testcase", "system-out", "system-err"},
		[]string{"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"}},
	"properties": {[]string{"property"}, nil},
	"property":   {nil, []string{"name", "value"}},
	"testcase":   {[]string{"skipped", "error", "failure", "system-out", "system-err"}, []string{"name", "classname", "time", "assertions", "status"}},
	"failure":    {nil, []string{"message", "type"}},
	"error":      {nil, []string{"message", "type"}},
	"system-out": {nil, nil},
}

func TestJUnitKeepsToTheSchema(t *testing.T) {
	for name, r := range all(t) {
		text := rendered(t, JUnit, r)
		d := xml.NewDecoder(strings.NewReader(text))
		path := []string{""}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
			switch e := token.(type) {
			case xml.StartElement:
				parent, own := path[len(path)-1], e.Name.Local
				if known, ok := junitKnows[parent]; ok && !slices.Contains(known.children, own) || parent == "" && own != "testsuites" {
					t.Errorf("%s: <%s> in <%s>", name, own, parent)
				}
				for _, a := range e.Attr {
					if !slices.Contains(junitKnows[own].attributes, a.Name.Local) {
						t.Errorf("%s: <%s %s>", name, own, a.Name.Local)
					}
				}
				path = append(path, own)
			case xml.EndElement:
				path = path[:len(path)-1]
			}
		}
	}
}

// What is said of a case is what the exit code would say of it.
func TestJUnitOutcomes(t *testing.T) {
	read := func(r *record.Record) junitSuite {
		var suites junitSuites
		if err := xml.Unmarshal([]byte(rendered(t, JUnit, r)), &suites); err != nil || len(suites.Suites) != 1 {
			t.Fatal(err, suites)
		}
		s := suites.Suites[0]
		var failures, problems int
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				problems++
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != problems || suites.Tests != s.Tests || suites.Failures != failures || suites.Errors != problems {
			t.Errorf("the counts are wrong: %+v", s)
		}
		if _, err := time.Parse("2006-01-02T15:04:05", s.Timestamp); err != nil {
			t.Error(err)
		}
		if summary := rendered(t, Text, r); s.Out.Text != summary {
			t.Errorf("the summary is not the one that people read:\n%s", cmp.Diff(summary, s.Out.Text))
		}
		return s
	}
	found := records(t)["found"]
	found.Requirements = []record.Requirement{{Text: "a", Outcome: record.Met, Why: "1"}, {Text: "b", Outcome: record.Missed, Why: "it is 94"}, {Text: "c", Outcome: record.Undecided, Why: "2"}}
	if s := read(found); s.Tests != 4 || s.Failures != 1 || s.Errors != 1 || s.Cases[2].Failure.Message != "it is 94" {
		t.Errorf("%+v", s)
	}
	for ending, want := range map[record.Ending][3]int{ // of a search, of a check: failures; errors
		record.AtLeast: {0, 1, 0}, record.AtMost: {0, 1, 1}, record.Inconclusive: {0, 1, 0},
	} {
		r := records(t)["at_most"]
		r.Requirements, r.Ending = nil, ending
		r.Targets[0].Ending, r.Targets[0].Repeats[0].Ending = ending, ending
		if s := read(r); s.Failures != want[0] || s.Errors != want[1] {
			t.Errorf("a search that ended %s: %+v", ending, s)
		}
		r.Load.Held = 50
		s := read(r)
		if errors := s.Errors; s.Failures != want[2] || (errors == 1) != (ending == record.Inconclusive) {
			t.Errorf("a check that ended %s: %+v", ending, s)
		}
	}
}

// samples reads a text as the textfile collector does.
func samples(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return families
}

func TestOpenMetricsIsRead(t *testing.T) {
	for name, r := range all(t) {
		text := rendered(t, OpenMetrics, r)
		families := samples(t, text)
		seen := map[string]bool{}
		for _, f := range families {
			if f.GetHelp() == "" || f.GetType() != dto.MetricType_GAUGE {
				t.Errorf("%s: %s has no help, or a wrong type", name, f.GetName())
			}
			for _, m := range f.Metric {
				if key := f.GetName() + m.String(); m.TimestampMs != nil || seen[key] {
					t.Errorf("%s: a sample with a timestamp, or twice: %s", name, key)
				} else {
					seen[key] = true
				}
			}
		}
		if !strings.HasSuffix(text, "\n# EOF\n") {
			t.Errorf("%s does not end with EOF", name)
		}
		for line := range strings.Lines(text) {
			if unit, ok := strings.CutPrefix(line, "# UNIT "); ok {
				if name, unit, _ := strings.Cut(strings.TrimSpace(unit), " "); !strings.HasSuffix(name, "_"+unit) {
					t.Errorf("%s is not in %s", name, unit)
				}
			}
		}
	}
}

// The figures are the record's.
func TestOpenMetricsFigures(t *testing.T) {
	r := records(t)["found"]
	families := samples(t, rendered(t, OpenMetrics, r))
	one := func(name string, labels ...string) float64 {
		for _, m := range families[name].GetMetric() {
			matching := 0
			for _, l := range m.Label {
				for i := 0; i < len(labels); i += 2 {
					if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
						matching++
					}
				}
			}
			if matching == len(labels)/2 {
				return m.Gauge.GetValue()
			}
		}
		return math.NaN()
	}
	for _, c := range []struct{ got, want float64 }{
		{one("saturate_appweight_users_per_server", "generation", "epyc-zen4", "build", "4f2c1e"), r.AppWeight[0].UsersPerServer},
		{one("saturate_appweight_bound_users_per_server", "bound", "upper"), r.AppWeight[0].Interval.Hi},
		{one("saturate_target_sustained_rate", "target", "web-1", "unit", "req/s"), 160},
		{one("saturate_run_start_time_seconds", "scenario", "django-uwsgi"), float64(r.At.Unix())},
		{one("saturate_run_ending", "ending", "found"), 1},
		{one("saturate_run_ending", "ending", "at_most"), 0},
		{one("saturate_requirement", "requirement", "bottleneck == cpu", "outcome", "missed"), 1},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

// TestPromtoolReads has Prometheus itself read what OpenMetrics writes.
func TestPromtoolReads(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool = filepath.Join("..", ".cache", "prometheus", "usr", "bin", "promtool")
		if _, err := os.Stat(promtool); err != nil {
			t.Skip("no promtool: testbed/prometheus/install fetches it")
		}
	}
	for name, r := range all(t) {
		text := rendered(t, OpenMetrics, r)
		lint := exec.Command(promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(text)
		if out, err := lint.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		// Its reader of OpenMetrics wants to know when a sample is from.
		stamped := regexp.MustCompile(`(?m)^([^#].*)$`).ReplaceAllString(text, "${1} 1800000000")
		file := filepath.Join(t.TempDir(), "metrics")
		if err := os.WriteFile(file, []byte(stamped), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", file, t.TempDir()).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, text)
		}
	}
}

// benchmarks reads a text as benchstat does.
func benchmarks(t *testing.T, text string) (results []*benchfmt.Result, units int) {
	t.Helper()
	reader := benchfmt.NewReader(strings.NewReader(text), "run")
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.Result:
			results = append(results, r.Clone())
		case *benchfmt.UnitMetadata:
			units++
		case *benchfmt.SyntaxError:
			t.Errorf("%v\n%s", r, text)
		}
	}
	if err := reader.Err(); err != nil {
		t.Error(err)
	}
	return results, units
}

func TestBenchfmtIsRead(t *testing.T) {
	for name, r := range all(t) {
		want := 0
		for _, target := range r.Targets {
			for _, repeat := range target.Repeats {
				if repeat.Ending == record.Found {
					want++
				}
			}
		}
		results, _ := benchmarks(t, rendered(t, Benchfmt, r))
		if len(results) != want {
			t.Errorf("%s: %d results, want %d", name, len(results), want)
		}
		for _, b := range results {
			for _, v := range b.Values {
				if v.OrigUnit != "" {
					t.Errorf("%s: %s is not a base unit", name, v.OrigUnit)
				}
			}
			for _, c := range b.Config {
				if !c.File {
					t.Errorf("%s: %s is not read as a file's", name, c.Key)
				}
			}
		}
	}
}

func TestBenchfmtFigures(t *testing.T) {
	r := records(t)["found_repeats"]
	results, units := benchmarks(t, rendered(t, Benchfmt, r))
	if len(results) != 2 || units == 0 {
		t.Fatal(len(results), units)
	}
	for i, b := range results {
		repeat := r.Targets[0].Repeats[i]
		users := repeat.Work.PerSecond / r.AppWeight[0].WorkPerUser
		for unit, want := range map[string]float64{"req/s": repeat.Sustained.Rate, "users/server": users, "cpu-sec/req": .003, "p99-sec": .18} {
			if got, ok := b.Value(unit); !ok || math.Abs(got/want-1) > 1e-12 {
				t.Errorf("%d: %v %s, want %v", i, got, unit, want)
			}
		}
		if got := b.GetConfig("arrivals"); got != "poisson" || string(b.Name) != "Saturate/django-uwsgi/target=web-1/hold" {
			t.Errorf("%s, arrivals %q", b.Name, got)
		}
	}
}

// What one record says of itself is not said of the next.
func TestBenchmarksOfSeveralRecords(t *testing.T) {
	labelled, plain := records(t)["found"], records(t)["found_no_fleet"]
	var b bytes.Buffer
	if err := Benchmarks(&b, []*record.Record{labelled, plain, labelled}); err != nil {
		t.Fatal(err)
	}
	results, _ := benchmarks(t, b.String())
	var builds []string
	for _, r := range results {
		builds = append(builds, r.GetConfig("build"))
	}
	if diff := cmp.Diff([]string{"4f2c1e", "", "4f2c1e"}, builds); diff != "" || strings.Count(b.String(), "Unit req/s") != 1 {
		t.Errorf("%s\n%s", diff, b.String())
	}
}

func TestFormatsReportFailedWrites(t *testing.T) {
	r := records(t)["found"]
	for name, f := range map[string]Format{"markdown": Markdown, "junit": JUnit, "openmetrics": OpenMetrics, "benchfmt": Benchfmt} {
		if err := f(closed{}, r, Options{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
