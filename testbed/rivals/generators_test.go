package rivals

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A load is what a generator is asked for.
type load struct {
	url         string
	rate        float64 // requests per second, evenly; 0 is as many as the connections carry
	connections int     // at most
	length      time.Duration
	seed        uint64 // of Poisson arrivals, which only ours has
	shards      int    // of ours, flat out; 0 is one
	report      string // a file for what the generator found; empty for none
}

// A generator is a program that makes load. Each is called as its users would,
// and so that it costs least: no bodies kept, no results written.
type generator struct {
	name    string
	program string // Debian's, or one of .cache/rivals with its version, or a path
	args    func(l load) []string
	input   func(l load) string // nil for none
	threads bool                // its connections are not a bound but what it opens: 50 do
	latency func(l load, output string) (latency, error)
}

// latency is what a generator reports of its requests.
type latency struct{ mean, p90 time.Duration }

var (
	wrk = generator{name: "wrk", program: "wrk", args: func(l load) []string {
		return []string{"--latency", "-t1", fmt.Sprint("-c", l.connections), fmt.Sprintf("-d%.0fs", l.length.Seconds()), l.url}
	}, latency: wrkLatency}

	h2load = generator{name: "h2load", program: "h2load", args: func(l load) []string {
		return []string{"--h1", "-t1", fmt.Sprint("-c", l.connections), fmt.Sprintf("-D%.0f", l.length.Seconds()), l.url}
	}}

	ab = generator{name: "ab", program: "ab", args: func(l load) []string {
		return []string{"-k", "-q", fmt.Sprint("-c", l.connections), fmt.Sprintf("-t%.0f", l.length.Seconds()), "-n100000000", l.url}
	}}

	hey = generator{name: "hey", program: "hey-v0.1.4", args: func(l load) []string {
		return []string{"-c", fmt.Sprint(l.connections), "-z", l.length.String(), l.url}
	}}

	fortio        = generator{name: "fortio", program: "fortio-v1.75.3", args: fortioArgs(), threads: true, latency: fortioLatency}
	fortioUniform = generator{name: "fortio -uniform", program: "fortio-v1.75.3", args: fortioArgs("-uniform"), threads: true}

	vegeta = generator{name: "vegeta", program: vegetaProgram, args: vegetaArgs,
		input: func(l load) string { return "GET " + l.url + "\n" }, latency: vegetaLatency}

	k6 = generator{name: "k6", program: "k6-v1.8.1", args: k6Args, latency: k6Latency}
)

const vegetaProgram = "vegeta-v12.13.0"

func fortioArgs(more ...string) func(load) []string {
	return func(l load) []string {
		args := append([]string{"load", "-quiet", "-c", fmt.Sprint(l.connections), "-qps", fmt.Sprint(l.rate),
			"-t", l.length.String(), "-p", "90"}, more...)
		if l.report != "" {
			args = append(args, "-json", l.report)
		}
		return append(args, l.url)
	}
}

func vegetaArgs(l load) []string {
	output := os.DevNull
	if l.report != "" {
		output = l.report
	}
	return []string{"attack", "-rate", fmt.Sprint(l.rate), "-workers", "50", "-max-workers", fmt.Sprint(l.connections),
		"-max-body", "0", "-duration", l.length.String(), "-output", output}
}

func k6Args(l load) []string {
	scenario := map[string]any{"executor": "constant-vus", "vus": l.connections, "duration": l.length.String()}
	if l.rate > 0 {
		scenario = map[string]any{"executor": "constant-arrival-rate", "rate": l.rate, "timeUnit": "1s", "duration": l.length.String(),
			"preAllocatedVUs": min(50, l.connections), "maxVUs": l.connections}
	}
	text, _ := json.Marshal(scenario) // of strings and numbers
	args := []string{"run", "-q", "--no-usage-report", "--address", "", "-e", "SCENARIO=" + string(text), "-e", "URL=" + l.url}
	if l.report != "" {
		args = append(args, "--summary-export", l.report)
	}
	return append(args, "k6.js")
}

// path finds a program: Debian's, or one that testbed/rivals/install built, which has its
// version in its name.
func path(program string) (string, error) {
	if filepath.IsAbs(program) || !strings.Contains(program, "-v") {
		return exec.LookPath(program)
	}
	dir := os.Getenv("SATURATE_RIVALS")
	if dir == "" {
		dir = "../../.cache/rivals"
	}
	path, err := filepath.Abs(filepath.Join(dir, program))
	if err != nil {
		return "", err
	}
	return exec.LookPath(path)
}

// had splits generators into those that can be had here, and the names of the rest.
func had(all ...generator) (here []generator, missing []string) {
	for _, g := range all {
		if _, err := path(g.program); err != nil {
			missing = append(missing, g.name)
			continue
		}
		here = append(here, g)
	}
	return here, missing
}
