package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/ramp"
	"saturate/stress"
)

// The machine is at fault: CPU that the generator or the target does not get,
// or more load than anything could carry.

func TestStarvedGenerator(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	s := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: s, pid: s.start(t), rest: "ramp: {start: 200}\n"})
	p.inside(t, group)
	p.start(t)
	s.awaitLoad(t, p)
	group.allow(t, .03)
	p.wantDisturbed(t, 60*time.Second, stress.Generator)
}

// A generator that is merely small ends the search: the target carries at
// least what it could offer.
func TestSmallGenerator(t *testing.T) {
	long(t)
	group := newGroup(t)
	s := newTarget(t, behaviour{})
	p := saturate(t, scenario{target: s, pid: s.start(t), rest: "ramp: {start: 50, precision: quick}\n"})
	p.inside(t, group)
	group.allow(t, .25)
	p.start(t)
	p.wantExit(t, 150*time.Second, 4)
	r := p.judged(t, "")
	if r.Ending != ramp.AtLeast || r.Sustained == nil || r.Sustained.Rate < 50 {
		t.Errorf("ending %s, %+v: %s; want %s", r.Ending, r.Sustained, r.Why, ramp.AtLeast)
	}
	wantMatch(t, "why", r.Why, "generator can offer no more")
}

func TestNeighbourOnTheTargetsCPU(t *testing.T) {
	long(t)
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	last := -1
	for cpu := range 1024 {
		if allowed.IsSet(cpu) {
			last = cpu
		}
	}
	if allowed.Count() < 2 {
		t.Skip("needs two CPUs: one for the generator and one for target and neighbour")
	}
	s := newTarget(t, behaviour{Spin: 2 * time.Millisecond, Workers: 1})
	p := saturate(t, scenario{target: s, command: true, more: fmt.Sprintf("pin: %d\n", last), rest: "ramp: {start: 40}\n"}).start(t)
	s.awaitLoad(t, p)
	for range 4 {
		burn(t, last)
	}
	p.wantDisturbed(t, 90*time.Second, stress.ContendedCPU)
}

// burn runs a process that uses all of a CPU that it gets, until the test ends.
func burn(t *testing.T, cpu int) {
	t.Helper()
	cmd := again("spin")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var one unix.CPUSet
	one.Set(cpu)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			unix.SchedSetaffinity(tid, &one)
		}
	}
}

// 20,000 req/s over 1000 connections, asked of a target that can do 400.
func TestFarTooMuch(t *testing.T) {
	long(t)
	s := newTarget(t, behaviour{Wait: 10 * time.Millisecond, Workers: 4})
	p := saturate(t, scenario{target: s, command: true, traffic: "connections: 1000\n", rest: "ramp: {start: 20000}\n"}).start(t)
	s.awaitLoad(t, p)
	began := time.Now()
	var early, late, descriptors int
	for time.Since(began) < 14*time.Second {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
		peak, ok := p.peakMemory(t)
		if err != nil || !ok {
			break // it has ended by itself
		}
		if time.Since(began) < time.Second {
			early = peak
		}
		late, descriptors = peak, max(descriptors, len(open))
		time.Sleep(50 * time.Millisecond)
	}
	p.Process.Signal(syscall.SIGINT)
	p.wait(t, 20*time.Second)
	t.Logf("at most %d MB in the first second of load, %d MB after %v, %d file descriptors",
		early>>20, late>>20, time.Since(began).Round(time.Second), descriptors)
	if early == 0 || late > 2*early+32<<20 || late > 256<<20 {
		t.Errorf("memory grew from %d to %d MB", early>>20, late>>20)
	}
	if descriptors > 1100 {
		t.Errorf("%d file descriptors for 1000 connections", descriptors)
	}
	r := p.repeat(t)
	judged := false
	for _, step := range r.Steps {
		if step.Level < 1000 || step.Verdict == "" {
			continue
		}
		judged = true
		if step.Verdict == stress.OutcomeSustained {
			t.Errorf("%g req/s pass for sustained", step.Level)
		}
	}
	if !judged {
		t.Errorf("no step was judged: %+v", r.Steps)
	}
}

// peakMemory is the most that saturate had resident, in bytes; false where it
// has ended.
func (p *process) peakMemory(t *testing.T) (int, bool) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if err != nil || !found {
		return 0, false
	}
	kB, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10, true
}

// A group is a control group that limits CPU.
type group struct {
	dir string
	v1  bool
}

// newGroup makes one, below our own where control groups are unified.
func newGroup(t *testing.T) group {
	t.Helper()
	needsRoot(t, "makes a control group to starve the generator")
	g := group{v1: true}
	for _, root := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"} {
		if _, err := os.Stat(filepath.Join(root, "cpu.cfs_quota_us")); err == nil || hasGroups(root) {
			g.dir = root
			break
		}
	}
	if g.dir == "" {
		g = group{dir: "/sys/fs/cgroup"}
	}
	g.dir = filepath.Join(g.dir, fmt.Sprintf("saturate-faults-%d-%d", os.Getpid(), now()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("needs a control group for CPU: %v", err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.Remove(g.dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("control group %s was left behind", g.dir)
	})
	if _, err := os.Stat(filepath.Join(g.dir, g.file())); err != nil {
		t.Skipf("needs the CPU controller: %v", err)
	}
	return g
}

func hasGroups(root string) bool {
	_, err := os.Stat(filepath.Join(root, "cgroup.procs"))
	return err == nil
}

func (g group) file() string {
	if g.v1 {
		return "cpu.cfs_quota_us"
	}
	return "cpu.max"
}

// allow gives the group so many CPUs.
func (g group) allow(t *testing.T, cpus float64) {
	t.Helper()
	text := fmt.Sprint(int(cpus * 100_000))
	if !g.v1 {
		text += " 100000"
	}
	if err := os.WriteFile(filepath.Join(g.dir, g.file()), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// inside has saturate start in a control group, by way of this binary: it
// enters and then becomes saturate.
func (p *process) inside(t *testing.T, g group) {
	t.Helper()
	p.Env = append(os.Environ(), be+"=enter", "FAULTS_GROUP="+g.dir, "FAULTS_EXEC="+p.Path)
	p.Path = self(t)
}

func enter() error {
	if err := os.WriteFile(filepath.Join(os.Getenv("FAULTS_GROUP"), "cgroup.procs"), []byte("0"), 0o600); err != nil {
		return err
	}
	path := os.Getenv("FAULTS_EXEC")
	for _, name := range []string{be, "FAULTS_GROUP", "FAULTS_EXEC"} {
		os.Unsetenv(name)
	}
	return syscall.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ())
}
