package probe

import (
	"errors"
	"strings"

	"saturate/stress"
)

// parsePSI reads the cumulative stall times of a pressure file in seconds. A
// line that is not there (full of cpu before Linux 5.13) is absent.
func parsePSI(text string) (some, full *float64) {
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, total, found := strings.Cut(rest, "total=")
		us, err := parseNumber(total)
		if !found || err != nil {
			continue
		}
		seconds := us / 1e6
		switch kind {
		case "some":
			some = &seconds
		case "full":
			full = &seconds
		}
	}
	return some, full
}

// readPSI reads cpu, memory and io pressure by what reads the file of each.
// The error is that of the first that cannot be read; the others are in s.
func readPSI(s *stress.Sample, read func(resource string) (string, error)) error {
	var errs [3]error
	for i, p := range []struct {
		resource   string
		some, full stress.Counter
	}{
		{"cpu", stress.PSICPUSome, stress.PSICPUFull},
		{"memory", stress.PSIMemorySome, stress.PSIMemoryFull},
		{"io", stress.PSIIOSome, ""},
	} {
		text, err := read(p.resource)
		errs[i] = err
		some, full := parsePSI(text)
		if some != nil {
			s.Counters[p.some] = *some
		}
		if full != nil && p.full != "" {
			s.Counters[p.full] = *full
		}
	}
	return errors.Join(errs[:]...)
}
