package scenarios

import (
	"fmt"
	"strconv"
	"strings"
)

// Pin is a choice of CPUs: auto, none, or a list such as "0" or "0-1,3". The
// zero Pin is none.
type Pin struct {
	// Auto leaves the choice to saturate.
	Auto bool
	// CPUs are the kernel's CPU numbers, ascending, each once.
	CPUs []int
}

// maxCPU is the kernel's own bound on CPU numbers (CONFIG_NR_CPUS at most 8192).
const maxCPU = 8191

// UnmarshalText reads auto, none or a list of CPUs.
func (p *Pin) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	switch text {
	case "auto":
		*p = Pin{Auto: true}
		return nil
	case "none":
		*p = Pin{}
		return nil
	}
	var chosen [maxCPU + 1]bool
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		lo, errLo := strconv.Atoi(first)
		hi, errHi := strconv.Atoi(last)
		if errLo != nil || errHi != nil || lo < 0 || hi < lo || hi > maxCPU {
			return fmt.Errorf("%q is not a choice of CPUs: write auto, none, or a list such as 0-1,3", text)
		}
		for cpu := lo; cpu <= hi; cpu++ {
			chosen[cpu] = true
		}
	}
	*p = Pin{}
	for cpu, is := range chosen {
		if is {
			p.CPUs = append(p.CPUs, cpu)
		}
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p Pin) String() string {
	switch {
	case p.Auto:
		return "auto"
	case len(p.CPUs) == 0:
		return "none"
	}
	var parts []string
	for i := 0; i < len(p.CPUs); {
		j := i
		for j+1 < len(p.CPUs) && p.CPUs[j+1] == p.CPUs[j]+1 {
			j++
		}
		part := strconv.Itoa(p.CPUs[i])
		if j > i {
			part += "-" + strconv.Itoa(p.CPUs[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ",")
}
