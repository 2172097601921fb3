package pmu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// facts are what is to be known of a machine to explain an errno.
type facts struct {
	perf        bool // the kernel has perf events
	paranoid    int  // kernel.perf_event_paranoid
	perfmon     bool // we have CAP_PERFMON
	admin       bool // we have CAP_SYS_ADMIN
	seccomp     bool // a filter is on us
	files       uint64
	counts      bool // instructions of our own can be counted, or it is not known that they cannot
	cycles      bool // cycles can
	taskClock   bool // software events can
	virtualized bool
}

// facts gathers what may explain err.
func (m *machine) facts(err error) facts {
	f := facts{counts: true}
	if text, err := m.file("proc/sys/kernel/perf_event_paranoid"); err == nil {
		f.perf = true
		f.paranoid, _ = strconv.Atoi(strings.TrimSpace(text))
	}
	status, _ := m.file("proc/self/status")
	f.readStatus(status)
	cpuinfo, _ := m.file("proc/cpuinfo")
	f.virtualized = strings.Contains(cpuinfo, " hypervisor")
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		f.files = limit.Cur
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		f.counts = m.can(unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS)
		f.cycles = m.can(unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES)
		f.taskClock = m.can(unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK)
	}
	return f
}

func (m *machine) file(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(m.root, name))
	return string(b), err
}

// readStatus reads capabilities and filter from /proc/self/status (proc(5)).
func (f *facts) readStatus(text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapEff":
			set, _ := strconv.ParseUint(value, 16, 64)
			f.perfmon = set>>unix.CAP_PERFMON&1 == 1
			f.admin = set>>unix.CAP_SYS_ADMIN&1 == 1
		case "Seccomp":
			f.seccomp = value == "1" || value == "2"
		}
	}
}

// can reports whether an event exists, as far as it can be seen: what is
// forbidden may.
func (m *machine) can(kind uint32, config uint64) bool {
	e, err := openEvent(m.kernel, kind, config)
	if err != nil {
		return !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP)
	}
	e.close()
	return true
}

// denied tells apart who forbids.
func (f facts) denied(c Config, say func(Reason, string, string)) {
	alone := c.Scope == Processes
	allowed := 0 // the level up to which it needs no right
	switch {
	case alone && c.User:
		allowed = 2
	case alone:
		allowed = 1
	}
	level := fmt.Sprintf("kernel.perf_event_paranoid is %d", f.paranoid)
	switch {
	case f.admin || f.perfmon && f.paranoid <= 2:
		say(NotPermitted, "the kernel refuses in spite of our capabilities: they are those of a container's user namespace, or a security module (SELinux) forbids it",
			"run saturate, or its agent, outside of the container")
	case f.paranoid <= allowed && alone:
		say(NotPermitted, "the process is another user's", "run saturate as that user or as root, or give it CAP_PERFMON: setcap cap_perfmon+ep saturate")
	case f.paranoid <= allowed:
		say(NotPermitted, "a security module forbids it, "+level, "run saturate as root")
	case f.paranoid > 2:
		say(Paranoid, level+", Debian's and Ubuntu's own, which forbids everything without CAP_SYS_ADMIN; CAP_PERFMON does not do",
			fmt.Sprintf("run saturate as root; or sysctl kernel.perf_event_paranoid=%d; or =2 with setcap cap_perfmon+ep saturate", allowed))
	case alone && !c.User:
		say(Paranoid, level+", which forbids to count in the kernel",
			"run saturate as root, or setcap cap_perfmon+ep saturate, or sysctl kernel.perf_event_paranoid=1; or count user space alone: instructions: processes/user")
	default:
		say(Paranoid, level+", which forbids to count what others do",
			"run saturate as root, or setcap cap_perfmon+ep saturate, or sysctl kernel.perf_event_paranoid=0")
	}
}

// noPMU tells what a machine without an event of instructions is.
func (f facts) noPMU(say func(Reason, string, string)) {
	const clouds = "AWS: metal, the largest size of a type, or any size of the 6g types and of the 7th generation and later; Google Cloud: C4 or C4A, created with a performance monitoring unit; " +
		"KVM: -cpu host,pmu=on. Without, work is counted in cpu_seconds or requests"
	switch {
	case f.cycles:
		say(NoPMU, "the processor's counters know cycles and no instructions, as some emulators have it", clouds)
	case !f.taskClock:
		say(Unsupported, "the kernel counts no events at all", "it was built without CONFIG_PERF_EVENTS, or is none of Linux's own (gVisor)")
	case f.virtualized:
		say(NoPMU, "this virtual machine shows no counters of its processor", clouds)
	default:
		say(NoPMU, "this machine shows no counters of its processor", "enable them in the firmware; in a virtual machine: "+clouds)
	}
}
