package testbed

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"saturate/ramp"
)

// TestShowsGenerations makes two generations of hardware of one: the second has
// half of a CPU, by its quota. What a server can do, and the rate that it
// sustains, must come out at half.
func TestShowsGenerations(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "the long proofs with real servers")
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes control groups")
	}
	text, err := os.ReadFile(filepath.Join(root(t), "scenarios", "django-cpu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, target, _ := strings.Cut(string(text), "targets:\n")
	target, after, _ := strings.Cut(target, "\ntraffic:")
	targets := ""
	for _, percent := range []int{100, 50} {
		one := strings.Replace(target, "name: django-cpu", fmt.Sprintf("name: quota-%d\n    labels: {generation: quota-%d}", percent, percent), 1)
		one = strings.Replace(one, "[testbed/run", fmt.Sprintf(`[testbed/quota, "%d", testbed/run`, percent), 1)
		targets += one + "\n"
		t.Cleanup(func() { // whichever hierarchy it is in
			for _, dir := range []string{"cpu", "cpu,cpuacct", ""} {
				os.Remove(filepath.Join("/sys/fs/cgroup", dir, fmt.Sprintf("saturate-quota-%d", percent)))
			}
		})
	}
	scenario := filepath.Join(t.TempDir(), "generations.yaml")
	if err := os.WriteFile(scenario, []byte(before+"targets:\n"+targets+"\ntraffic:"+after), 0o600); err != nil {
		t.Fatal(err)
	}

	r, _ := measureAgain(t, saturate(t), scenario)
	if r.Ending != ramp.Found || len(r.Targets) != 2 {
		t.Fatalf("ended %s", r.Ending)
	}
	full, half := r.Targets[0].Repeats[0], r.Targets[1].Repeats[0]
	if full.Bottleneck.Name != "cpu" || !strings.HasPrefix(half.Bottleneck.Name, "cpu") {
		t.Errorf("the bottlenecks are %s and %s, want cpu", full.Bottleneck.Name, half.Bottleneck.Name)
	}
	for _, ratio := range []struct {
		of    string
		value float64
	}{
		{"work", full.Work.PerSecond / half.Work.PerSecond},
		{"rate at the limit", full.Sustained.AtLimit / half.Sustained.AtLimit},
	} {
		t.Logf("%s: %.3f to 1", ratio.of, ratio.value)
		if math.Abs(ratio.value-2) > .06*2 {
			t.Errorf("%s: %.3f to 1, want 2 within 6 %%", ratio.of, ratio.value)
		}
	}
}
