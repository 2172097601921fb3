//go:build amd64 || arm64

package counts

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"saturate/stress/probe/pmu"
)

// inside marks the emulated machine. Elsewhere an interrupt more or less is in
// every count, and no test may take CPUs away.
const inside = "SATURATE_INSIDE"

// group is the control group that these tests run in, by the machine's plan.
const group = "/sys/fs/cgroup/counted"

func TestMain(m *testing.M) {
	if be(os.Getenv("COUNTS_BE")) {
		return
	}
	debug.SetGCPercent(-1) // its workers' instructions are nobody's loop
	os.Exit(m.Run())
}

func needs(t *testing.T, cpus int) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("runs in the emulated machine: see testbed/guest")
	}
	if have := runtime.NumCPU(); have != cpus {
		t.Skipf("runs on %d CPUs, here are %d", cpus, have)
	}
}

func mustOpen(t *testing.T, c pmu.Config) *pmu.Meter {
	t.Helper()
	m, err := pmu.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func read(t *testing.T, m *pmu.Meter) pmu.Totals {
	t.Helper()
	now, err := m.Read()
	if err != nil {
		t.Error(err)
	}
	return now
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*want) {
		t.Errorf("%s: %.6g, want %.6g within %g %%", what, got, want, 100*tolerance)
	}
}

func ourselves() []int { return []int{os.Getpid()} }

// TestExact counts loops of two lengths in every scope. What surrounds a loop is
// the same for both, and leaves their difference: two instructions a turn.
func TestExact(t *testing.T) {
	needs(t, 1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, c := range []pmu.Config{
		{Scope: pmu.Host}, {Scope: pmu.Processes, PIDs: ourselves}, {Scope: pmu.Cgroup, Cgroup: group},
	} {
		for _, c.User = range []bool{false, true} {
			name := string(c.Scope)
			if c.User {
				name += "/user"
			}
			t.Run(name, func(t *testing.T) {
				m := mustOpen(t, c)
				const short, long = 1_000, 501_000
				few, many := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(1), math.Inf(1)}
				for range 10 { // the timer, and what else the kernel does, spares some of them
					few = least(t, m, short, few)
					many = least(t, m, long, many)
				}
				slope, user := (many[0]-few[0])/(long-short), (many[1]-few[1])/(long-short)
				t.Logf("%.6f instructions a turn, %.6f in user space", slope, user)
				within(t, "instructions a turn", slope, 2, .001)
				within(t, "in user space", user, 2, .001)
				now := read(t, m)
				if now.Running != 1 || now.Lost != 0 || now.Reopened != 0 || !now.HasUser || !now.HasCycles || now.Cycles <= 0 {
					t.Errorf("%+v", now)
				}
			})
		}
	}
}

// calm is a loop that lasts as long as Go's own watcher (sysmon) takes to fall
// back from a look every 20 us, some thousand instructions each, to one in 10 ms.
const calm = 10_000_000

// least is what a loop of n turns costs with all around it, and in user space,
// or what it did before, if that was less.
func least(t *testing.T, m *pmu.Meter, n uint64, so [2]float64) [2]float64 {
	Spin(calm)
	before := read(t, m)
	Spin(n)
	after := read(t, m)
	return [2]float64{
		min(so[0], after.Instructions-before.Instructions),
		min(so[1], after.UserInstructions-before.UserInstructions),
	}
}

// TestOthersAreNotCounted has another process run, in another group.
func TestOthersAreNotCounted(t *testing.T) {
	needs(t, 1)
	const n = 5_000_000
	other := spawn(t, "loops")
	other.leave(t, group+"-other")
	host := mustOpen(t, pmu.Config{Scope: pmu.Host, User: true})
	for name, m := range map[string]*pmu.Meter{
		"processes": mustOpen(t, pmu.Config{Scope: pmu.Processes, PIDs: ourselves, User: true}),
		"cgroup":    mustOpen(t, pmu.Config{Scope: pmu.Cgroup, Cgroup: group, User: true}),
	} {
		all, ours := read(t, host).Instructions, read(t, m).Instructions
		other.run(t, n)
		ours = read(t, m).Instructions - ours
		all = read(t, host).Instructions - all
		if all < 2*n || ours > .05*2*n {
			t.Errorf("%s: %.0f instructions of ours, %.0f of all, while another carried out %d", name, ours, all, 2*n)
		}
	}
}

// tick is what the machine carries out in 0.2 s, the sampler's interval.
func tick() { Spin(6_250_000) }

// TestShared has four meters of three events each share the processor's six
// counters: every count is scaled, and is within half a percent of what a counter
// says that is not shared.
func TestShared(t *testing.T) {
	needs(t, 1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	truth := pinned(t)
	var all []*pmu.Meter
	var begun []float64
	for range 4 {
		all = append(all, mustOpen(t, pmu.Config{Scope: pmu.Host}))
	}
	tick() // whose turn it is first is not settled yet
	for _, m := range all {
		begun = append(begun, read(t, m).Instructions)
	}
	start := truth()
	shared := 1.
	for range 15 {
		tick()
		for _, m := range all {
			shared = min(shared, read(t, m).Running)
		}
	}
	for i, m := range all {
		within(t, fmt.Sprintf("meter %d of 4", i+1), read(t, m).Instructions-begun[i], truth()-start, .005)
	}
	if shared > .9 {
		t.Errorf("the counters were shared down to %.2f of the time only", shared)
	}
}

// TestSharing has a meter share the counters for a while, again and again: it
// tells as much as a counter that never does, and no total falls.
func TestSharing(t *testing.T) {
	needs(t, 1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	truth := pinned(t)
	m := mustOpen(t, pmu.Config{Scope: pmu.Host})
	start, was := truth(), read(t, m)
	first := was.Instructions
	for round := range 8 {
		var others []*pmu.Meter
		for range 3 * (1 - round%2) {
			others = append(others, mustOpen(t, pmu.Config{Scope: pmu.Host}))
		}
		for range 3 {
			if len(others) > 0 {
				tick()
			} else {
				time.Sleep(200 * time.Millisecond)
			}
			now := read(t, m)
			if now.Instructions < was.Instructions || now.UserInstructions < was.UserInstructions || now.Cycles < was.Cycles {
				t.Errorf("from %+v to %+v", was, now)
			}
			was = now
		}
		for _, o := range others {
			o.Close()
		}
	}
	t.Logf("counted %.0f of %.0f instructions", was.Instructions-first, truth()-start)
	within(t, "all rounds", was.Instructions-first, truth()-start, .02)
	if was.Lost > 0 {
		t.Errorf("%v lost", was.Lost)
	}
}

// pinned is a counter of the first CPU that is never shared, without our code.
func pinned(t *testing.T) (read func() float64) {
	t.Helper()
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS, Bits: unix.PerfBitPinned}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func() float64 {
		var b [8]byte
		if n, err := unix.Read(fd, b[:]); n != len(b) {
			t.Errorf("a pinned counter does not count: %d bytes, %v", n, err)
		}
		return float64(binary.NativeEndian.Uint64(b[:]))
	}
}

// TestTasks counts a process whose threads are there already, and the processes
// and threads that it creates later.
func TestTasks(t *testing.T) {
	needs(t, 1)
	for what, n := range map[string]uint64{"loops": 5e6, "threads": 5e6, "thread": 5e6, "process": 20e6} {
		t.Run(what, func(t *testing.T) {
			child := spawn(t, what)
			child.run(t, 1) // its threads are there
			m := mustOpen(t, pmu.Config{Scope: pmu.Processes, User: true, PIDs: func() []int { return []int{child.Process.Pid} }})
			// The difference of two lengths, as ever: to start a process costs
			// user space instructions too.
			var cost []float64
			for _, turns := range []uint64{1, n} {
				var all []float64
				for range 3 {
					before := read(t, m).Instructions
					child.run(t, turns)
					all = append(all, read(t, m).Instructions-before)
				}
				cost = append(cost, slices.Min(all))
			}
			within(t, "instructions a turn", (cost[1]-cost[0])/float64(child.loops*(n-1)), 2, .005)
		})
	}
}
