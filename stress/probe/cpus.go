package probe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostCPUs bounds what a list may name: the kernel's own NR_CPUS is at most
// this.
const mostCPUs = 8192

// A cpuSet is a sorted list of CPU numbers.
type cpuSet []int

// parseCPUs reads the kernel's list format, "0-3,8".
func parseCPUs(list string) (cpuSet, error) {
	var set cpuSet
	list = strings.TrimSpace(list)
	if list == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 32)
		b, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || a > b || b >= mostCPUs || len(set) > mostCPUs {
			return nil, fmt.Errorf("%.40q is not a list of CPUs", list)
		}
		for cpu := a; cpu <= b; cpu++ {
			set = append(set, int(cpu))
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
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
