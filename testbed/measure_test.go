package testbed

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"saturate/record"
	"saturate/stress"
)

// A built scenario is one with what it was built to run out of.
type built struct{ scenario, bottleneck string }

// bottlenecks are the scenarios of the real servers, and the quickstart.
var bottlenecks = []built{
	{"quickstart", "workers"},
	{"django-cpu", "cpu"},
	{"django-workers", "workers"},
	{"django-memory", "memory"},
	{"django-mixed", "cpu"},
	{"gunicorn", "workers"},
	{"php-fpm", "workers"},
}

// root is the repository; saturate and the scenarios are run from there.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// saturate builds the program, once a test, without the race detector: what
// measures must not be slowed.
func saturate(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "saturate")
	build := exec.Command("go", "build", "-o", program, "./cmd/saturate")
	build.Dir = root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// measure runs a scenario, by its name or its file, as a person would and returns
// the record and the exit code. The text goes to the test's log.
func measure(t *testing.T, program, scenario string, flags ...string) (*record.Record, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "record.json")
	if !filepath.IsAbs(scenario) {
		scenario = "scenarios/" + scenario + ".yaml"
	}
	args := append([]string{"run", scenario, "-o", "text", "-o", "json=" + file}, flags...)
	cmd := exec.Command(program, args...)
	cmd.Dir = root(t)
	out, err := cmd.CombinedOutput()
	t.Logf("saturate %s\n%s", strings.Join(args, " "), out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("no record was written: %v", err)
	}
	r, err := record.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return r, cmd.ProcessState.ExitCode()
}

// measureAgain is measure, made again where the run was spoilt: of three, the last
// counts.
func measureAgain(t *testing.T, program, scenario string, flags ...string) (r *record.Record, exit int) {
	t.Helper()
	for range 3 {
		if r, exit = measure(t, program, scenario, flags...); !spoilt(r) {
			break
		}
	}
	return r, exit
}

// spoilt tells that somebody else was the limit, or that the machine became faster
// while the target was held, so that its limit was never reached.
func spoilt(r *record.Record) bool {
	if r.Ending == record.Inconclusive {
		return true
	}
	b := r.Targets[0].Repeats[0].Bottleneck
	return b != nil && b.Name == stress.NoneReached
}

// wantFound wants an answer, with the right bottleneck and next to no failures.
func wantFound(t *testing.T, r *record.Record, bottleneck string) {
	t.Helper()
	if r.Ending != record.Found {
		t.Fatalf("ended %s", r.Ending)
	}
	repeat := r.Targets[0].Repeats[0]
	if repeat.Bottleneck.Name != bottleneck {
		t.Errorf("the bottleneck is %s, want %s", repeat.Bottleneck.Name, bottleneck)
	}
	if share := float64(repeat.Failed) / float64(repeat.Done); share > .001 {
		t.Errorf("%d of %d requests failed", repeat.Failed, repeat.Done)
	}
	if s := repeat.Sustained; s.Rate <= 0 || s.AtLimit < s.Rate*.9 || s.Interval.Lo >= s.Interval.Hi {
		t.Errorf("sustained %+v", s)
	}
}

// rounds is how often a long proof measures: SATURATE_ROUNDS, or so often.
func rounds(often int) int {
	if n, err := strconv.Atoi(os.Getenv("SATURATE_ROUNDS")); err == nil {
		return n
	}
	return often
}

// chosen are the scenarios that SATURATE_ONLY names, or all.
func chosen(all ...built) (list []built) {
	only := os.Getenv("SATURATE_ONLY")
	for _, s := range all {
		if only == "" || slices.Contains(strings.Split(only, ","), s.scenario) {
			list = append(list, s)
		}
	}
	return list
}

// tell makes a test without the real servers say what it left out.
func tell(t *testing.T, variable, what string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("%s are left out: make quick (or make shows) sets %s=1 and installs them", what, variable)
	}
}
