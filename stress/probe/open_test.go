package probe

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"saturate/stress"
)

func TestScope(t *testing.T) {
	root := plant(t, merged(machine, v2Group("sys/fs/cgroup/web"), map[string]string{
		"proc/self/mountinfo": v2Mount, "proc/self/net/snmp": "", "web.pid": "42\n",
		"proc/42/stat":   "42 (web) S 1 0 0 0 -1 0 0 0 0 0 10 5 0 0 20 0 1 0 7 0",
		"proc/42/cgroup": "0::/web\n",
	}))
	for _, tt := range []struct {
		name   string
		config Config
		target Target
		want   Scope
		cpu    float64
	}{
		{"cgroup", Config{Cgroup: "web"}, Target{PID: 42}, ScopeCgroup, 7.5},
		{"pid", Config{PID: 42}, Target{}, ScopeProcesses, .15},
		{"pidfile", Config{Pidfile: root.path("web.pid")}, Target{PID: 1}, ScopeProcesses, .15},
		{"command", Config{}, Target{PID: 42}, ScopeProcesses, .15},
		{"host", Config{Host: true}, Target{PID: 42}, ScopeHost, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := open(root, tt.config, tt.target)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.tick()
			x := s.Take()[0]
			if s.scope != tt.want || x.Counters[stress.CPUSeconds] != tt.cpu {
				t.Errorf("scope %s with %v CPU seconds, want %s with %v", s.scope, x.Counters[stress.CPUSeconds], tt.want, tt.cpu)
			}
			for _, g := range []stress.Gauge{stress.CPULimit, stress.HostCPUs, stress.MemoryBytes, stress.MemoryLimit, stress.HostMemoryAvailable} {
				if x.Gauges[g] <= 0 {
					t.Errorf("no %s", g)
				}
			}
			if s.Fresh() > time.Minute {
				t.Errorf("not fresh: %v", s.Sources())
			}
		})
	}

	// The limits of the group that the process is in are its own.
	s, err := open(root, Config{PID: 42}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.tick()
	x := s.Take()[0]
	if x.Gauges[stress.CPULimit] != 1.5 || x.Gauges[stress.MemoryLimit] != 4<<20 || x.Gauges[stress.MemoryBytes] != 1<<20 ||
		x.Counters[stress.ThrottledPeriods] != 25 || x.Counters[stress.OOMKills] != 1 {
		t.Errorf("%v %v", x.Gauges, x.Counters)
	}
}

func TestOpenMistakes(t *testing.T) {
	root := plant(t, merged(machine, map[string]string{"proc/self/mountinfo": v2Mount}))
	for _, tt := range []struct {
		config Config
		target Target
		want   string
	}{
		{Config{Cgroup: "web"}, Target{}, "cgroup web: no such control group"},
		{Config{PID: 42000}, Target{}, "processes of 42000: there is no process 42000"},
		{Config{Pidfile: root.path("none.pid")}, Target{}, "there is no "},
		{Config{Listen: "127.0.0.1:none"}, Target{}, "listener: "},
		{Config{Host: true, Gunicorn: &Gunicorn{Statsd: "192.0.2.1:8125", Workers: 1}}, Target{}, "gunicorn 192.0.2.1:8125"},
	} {
		s, err := open(root, tt.config, tt.target)
		if err == nil {
			s.Close()
			t.Errorf("%+v was opened", tt.config)
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%v is no *Error", err)
		}
		if tt.config.Pidfile == "" {
			contains(t, "error", err.Error(), tt.want)
		}
		if tt.config.Listen == "" && e.Hint() == "" {
			t.Errorf("%v has no hint", err)
		}
	}
}

// TestNothing has a target of which nothing can be read: it is still sampled,
// and what is missing is said.
func TestNothing(t *testing.T) {
	s, err := Open(Config{}, Target{URL: "http://192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.tick()
	if x := s.Take()[0]; s.scope != ScopeNone || len(x.Counters)+len(x.Gauges) != 0 || s.Fresh() > time.Minute {
		t.Errorf("scope %s: %v %v", s.scope, x.Counters, x.Gauges)
	}
	src := s.Sources()
	if len(src) != 1 || src[0].Required || src[0].Age != -1 {
		t.Fatalf("%+v", src)
	}
	contains(t, "hint", hint(src[0].Err), "cgroup, pidfile or pid")
}

// TestClose has every kind of page open, and none that answers.
func TestClose(t *testing.T) {
	page := serveHTTP(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s, err := Open(Config{
		PID: os.Getpid(), UWSGI: page, FPM: page, Nginx: page, Gunicorn: &Gunicorn{Statsd: "127.0.0.1:0", Workers: 1},
		Metrics: []Page{{URL: page, Gauges: map[string]string{"a": "b"}}},
	}, Target{URL: page})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	time.Sleep(10 * time.Millisecond)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if n := len(s.Sources()); n < 10 {
		t.Errorf("%d sources", n)
	}
}

// TestReal reads this machine and this process, as root and as anybody.
func TestReal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s, err := Open(Config{PID: os.Getpid()}, Target{URL: "http://" + ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Start()
	for deadline := time.Now().Add(10 * time.Second); s.Fresh() > time.Minute && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	x := s.Take()[0]
	for _, g := range []stress.Gauge{stress.CPULimit, stress.HostCPUs, stress.MemoryBytes, stress.MemoryLimit, stress.Processes, stress.OpenFiles, stress.OpenFilesLimit} {
		if x.Gauges[g] <= 0 {
			t.Errorf("%s is %v", g, x.Gauges[g])
		}
	}
	for _, c := range []stress.Counter{stress.CPUSeconds, stress.HostCPUSeconds, stress.SegmentsOut, stress.ListenOverflows} {
		if _, has := x.Counters[c]; !has && s.scope != ScopeNone {
			t.Errorf("no %s; %+v", c, s.Sources())
		}
	}
}

// TestRealCgroup makes a group in every hierarchy that this machine has, with
// limits where they can be set, and reads a process in it.
func TestRealCgroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may make control groups")
	}
	all, err := hierarchies("/")
	if err != nil {
		t.Skip(err)
	}
	name := fmt.Sprintf("saturate-test-%d", os.Getpid())
	cmd := exec.Command("sh", "-c", "read go; exec sh -c 'x=$(head -c 8000000 /dev/zero | tr \"\\\\0\" x); i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read line'")
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var made []string
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
		for _, dir := range made {
			os.Remove(dir)
		}
	})

	limited := map[string]bool{}
	for _, h := range all {
		dir := filepath.Join(h.mount, name)
		wanted := h.v2 || slices.ContainsFunc(h.controllers, func(c string) bool {
			return slices.Contains([]string{"cpu", "cpuacct", "cpuset", "memory"}, c)
		})
		if !wanted {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no control group can be made here: %v", err)
		}
		made = append(made, dir)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // v1 begins with none
			if parent, err := readFile(filepath.Join(h.mount, file)); err == nil {
				os.WriteFile(filepath.Join(dir, file), []byte(strings.TrimSpace(parent)), 0)
			}
		}
		for file, limit := range map[string]string{
			"cpu.cfs_quota_us": "50000", "cpu.max": "50000 100000", "memory.limit_in_bytes": "67108864", "memory.max": "67108864",
		} {
			if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(limit), 0); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			limited[strings.SplitN(file, ".", 2)[0]] = true
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0); err != nil {
			t.Skipf("no process can be moved here: %v", err)
		}
	}
	fmt.Fprintln(in, "go")
	out.Read(make([]byte, 8))

	s, err := Open(Config{Cgroup: name}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.tick()
	x := s.Take()[0]
	p, ok := procFS{"/"}.stat(cmd.Process.Pid)
	if !ok {
		t.Fatal("the process is gone")
	}
	truth := p.own + p.reaped
	// What it used before it came into the group is not the group's.
	if got := x.Counters[stress.CPUSeconds]; got > truth+rounding || got < truth/2 {
		t.Errorf("the group used %v s, its process %v", got, truth)
	}
	if x.Gauges[stress.Processes] != 1 {
		t.Errorf("%v processes", x.Gauges[stress.Processes])
	}
	if limited["cpu"] {
		// How often it is throttled depends on who else is at work here.
		if _, has := x.Counters[stress.ThrottledPeriods]; !has || x.Gauges[stress.CPULimit] != .5 || x.Counters[stress.Periods] == 0 {
			t.Errorf("%v CPUs; %v", x.Gauges[stress.CPULimit], x.Counters)
		}
	}
	// The kernel brings a group's sums up to date every two seconds.
	for deadline := time.Now().Add(10 * time.Second); limited["memory"] && x.Gauges[stress.MemoryBytes] < 8e6 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		s.tick()
		x.Gauges[stress.MemoryBytes] = s.Take()[0].Gauges[stress.MemoryBytes]
	}
	if limited["memory"] && (x.Gauges[stress.MemoryLimit] != 64<<20 || x.Gauges[stress.MemoryBytes] < 8e6) {
		t.Errorf("%v of %v bytes", x.Gauges[stress.MemoryBytes], x.Gauges[stress.MemoryLimit])
	}
	if _, has := x.Counters[stress.OOMKills]; limited["memory"] && !has {
		t.Error("no count of OOM kills")
	}
	if _, v2 := unified(all); v2 {
		if _, has := x.Counters[stress.PSICPUSome]; !has {
			t.Errorf("no pressure: %+v", s.Sources())
		}
	}

	// The same limits hold for the process by its own name.
	alone, err := Open(Config{PID: cmd.Process.Pid}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	alone.tick()
	if y := alone.Take()[0]; limited["cpu"] && y.Gauges[stress.CPULimit] != .5 || limited["memory"] && y.Gauges[stress.MemoryLimit] != 64<<20 {
		t.Errorf("as a process: %v", y.Gauges)
	}

	in.Close()
	cmd.Wait()
	for range seldom + 1 {
		s.tick()
	}
	if s.Gone() == nil {
		t.Error("an empty group is read as if it lived")
	}
}
