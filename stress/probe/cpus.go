package probe

import (
	"slices"

	"saturate/stress/probe/pmu"
)

// A cpuSet is a sorted list of CPU numbers.
type cpuSet []int

// parseCPUs reads the kernel's list format into a set.
func parseCPUs(list string) (cpuSet, error) {
	all, err := pmu.ParseCPUs(list)
	slices.Sort(all)
	return slices.Compact(all), err
}

// and is what is in both sets.
func (s cpuSet) and(o cpuSet) cpuSet {
	var both cpuSet
	for _, cpu := range s {
		if o.has(cpu) {
			both = append(both, cpu)
		}
	}
	return both
}

// or is what is in either.
func (s cpuSet) or(o cpuSet) cpuSet {
	all := slices.Concat(s, o)
	slices.Sort(all)
	return slices.Compact(all)
}

func (s cpuSet) has(cpu int) bool {
	_, found := slices.BinarySearch(s, cpu)
	return found
}
