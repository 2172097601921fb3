package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"saturate/internal/supervise"
	"saturate/record"
)

// The two builds: posts on a page, of which each costs the same. What a request
// costs besides them is shared, so that 7.5 % more of them are some 6 % more.
const oldPosts, newPosts = 80, 86

// TestShowsAgainst measures two builds of the Django site in turn, whose cost of
// a request differs by some 6 %: by how much exactly is read from the kernel's
// account of their CPU time beforehand, without saturate. `run --against` must
// tell them apart, with that size; and not two that are the same.
func TestShowsAgainst(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "the long proofs with real servers")
	ratio, se := costRatio(t)
	if ratio < 1.04 || ratio > 1.08 || se > .01 {
		t.Fatalf("a request of the new build costs %.4f times as much, +-%.4f: that is not some 6 %%", ratio, se)
	}
	truth := 1 / ratio // of the rates, where CPU is the limit
	program := saturate(t)
	t.Run("different", func(t *testing.T) {
		p := inTurn(t, program, oldPosts, newPosts, 24)
		if p.Outcome != "different" || p.Ratio >= 1 {
			t.Fatalf("%s", p.Why)
		}
		if math.Abs(p.Ratio-truth) > .025 || p.Interval == nil || truth < p.Interval.Lo || truth > p.Interval.Hi {
			t.Errorf("%s; by their CPU time it is %+.2f%%", p.Why, 100*(truth-1))
		}
		t.Logf("%s; by their CPU time it is %+.2f%% +-%.2f%%", p.Why, 100*(truth-1), 100*se)
	})
	t.Run("equal", func(t *testing.T) {
		if p := inTurn(t, program, oldPosts, oldPosts, 8); p.Outcome == "different" {
			t.Errorf("two equal builds: %s", p.Why)
		} else {
			t.Logf("%s", p.Why)
		}
	})
}

// TestShowsCostOfBuilds is the independent half of TestShowsAgainst alone.
func TestShowsCostOfBuilds(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "the CPU time of two builds")
	if ratio, se := costRatio(t); ratio-3*se <= 1 {
		t.Errorf("%.4f +-%.4f", ratio, se)
	}
}

// inTurn measures two builds in turn and returns what that came to.
func inTurn(t *testing.T, program string, base, new, pairs int) *record.Pairs {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "against.json")
	cmd := exec.Command(program, "run", build(t, dir, "new", new), "--against", build(t, dir, "old", base),
		"--precision", "quick", "--pairs", strconv.Itoa(pairs), "--history", filepath.Join(dir, "history.db"), "-o", "text", "-o", "json="+out)
	cmd.Dir = root(t)
	text, err := cmd.CombinedOutput()
	t.Logf("%s\n%s", strings.Join(cmd.Args, " "), text)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var c record.Comparison
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	if c.Pairs == nil || c.Pairs.Pairs == 0 {
		t.Fatalf("no pairs in %s", data)
	}
	return c.Pairs
}

// build writes the scenario of a build of the Django site.
func build(t *testing.T, dir, name string, posts int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "scenarios", "django-cpu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const target = "  - name: django-cpu\n"
	changed := strings.Replace(string(text), target,
		target+fmt.Sprintf("    labels: {build: %s}\n    env: {SATURATE_POSTS: \"%d\"}\n", name, posts), 1)
	if changed == string(text) {
		t.Fatalf("django-cpu.yaml has no %q", target)
	}
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// costRatio is what a request of the new build costs by what one of the old does,
// with its standard error as a share. Both are up side by side, on one CPU, and
// are asked by turns, a few pages at a time: a machine's speed changes more from
// one minute to the next than they differ. Each start of a server has a cost of
// its own, so both are started several times.
func costRatio(t *testing.T) (ratio, se float64) {
	t.Helper()
	const starts, warm, turns, pages = 10, 10, 20, 20
	var logs []float64
	for range starts {
		builds := [2]server{startBuild(t, oldPosts, 18080), startBuild(t, newPosts, 18082)}
		var cost [2]float64 // seconds a request
		for turn := -warm; turn < turns; turn++ {
			for n := range builds {
				i := (n + turn + warm) % 2 // each is the first as often as the other
				if cpu := builds[i].cpu(t, pages); turn >= 0 {
					cost[i] += cpu.Seconds() / (turns * pages)
				}
			}
		}
		for _, b := range builds {
			b.child.Stop()
		}
		logs = append(logs, math.Log(cost[1]/cost[0]))
		t.Logf("a request of %d posts costs %.3f ms, one of %d %.3f ms: %+.2f%%", oldPosts, 1e3*cost[0],
			newPosts, 1e3*cost[1], 100*math.Expm1(logs[len(logs)-1]))
	}
	var mean, variance float64
	for _, v := range logs {
		mean += v / starts
	}
	for _, v := range logs {
		variance += (v - mean) * (v - mean) / (starts - 1)
	}
	t.Logf("the new build costs %+.2f%% +-%.2f%%", 100*math.Expm1(mean), 100*math.Sqrt(variance/starts))
	return math.Exp(mean), math.Sqrt(variance / starts)
}

// A server is one of a build that runs.
type server struct {
	child *supervise.Child
	url   string
}

func startBuild(t *testing.T, posts, port int) server {
	t.Helper()
	cpus, err := supervise.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	wantFree(t, addr)
	s := server{url: "http://" + addr}
	s.child = startStack(t, "django-cpu", cpus[len(cpus)-1:], map[string]string{
		"SATURATE_POSTS": strconv.Itoa(posts), "SATURATE_PORT": strconv.Itoa(port), "SATURATE_STATS_PORT": strconv.Itoa(port + 1),
	})
	awaitHealth(t, s.child, s.url)
	return s
}

// cpu asks for some pages, one after another, and returns what they cost: the CPU
// time of the server's processes meanwhile.
func (s server) cpu(t *testing.T, pages int) (sum time.Duration) {
	t.Helper()
	before, after := map[int]time.Duration{}, map[int]time.Duration{}
	cpuOf(t, s.child.PID(), before)
	for range pages {
		if status, _ := ask(t, s.url+"/feed", ""); status != 200 {
			t.Fatalf("status %d; the server printed\n%s", status, s.child.Output())
		}
	}
	cpuOf(t, s.child.PID(), after)
	for pid, ran := range before {
		if _, ok := after[pid]; !ok || len(after) != len(before) {
			t.Fatalf("a process of the server ended meanwhile, and its time with it: it printed\n%s", s.child.Output())
		}
		sum += after[pid] - ran
	}
	return sum
}

// cpuOf fills in for how long a process and all below it have run, to the
// nanosecond: /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst).
func cpuOf(t *testing.T, root int, into map[int]time.Duration) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", root))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("process %d: %v, %d threads", root, err, len(tasks))
	}
	for _, task := range tasks {
		text, err := os.ReadFile(filepath.Join(task, "schedstat"))
		if err != nil {
			t.Fatal(err)
		}
		var ran int64
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			t.Fatal(err)
		}
		into[root] += time.Duration(ran)
		children, err := os.ReadFile(filepath.Join(task, "children"))
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				t.Fatal(err)
			}
			cpuOf(t, pid, into)
		}
	}
}
