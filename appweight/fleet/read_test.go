package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"saturate/appweight"
)

// A small API answers each kind of question with what a test says.
type small struct {
	// The series of the work within the window, for each second of it; labels
	// are those of PromQL.
	work map[string]float64
	// hosts and info are series of the inventory and of the info query.
	hosts, info []string
	// seen is the share of the scrapes that a series has; 1 where it is not said.
	seen map[string]float64
	// say is what stands beside the answer to the question that it matches.
	say map[*regexp.Regexp]string
	// refuse is an HTTP status and body for the question that it matches.
	refuse map[*regexp.Regexp]string
	// restarted, fell, frozen, ended are series.
	restarted, fell, frozen, ended []string
	asked                          []string
	header                         http.Header
}

var pair = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

func metric(labels string) map[string]string {
	m := map[string]string{}
	for _, p := range pair.FindAllStringSubmatch(labels, -1) {
		m[p[1]] = p[2]
	}
	return m
}

type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (s *small) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	s.asked, s.header = append(s.asked, query), r.Header
	for at, answer := range s.refuse {
		if at.MatchString(query) {
			status := 0
			body := ""
			fmt.Sscanf(answer, "%d", &status)
			_, body, _ = strings.Cut(answer, " ")
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
	}
	if strings.HasSuffix(r.URL.Path, "/query_range") {
		s.users(w, query, r)
		return
	}
	var all []sample
	add := func(labels string, value float64) {
		all = append(all, sample{metric(labels), [2]any{1, fmt.Sprint(value)}})
	}
	each := func(labels []string, value float64) {
		for _, l := range labels {
			add(l, value)
		}
	}
	span := 0.0
	if strings.Contains(query, "s]") || strings.Contains(query, "s:") {
		span = rangeOf(query)
	}
	switch {
	case strings.HasPrefix(query, "quantile"):
		each(s.jobs(), span/15)
	case strings.Contains(query, "(count_over_time((up"):
		each(s.hosts, 15)
	case strings.Contains(query, "(last_over_time("):
		each(s.info, 1)
	case strings.Contains(query, "min_over_time"):
		each(s.fell, 1)
	case strings.Contains(query, "resets"):
		each(s.restarted, 1)
	case strings.Contains(query, "timestamp("):
		each(s.ended, 100)
	case strings.Contains(query, " and on ("):
		each(s.frozen, 1)
	case strings.Contains(query, "sum_over_time"):
		for l, v := range s.work {
			add(l, v*span/60)
		}
	case strings.Contains(query, "increase("):
		for l, v := range s.work {
			add(l, v*span)
		}
	case strings.Contains(query, "count_over_time"):
		for l := range s.work {
			share, ok := s.seen[l]
			if !ok {
				share = 1
			}
			every := 15.0
			if strings.Contains(query, ":1m]") {
				every = 60
			}
			add(l, share*span/every)
		}
	}
	s.answer(w, query, "vector", all)
}

// jobs are those that scrape the servers.
func (s *small) jobs() []string {
	all := map[string]bool{}
	for l := range s.work {
		all[fmt.Sprintf("job=%q", metric(l)["job"])] = true
	}
	return slices.Collect(maps.Keys(all))
}

func (s *small) answer(w http.ResponseWriter, query, kind string, result any) {
	text, _ := json.Marshal(result)
	if string(text) == "null" {
		text = []byte("[]")
	}
	beside := ""
	for at, say := range s.say {
		if at.MatchString(query) {
			beside = "," + say
		}
	}
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":%s}%s}`, kind, text, beside)
}

func (s *small) users(w http.ResponseWriter, query string, r *http.Request) {
	var start, end int64
	fmt.Sscan(r.FormValue("start"), &start)
	fmt.Sscan(r.FormValue("end"), &end)
	var values [][2]any
	for t := start; t <= end; t += 60 {
		values = append(values, [2]any{t, fmt.Sprint(usersAt(time.Unix(t, 0).UTC()))})
	}
	s.answer(w, query, "matrix", []any{map[string]any{"metric": map[string]string{}, "values": values}})
}

// servers are n web servers of a generation, as labels of the inventory.
func servers(n int, generation string, more string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(`instance="%s-%d:9100",generation=%q%s`, generation, i, generation, more))
	}
	return all
}

// does gives each server's agent work, on another port than the inventory's.
func does(servers []string, each float64) map[string]float64 {
	all := map[string]float64{}
	for _, s := range servers {
		all[fmt.Sprintf(`instance=%q,job="saturate",scope="host"`, strings.Replace(metric(s)["instance"], "9100", "9321", 1))] = each
	}
	return all
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func read(t *testing.T, s *small, c Config) (Report, error) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c.URL, c.Timezone = server.URL, "UTC"
	if c.Users == "" && c.Counted == nil {
		c.Users = "active_users"
	}
	return Read(context.Background(), c, noon)
}

// kinds are the kinds of doubt about a unit.
func kinds(doubts []Doubt) string {
	var all []string
	for _, d := range doubts {
		all = append(all, d.Kind)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }

// Two generations with known figures: 60 servers of 100 and 40 of 200 a second.
func TestReadGenerations(t *testing.T) {
	a, b := servers(60, "a", `,region="eu"`), servers(40, "b", `,region="us"`)
	work := does(a, 100)
	for l, v := range does(b, 200) {
		work[l] = v
	}
	r, err := read(t, &small{hosts: append(a, b...), work: work}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Day != "2026-11-20" || r.Window() != "2026-11-20 20:22 to 20:37 UTC" || !near(r.Peak.ActiveUsers, 10_000_000-5000*56./15) || r.Peak.AtUsers != 10_000_000 {
		t.Errorf("%s %s %+v", r.Day, r.Window(), r.Peak)
	}
	f := r.Fleets()[0]
	want := []appweight.Generation{{Name: "a", Region: "eu", PerSecond: 6000, Servers: 60}, {Name: "b", Region: "us", PerSecond: 8000, Servers: 40}}
	for i := range f.Generations {
		f.Generations[i].RequestsPerSecond = 0
	}
	if f.Unit != appweight.Instructions || f.Scope != "host" || !near(f.PerSecond, 14_000) || f.Servers != 100 || f.Coverage != 1 || f.SE != 0 || fmt.Sprint(f.Generations) != fmt.Sprint(want) {
		t.Errorf("%+v", f)
	}
	if u := r.Units[0]; !near(u.OwnPerSecond, 14_000) || u.OwnWindow != 60 || u.ScrapeInterval != 15 || len(u.Doubts) > 0 {
		t.Errorf("%+v", u)
	}
}

// What is missing of a generation is taken to do what the rest of it does.
func TestReadCoverage(t *testing.T) {
	both := func(missingA, missingB int) *small {
		a, b := servers(100, "a", ""), servers(100, "b", "")
		work := does(a[missingA:], 100)
		for l, v := range does(b[missingB:], 300) {
			work[l] = v
		}
		return &small{hosts: append(a, b...), work: work}
	}
	for _, c := range []struct {
		name     string
		api      *small
		want     float64
		coverage float64
		se       float64
		refused  string
		doubts   string
	}{
		{"all", both(0, 0), 40_000, 1, 0, "", ""},
		{"4 of the large", both(0, 4), 40_000, .98, 1200 / math.Sqrt(3) / 40_000, "", "coverage missing"},
		{"5 of each", both(5, 5), 40_000, .95, .05 / math.Sqrt(3), "", "coverage missing"},
		{"6 of one", both(6, 0), 40_000, .97, 600 / math.Sqrt(3) / 40_000, `94% of the servers of generation "a" report`, "missing"},
		{"11 of 200", both(5, 6), 40_000, .945, 0, "94.5% of the servers report", "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := read(t, c.api, Config{})
			if err != nil {
				t.Fatal(err)
			}
			u := r.Units[0]
			if !near(u.PerSecond, c.want) || !near(u.Coverage, c.coverage) || c.se > 0 && !near(u.SE, c.se) || !strings.HasPrefix(u.Refused, c.refused) || (u.Refused == "") != (c.refused == "") {
				t.Errorf("%+v", u)
			}
			if kinds(u.Doubts) != c.doubts {
				t.Errorf("doubts %q, want %q", kinds(u.Doubts), c.doubts)
			}
			if refused := len(r.Fleets()) == 0; refused != (c.refused != "") {
				t.Errorf("fleets: %+v", r.Fleets())
			}
		})
	}
}

// Where only the exporter tells what a server is, one without may be of any kind
// that fits: here of either region of generation b, and of any generation.
func TestReadMissingOfUnknownKind(t *testing.T) {
	bare := func(n int, name, more string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(`instance="%s-%d:9100"%s`, name, i, more))
		}
		return all
	}
	a, eu, us := bare(60, "a", ""), bare(60, "eu", `,region="eu"`), bare(80, "us", `,region="us"`)
	s := &small{hosts: slices.Concat(a, eu, us), work: map[string]float64{}}
	for i, host := range s.hosts {
		if i%60 == 59 {
			continue // one of a, one of eu, one of us
		}
		generation, each := "a", 100.0
		if i >= 60 {
			generation, each = "b", 200
		}
		s.info = append(s.info, fmt.Sprintf(`%s,generation=%q,isa="amd64"`, host, generation))
		for l := range does([]string{host}, each) {
			s.work[l] = each
		}
	}
	r, err := read(t, s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	u := r.Units[0]
	if u.Refused != "" || len(u.Parts) != 3 || !near(u.Servers, 200) || !near(u.Coverage, 197./200) {
		t.Errorf("%+v", u)
	}
	// The one of a is a 59th of a's like, 59 of eu's and 79 of us's.
	want := 59*100*(1+1./197) + 59*200*(1+1./197) + 79*200*(1+1./197) + 2*200
	if math.Abs(u.PerSecond/want-1) > 1e-9 {
		t.Errorf("%v, want %v", u.PerSecond, want)
	}
}

// A generation of less than a hundredth of the fleet forbids nothing.
func TestReadSmallGeneration(t *testing.T) {
	a, b := servers(500, "a", ""), servers(3, "b", "")
	work := does(a, 100)
	for l, v := range does(b[1:], 300) {
		work[l] = v
	}
	r, err := read(t, &small{hosts: append(a, b...), work: work}, Config{})
	if u := r.Units[0]; err != nil || u.Refused != "" || !near(u.PerSecond, 50_900) || kinds(u.Doubts) != "coverage coverage missing" {
		t.Errorf("%v %+v", err, u)
	}
}

func TestReadDoubts(t *testing.T) {
	all := servers(40, "a", "")
	agent := func(i int) string {
		return fmt.Sprintf(`instance="a-%d:9321",job="saturate",scope="host"`, i)
	}
	healthy := func(change func(*small)) *small {
		s := &small{hosts: slices.Clone(all), work: does(all, 100), seen: map[string]float64{}}
		change(s)
		return s
	}
	for _, c := range []struct {
		name   string
		api    *small
		want   float64
		doubts string
		fleet  string // doubts of the whole report
	}{
		{"no number", healthy(func(s *small) { s.work[agent(0)] = math.NaN() }), 4000, "coverage no number", ""},
		{"infinite", healthy(func(s *small) { s.work[agent(0)] = math.Inf(1) }), 4000, "coverage no number", ""},
		{"twice", healthy(func(s *small) { s.work[`instance="a-0:9100",job="other",scope="host"`] = 99 }), 4000, "twice", ""},
		{"twice, one frozen", healthy(func(s *small) {
			s.work[`instance="a-0:9100",job="other",scope="host"`] = math.NaN()
		}), 4000, "twice", ""},
		{"fell", healthy(func(s *small) {
			s.work[agent(0)], s.restarted, s.fell = 1e15, []string{agent(0)}, []string{agent(0)}
		}), 4000, "coverage fell restart", ""},
		{"frozen", healthy(func(s *small) { s.work[agent(0)], s.frozen = 10, []string{agent(0)} }), 4000, "coverage frozen", ""},
		{"ended", healthy(func(s *small) { s.ended = []string{agent(0)} }), 4000, "no staleness", ""},
		{"half there", healthy(func(s *small) { s.work[agent(0)], s.seen[agent(0)] = 50, .5 }), 4000, "coverage gap", ""},
		{"renamed in the window", healthy(func(s *small) {
			next := `instance="a-0:9321",job="renamed",scope="host"`
			s.work[agent(0)], s.seen[agent(0)], s.work[next], s.seen[next] = 50, .5, 50, .5
		}), 4000, "", ""},
		{"not listed", healthy(func(s *small) { s.work[`instance="db:9321",job="saturate",scope="host"`] = 1e6 }), 4000, "not listed", ""},
		{"no generation", healthy(func(s *small) { s.hosts[0] = `instance="a-0:9100"` }), 4000, "", "generation"},
		{"two words on one server", healthy(func(s *small) { s.info = []string{`instance="a-0:9321",generation="b"`} }), 4000, "", "labels"},
		{"info tells it", healthy(func(s *small) {
			s.hosts[0] = `instance="a-0:9100"`
			s.info = []string{`instance="a-0:9321",generation="a",machine="x86_64"`}
		}), 4000, "instruction set", ""},
		{"a warning", healthy(func(s *small) {
			s.say = map[*regexp.Regexp]string{regexp.MustCompile("increase"): `"warnings":["store is down"]`}
		}), 4000, "partial", "api warning"},
		{"an info", healthy(func(s *small) {
			s.say = map[*regexp.Regexp]string{regexp.MustCompile("resets"): `"infos":["PromQL info: might not be a counter"]`}
		}), 4000, "", "api info"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := read(t, c.api, Config{})
			if err != nil {
				t.Fatal(err)
			}
			u := r.Units[0]
			if math.Abs(u.PerSecond/c.want-1) > 1e-9 || u.Refused != "" {
				t.Errorf("%+v", u)
			}
			if kinds(u.Doubts) != c.doubts {
				t.Errorf("doubts %q, want %q: %v", kinds(u.Doubts), c.doubts, u.Doubts)
			}
			seen := slices.Compact(strings.Fields(strings.ReplaceAll(kinds(r.Doubts), "api ", "api-")))
			if got := strings.ReplaceAll(strings.Join(seen, " "), "api-", "api "); got != c.fleet {
				t.Errorf("doubts of the report %q, want %q: %v", got, c.fleet, r.Doubts)
			}
		})
	}
}

// Instructions of two instruction sets are never added.
func TestReadInstructionSets(t *testing.T) {
	x, a := servers(60, "x", `,isa="amd64"`), servers(40, "a", `,isa="arm64"`)
	work := does(x, 100)
	for l, v := range does(a, 200) {
		work[l] = v
	}
	r, err := read(t, &small{hosts: append(x, a...), work: work}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Fleets() {
		parts := 0.0
		for _, g := range f.Generations {
			parts += g.PerSecond
		}
		if mixed := f.Unit == appweight.Instructions; parts != 14_000 || (f.PerSecond == 0) != mixed {
			t.Errorf("%+v", f)
		}
	}
	if kinds(r.Units[0].Doubts) != "instruction set" {
		t.Errorf("%v", r.Units[0].Doubts)
	}
}

func TestReadRefuses(t *testing.T) {
	all := servers(40, "a", "")
	healthy := func() *small { return &small{hosts: all, work: does(all, 100)} }
	on := func(pattern, answer string) map[*regexp.Regexp]string {
		return map[*regexp.Regexp]string{regexp.MustCompile(pattern): answer}
	}
	for _, c := range []struct {
		name    string
		api     *small
		config  Config
		problem string
		remedy  string
		refused bool
	}{
		{"users partial", &small{say: on("active_users", `"warnings":["No StoreAPIs matched"]`)}, Config{}, "users may be of a part of the data", "stores", true},
		{"partial of VictoriaMetrics", &small{hosts: all, say: on("up", `"isPartial":true`)}, Config{}, "is partial", "stores", true},
		{"no inventory", &small{}, Config{}, "lists no server", "hosts", true},
		{"inventory without instances", &small{hosts: []string{`job="web"`}}, Config{}, `without a label "instance"`, "labels: {host: ...}", true},
		{"two servers of one name", &small{hosts: append(servers(40, "a", ""), `instance="a-0:9100",generation="a",region="us"`, `instance="a-0:9100",generation="a",region="eu"`)}, Config{}, "two servers named a-0", "labels: {host: ...}", true},
		{"no work", &small{hosts: all}, Config{}, "no server reports any work", "doctor", true},
		{"unauthorized", &small{refuse: on(".", "401 no")}, Config{}, "refused (401): no", "bearer_token", false},
		{"a control character", &small{hosts: []string{"instance=\"a\x1b[2J\",region=\"1\"", "instance=\"a\x1b[2J\",region=\"2\""}}, Config{}, "named a\uFFFD[2J", "", true},
		{"not found", &small{refuse: on(".", "404 404 page not found")}, Config{}, "refused (404)", "path prefix", false},
		{"redirected", &small{refuse: on(".", "302 x")}, Config{}, "was redirected (302)", "credentials", false},
		{"bad query", &small{refuse: on("active", `400 {"status":"error","errorType":"bad_data","error":"parse error"}`)}, Config{}, "parse error", "by hand", false},
		{"day not over", healthy(), Config{Day: "2026-11-21"}, "is not over", "last complete", false},
		{"counted later", healthy(), Config{Counted: &Counted{ActiveUsers: 5, At: "2026-11-22T00:00:00Z"}}, "still to come", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.api, c.config)
			var hinted interface{ Hint() string }
			if err == nil || !strings.Contains(err.Error(), c.problem) || errors.Is(err, ErrRefused) != c.refused {
				t.Fatalf("%v, want %q", err, c.problem)
			}
			if c.remedy != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), c.remedy)) {
				t.Errorf("hint of %v, want %q", err, c.remedy)
			}
		})
	}
}

// A query that touches too much is asked in halves; where that does not do, the
// unit is refused and the others stand.
func TestReadTooMuch(t *testing.T) {
	all := servers(40, "a", "")
	const much = `422 {"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`
	s := &small{hosts: all, work: does(all, 100), refuse: map[*regexp.Regexp]string{
		regexp.MustCompile(`increase\(saturate_instructions_total\[(900|450)s`): much,
		regexp.MustCompile(`increase\(saturate_cpu`):                            much,
	}}
	r, err := read(t, s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if u := r.Units[0]; !near(u.PerSecond, 4000) || u.Refused != "" {
		t.Errorf("%+v", u)
	}
	quarters := 0
	for _, q := range s.asked {
		if strings.Contains(q, "increase(saturate_instructions_total[225s])") {
			quarters++
		}
	}
	if quarters != 4 {
		t.Errorf("%d quarters asked", quarters)
	}
	if u := r.Units[1]; !strings.Contains(u.Refused, "too many samples") || !strings.Contains(u.Remedy, "recording rules") {
		t.Errorf("%+v", u)
	}
}

// Figures that are given, and requests of the fleet as one series.
func TestReadCountedAndTotals(t *testing.T) {
	all := servers(40, "a", "")
	s := &small{hosts: all, work: does(all, 100)}
	r, err := read(t, s, Config{Counted: &Counted{ActiveUsers: 1000, StandardError: 10, At: "2026-11-20T20:15:30+01:00"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Peak.To.UTC().Format(time.RFC3339) != "2026-11-20T19:15:00Z" || r.Peak.ActiveUsers != 1000 || r.Units[0].SE != .01 || r.Day != "2026-11-20" {
		t.Errorf("%+v %+v", r.Peak, r.Units[0])
	}
	total := &small{hosts: all, work: map[string]float64{"": 500}}
	own := Config{Source: Own, Hosts: `up{job="web"}`, Queries: Queries{Requests: "sum(rate(http[1m]))", CPUSeconds: "sum(rate(cpu[1m]))"}}
	r, err = read(t, total, own)
	if err != nil {
		t.Fatal(err)
	}
	if u := r.Units[0]; u.Unit != appweight.CPUSeconds || !strings.Contains(u.Refused, "names no servers") {
		t.Errorf("%+v", u)
	}
	fleets := r.Fleets()
	if len(fleets) != 1 || fleets[0].Unit != appweight.Requests || !near(fleets[0].PerSecond, 500) || !near(fleets[0].RequestsPerSecond, 500) || fleets[0].Coverage != 0 {
		t.Errorf("%+v", fleets)
	}
}

// Totals of counters are divided by time, those of expressions by minutes.
func TestReadTotalOfACounter(t *testing.T) {
	all := servers(40, "a", "")
	s := &small{hosts: all, work: map[string]float64{`job="saturate"`: 500}}
	r, err := read(t, s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Fleets(); len(f) != 1 || f[0].Unit != appweight.Requests || !near(f[0].PerSecond, 500) {
		t.Errorf("%+v", f)
	}
}

// Who asks is told in every query and nowhere else.
func TestReadCredentials(t *testing.T) {
	all := servers(40, "a", "")
	s := &small{hosts: all, work: does(all, 100)}
	c := Config{BearerToken: "s3cret", Headers: map[string]string{"X-Scope-OrgID": "web"}}
	r, err := read(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	if s.header.Get("Authorization") != "Bearer s3cret" || s.header.Get("X-Scope-Orgid") != "web" {
		t.Errorf("%v", s.header)
	}
	if text, _ := json.Marshal(r); strings.Contains(string(text), "s3cret") {
		t.Error("the report tells the secret")
	}
	s = &small{hosts: all, work: does(all, 100)}
	if _, err := read(t, s, Config{BasicAuth: &BasicAuth{"me", "s3cret"}}); err != nil || !strings.HasPrefix(s.header.Get("Authorization"), "Basic ") {
		t.Errorf("%v %v", err, s.header)
	}
}
