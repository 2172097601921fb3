package appweight

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Terms are what two measurements must have in common to compare.
type Terms struct {
	// Ending is how the run ended; only "found" compares.
	Ending string
	// Unit, Scope and ISA label the figure that is compared. The instruction set
	// matters to instructions and the CPU's model to cpu_seconds only: a second
	// of one CPU is not a second of another.
	Unit, Scope, ISA, CPU string
	// Load is its kind: live traffic does not compare with a mix that was
	// generated. LoadUnit, Engine and Arrivals are of the load, Mix each request's
	// share; of two kinds they are not looked at.
	Load, LoadUnit, Engine, Arrivals string
	Mix                              map[string]float64
	// Limits are those in force, in the signals' own units.
	Limits map[string]float64
}

// A DifferError is one thing that keeps two measurements from being compared.
type DifferError struct {
	// What is ending, unit, scope, isa, cpu, load, load unit, engine, arrivals, mix
	// or limits.
	What      string
	Base, New string
}

func (e *DifferError) Error() string {
	if e.What == "ending" {
		return fmt.Sprintf("one of the runs found no limit (%s against %s): it has no capacity to compare", e.Base, e.New)
	}
	return fmt.Sprintf("their %s differ: %s against %s", plural[e.What], e.Base, e.New)
}

var plural = map[string]string{"unit": "units of work", "scope": "scopes", "isa": "instruction sets", "cpu": "CPUs, whose seconds are not the same,",
	"load": "kinds of load", "load unit": "units of load", "engine": "engines", "arrivals": "arrivals", "mix": "mixes of requests", "limits": "limits"}

// Hint is the remedy.
func (e *DifferError) Hint() string {
	switch e.What {
	case "ending":
		return "run the one that did not end in found again, with a higher max or a generator of its own"
	case "unit", "scope":
		return "have both count the same, or compare their sustained rates"
	case "isa", "cpu":
		return "compare their sustained rates on the same mix instead"
	case "load":
		return "measure both on live traffic, or both by generated load"
	}
	return "run both with the same scenario"
}

// Differ returns everything that keeps the two from being compared, as
// [errors.Join] of [*DifferError]; nil where nothing does.
func (t Terms) Differ(other Terms) error {
	var found []error
	differ := func(what, base, new string) {
		found = append(found, &DifferError{what, base, new})
	}
	if t.Ending != "found" || other.Ending != "found" {
		differ("ending", t.Ending, other.Ending)
	}
	alike := t.Load == other.Load
	for _, f := range []struct {
		what, base, new string
		matters         bool
	}{
		{"unit", t.Unit, other.Unit, true},
		{"scope", t.Scope, other.Scope, t.Unit == other.Unit && t.Unit != Requests},
		{"isa", t.ISA, other.ISA, t.Unit == Instructions && other.Unit == Instructions},
		{"cpu", t.CPU, other.CPU, t.Unit == CPUSeconds && other.Unit == CPUSeconds},
		{"load", t.Load, other.Load, true},
		{"load unit", t.LoadUnit, other.LoadUnit, true},
		{"engine", t.Engine, other.Engine, alike},
		{"arrivals", t.Arrivals, other.Arrivals, alike},
	} {
		if f.matters && f.base != f.new {
			differ(f.what, named(f.base), named(f.new))
		}
	}
	for _, f := range []struct {
		what      string
		base, new map[string]float64
	}{{"mix", t.Mix, other.Mix}, {"limits", t.Limits, other.Limits}} {
		if base, new := apart(f.base, f.new); base != new && (alike || f.what != "mix") {
			differ(f.what, base, new)
		}
	}
	return errors.Join(found...)
}

func named(s string) string {
	if s == "" {
		return "(not known)"
	}
	return s
}

// apart writes of two maps what is not the same in both.
func apart(a, b map[string]float64) (string, string) {
	keys := slices.Sorted(maps.Keys(a))
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	var base, new []string
	for _, k := range keys {
		x, inA := a[k]
		y, inB := b[k]
		if inA == inB && equal(x, y) {
			continue
		}
		base, new = append(base, entry(k, x, inA)), append(new, entry(k, y, inB))
	}
	return strings.Join(base, ", "), strings.Join(new, ", ")
}

// equal allows for shares that were computed in another order.
func equal(x, y float64) bool { return x == y || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y)) }

func entry(k string, v float64, there bool) string {
	if !there {
		return "no " + k
	}
	return k + " " + strconv.FormatFloat(v, 'g', 6, 64)
}
