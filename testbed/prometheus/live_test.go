package prometheus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/appweight"
)

// A scraped is one exporter: an agent of ours, or node_exporter.
type scraped struct {
	job, address string
	// counter tells whether a line of its page is of the CPU seconds of a scope.
	counter map[string]func(series string) bool
}

// A reading is what an exporter counted, by scope, and when.
type reading struct {
	at      time.Time
	seconds map[string]float64
}

// read reads the CPU seconds of every scope off the exporter's own page. An
// agent serves what it read up to a second ago, so it is asked until it says
// something new.
func (s scraped) read(t *testing.T) reading {
	t.Helper()
	first := s.page(t)
	for range 40 {
		time.Sleep(50 * time.Millisecond)
		if r := s.page(t); !maps.Equal(r.seconds, first.seconds) {
			return r
		}
	}
	t.Fatalf("the counters of %s stand still at %v", s.address, first.seconds)
	return reading{}
}

func (s scraped) page(t *testing.T) reading {
	t.Helper()
	response, err := http.Get("http://" + s.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reading{time.Now(), map[string]float64{}}
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		for scope, counts := range s.counter {
			if !counts(series) {
				continue
			}
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.seconds[scope] += v
		}
	}
	if len(r.seconds) != len(s.counter) {
		t.Fatalf("%s has CPU seconds %v only:\n%s", s.address, r.seconds, text)
	}
	return r
}

// run starts a command that lives until the test ends.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &out, &out
	t.Cleanup(func() { // after it has ended
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), out.String())
		}
	})
	begin(t, c)
}

// await waits until an address answers.
func await(t *testing.T, address string) {
	t.Helper()
	for range 200 {
		if response, err := http.Get("http://" + address + "/metrics"); err == nil {
			response.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", address)
}

// begin runs a process that lives until the test ends.
func begin(t *testing.T, c *exec.Cmd) (pid int) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c.Process.Pid
}

// TestMain is a load, where it is asked to be: it takes 20 ms of CPU time in
// every 100 ms, and what it missed it takes later.
func TestMain(m *testing.M) {
	if os.Getenv("SATURATE_LOAD") == "" {
		os.Exit(m.Run())
	}
	began := time.Now()
	for {
		var used unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used); err != nil {
			os.Exit(1)
		}
		if time.Duration(used.Nano()) > time.Since(began)/5 {
			time.Sleep(80 * time.Millisecond)
		}
	}
}

// TestLive scrapes two agents and two node_exporters while a load runs, and
// wants `saturate fleet` to say of a minute what their own counters say.
func TestLive(t *testing.T) {
	node := tool(t, "prometheus-node-exporter")
	saturate := filepath.Join(t.TempDir(), "saturate")
	do(t, "go", "build", "-o", saturate, "saturate/cmd/saturate")
	loading := exec.Command(os.Args[0])
	loading.Env = append(os.Environ(), "SATURATE_LOAD=1")
	load := begin(t, loading)
	for range runtime.NumCPU() { // what is left idle, so that nobody else's work makes the host's use unsteady
		begin(t, exec.Command("nice", "-n", "19", "sh", "-c", "while :; do :; done"))
	}

	var exporters []scraped
	config := "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n"
	add := func(job string, addresses []string, counter map[string]func(string) bool) {
		config += fmt.Sprintf("- {job_name: %s, static_configs: [{targets: [%s]}]}\n", job, strings.Join(addresses, ", "))
		for _, a := range addresses {
			await(t, a)
			exporters = append(exporters, scraped{job, a, counter})
		}
	}
	hosts := func() []string { return []string{freePort(t, "127.0.0.1"), freePort(t, "127.0.0.2")} }
	nodes, agents := hosts(), hosts()
	for i := range nodes {
		run(t, node, "--web.listen-address="+nodes[i], "--collector.disable-defaults", "--collector.cpu", "--collector.uname")
		run(t, saturate, "agent", "--listen", agents[i], "--pid", strconv.Itoa(load), "--generation", "this-machine")
	}
	add("node", nodes, map[string]func(string) bool{"host": func(series string) bool {
		return strings.HasPrefix(series, "node_cpu_seconds_total{") &&
			!strings.Contains(series, `mode="idle"`) && !strings.Contains(series, `mode="iowait"`) && !strings.Contains(series, `mode="steal"`)
	}})
	of := func(scope string) func(string) bool {
		return func(series string) bool {
			return strings.HasPrefix(series, "saturate_cpu_seconds_total{") && strings.Contains(series, `scope="`+scope+`"`)
		}
	}
	add("saturate", agents, map[string]func(string) bool{"host": of("host"), "processes": of("processes")})
	address := scraping(t, filepath.Join(t.TempDir(), "data"), config)

	// The window is a minute, with figures from before it. We read at both ends,
	// just outside: what an agent tells us it may tell Prometheus again.
	const window, step = time.Minute, 10 * time.Second
	from := time.Now().Add(6 * time.Second).Truncate(step).Add(step)
	read := func(at time.Time) (all []reading) {
		time.Sleep(time.Until(at))
		for _, e := range exporters {
			all = append(all, e.read(t))
		}
		return all
	}
	before := read(from.Add(-4 * time.Second))
	after := read(from.Add(window + 100*time.Millisecond))
	want := map[string]float64{}
	for i, e := range exporters {
		for scope := range e.counter {
			want[e.job+" "+scope] += (after[i].seconds[scope] - before[i].seconds[scope]) / after[i].at.Sub(before[i].at).Seconds()
		}
	}
	at := from.Add(window).UTC().Format(time.RFC3339)

	for source, job := range map[string]string{"agent": "saturate", "node_exporter": "node"} {
		t.Run(source, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "web.yaml")
			scenario := fmt.Sprintf(`
targets: [{url: http://127.0.0.1:1}]
traffic: {requests: [{path: /}]}
fleet: {prometheus: {url: %q, source: %s, timezone: UTC, window: %s, step: %s, counted: {active_users: 1000, at: %s}}}
`, address, source, window, step, at)
			if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(saturate, "fleet", file, "-o", "json").Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, err.(*exec.ExitError).Stderr)
			}
			var report struct {
				Units []struct {
					Unit, Scope, Refused string
					PerSecond            float64 `json:"per_second"`
					Coverage             float64
				}
			}
			if err := json.Unmarshal(out, &report); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			found := 0
			for _, u := range report.Units {
				if u.Unit != appweight.CPUSeconds {
					continue
				}
				key := job + " " + u.Scope
				off := u.PerSecond/want[key] - 1
				t.Logf("%s: %.4f CPU seconds/s by the fleet, %.4f by the counters themselves, %+.2f%%", key, u.PerSecond, want[key], 100*off)
				if !(math.Abs(off) < .01) || u.Coverage != 1 || u.Refused != "" {
					t.Errorf("%+v", u)
				}
				found++
			}
			if found == 0 || source == "agent" && found != 2 {
				t.Errorf("%d scopes of CPU seconds:\n%s", found, out)
			}
		})
	}
}
