package appweight

import (
	"errors"
	"fmt"
	"math"
)

// A Mistake is one thing wrong with a fleet's figures.
type Mistake struct {
	// Path names the field as the scenario file does: per_second.
	Path string
	// Problem says what is wrong, Hint what to do; Hint may be empty.
	Problem, Hint string
}

func (m *Mistake) Error() string { return m.Path + ": " + m.Problem }

// mistakes collects them.
type mistakes []error

func (m *mistakes) add(path, hint, format string, args ...any) {
	*m = append(*m, &Mistake{Path: path, Problem: fmt.Sprintf(format, args...), Hint: hint})
}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none.
func (f Fleet) Validate() error {
	var m mistakes
	switch f.Unit {
	case Instructions, CPUSeconds, Requests:
	case "":
		m.add("unit", "instructions, cpu_seconds or requests", "is missing")
	default:
		m.add("unit", "instructions, cpu_seconds or requests", "%q is not a unit of work", f.Unit)
	}
	f.validateGenerations(&m)
	if several := f.Unit == Instructions && len(f.ISAs()) > 1; several && f.PerSecond != 0 {
		m.add("per_second", "leave it out: each generation's own is enough", "instructions of several sets have no sum")
	} else if !several && (f.PerSecond != 0 || len(f.Generations) == 0) && !positive(f.PerSecond) {
		m.add("per_second", "what the whole fleet spends per second in the peak minute, such as 61.0", "%g is not a number above 0", f.PerSecond)
	}
	if !positive(f.ActiveUsers) {
		m.add("active_users", "how many users were active in the peak minute", "%g is not a number above 0", f.ActiveUsers)
	}
	validateCount(&m, "servers", "servers", f.Servers)
	validateCount(&m, "requests_per_second", "requests per second", f.RequestsPerSecond)
	return errors.Join(m...)
}

// sumsAgree is by how much the generations' figures may miss the fleet's.
const sumsAgree = .01

func (f Fleet) validateGenerations(m *mistakes) {
	seen := map[[2]string]bool{}
	var work, servers float64
	for i, g := range f.Generations {
		at := fmt.Sprintf("generations[%d].", i)
		if g.Name == "" {
			m.add(at+"name", "the label `generation` of the targets that are such servers", "is missing")
		}
		if key := [2]string{g.Name, g.Region}; seen[key] {
			m.add(at+"name", "add up the figures of the same generation and region", "%s is there twice", g.Label())
		} else {
			seen[key] = true
		}
		if !positive(g.PerSecond) {
			m.add(at+"per_second", "what these servers spend per second in the peak minute", "%g is not a number above 0", g.PerSecond)
		}
		validateCount(m, at+"servers", "servers", g.Servers)
		validateCount(m, at+"requests_per_second", "requests per second", g.RequestsPerSecond)
		work += g.PerSecond
		servers += g.Servers
		if g.Servers == 0 {
			servers = math.NaN()
		}
	}
	if len(f.Generations) == 0 {
		return
	}
	if len(f.ISAs()) < 2 && positive(f.PerSecond) && math.Abs(work/f.PerSecond-1) > sumsAgree {
		m.add("per_second", "leave it out, or find the generation that is missing", "the generations add up to %.6g, not to %.6g", work, f.PerSecond)
	}
	if positive(f.Servers) && math.Abs(servers/f.Servers-1) > sumsAgree {
		m.add("servers", "leave it out, or find the generation that is missing", "the generations add up to %.6g, not to %.6g", servers, f.Servers)
	}
}

func validateCount(m *mistakes, path, of string, v float64) {
	if v != 0 && !positive(v) {
		m.add(path, "leave the line out where the number is not known", "%g is not a number of %s", v, of)
	}
}
