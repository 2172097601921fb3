package appweight

import (
	"fmt"
	"strings"
)

// A MixError says that two figures do not compare.
type MixError struct {
	What          string // "unit", "scope" or "instruction set"
	Server, Fleet string
}

func (e *MixError) Error() string {
	return fmt.Sprintf("the server's work has %s %q and the fleet's has %q: they do not compare", e.What, e.Server, e.Fleet)
}

// Hint is the remedy.
func (e *MixError) Hint() string {
	switch e.What {
	case "unit":
		return fmt.Sprintf("give the fleet's figure in %s, or have the server's read in %s", e.Server, e.Fleet)
	case "scope":
		return "count the same on both sides: the same processes or the whole system"
	}
	return "instructions of different sets have no sum and no ratio: count in requests or in cpu_seconds, " +
		"or measure a server of each generation, whose score for the fleet as a whole does without that sum"
}

// LeastCoverage is the share of the fleet's servers that must have reported for
// a score. Those that did not are missing from the work and not from the users.
const LeastCoverage = .95

// A CoverageError says that too few of the fleet's servers reported.
type CoverageError struct{ Coverage float64 }

func (e *CoverageError) Error() string {
	return fmt.Sprintf("%.3g%% of the fleet's servers reported their work, and a score needs %.0f%%", 100*e.Coverage, 100*LeastCoverage)
}

// Hint is the remedy.
func (e *CoverageError) Hint() string {
	return "the users of the silent servers are counted and their work is not, so that the score would come out too high: find out why they are silent"
}

// An UnmeasuredError names the generations of the fleet of which no server was
// measured; "" are the servers whose generation is not known.
type UnmeasuredError struct{ Generations []string }

func (e *UnmeasuredError) Error() string {
	var named []string
	for _, g := range e.Generations {
		if g == "" {
			g = "(not known)"
		}
		named = append(named, g)
	}
	return fmt.Sprintf("no server of generation %s was brought to its limit", strings.Join(named, ", "))
}

// Hint is the remedy.
func (e *UnmeasuredError) Hint() string {
	for _, g := range e.Generations {
		if g != "" {
			return fmt.Sprintf("add a target with the label generation: %s", g)
		}
	}
	return "give every server of the fleet the label that says its generation"
}

// counts says whether the fleet's figure counts what n counts. The instruction
// sets are those that it is to be held against.
func (f Fleet) counts(n Work, isas []string) error {
	if n.Unit != f.Unit {
		return &MixError{"unit", n.Unit, f.Unit}
	}
	if f.Scope != "" && f.Scope != n.Scope && n.Unit != Requests {
		return &MixError{"scope", n.Scope, f.Scope}
	}
	if n.Unit == Instructions && (len(isas) > 1 || len(isas) == 1 && n.ISA != "" && n.ISA != isas[0]) {
		return &MixError{"instruction set", n.ISA, strings.Join(isas, ", ")}
	}
	return nil
}

// covered says whether enough of the fleet's servers reported; figures that were
// given have no coverage.
func (f Fleet) covered() error {
	if f.Coverage > 0 && f.Coverage < LeastCoverage {
		return &CoverageError{f.Coverage}
	}
	return nil
}
