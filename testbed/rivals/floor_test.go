package rivals

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A floor is what this machine does to programs that never wait: how long loops
// that only watch the clock, each on a CPU, stood still.
type floor struct {
	gaps   []time.Duration // on any of the CPUs, the longest first
	length time.Duration
}

func newFloor(length time.Duration, gaps ...time.Duration) floor {
	slices.SortFunc(gaps, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return floor{gaps, length}
}

// watchClocks has such loops for so long, on several CPUs at once.
func watchClocks(t *testing.T, length time.Duration, cpus ...string) (gaps []time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, cpu := range cpus {
		all.Go(func() {
			runtime.LockOSThread() // for ever: the thread ends here, and its CPU with it
			own, err := watchClock(cpu, length)
			mu.Lock()
			defer mu.Unlock()
			if gaps = append(gaps, own...); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return gaps
}

// floor tells what the machine does to the bed's two CPUs: one busy while the other
// is not, which no run can better, and both at once, as at high rates.
func (b *bed) floor(t *testing.T) string {
	const length = 2 * time.Second
	server, generator := watchClocks(t, length, b.serverCPU), watchClocks(t, length, b.generatorCPU)
	both := watchClocks(t, length, b.serverCPU, b.generatorCPU)
	return fmt.Sprintf("Loops that only watched the clock on the two CPUs, before: one after the other they %s; both at once they %s.",
		newFloor(length, append(server, generator...)...), newFloor(length, both...))
}

// watchClock returns the times for which the thread did not run on a CPU.
func watchClock(cpu string, length time.Duration) (gaps []time.Duration, err error) {
	n, err := strconv.Atoi(cpu)
	if err != nil {
		return nil, err
	}
	var set unix.CPUSet
	set.Set(n)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return nil, err
	}
	const loop = 10_000 // nanoseconds: far more than a look at the clock takes
	last := monotonic()
	for end := last + length.Nanoseconds(); last < end; {
		now := monotonic()
		if now-last > loop {
			gaps = append(gaps, time.Duration(now-last))
		}
		last = now
	}
	return gaps, nil
}

// lag is how late that alone makes a share of all hits, at least: those that are
// due while one of the CPUs stands still.
func (f floor) lag(share float64) (late time.Duration) {
	allowed := time.Duration(share * float64(f.length))
	for i, gap := range f.gaps {
		var next time.Duration
		if i+1 < len(f.gaps) {
			next = f.gaps[i+1]
		}
		// The i+1 longest, down to the next one's length, hold hits later than that.
		n := time.Duration(i + 1)
		if n*(gap-next) >= allowed {
			return gap - allowed/n
		}
		allowed -= n * (gap - next)
	}
	return 0
}

func (f floor) String() string {
	var lost time.Duration
	for _, gap := range f.gaps {
		lost += gap
	}
	return fmt.Sprintf("stood still for %.1f %% of %v in all, %.3f ms at most, which makes 1 %% of hits later than %.3f ms",
		100*lost.Seconds()/f.length.Seconds(), f.length, f.lag(0).Seconds()*1e3, f.lag(.01).Seconds()*1e3)
}

func TestFloor(t *testing.T) {
	// In a second 10 hits of 1000 are due in the gap of 10 ms and 1 in that of 1 ms.
	f := newFloor(time.Second, time.Millisecond, 10*time.Millisecond)
	for share, want := range map[float64]time.Duration{.001: 9 * time.Millisecond, .009: time.Millisecond, .01: 500 * time.Microsecond, .02: 0} {
		if got := f.lag(share); got != want {
			t.Errorf("%v of all hits are late by %v, want %v", share, got, want)
		}
	}
}
