package stress

import (
	"fmt"
	"time"
)

// Value writes a signal's value for people, in its unit.
func Value(name Signal, v float64) string {
	switch name {
	case CPU, Workers, Memory, Errors, OpenFDs, Conns, Network, Queue, Throttling, PressureCPU,
		PressureMem, PressureIO, HostCPU, Steal, Retransmit, MemoryProjected:
		return percent(v)
	case LatencyP99, ServiceTime:
		return duration(v)
	case MemoryLeft:
		return fmt.Sprintf("%.0f s", v)
	case MemorySize:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.4g", v)
}

// percent writes a share with two figures or more.
func percent(v float64) string {
	switch p := 100 * v; {
	case p == 0:
		return "0%"
	case p > -1 && p < 1:
		return fmt.Sprintf("%.2f%%", p)
	case p > -10 && p < 10:
		return fmt.Sprintf("%.1f%%", p)
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}

// duration writes seconds with three figures.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	default:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	}
}
