package pmu

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A device is the kernel's driver of one kind of core's counters.
type device struct {
	kind uint32 // its type in perf_event_attr
	cpus []int  // that have it
}

// A deviceList is a machine's devices, where it has several: performance and
// efficiency cores. A hardware event that names none would count on the first
// kind alone.
type deviceList []device

// devices lists the machine's core devices: those that say which CPUs they are
// for. Others, as of memory controllers, have no such file, and neither has the
// device of a machine with cores of one kind.
func devices(root string) deviceList {
	var all deviceList
	files, _ := filepath.Glob(filepath.Join(root, "sys/bus/event_source/devices/*/cpus"))
	for _, file := range files {
		list, err1 := os.ReadFile(file)
		name, err2 := os.ReadFile(filepath.Join(filepath.Dir(file), "type"))
		if err1 != nil || err2 != nil {
			continue
		}
		cpus, err1 := ParseCPUs(string(list))
		kind, err2 := strconv.ParseUint(strings.TrimSpace(string(name)), 10, 32)
		if err1 == nil && err2 == nil && len(cpus) > 0 {
			all = append(all, device{uint32(kind), cpus})
		}
	}
	return all
}

// of is the device of a CPU; 0 where there is no choice.
func (l deviceList) of(cpu int) uint32 {
	if len(l) > 1 {
		for _, d := range l {
			if slices.Contains(d.cpus, cpu) {
				return d.kind
			}
		}
	}
	return 0
}

// each is every device that a thread may come to run on.
func (l deviceList) each() []uint32 {
	if len(l) < 2 {
		return []uint32{0}
	}
	kinds := make([]uint32, len(l))
	for i, d := range l {
		kinds[i] = d.kind
	}
	return kinds
}
