package guest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installed is the folder with all that the machine needs. It skips the test
// where the variable does not ask for it, or this system cannot have it.
func installed(t *testing.T, variable, what string) string {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("left out: %s; set %s=1", what, variable)
	}
	out, err := exec.Command("./install").CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 77 {
		t.Skipf("left out: %s: %s", what, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, err := filepath.Abs("../../.cache/guest")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func built(t *testing.T, args ...string) []byte {
	t.Helper()
	program, err := Build(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// boot boots a machine that ends with the test.
func boot(t *testing.T, c Config) *Machine {
	t.Helper()
	m, err := Boot(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Stop()
		if t.Failed() {
			t.Logf("the machine printed\n%s", m.Output())
		}
	})
	return m
}

// TestQuickCounts runs package counts' tests inside: on one CPU, and on two for
// those that take one away.
func TestQuickCounts(t *testing.T) {
	dir := installed(t, "SATURATE_STACKS", "counting on an emulated processor")
	files := map[string][]byte{
		"init":   built(t, "build", "./cmd/init"),
		"counts": built(t, "test", "-c", "./counts"),
	}
	for _, c := range []struct {
		Config
		tests []string
	}{
		{Config{CPUs: 1, Shift: 0}, []string{"TestAGroup", "TestRights", "TestExact", "TestOthersAreNotCounted", "TestTasks"}},
		{Config{CPUs: 1, Shift: 4}, []string{"TestShared", "TestSharing"}}, // much time for few instructions
		{Config{CPUs: 2, Shift: 0}, []string{"TestHotplug", "TestHotplugOfAll"}},
	} {
		t.Run(strings.Join(c.tests, ","), func(t *testing.T) {
			c.Dir, c.Memory, c.Files = dir, 128, files
			c.Plan.Programs = []Program{{
				Args: []string{"/counts", "-test.v", "-test.run", "^(" + strings.Join(c.tests, "|") + ")$"},
				Env:  []string{"SATURATE_INSIDE=1"}, Cgroup: "counted", Job: true,
			}}
			m := boot(t, c.Config)
			select {
			case <-m.Done():
			case <-time.After(2 * time.Minute):
				t.Fatal("the machine has not ended after two minutes")
			}
			out := m.Output()
			if err := m.Err(); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.tests {
				if !strings.Contains(out, "\n--- PASS: "+name+" ") {
					t.Errorf("%s did not pass", name)
				}
			}
			if !t.Failed() {
				t.Logf("the machine printed\n%s", out)
			}
		})
	}
}
