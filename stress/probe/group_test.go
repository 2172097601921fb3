package probe

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"testing"

	"saturate/stress"
)

const (
	v2Mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`
	hybridMount = v1Mount + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)

// machine is what a host must have beside its control groups.
var machine = map[string]string{
	"sys/devices/system/cpu/online": "0-3\n",
	"proc/meminfo":                  "MemTotal:       16000 kB\nMemAvailable:    9000 kB\nAnonPages:       3000 kB\n",
	"proc/stat":                     aHostStat,
	"proc/42/status":                "RssAnon:\t100 kB\nCpus_allowed_list:\t0-3\n",
}

func v2Group(dir string) map[string]string {
	return map[string]string{
		dir + "/cgroup.procs":          "42\n",
		dir + "/cgroup.events":         "populated 1\nfrozen 0\n",
		dir + "/cpu.stat":              "usage_usec 7500000\nuser_usec 1\nnr_periods 100\nnr_throttled 25\nthrottled_usec 2000000\n",
		dir + "/cpu.max":               "150000 100000\n",
		dir + "/cpuset.cpus.effective": "0-1\n",
		dir + "/memory.stat":           "anon 1048576\nfile 9999999\npgmajfault 12\n",
		dir + "/memory.max":            "4194304\n",
		dir + "/memory.high":           "max\n",
		dir + "/memory.events":         "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n",
		dir + "/cpu.pressure":          "some avg10=0 avg60=0 avg300=0 total=3000000\nfull avg10=0 avg60=0 avg300=0 total=1000000\n",
		dir + "/memory.pressure":       "some avg10=0 total=20\nfull avg10=0 total=10\n",
		dir + "/io.pressure":           "some avg10=0 total=5\nfull avg10=0 total=5\n",
	}
}

func v1Group(cpu, cpuset, memory string) map[string]string {
	return map[string]string{
		cpu + "/cgroup.procs":             "42\n",
		cpu + "/cpuacct.usage":            "7500000000\n",
		cpu + "/cpu.cfs_quota_us":         "150000\n",
		cpu + "/cpu.cfs_period_us":        "100000\n",
		cpu + "/cpu.stat":                 "nr_periods 100\nnr_throttled 25\nthrottled_time 2000000000\n",
		cpuset + "/cpuset.effective_cpus": "0-1\n",
		memory + "/memory.stat":           "rss 5\ntotal_rss 1048576\ntotal_pgmajfault 12\nhierarchical_memory_limit 4194304\n",
		memory + "/memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		memory + "/memory.limit_in_bytes": "4194304\n",
	}
}

// What all of them show, however it is written.
var (
	groupCounters = map[stress.Counter]float64{
		stress.CPUSeconds: 7.5, stress.Periods: 100, stress.ThrottledPeriods: 25, stress.ThrottledSeconds: 2,
		stress.MajorFaults: 12, stress.OOMKills: 1,
	}
	groupGauges = map[stress.Gauge]float64{
		stress.CPULimit: 1.5, stress.MemoryBytes: 1 << 20, stress.MemoryLimit: 4 << 20, stress.Processes: 1,
	}
	groupPressure = map[stress.Counter]float64{
		stress.PSICPUSome: 3, stress.PSICPUFull: 1, stress.PSIMemorySome: 20e-6, stress.PSIMemoryFull: 10e-6, stress.PSIIOSome: 5e-6,
	}
)

func merged(all ...map[string]string) map[string]string {
	m := make(map[string]string)
	for _, one := range all {
		for k, v := range one {
			m[k] = v
		}
	}
	return m
}

func TestCgroup(t *testing.T) {
	const c, cs, m = "sys/fs/cgroup/cpu,cpuacct/web", "sys/fs/cgroup/cpuset/web", "sys/fs/cgroup/memory/web"
	pressureOnly := v2Group("sys/fs/cgroup/unified/web")
	for name := range pressureOnly {
		switch name[len("sys/fs/cgroup/unified/web/"):] {
		case "cpu.max", "cpuset.cpus.effective", "memory.stat", "memory.max", "memory.high", "memory.events":
			delete(pressureOnly, name)
		}
	}
	for _, tt := range []struct {
		name     string
		files    map[string]string
		pressure bool
	}{
		{"v2", merged(v2Group("sys/fs/cgroup/web"), map[string]string{"proc/self/mountinfo": v2Mount}), true},
		{"v1", merged(v1Group(c, cs, m), map[string]string{"proc/self/mountinfo": v1Mount}), false},
		{"hybrid", merged(v1Group(c, cs, m), pressureOnly, map[string]string{"proc/self/mountinfo": hybridMount}), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := plant(t, merged(machine, tt.files))
			g, err := openCgroup(root, Config{Cgroup: "web"})
			if err != nil {
				t.Fatal(err)
			}
			s := blank()
			if err := errors.Join(g.read(s), cgroupMemory{g.group}.read(s)); err != nil {
				t.Fatal(err)
			}
			err = cgroupPressure{g.group}.read(s)
			if tt.pressure != (err == nil) {
				t.Errorf("pressure: %v", err)
			}
			want := groupCounters
			if tt.pressure {
				want = mergedCounters(groupCounters, groupPressure)
			}
			same(t, s.Counters, want)
			same(t, s.Gauges, groupGauges)
			if !slices.Equal(g.cpus(), cpuSet{0, 1}) {
				t.Errorf("CPUs %v", g.cpus())
			}

			// The group goes away, as it does with its service.
			for _, dir := range []string{"sys/fs/cgroup/web", c, "sys/fs/cgroup/unified/web"} {
				os.RemoveAll(root.path(dir))
			}
			gone := blank()
			if err := g.read(gone); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrGone) || len(gone.Counters) > 0 {
				t.Errorf("a group that is gone: %v, %v", err, gone.Counters)
			}
		})
	}
}

// TestCgroupLimits has the limits where they may hide.
func TestCgroupLimits(t *testing.T) {
	const slice, web = "sys/fs/cgroup/my.slice", "sys/fs/cgroup/my.slice/web.service"
	for _, tt := range []struct {
		name   string
		files  map[string]string
		config Config
		cpu    float64
		memory float64
	}{
		{"own", nil, Config{}, 1.5, 4 << 20},
		{"quota of the parent", map[string]string{slice + "/cpu.max": "50000 100000\n"}, Config{}, .5, 4 << 20},
		{"memory of the parent", map[string]string{slice + "/memory.max": "2097152\n"}, Config{}, 1.5, 2 << 20},
		{"memory.high", map[string]string{web + "/memory.high": "1048577\n"}, Config{}, 1.5, 1<<20 + 1},
		{"cpuset", map[string]string{web + "/cpu.max": "max 100000\n", web + "/cpuset.cpus.effective": "2\n"}, Config{}, 1, 4 << 20},
		{"affinity", map[string]string{web + "/cpu.max": "max 100000\n", "proc/42/status": "Cpus_allowed_list:\t1\n"}, Config{}, 1, 4 << 20},
		{"none", map[string]string{web + "/cpu.max": "max 100000\n", web + "/cpuset.cpus.effective": "\n", web + "/memory.max": "max\n"}, Config{}, 4, 16000 << 10},
		{"the user's", nil, Config{CPUs: 1.25, MemoryLimit: 3 << 20}, 1.25, 3 << 20},
		{"the user's are not the smallest", nil, Config{CPUs: 3, MemoryLimit: 5 << 20}, 1.5, 4 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := plant(t, merged(machine, v2Group(web), map[string]string{"proc/self/mountinfo": v2Mount}, tt.files))
			tt.config.Cgroup = "my.slice/web.service"
			g, err := openCgroup(root, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			s := blank()
			if err := g.read(s); err != nil {
				t.Fatal(err)
			}
			if s.Gauges[stress.CPULimit] != tt.cpu || s.Gauges[stress.MemoryLimit] != tt.memory {
				t.Errorf("limits %v CPUs, %v bytes; want %v, %v", s.Gauges[stress.CPULimit], s.Gauges[stress.MemoryLimit], tt.cpu, tt.memory)
			}
		})
	}
}

func TestCgroupMistakes(t *testing.T) {
	root := plant(t, merged(machine, v2Group("sys/fs/cgroup/system.slice/web.service"), map[string]string{"proc/self/mountinfo": v2Mount}))
	_, err := openCgroup(root, Config{Cgroup: "web"})
	if err == nil {
		t.Fatal("a group that does not exist was opened")
	}
	contains(t, "hint", hint(err), "did you mean system.slice/web.service?")

	_, err = openCgroup(plant(t, map[string]string{"proc/self/mountinfo": "1 1 0:1 / / rw - ext4 /dev/sda rw\n"}), Config{Cgroup: "web"})
	contains(t, "hint", hint(err), "mount -t cgroup2")

	write(t, root, map[string]string{"sys/fs/cgroup/system.slice/web.service/cgroup.procs": "", "sys/fs/cgroup/system.slice/web.service/cgroup.events": "populated 0\n"})
	g, err := openCgroup(root, Config{Cgroup: "system.slice/web.service"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.read(blank()); err == nil {
		t.Error("a group without a process was read")
	}
	if err := g.readPressure(blank()); err == nil {
		t.Error("the pressure of a group without a process was read")
	}

	os.Remove(root.path("sys/fs/cgroup/system.slice/web.service/memory.stat"))
	contains(t, "hint", hint(g.readMemory(blank())), "echo +memory > ")
}

func TestHierarchies(t *testing.T) {
	all := parseHierarchies(hybridMount)
	if len(all) != 4 || !all[3].v2 || !slices.Equal(all[0].controllers, []string{"rw", "cpu", "cpuacct"}) {
		t.Fatalf("%+v", all)
	}
	// A container without a namespace of its own sees the host's paths.
	h := hierarchy{v2: true, mount: "/sys/fs/cgroup", root: "/docker/abc"}
	for group, want := range map[string]string{
		"/docker/abc": "/sys/fs/cgroup", "/docker/abc/web": "/sys/fs/cgroup/web", "web": "/sys/fs/cgroup/web", "/docker/abcd": "/sys/fs/cgroup/docker/abcd",
	} {
		if d := h.dir("/", group); d.path != want {
			t.Errorf("%s is at %s, want %s", group, d.path, want)
		}
	}
	paths := parseMembership("9:name=systemd:/s\n4:memory:/m\n2:cpu,cpuacct:/c\n0::/u\n")
	if paths["memory"] != "/m" || paths["cpuacct"] != "/c" || paths["cpu"] != "/c" || paths[""] != "/u" {
		t.Errorf("%v", paths)
	}
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add(hybridMount)
	f.Add("150000 100000\n")
	f.Add("9:name=systemd:/s\n0::/u\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range parseHierarchies(text) {
			for _, d := range h.dir("/", "a/b").lineage() {
				if d.none() {
					t.Errorf("%q: %+v", text, h)
				}
			}
		}
		if q := parseCPUMax(text); !(q > 0) || math.IsNaN(q) {
			t.Errorf("%q: %v CPUs", text, q)
		}
		parseMembership(text)
	})
}

func mergedCounters(a, b map[stress.Counter]float64) map[stress.Counter]float64 {
	m := make(map[stress.Counter]float64)
	for _, one := range []map[stress.Counter]float64{a, b} {
		for k, v := range one {
			m[k] = v
		}
	}
	return m
}

// same compares values to what floating point allows.
func same[K comparable](t *testing.T, got, want map[K]float64) {
	t.Helper()
	for k, v := range want {
		if g, has := got[k]; !has || math.Abs(g-v) > 1e-9*math.Abs(v) {
			t.Errorf("%v is %v (%v), want %v", k, g, has, v)
		}
	}
	for k, v := range got {
		if _, has := want[k]; !has {
			t.Errorf("%v is %v, want it absent", k, v)
		}
	}
}
