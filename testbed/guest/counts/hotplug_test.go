//go:build amd64 || arm64

package counts

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"saturate/stress/probe/pmu"
)

// TestHotplug takes the second CPU away and brings it back while a meter counts
// user space. In this emulation the counter of a CPU shows what all CPUs have
// retired, but it stands still while its own is in the kernel: with one CPU in
// the loop and the other idle, the meter grows by the loop, and by the little
// that the idle one's timer costs.
func TestHotplug(t *testing.T) {
	needs(t, 2)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := mustOpen(t, pmu.Config{Scope: pmu.Host, User: true})
	was := read(t, m)
	step := func(what string, on, counters, reopened int) {
		t.Helper()
		const n = 50_000_000
		moveTo(t, on)
		before := read(t, m)
		Spin(n)
		now := read(t, m)
		within(t, what, now.Instructions-before.Instructions, 2*n, .005)
		if now.Counters != counters || now.Reopened != reopened {
			t.Errorf("%s: %d CPUs counted, %d reopened, want %d and %d", what, now.Counters, now.Reopened, counters, reopened)
		}
		if before.Instructions < was.Instructions || now.Instructions < before.Instructions || now.Cycles < was.Cycles {
			t.Errorf("%s: from %+v to %+v to %+v", what, was, before, now)
		}
		was = now
	}
	step("first CPU", 0, 2, 0)
	step("second CPU", 1, 2, 0)
	plug(t, false)
	step("the second is gone", 0, 1, 0)
	plug(t, true)
	step("it is back: first CPU", 0, 2, 0)
	step("it is back: second CPU", 1, 2, 0)
	moveTo(t, 0)
	plug(t, false)
	plug(t, true)
	step("off and on between readings: first CPU", 0, 2, 1)
	step("off and on between readings: second CPU", 1, 2, 1)

	// What a CPU counted since the last reading is not lost with it.
	const n = 50_000_000
	moveTo(t, 1)
	before := read(t, m)
	Spin(n)
	moveTo(t, 0)
	plug(t, false)
	within(t, "what went with the CPU", read(t, m).Instructions-before.Instructions, 2*n, .005)
	plug(t, true)
}

// TestHotplugOfAll does so with user space and kernel. Each counter then grows
// by what both CPUs retire, as long as its own is there: by the truth that an
// unshared counter of the first tells, times the CPUs that are there.
func TestHotplugOfAll(t *testing.T) {
	needs(t, 2)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	moveTo(t, 0)
	truth := pinned(t)
	m := mustOpen(t, pmu.Config{Scope: pmu.Host})
	var total, before, after float64 // of the last reading, with the truth on both sides
	grow := func() (meter, least, most float64) {
		b, now := truth(), read(t, m).Instructions
		a := truth()
		meter, least, most = now-total, b-after, a-before
		total, before, after = now, b, a
		return meter, least, most
	}
	grow()
	step := func(what string, cpus float64) {
		t.Helper()
		Spin(10_000_000)
		if meter, least, most := grow(); meter < .995*cpus*least || meter > 1.005*cpus*most {
			t.Errorf("%s: the meter grew by %.0f while %.0f instructions were retired", what, meter, least)
		}
	}
	// While the second CPU is away its counter counts nothing.
	between := func(what string, change func()) {
		t.Helper()
		change()
		if meter, least, most := grow(); meter < .995*least || meter > 2.005*most {
			t.Errorf("%s: the meter grew by %.0f while %.0f instructions were retired", what, meter, least)
		}
	}
	step("two", 2)
	between("one leaves", func() { plug(t, false) })
	step("one", 1)
	between("it returns", func() { plug(t, true) })
	step("two again", 2)
	between("off and on", func() { plug(t, false); plug(t, true) })
	step("two once more", 2)
}

func moveTo(t *testing.T, cpu int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
}

// plug brings the second CPU online, or takes it away.
func plug(t *testing.T, online bool) {
	t.Helper()
	text := "0"
	if online {
		text = "1"
	}
	if err := os.WriteFile("/sys/devices/system/cpu/cpu1/online", []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}
