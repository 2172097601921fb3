package demo

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDraw(t *testing.T) {
	for _, cv := range []float64{0, .3, 1} {
		random := rand.New(rand.NewPCG(1, 2))
		const n = 200_000
		var sum, squares float64
		for range n {
			x := draw(random, 3*time.Millisecond, cv).Seconds()
			sum += x
			squares += x * x
		}
		mean := sum / n
		got := math.Sqrt(max(0, squares/n-mean*mean)) / mean
		if math.Abs(mean/.003-1) > .01 || math.Abs(got-cv) > .02 {
			t.Errorf("cv %g: mean %.6f s with cv %.3f, want .003 s", cv, mean, got)
		}
	}
}

func TestBurnSpendsCPUTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, d := range []time.Duration{-1, 0, 10 * time.Microsecond, 20 * time.Millisecond} {
		before := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
		burn(d)
		spent := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) - before
		if spent < d || spent > 2*d+time.Millisecond {
			t.Errorf("burn(%v) spent %v of CPU time", d, spent)
		}
	}
}

// Twice the steps are twice the work: the test is of the direction only, since
// a clock is a poor judge of instructions. testbed/guest counts them.
func TestComputeTakesItsSteps(t *testing.T) {
	spent := func(steps int64) time.Duration {
		best := time.Hour
		for range 5 {
			runtime.LockOSThread()
			before := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
			spend(steps)
			best = min(best, cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)-before)
			runtime.UnlockOSThread()
		}
		return best
	}
	if one, ten := spent(1_000_000), spent(10_000_000); ten < 5*one || ten > 20*one {
		t.Errorf("ten times the steps took %v instead of %v of CPU time", ten, one)
	}
	if a, b := compute(1, 10), compute(compute(1, 4), 6); a != b {
		t.Error("ten steps are not four and six")
	}
}

func TestHeldMemoryIsTouchedAndGivenBack(t *testing.T) {
	const mib = 64
	s := &Server{config: Config{Memory: mib}}
	before := anonymous()
	if before == 0 {
		t.Fatal("RssAnon cannot be read")
	}
	b, err := s.hold()
	if err != nil {
		t.Fatal(err)
	}
	held := anonymous()
	s.release(b)
	after := anonymous()
	const slack = 8 << 20 // what the runtime does meanwhile
	if held-before < mib<<20-slack || after-before > slack {
		t.Errorf("anonymous memory %d, %d while %d MiB are held, %d afterwards", before, held, mib, after)
	}
	if s.count.bytes != 0 {
		t.Errorf("%d bytes counted as held", s.count.bytes)
	}
}

func TestCounts(t *testing.T) {
	t0 := time.Now()
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * 1e9)) }
	var c counts
	c.start(t0)
	c.busy(at(1), +1)
	c.memory(at(2), 100)
	c.busy(at(3), +1)
	c.busy(at(2.5), 0) // clocks of two workers: never backwards
	c.busy(at(5), -1)
	if all := c.memory(at(6), -100); all != 0 {
		t.Errorf("%d bytes held, want 0", all)
	}
	c.busy(at(7), -1)
	c.busy(at(10), 0)
	if want := 2.0 + 2*2 + 2; math.Abs(c.busySeconds-want) > 1e-9 || math.Abs(c.byteSeconds-400) > 1e-9 {
		t.Errorf("%g busy seconds, %g byte seconds, want %g and 400", c.busySeconds, c.byteSeconds, want)
	}
}
