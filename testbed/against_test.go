package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
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

// The two builds: posts on a page, of which each costs the same.
const oldPosts, newPosts = 80, 85

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
// with its standard error as a share: the CPU time of the server's processes over
// a number of requests, one at a time, each build four times in turn.
func costRatio(t *testing.T) (ratio, se float64) {
	t.Helper()
	const rounds, requests = 4, 2000
	var logs []float64
	for round := range rounds {
		posts := [2]int{oldPosts, newPosts}
		if round%2 == 1 {
			posts[0], posts[1] = posts[1], posts[0]
		}
		cost := map[int]float64{}
		for _, n := range posts {
			cost[n] = cpuPerRequest(t, n, requests)
		}
		logs = append(logs, math.Log(cost[newPosts]/cost[oldPosts]))
		t.Logf("a request of %d posts costs %.3f ms, one of %d %.3f ms: %+.2f%%", oldPosts, 1e3*cost[oldPosts],
			newPosts, 1e3*cost[newPosts], 100*math.Expm1(logs[round]))
	}
	var mean, variance float64
	for _, v := range logs {
		mean += v / rounds
	}
	for _, v := range logs {
		variance += (v - mean) * (v - mean) / (rounds - 1)
	}
	t.Logf("the new build costs %+.2f%% +-%.2f%%", 100*math.Expm1(mean), 100*math.Sqrt(variance/rounds))
	return math.Exp(mean), math.Sqrt(variance / rounds)
}

// cpuPerRequest starts a build, warms it up, and asks it for so many pages.
func cpuPerRequest(t *testing.T, posts, requests int) float64 {
	t.Helper()
	cpus, err := supervise.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:18080"); err == nil {
		conn.Close()
		t.Fatal("something else listens at 127.0.0.1:18080 already")
	}
	child, err := supervise.Start(supervise.Command{
		Args: []string{"./run", "django-cpu"}, CPUs: cpus[len(cpus)-1:], Grace: 10 * time.Second,
		Env: map[string]string{"SATURATE_RUN": t.TempDir(), "SATURATE_POSTS": strconv.Itoa(posts)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop()
	const url = "http://127.0.0.1:18080"
	awaitHealth(t, child, url)
	page := func() {
		if status, _ := ask(t, url+"/feed", ""); status != 200 {
			t.Fatalf("status %d; the server printed\n%s", status, child.Output())
		}
	}
	for range requests / 5 {
		page()
	}
	before, after := map[int]time.Duration{}, map[int]time.Duration{}
	cpuOf(t, child.PID(), before)
	for range requests {
		page()
	}
	cpuOf(t, child.PID(), after)
	var sum time.Duration
	for pid, ran := range before {
		if _, ok := after[pid]; !ok || len(after) != len(before) {
			t.Fatalf("a process of the server ended meanwhile, and its time with it: it printed\n%s", child.Output())
		}
		sum += after[pid] - ran
	}
	return sum.Seconds() / float64(requests)
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
