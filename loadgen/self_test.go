package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree writes files below a fresh root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	v1Mount = "31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
	v2Mount = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	other   = "22 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n29 22 0:25 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
)

func TestCgroups(t *testing.T) {
	tests := []struct {
		name             string
		files            map[string]string
		groups           int
		quota, throttled float64
	}{
		{"none", nil, 0, 0, 0},
		{"v2", map[string]string{
			"proc/self/cgroup":                "0::/a/b\n",
			"proc/self/mountinfo":             other + v2Mount,
			"sys/fs/cgroup/a/b/cpu.max":       "max 100000\n",
			"sys/fs/cgroup/a/b/cpu.stat":      "usage_usec 5\nnr_throttled 0\nthrottled_usec 0\n",
			"sys/fs/cgroup/a/cpu.max":         "50000 100000\n",
			"sys/fs/cgroup/a/cpu.stat":        "usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n",
			"sys/fs/cgroup/cgroup.procs":      "",
			"sys/fs/cgroup/a/b/cpu.max.burst": "0\n",
		}, 3, .5, 2.5},
		{"v1", map[string]string{
			"proc/self/cgroup":                                "4:cpu,cpuacct:/web\n1:name=systemd:/x\n0::/y\n",
			"proc/self/mountinfo":                             other + v1Mount,
			"sys/fs/cgroup/cpu,cpuacct/web/cpu.stat":          "nr_periods 9\nnr_throttled 4\nthrottled_time 1500000000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":      "-1\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":     "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/web/cpu.cfs_quota_us":  "150000\n",
			"sys/fs/cgroup/cpu,cpuacct/web/cpu.cfs_period_us": "100000\n",
		}, 2, 1.5, 1.5},
		{"v1 in a container", map[string]string{
			"proc/self/cgroup":                                "4:cpu,cpuacct:/docker/123\n",
			"proc/self/mountinfo":                             strings.Replace(v1Mount, " / /sys", " /docker/123 /sys", 1),
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":      "25000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":     "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.stat":              "nr_periods 9\nthrottled_time 1000000\n",
			"sys/fs/cgroup/cpu,cpuacct/docker/123/cpu.shares": "1024\n",
		}, 1, .25, .001},
		{"garbage", map[string]string{
			"proc/self/cgroup":         "::\nx\n0::/a\n",
			"proc/self/mountinfo":      "x - y\n" + v2Mount + "30 22 0:26 /\n",
			"sys/fs/cgroup/a/cpu.max":  "NaN 0 7\n",
			"sys/fs/cgroup/a/cpu.stat": "throttled_usec\nthrottled_usec x\n",
		}, 2, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &self{groups: cgroups(tree(t, test.files))}
			if len(s.groups) != test.groups {
				t.Errorf("%d cgroups, want %d: %v", len(s.groups), test.groups, s.groups)
			}
			var quota float64
			for _, g := range s.groups {
				if q, ok := g.quota(); ok {
					quota = q
				}
			}
			if quota != test.quota || s.throttledSeconds() != test.throttled {
				t.Errorf("quota %v, throttled %v; want %v, %v", quota, s.throttledSeconds(), test.quota, test.throttled)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	fine := func() Answers {
		a := newTally(&mix{}, time.Second).take()
		a.Sent = 1000
		for range 1000 {
			_ = a.Lag.RecordValue(500)
		}
		return a
	}
	tests := []struct {
		name   string
		change func(*Answers)
		stall  time.Duration
		want   string
	}{
		{"fine", func(*Answers) {}, 0, ""},
		{"one in a hundred unsent", func(a *Answers) { a.Unsent = 10 }, 0, ""},
		{"two in a hundred unsent", func(a *Answers) { a.Unsent = 20 }, 0, "20 of 1020 hits were not sent"},
		{"nothing but unsent", func(a *Answers) { a.Sent, a.Unsent = 0, 3 }, 0, "3 of 3 hits"},
		{"one in two hundred late", func(a *Answers) { _ = a.Lag.RecordValues(40_000, 5) }, 0, ""},
		{"one in fifty late", func(a *Answers) { _ = a.Lag.RecordValues(40_000, 20) }, 0, "send lag p99 40ms"},
		{"one late of ten", func(a *Answers) { a.Lag.Reset(); _ = a.Lag.RecordValues(100, 9); _ = a.Lag.RecordValue(40_000) }, 0, ""},
		{"two late of ten", func(a *Answers) { a.Lag.Reset(); _ = a.Lag.RecordValues(100, 8); _ = a.Lag.RecordValues(40_000, 2) }, 0, "send lag p99 40ms"},
		{"stalled", func(*Answers) {}, 900 * time.Millisecond, "stood still for 900ms"},
		{"ports", func(a *Answers) { a.Causes[causePorts] = 7 }, 0, "out of local ports 7 times"},
		{"files", func(a *Answers) { a.Causes[causeFiles] = 1 }, 0, "out of file descriptors 1 times"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, a := newSelf("/"), fine()
			test.change(&a)
			s.judge(&a, test.stall, 0)
			if (test.want == "") != (a.Limit == "") || !strings.Contains(a.Limit, test.want) {
				t.Errorf("limit %q, want %q", a.Limit, test.want)
			}
		})
	}
}

// TestCPULimit burns CPU and sees it.
func TestCPULimit(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
		"sys/fs/cgroup/cpu.max": "1000 100000\n", "sys/fs/cgroup/cpu.stat": "throttled_usec 0\n",
	})
	s := newSelf(root)
	for s.at = s.at.Add(-100 * time.Millisecond); cpuSeconds()-s.cpu < .01; {
		continue
	}
	if err := os.WriteFile(filepath.Join(root, "sys/fs/cgroup/cpu.stat"), []byte("throttled_usec 90000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := newTally(&mix{}, time.Second).take()
	s.judge(&a, 0, 0)
	if a.CPUSeconds < .01 || !strings.Contains(a.Limit, "of its 0.01 CPUs") || !strings.Contains(a.Limit, "throttled") {
		t.Errorf("%.3f CPU seconds, limit %q", a.CPUSeconds, a.Limit)
	}
}

// FuzzCgroups: whatever the kernel writes, nothing panics.
func FuzzCgroups(f *testing.F) {
	f.Add("0::/a/b\n4:cpu,cpuacct:/web\n", v1Mount+v2Mount)
	f.Add("4:cpu,cpuacct:/docker/123\n", strings.Replace(v1Mount, " / /sys", " /docker/123 /sys", 1))
	f.Add("0::/../..\n", v2Mount)
	f.Fuzz(func(t *testing.T, groups, mounts string) {
		memberships(groups)
		for line := range strings.Lines(mounts) {
			if m, ok := parseMount(line); ok && m.point == "" {
				t.Errorf("%q has no mount point", line)
			}
		}
	})
}
