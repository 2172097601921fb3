package stress

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Validate lists what is wrong with the limits.
func (c Config) Validate() []Mistake {
	var mistakes []Mistake
	add := func(field, hint, format string, args ...any) {
		mistakes = append(mistakes, Mistake{Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
	for _, f := range []struct {
		name  string
		share Share
	}{
		{"cpu", c.CPU}, {"workers", c.Workers}, {"memory", c.Memory}, {"errors", c.Errors},
		{"file_descriptors", c.FileDescriptors}, {"conntrack", c.Conntrack}, {"network", c.Network},
	} {
		switch v := float64(f.share); {
		case math.IsNaN(v), math.IsInf(v, 0):
			add(f.name, "write a share such as 0.9 or 90%", "%g is not a number", v)
		case v <= 0:
			add(f.name, "leave the line out for the default", "%g: a limit must be above 0", v)
		case v > 1 && v <= 100:
			add(f.name, fmt.Sprintf("did you mean %g%%?", v), "%g is more than the whole", v)
		case v > 1:
			add(f.name, "write a share such as 0.9 or 90%", "%g is more than the whole", v)
		}
	}
	if c.LatencyP99 < 0 {
		add("latency_p99", "leave the line out for the larger of 500ms and three times the quiet p99", "%v: a latency cannot be negative", c.LatencyP99)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		field := "metrics." + name
		if v := c.Metrics[name]; math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 {
			add(field, "give the largest value that a healthy server shows", "%g: a limit must be a number above 0", v)
		}
		if slices.Contains(limited, Signal(name)) {
			add(field, fmt.Sprintf("write %s beside metrics, not below it", name), "%s is a signal of its own", name)
		}
	}
	return mistakes
}

// limited are the signals that have a key of their own in the section.
var limited = []Signal{CPU, Workers, Memory, LatencyP99, Errors, OpenFDs, Conns, Network}
