package rivals

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A bed is the machine, parted: the first CPU for the server under load and the
// last one for the generator.
type bed struct {
	serverCPU, generatorCPU string
	program                 string // of testbed/rivals/cmd/target
	memory                  *arrivals
}

// newBed skips the test where the comparison was not asked for or cannot be made here.
func newBed(t *testing.T) *bed {
	t.Helper()
	if os.Getenv("SATURATE_STACKS") == "" && !long() {
		t.Skip("SATURATE_STACKS=1 also runs the comparison with other load generators")
	}
	cpus := allowed(t)
	if len(cpus) < 2 {
		t.Skip("the generator and the server need a CPU each; there is one")
	}
	program := filepath.Join(t.TempDir(), "target")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/target").CombinedOutput(); err != nil {
		t.Fatalf("build the target: %v\n%s", err, out)
	}
	return &bed{
		serverCPU: strconv.Itoa(cpus[0]), generatorCPU: strconv.Itoa(cpus[len(cpus)-1]),
		program: program, memory: newArrivals(t),
	}
}

// long reports whether the full proofs were asked for.
func long() bool { return os.Getenv("SATURATE_SHOWS") != "" }

// rounds is how many times everything runs, in turn with all others.
func rounds(short, full int) int {
	if n, err := strconv.Atoi(os.Getenv("SATURATE_ROUNDS")); err == nil && n > 0 {
		return n
	}
	if long() {
		return full
	}
	return short
}

// allowed are the CPUs that this process may run on, in order.
func allowed(t *testing.T) (cpus []int) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// A run is what one generator did to one server.
type run struct {
	requests    int64         // that arrived
	connections int64         // that were opened
	cpu         time.Duration // of the generator, from its first request on
	elapsed     time.Duration // as long
	busy        float64       // share of its CPU that the server used
	others      float64       // share of the machine's CPUs that others used, or that were stolen
	arrivals    []int64       // nanoseconds of CLOCK_MONOTONIC, where the server writes them down
	output      string        // what the generator said on standard output
}

// cost is the generator's CPU time for one request.
func (r run) cost() float64 { return float64(r.cpu.Nanoseconds()) / float64(r.requests) / 1e3 }

// rate is what was reached, by the arrivals if there are any.
func (r run) rate() float64 {
	if n := len(r.arrivals); n > 1 {
		return float64(n-1) / float64(r.arrivals[n-1]-r.arrivals[0]) * 1e9
	}
	return float64(r.requests) / r.elapsed.Seconds()
}

// drive runs a generator on a fresh server, each on its CPU. The generator's
// CPU time counts from when the server has something to do: how long a program
// takes to start is not what is compared. watch, where there is one, is told the
// generator's process.
func (b *bed) drive(t *testing.T, s server, g generator, l load, watch func(pid int)) run {
	t.Helper()
	l.url = s.url
	if g.threads {
		l.connections = min(l.connections, 50)
	}
	program, err := path(g.program)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("taskset", append([]string{"-c", b.generatorCPU, program}, g.args(l)...)...)
	cmd.Env = append(os.Environ(), beOurs+"=1")
	if g.input != nil {
		cmd.Stdin = strings.NewReader(g.input(l))
	}
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	requests, connections := s.count()
	time.Sleep(20 * time.Millisecond) // nginx has to end what it was asked
	idle := used(s.pid)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", g.name, err)
	}
	const work = 200 * time.Microsecond // of the server: the first request has come
	for deadline := time.Now().Add(20 * time.Second); used(s.pid) < idle+work && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	began, machine, before, served := time.Now(), machineUsed(t), used(cmd.Process.Pid), used(s.pid)
	if watch != nil {
		go watch(cmd.Process.Pid)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s%s", g.name, err, out.String(), problems.String())
	}
	r := run{
		elapsed: time.Since(began), output: out.String(),
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() - before,
	}
	served = used(s.pid) - served
	r.requests, r.connections = s.count()
	r.requests, r.connections = r.requests-requests, r.connections-connections
	if s.arrivals != nil {
		r.arrivals = s.arrivals()
	}
	r.busy = served.Seconds() / r.elapsed.Seconds()
	r.others = max(0, (machineUsed(t)-machine-r.cpu-served).Seconds()/r.elapsed.Seconds()/float64(len(allowed(t))))
	if r.requests <= 0 || r.cpu <= 0 {
		t.Fatalf("%s: %d requests arrived, for %v of CPU time\n%s%s", g.name, r.requests, r.cpu, out.String(), problems.String())
	}
	return r
}

// used is the CPU time of a process's living threads, to the nanosecond.
func used(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f) // a thread may end meanwhile
		first, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// machineUsed is the CPU time that all CPUs together were not idle, stolen time included.
func machineUsed(t *testing.T) time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	const user, nice, system, irq, softirq, steal = 1, 2, 3, 6, 7, 8
	fields := strings.Fields(line)
	var ticks int64
	for _, i := range []int{user, nice, system, irq, softirq, steal} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatalf("/proc/stat: %v", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// quiet waits, for a while, for others to leave the machine alone, and tells its load average.
func quiet(t *testing.T) string {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		before := machineUsed(t)
		time.Sleep(500 * time.Millisecond)
		if machineUsed(t)-before < 50*time.Millisecond {
			break
		}
	}
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
