package pmu

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	bare := facts{perf: true, counts: true, cycles: true, taskClock: true, files: 1024, paranoid: 2}
	with := func(change func(*facts)) facts {
		f := bare
		change(&f)
		return f
	}
	level := func(n int) facts { return with(func(f *facts) { f.paranoid = n }) }
	none := func(f *facts) { f.counts, f.cycles = false, false }
	host, own, user := Config{Scope: Host}, Config{Scope: Processes}, Config{Scope: Processes, User: true}
	group := Config{Scope: Cgroup, Cgroup: "/sys/fs/cgroup/web"}
	for name, tt := range map[string]struct {
		err          error
		config       Config
		facts        facts
		want         Reason
		text, remedy string
	}{
		"paranoid 3, host":      {unix.EACCES, host, level(3), Paranoid, "perf_event_paranoid is 3", "perf_event_paranoid=0"},
		"paranoid 4, own":       {unix.EACCES, user, level(4), Paranoid, "CAP_PERFMON does not do", "perf_event_paranoid=2"},
		"paranoid 3, perfmon":   {unix.EACCES, host, with(func(f *facts) { f.paranoid, f.perfmon = 3, true }), Paranoid, "CAP_SYS_ADMIN", "run saturate as root"},
		"paranoid 2, host":      {unix.EACCES, host, level(2), Paranoid, "perf_event_paranoid is 2", "cap_perfmon"},
		"paranoid 1, cgroup":    {unix.EACCES, group, level(1), Paranoid, "perf_event_paranoid is 1", "perf_event_paranoid=0"},
		"paranoid 2, own":       {unix.EACCES, own, level(2), Paranoid, "count in the kernel", "processes/user"},
		"other user's":          {unix.EACCES, user, level(2), NotPermitted, "another user's", "as that user"},
		"other user's, kernel":  {unix.EACCES, own, level(1), NotPermitted, "another user's", "cap_perfmon"},
		"module":                {unix.EACCES, host, level(-1), NotPermitted, "security module", "root"},
		"user namespace":        {unix.EACCES, host, with(func(f *facts) { f.admin = true }), NotPermitted, "user namespace", "outside"},
		"perfmon in namespace":  {unix.EACCES, host, with(func(f *facts) { f.perfmon = true }), NotPermitted, "user namespace", "outside"},
		"docker":                {unix.EPERM, host, with(func(f *facts) { f.seccomp = true }), Seccomp, "seccomp", "--cap-add PERFMON"},
		"podman":                {unix.ENOSYS, host, bare, Seccomp, "seccomp", "--cap-add PERFMON"},
		"no perf":               {unix.ENOSYS, host, with(func(f *facts) { f.perf = false }), Unsupported, "counts no events", "CONFIG_PERF_EVENTS"},
		"no filter":             {unix.EPERM, host, bare, Paranoid, "perf_event_paranoid is 2", "root"},
		"cloud":                 {unix.ENOENT, host, with(func(f *facts) { none(f); f.virtualized = true }), NoPMU, "virtual machine", "C4"},
		"no right, and no use":  {unix.EACCES, host, with(func(f *facts) { none(f); f.virtualized = true }), NoPMU, "virtual machine", "C4"},
		"metal":                 {unix.ENOENT, group, with(none), NoPMU, "this machine", "firmware"},
		"cycles alone":          {unix.ENOENT, host, with(func(f *facts) { f.counts = false }), NoPMU, "no instructions", "pmu=on"},
		"nothing":               {unix.ENOENT, host, with(func(f *facts) { none(f); f.taskClock = false }), Unsupported, "no events at all", "gVisor"},
		"no controller":         {unix.ENOENT, group, bare, NoController, "control group", "+pids"},
		"other core":            {unix.ENOENT, own, bare, Unsupported, "this event", "another scope"},
		"no such thing":         {unix.EOPNOTSUPP, host, bare, Unsupported, "this event", "another scope"},
		"large":                 {unix.EINVAL, host, bare, TooLarge, "more than the processor", ""},
		"descriptors":           {unix.EMFILE, host, bare, TooManyFiles, "the limit is 1024", "LimitNOFILE"},
		"descriptors of all":    {unix.ENFILE, host, bare, TooManyFiles, "too many files", "ulimit"},
		"ended":                 {unix.ESRCH, own, bare, Gone, "no such process", "up"},
		"offline":               {unix.ENODEV, host, bare, Offline, "offline", ""},
		"directory of no group": {unix.EBADF, group, bare, NotCgroup, "/sys/fs/cgroup/web is no control group", "perf_event"},
		"no directory":          {&fs.PathError{Op: "open", Path: group.Cgroup, Err: unix.ENOENT}, group, bare, NotCgroup, "cannot be opened", "/proc/PID/cgroup"},
		"no /sys":               {&fs.PathError{Op: "open", Path: "/sys/x", Err: unix.ENOENT}, host, bare, Failed, "/sys/x cannot be read", ""},
		"taken":                 {unix.EBUSY, host, bare, Starved, "to himself", "profiler"},
		"other":                 {unix.ENOMEM, host, bare, Failed, "refused", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := explain(tt.err, tt.config, tt.facts)
			if e.Reason != tt.want || !strings.Contains(e.Error(), tt.text) || !strings.Contains(e.Hint(), tt.remedy) || (tt.remedy == "") != (e.Hint() == "") {
				t.Errorf("%s: %v; hint: %s\nwant %s: %s; %s", e.Reason, e, e.Hint(), tt.want, tt.text, tt.remedy)
			}
			var errno unix.Errno
			if !errors.As(e, &errno) || !strings.HasSuffix(e.Error(), "("+errno.Error()+")") {
				t.Errorf("%v does not tell its errno", e)
			}
		})
	}
}

// TestFacts reads what a machine's files tell.
func TestFacts(t *testing.T) {
	k := newFake(t, 0)
	m := k.machine()
	if f := m.facts(unix.ENOSYS); f.perf || f.seccomp || f.admin || !f.counts {
		t.Errorf("%+v", f)
	}
	k.write("proc/sys/kernel/perf_event_paranoid", "3\n")
	k.write("proc/self/status", "Name:\tx\nCapEff:\t0000004000000000\nSeccomp:\t2\nSeccomp_filters:\t1\n")
	k.write("proc/cpuinfo", "flags\t\t: fpu vme hypervisor lm\n")
	f := m.facts(unix.EPERM)
	if !f.perf || f.paranoid != 3 || !f.perfmon || f.admin || !f.seccomp || !f.virtualized || f.files == 0 {
		t.Errorf("%+v", f)
	}
	k.write("proc/self/status", "CapEff:\t000001ffffffffff\nSeccomp:\t0\n")
	if f := m.facts(unix.EPERM); !f.perfmon || !f.admin || f.seccomp {
		t.Errorf("%+v", f)
	}
	k.refuse[unix.PERF_COUNT_HW_INSTRUCTIONS], k.refuse[unix.PERF_COUNT_HW_CPU_CYCLES] = unix.ENOENT, unix.EACCES
	k.tasks[0] = new(fakeTask) // ourselves
	if f := m.facts(unix.ENOENT); f.counts || !f.cycles || f.taskClock {
		t.Errorf("%+v", f) // task-clock has the number of instructions: 1
	}
	if k.descriptors() != 0 {
		t.Error("descriptors are left open")
	}
}

func TestParseStat(t *testing.T) {
	for text, want := range map[string]procStat{
		"42 (web) S 7 0 0 0 -1 0 0 0 0 0 10 5 0 0 20 0 1 0 1234 0": {7, 1234},
		"42 (a) b (c) R 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 99":    {1, 99},
	} {
		if got, ok := parseStat(text); !ok || got != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "42 (web) S 7", "42 (web) S x 0 0 0 -1 0 0 0 0 0 10 5 0 0 20 0 1 0 1234"} {
		if got, ok := parseStat(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestDiagnose(t *testing.T) {
	k := newFake(t, 0)
	k.write("proc/sys/kernel/perf_event_paranoid", "2\n")
	k.fit = 2
	all := diagnose(k.machine(), t.TempDir())
	want := []Diagnosis{
		{Scope: "host", User: true}, {Scope: "host/user", User: true, Cycles: true},
		{Scope: "processes"}, {Scope: "processes/user"}, // we are no process of the fake kernel's
		{Scope: "cgroup", User: true}, {Scope: "cgroup/user", User: true, Cycles: true},
	}
	if len(all) != len(want) {
		t.Fatalf("%+v", all)
	}
	for i, d := range all {
		fails := strings.HasPrefix(d.Scope, "processes")
		if (d.Err != nil) != fails || d.Scope != want[i].Scope || d.User != want[i].User || d.Cycles != want[i].Cycles {
			t.Errorf("%+v, want %+v", d, want[i])
		}
	}
	if k.descriptors() != 0 {
		t.Error("descriptors are left open")
	}
	if n := len(diagnose(k.machine(), "")); n != 4 {
		t.Errorf("%d diagnoses without a control group", n)
	}
}
