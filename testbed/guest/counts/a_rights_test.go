//go:build amd64 || arm64

package counts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"saturate/stress/probe/pmu"
)

// TestAGroup is the first: without any controller the kernel counts no group,
// and the error knows the remedy. The tests after it have one.
func TestAGroup(t *testing.T) {
	needs(t, 1)
	_, err := pmu.Open(pmu.Config{Scope: pmu.Cgroup, Cgroup: group})
	var e *pmu.Error
	if !errors.As(err, &e) || e.Reason != pmu.NoController || !strings.Contains(e.Hint(), "echo +pids > /sys/fs/cgroup/cgroup.subtree_control") {
		t.Errorf("without a controller: %v", err)
	}
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+pids"), 0); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, pmu.Config{Scope: pmu.Cgroup, Cgroup: group})
}

// TestRights tries what Debian's kernel lets an ordinary user count, by
// kernel.perf_event_paranoid and capability. What it forbids has its reason.
func TestRights(t *testing.T) {
	needs(t, 1)
	const setting = "/proc/sys/kernel/perf_event_paranoid"
	was, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(setting, was, 0)
	for _, paranoid := range []int{3, 2, 1, 0} {
		if err := os.WriteFile(setting, fmt.Append(nil, paranoid), 0); err != nil {
			t.Fatal(err)
		}
		for _, who := range []struct {
			name string
			caps []uintptr
			all  bool // of the machine
		}{
			{"nobody", nil, paranoid < 1},
			{"CAP_PERFMON", []uintptr{unix.CAP_PERFMON}, paranoid < 3},
			{"CAP_SYS_ADMIN", []uintptr{unix.CAP_SYS_ADMIN}, true},
		} {
			t.Run(fmt.Sprintf("%s at %d", who.name, paranoid), func(t *testing.T) {
				self := who.all || paranoid < 2
				selfUser := who.all || paranoid < 3
				// Another's processes need a right on them as well.
				others := pmu.NotPermitted
				if paranoid == 3 && !who.all {
					others = pmu.Paranoid
				}
				if len(who.caps) > 0 && who.all {
					others = ""
				}
				found := findings(t, who.caps)
				for scope, may := range map[string]bool{
					"host": who.all, "host/user": who.all, "cgroup": who.all, "cgroup/user": who.all, "processes": self, "processes/user": selfUser,
				} {
					want := pmu.Paranoid
					if may {
						want = ""
					}
					check(t, scope, found, want)
				}
				check(t, "another's", found, others)
			})
		}
	}
}

func check(t *testing.T, scope string, found map[string]finding, want pmu.Reason) {
	t.Helper()
	f, ok := found[scope]
	if !ok || f.Reason != want {
		t.Errorf("%s: %q, want %q", scope, f.Reason, want)
	}
	if f.Reason != "" && f.Hint == "" {
		t.Errorf("%s: %s, and no remedy", scope, f.Reason)
	}
}

// findings are those of an ordinary user with these capabilities.
func findings(t *testing.T, caps []uintptr) (found map[string]finding) {
	t.Helper()
	const nobody = 65534
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "COUNTS_BE=diagnosis")
	c.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: caps, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := c.CombinedOutput()
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return found
}
