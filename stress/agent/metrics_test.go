package agent

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"saturate/stress"
	"saturate/stress/probe"
)

// everything is a view of a target that has every value that a sample may hold.
func everything(a *Agent) {
	for _, target := range a.targets() {
		target.view()
		last := target.recent[len(target.recent)-1]
		for _, m := range table() {
			if m.counter != "" {
				last.Counters[m.counter] = 1
			} else {
				last.Gauges[m.gauge] = 1
			}
		}
		last.scopes[instructions] = "host"
		if target == a.main && a.host != nil {
			last.scopes[instructions] = last.scopes["cpu_seconds"]
		}
	}
}

func gather(t *testing.T, a *Agent) []*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newPage(a))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// The names are as Prometheus wants them, none comes twice, and they are few.
func TestPage(t *testing.T) {
	s := &server{t: t, pidfile: t.TempDir() + "/pid"}
	s.up()
	defer s.down()
	info := map[string]string{"generation": "g", "region": "r", "isa": "amd64", "cpu_model": "m", "kernel": "k"}
	for name, c := range map[string]Config{
		"the machine": {Info: info},
		"processes":   {Info: info, Probes: probe.Config{Pidfile: s.pidfile}, Instructions: []string{"host", "processes"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := serving(t, c)
			everything(a)
			families := gather(t, a)
			problems, err := promlint.NewWithMetricFamilies(families).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
			series := 0
			for _, f := range families {
				series += len(f.Metric)
			}
			if series > 120 { // of 30,000 servers
				t.Errorf("%d series", series)
			}
			t.Logf("%d series", series)
		})
	}
}

// Every value that a sample may hold has its metric, but for those that another
// tells already.
func TestTableIsComplete(t *testing.T) {
	source, err := os.ReadFile("../sample.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{
		string(stress.HostCPUSeconds): true, string(stress.ClockRate): true,
		string(stress.AgentCPUSeconds): true, string(stress.AgentInstructions): true, // process_cpu_seconds_total, saturate_agent_instructions_total
	}
	for _, m := range table() {
		known[string(m.counter)+string(m.gauge)] = true
	}
	for _, found := range regexp.MustCompile(`(?:Counter|Gauge)\s+= "(\w+)"`).FindAllSubmatch(source, -1) {
		if !known[string(found[1])] {
			t.Errorf("%s is on no page", found[1])
		}
	}
}

// docs/agent.md describes every metric, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("(?m)^\\| `(saturate_\\w+)").FindAllStringSubmatch(string(text), -1) {
		documented[name[1]] = true
	}
	served := map[string]bool{}
	descs := make(chan *prometheus.Desc, 100)
	newPage(&Agent{}).Describe(descs)
	close(descs)
	for d := range descs {
		served[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !served[name] {
			t.Errorf("%s is documented and not there", name)
		}
	}
}

// Whose a figure is.
func TestScopes(t *testing.T) {
	s := &server{t: t, pidfile: t.TempDir() + "/pid"}
	s.up()
	defer s.down()
	a := serving(t, Config{Probes: probe.Config{Pidfile: s.pidfile}, Instructions: []string{"host", "processes"}})
	everything(a)
	want := map[string]string{
		"saturate_cpu_seconds_total": "host processes", "saturate_instructions_total": "host processes",
		"saturate_pressure_seconds_total": "host", "saturate_workers": "", "saturate_cpus_online": "", "saturate_memory_available_bytes": "",
	}
	for _, f := range gather(t, a) {
		wanted, asked := want[f.GetName()]
		if !asked {
			continue
		}
		var scopes []string
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "scope" {
					scopes = append(scopes, l.GetValue())
				}
			}
		}
		slices.Sort(scopes)
		if got := strings.Join(slices.Compact(scopes), " "); got != wanted {
			t.Errorf("%s has the scopes %q, want %q", f.GetName(), got, wanted)
		}
		delete(want, f.GetName())
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}
