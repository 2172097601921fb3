package pmu

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A clockKernel is the real kernel with CPU time in nanoseconds in place of
// instructions and cycles: it needs no counters of the processor, and all that
// is ours of opening, inheriting and reading is as with them.
type clockKernel struct{ linux }

func (k clockKernel) open(attr *unix.PerfEventAttr, pid, cpu int, leader event, flags int) (event, error) {
	a := *attr
	a.Type, a.Config = unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK
	if cpu >= 0 {
		a.Config = unix.PERF_COUNT_SW_CPU_CLOCK
	}
	return k.linux.open(&a, pid, cpu, leader, flags)
}

// unprivileged reports whether we may only count what says that it leaves the
// kernel out; clocks do not.
func unprivileged() bool { return os.Geteuid() != 0 }

func realMachine(t testing.TB) *machine {
	m := newMachine()
	m.kernel = clockKernel{}
	probe, err := open(m, Config{Scope: Processes, User: unprivileged(), PIDs: func() []int { return []int{os.Getpid()} }})
	if err != nil {
		t.Skipf("this kernel lets us count nothing: %v", err)
	}
	probe.Close()
	return m
}

// TestSpinner is the process that the others start: it starts threads and
// processes as it is told, and says how much CPU time all of them used.
func TestSpinner(t *testing.T) {
	orders := os.Getenv("PMU_SPINNER")
	if orders == "" {
		t.Skip("started by other tests")
	}
	spin := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
		}
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "spin":
			spin(20 * time.Millisecond)
		case "threads":
			done := make(chan bool)
			for range 3 {
				go func() {
					runtime.LockOSThread() // ends with its goroutine
					spin(10 * time.Millisecond)
					done <- true
				}()
			}
			for range 3 {
				<-done
			}
		case "process":
			child := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; (j=0; while [ $j -lt 20000 ]; do j=$((j+1)); done)")
			if err := child.Run(); err != nil {
				fmt.Println(err)
			}
		}
		var self, children unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &self)
		unix.Getrusage(unix.RUSAGE_CHILDREN, &children)
		fmt.Println("used", self.Utime.Nano()+self.Stime.Nano()+children.Utime.Nano()+children.Stime.Nano())
	}
}

// TestInheritance counts a process that has threads, and creates more, and
// processes that create processes, on the real kernel: as much CPU time as the
// kernel itself accounts to them.
func TestInheritance(t *testing.T) {
	m := realMachine(t)
	c := exec.Command(os.Args[0], "-test.run=^TestSpinner$")
	c.Env = append(os.Environ(), "PMU_SPINNER=1")
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); c.Wait() }()
	lines := bufio.NewScanner(out)
	used := func(order string) (ns float64) {
		fmt.Fprintln(in, order)
		for lines.Scan() {
			if n, _ := fmt.Sscanf(lines.Text(), "used %f", &ns); n == 1 {
				return ns
			}
		}
		t.Fatal("the process ended")
		return 0
	}
	used("threads") // those that are there before
	meter, err := open(m, Config{Scope: Processes, User: unprivileged(), PIDs: func() []int { return []int{c.Process.Pid} }})
	if err != nil {
		t.Fatal(err)
	}
	defer meter.Close()
	start := used("")
	base := read(t, meter)
	for _, order := range []string{"spin", "threads", "process", "spin", "process", "threads"} {
		truth := used(order) - start
		got := read(t, meter)
		counted := got.Instructions - base.Instructions
		if diff := counted - truth; diff > .02*truth+5e6 || diff < -.02*truth-5e6 {
			t.Errorf("%s: counted %.1f ms of CPU time, the kernel's accounts say %.1f ms", order, counted/1e6, truth/1e6)
		}
		if got.Running != 1 || got.Lost != 0 || got.Reopened != 0 {
			t.Errorf("%+v", got)
		}
	}
}

// TestHostOnRealKernel counts the CPUs' clocks: as much as time has passed.
func TestHostOnRealKernel(t *testing.T) {
	m := realMachine(t)
	meter, err := open(m, Config{})
	if err != nil {
		t.Skipf("this kernel does not let us count the machine: %v", err)
	}
	defer meter.Close()
	was := read(t, meter)
	before := m.clock()
	time.Sleep(50 * time.Millisecond)
	now := read(t, meter)
	passed := float64(m.clock()-before) * float64(now.Counters)
	if grown := now.Instructions - was.Instructions; grown < .5*passed || grown > 2*passed || now.Reopened != 0 {
		t.Errorf("the clocks of %d CPUs grew by %.0f ms in %.0f ms", now.Counters, grown/1e6, passed/1e6)
	}
}

// TestCgroupOnRealKernel counts our own group.
func TestCgroupOnRealKernel(t *testing.T) {
	m := realMachine(t)
	dir := ownGroup(t)
	meter, err := open(m, Config{Scope: Cgroup, Cgroup: dir})
	if err != nil {
		t.Skipf("this kernel does not let us count %s: %v", dir, err)
	}
	defer meter.Close()
	var now Totals
	for end := time.Now().Add(5 * time.Second); now.Instructions < 10e6 && time.Now().Before(end); now = read(t, meter) {
	}
	if now.Instructions < 10e6 || now.Reopened != 0 {
		t.Errorf("%+v, and we were busy all the time", now)
	}

	_, err = open(m, Config{Scope: Cgroup, Cgroup: t.TempDir()})
	var e *Error
	if !errors.As(err, &e) || e.Reason != NotCgroup || e.Hint() == "" {
		t.Errorf("a directory that is no group: %v", err)
	}
	_, err = open(m, Config{Scope: Cgroup, Cgroup: "/nonexistent"})
	if !errors.As(err, &e) || e.Reason != NotCgroup || !strings.Contains(e.Error(), "/nonexistent") {
		t.Errorf("no directory: %v", err)
	}
}

// ownGroup is the directory of our v2 group; the perf_event controller is in v2
// wherever no v1 hierarchy has it.
func ownGroup(t *testing.T) string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		path, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			dir := filepath.Join(mount, path)
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); v2 && err == nil {
				return dir
			}
		}
	}
	t.Skip("we are in no v2 group")
	return ""
}

// TestRealDiagnosis tries this machine. Whatever it can count, every failure
// has a reason.
func TestRealDiagnosis(t *testing.T) {
	for _, d := range Diagnose("") {
		t.Logf("%+v", d)
		var e *Error
		if d.Err != nil && (!errors.As(d.Err, &e) || e.Reason == Failed || e.Hint() == "") {
			t.Errorf("%s: %v", d.Scope, d.Err)
		}
	}
}

// BenchmarkRead reads the clocks of all CPUs, or of this process's threads, by
// software events: instructions cost a reading as much.
func BenchmarkRead(b *testing.B) {
	m := realMachine(b)
	for _, c := range []Config{{Scope: Host}, {Scope: Processes, User: unprivileged(), PIDs: func() []int { return []int{os.Getpid()} }}} {
		b.Run(string(c.Scope), func(b *testing.B) {
			meter, err := open(m, c)
			if err != nil {
				b.Skip(err)
			}
			defer meter.Close()
			var before, after unix.Rusage
			unix.Getrusage(unix.RUSAGE_SELF, &before)
			for b.Loop() {
				if _, err := meter.Read(); err != nil {
					b.Fatal(err)
				}
			}
			unix.Getrusage(unix.RUSAGE_SELF, &after)
			spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			counters := meter.counted.size()
			b.ReportMetric(float64(counters), "counters")
			b.ReportMetric(float64(spent)/float64(b.N*counters), "cpu-ns/counter")
		})
	}
}
