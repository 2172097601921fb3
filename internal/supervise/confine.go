package supervise

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxCPU is the kernel's own bound on CPU numbers (CONFIG_NR_CPUS).
const maxCPU = 8191

// CPUs lists the CPUs that this process may use now, ascending.
func CPUs() ([]int, error) {
	set := unix.NewCPUSet(maxCPU)
	if err := unix.SchedGetaffinityDynamic(0, set); err != nil {
		return nil, fmt.Errorf("read the CPU affinity: %w", err)
	}
	var cpus []int
	for cpu := range maxCPU + 1 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// Confine keeps every thread of this process, and those to come, on the given
// CPUs, and has the Go scheduler use no more than them. No CPUs change nothing.
func Confine(cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	confined := make(map[string]bool)
	for fresh := true; fresh; { // a thread started meanwhile has its maker's affinity, old or new
		fresh = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			if confined[t.Name()] {
				continue
			}
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := setAffinity(tid, cpus); err != nil && err != unix.ESRCH {
				return fmt.Errorf("run on CPUs %v: %w", cpus, err)
			}
			confined[t.Name()], fresh = true, true
		}
	}
	runtime.GOMAXPROCS(len(cpus))
	return nil
}

// setAffinity keeps one thread, 0 being the caller, on the given CPUs.
func setAffinity(tid int, cpus []int) error {
	set := unix.NewCPUSet(maxCPU)
	for _, cpu := range cpus {
		if cpu < 0 || cpu > maxCPU {
			return unix.EINVAL
		}
		set.Set(cpu)
	}
	return unix.SchedSetaffinityDynamic(tid, set)
}
