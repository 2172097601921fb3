package probe

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
	"saturate/stress/probe/pmu"
)

func TestInstructionsConfig(t *testing.T) {
	for _, c := range []Config{
		{}, {Instructions: "auto"}, {Instructions: "auto/user"}, {Instructions: "host"}, {Instructions: "host/user", Host: true},
		{Instructions: "processes"}, {Instructions: "processes/user", Cgroup: "web"}, {Instructions: "cgroup/user", Cgroup: "web"}, {Instructions: "off"},
	} {
		if m := c.Validate(); len(m) > 0 {
			t.Errorf("%+v: %v", c, m)
		}
	}
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{Instructions: "all"}, `"all" is not whose`},
		{Config{Instructions: "Host"}, `"Host" is not whose`},
		{Config{Instructions: "/user"}, `"/user" is not whose`},
		{Config{Instructions: "host/kernel"}, `"host/kernel" is not whose`},
		{Config{Instructions: "off/user"}, "counts nothing"},
		{Config{Instructions: "cgroup", PID: 1}, "no control group is named"},
		{Config{Instructions: "processes/user", Host: true}, "no processes of its own"},
	} {
		m := tt.config.Validate()
		if len(m) != 1 || m[0].Field != "instructions" || m[0].Hint == "" || !strings.Contains(m[0].Msg, tt.want) {
			t.Errorf("%+v: %v, want %q", tt.config, m, tt.want)
		}
	}
}

func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		config  Config
		command bool
		want    string
	}{
		{Config{}, true, "processes"}, {Config{}, false, ""}, {Config{Host: true}, true, "host"}, {Config{PID: 1}, false, "processes"},
		{Config{Pidfile: "a", Instructions: "auto/user"}, false, "processes/user"}, {Config{Cgroup: "web"}, true, "cgroup"},
		{Config{Cgroup: "web", Instructions: "host/user"}, false, "host/user"}, {Config{PID: 1, Instructions: "off"}, false, ""},
	} {
		if got := tt.config.Counts(tt.command); got != tt.want {
			t.Errorf("%+v, command %v: %q, want %q", tt.config, tt.command, got, tt.want)
		}
	}
}

// A fakeMeter counts as it is told.
type fakeMeter struct {
	now    pmu.Totals
	err    error
	closed bool
}

func (m *fakeMeter) Read() (pmu.Totals, error) { return m.now, m.err }
func (m *fakeMeter) Close() error              { m.closed = true; return nil }

func TestInstructionsInSamples(t *testing.T) {
	m := &fakeMeter{now: pmu.Totals{Instructions: 100, UserInstructions: 60, HasUser: true, Cycles: 200, HasCycles: true, Running: .5}}
	counts := &instructions{meter: m, label: "host/user"}
	s := newFake([]*watched{watch("instructions", false, counts)})
	s.scope = ScopeCgroup
	if _, ok := s.Instructions(); ok || len(s.Scopes()) != 1 {
		t.Error("nothing is counted yet")
	}
	s.counts = counts
	if _, ok := s.Instructions(); ok {
		t.Error("nothing was read yet")
	}
	if got := s.Scopes(); got["instructions"] != "host/user" || got["cpu_seconds"] != "cgroup" {
		t.Errorf("scopes %v", got)
	}
	next := func() stress.Sample {
		s.tick()
		return s.Take()[0]
	}
	same(t, next().Counters, map[stress.Counter]float64{stress.Instructions: 100, stress.UserInstructions: 60, stress.Cycles: 200})
	m.now = pmu.Totals{Instructions: 150, UserInstructions: 60, Cycles: 200, Running: .5}
	same(t, next().Counters, map[stress.Counter]float64{stress.Instructions: 150})
	if now, ok := s.Instructions(); !ok || now.Running != .5 {
		t.Errorf("%+v, %v", now, ok)
	}
	// What misses something is absent, and says why.
	m.err = &pmu.Error{Reason: pmu.Starved, Err: unix.EBUSY}
	if got := next().Counters; len(got) != 0 || s.Fresh() > time.Minute {
		t.Errorf("%v", got)
	}
	var e *Error
	var its *pmu.Error
	if err := s.Sources()[0].Err; !errors.As(err, &e) || e.Source != "instructions" || !errors.As(err, &its) || its.Reason != pmu.Starved {
		t.Errorf("%v", err)
	}
	s.Close()
	if !m.closed {
		t.Error("the meter is left open")
	}
}

// TestCountable finds the group in the hierarchy that counts events.
func TestCountable(t *testing.T) {
	const web, v2 = "sys/fs/cgroup/cpu,cpuacct/web", "sys/fs/cgroup/unified/web"
	own := v1Mount + "36 31 0:33 / /sys/fs/cgroup/perf_event rw - cgroup cgroup rw,perf_event\n"
	v1 := v1Group(web, "sys/fs/cgroup/cpuset/web", "sys/fs/cgroup/memory/web")
	mounts := func(text string) map[string]string { return map[string]string{"proc/self/mountinfo": text} }
	procs := func(dir, text string) map[string]string { return map[string]string{dir + "/cgroup.procs": text} }
	for _, tt := range []struct {
		name, want, remedy string
		files              map[string]string
	}{
		{"v2", "sys/fs/cgroup/web", "", merged(v2Group("sys/fs/cgroup/web"), mounts(v2Mount))},
		{"v1", "sys/fs/cgroup/perf_event/web", "", merged(v1, procs("sys/fs/cgroup/perf_event/web", "42\n"), mounts(own))},
		{"hybrid", v2, "", merged(v1, procs(v2, "42\n"), mounts(hybridMount))},
		{"hybrid, v1 counts", "sys/fs/cgroup/perf_event/web", "",
			merged(v1, procs(v2, "42\n"), procs("sys/fs/cgroup/perf_event/web", "42\n"), mounts(own+"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"))},
		{"v1 without", "", "perf_event hierarchy", merged(v1, mounts(v1Mount))},
		{"not in it", "", "perf_event hierarchy", merged(v1, procs("sys/fs/cgroup/perf_event", ""), mounts(own))},
		{"nobody in it", "", "cgroup.procs", merged(v1, procs("sys/fs/cgroup/perf_event/web", ""), mounts(own))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := plant(t, merged(machine, tt.files))
			g, err := openGroup(root, "web")
			if err != nil {
				t.Fatal(err)
			}
			dir, err := g.countable()
			if tt.want != "" && (err != nil || dir != root.path(tt.want)) {
				t.Errorf("%s, %v", dir, err)
			}
			if tt.want == "" {
				contains(t, "remedy", hint(err), tt.remedy)
				contains(t, "remedy", hint(err), "instructions: processes")
			}
		})
	}
}

// TestInstructionsHere opens what this machine can count and what it cannot: a
// scope that is named must be counted, and what is not named may stay away
// without advice.
func TestInstructionsHere(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	reasons := make(map[string]error)
	for _, d := range Countable() {
		reasons[d.Scope] = d.Err
	}
	for _, tt := range []struct {
		config Config
		counts string // the scope, where the machine can
	}{
		{Config{PID: child.Process.Pid}, "processes"},
		{Config{Host: true}, "host"},
		{Config{Host: true, Instructions: "auto/user"}, "host/user"},
		{Config{PID: child.Process.Pid, Instructions: "host"}, "host"},
		{Config{PID: child.Process.Pid, Instructions: "processes/user"}, "processes/user"},
		{Config{PID: child.Process.Pid, Instructions: "off"}, ""},
	} {
		if got := tt.config.Counts(false); got != tt.counts {
			t.Errorf("%+v counts %q, want %q", tt.config, got, tt.counts)
		}
		s, err := Open(tt.config, Target{})
		why, named := reasons[tt.counts], tt.config.Instructions != "" && !strings.HasPrefix(tt.config.Instructions, auto)
		if why != nil && named {
			var e *Error
			if !errors.As(err, &e) || e.Source != "instructions" || e.Hint() == "" || strings.Contains(e.Error(), ": :") {
				t.Errorf("%+v: %v", tt.config, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tt.config, err)
			continue
		}
		s.tick()
		_, has := s.Take()[0].Counters[stress.Instructions]
		if counts := tt.counts != "" && why == nil; has != counts || counts && s.Scopes()["instructions"] != tt.counts || !counts && s.Scopes()["instructions"] != "" {
			t.Errorf("%+v: counted: %v, scopes %v", tt.config, has, s.Scopes())
		}
		for _, src := range s.Sources() {
			var e *Error
			var its *pmu.Error
			if src.Name == "instructions" && why != nil && (!errors.As(src.Err, &e) || e.Hint() != "" || src.Required || !errors.As(src.Err, &its) || its.Hint() == "") {
				t.Errorf("%+v: source %+v", tt.config, src)
			}
		}
		s.Close()
	}
	_, err := Open(Config{Instructions: "host"}, Target{URL: "http://192.0.2.1"})
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "not on this machine") || e.Hint() == "" {
		t.Errorf("a target elsewhere: %v", err)
	}
	if _, err := openMeter("processes", false, unknown{}, true); err == nil || hint(err) == "" {
		t.Errorf("unknown processes: %v", err)
	}
	if len(reasons) < 4 {
		t.Errorf("scopes tried: %v", reasons)
	}
}
