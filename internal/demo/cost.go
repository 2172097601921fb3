package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// draw is lognormal with the given mean and coefficient of variation.
func draw[T ~int64](random *rand.Rand, mean T, cv float64) T {
	if mean == 0 || cv == 0 {
		return mean
	}
	variance := math.Log1p(cv * cv)
	return T(float64(mean) * math.Exp(math.Sqrt(variance)*random.NormFloat64()-variance/2))
}

// burn spends d of CPU time, however long that takes.
func burn(d time.Duration) {
	if d <= 0 {
		return
	}
	runtime.LockOSThread() // whose clock it is
	defer runtime.UnlockOSThread()
	x := uint64(1)
	for end := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) + d; cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) < end; {
		x = compute(x, 4000) // some microseconds
	}
}

// spend computes for a number of steps.
func spend(steps int64) { runtime.KeepAlive(compute(1, steps)) }

// compute carries out a number of steps, each of the same few instructions.
//
//go:noinline
func compute(x uint64, steps int64) uint64 {
	for range steps {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// cpuTime reads a CPU clock; these two cannot fail on a kernel that runs Go.
func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// A block is anonymous memory of its own mapping: it is the kernel's again as
// soon as it is released.
type block []byte

// hold takes a request's memory. It kills the process where the limit is
// exceeded, as the kernel would.
func (s *Server) hold() (block, error) {
	size := toBytes(s.config.Memory)
	if size == 0 {
		return nil, nil
	}
	all := toBytes(s.config.BaseMemory) + s.count.memory(time.Now(), size)
	if limit := toBytes(s.config.MemoryLimit); limit > 0 && all > limit {
		fmt.Fprintf(os.Stderr, "saturate demo: out of memory: %d bytes held, %d allowed\n", all, limit)
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	b, err := touched(size)
	if err != nil {
		s.count.memory(time.Now(), -size)
	}
	return b, err
}

// release gives a request's memory back to the kernel.
func (s *Server) release(b block) {
	if b != nil {
		b.unmap()
		s.count.memory(time.Now(), -int64(len(b)))
	}
}

// touched maps memory and writes to every page of it.
func touched(size int64) (block, error) {
	if size == 0 {
		return nil, nil
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	return b, nil
}

func (b block) unmap() {
	if b != nil {
		unix.Munmap(b) // of what Mmap returned: it cannot fail
	}
}

func toBytes(mib float64) int64 { return int64(mib * (1 << 20)) }
