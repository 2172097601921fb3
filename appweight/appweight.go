// Package appweight computes the score: how many of its users one fully used
// server can carry.
//
//	AppWeight = N / (I / U)      [users per server]
//
// N is the work per second that one server sustains, I what the whole fleet
// spends per second in its peak minute, and U the users active in that minute.
// The formula is Instagram's (Carl Meyer, Django Under the Hood 2016), with N
// and I in CPU instructions; here the unit and its scope are labels of every
// figure, and figures with different labels never meet.
//
// The package is arithmetic only. It reads nothing and knows no clock.
package appweight

import (
	"errors"
	"fmt"
	"math"
)

// The units of work.
const (
	Instructions = "instructions" // CPU instructions retired
	CPUSeconds   = "cpu_seconds"
	Requests     = "requests"
)

// Work is what one server spends per second at its hold: N.
type Work struct {
	Unit string
	// Scope says what was counted: "cgroup", "processes", "host", ... Figures
	// of different scope do not compare.
	Scope     string
	PerSecond float64
}

// Fleet is what production spends in its peak minute (I), and for how many
// active users (U).
type Fleet struct {
	// Unit is instructions, cpu_seconds or requests.
	Unit string `yaml:"unit"`
	// Scope is what the figure counts, in the words of the target's own;
	// empty is taken to be the same.
	Scope string `yaml:"scope"`
	// PerSecond is the work per second of the whole fleet.
	PerSecond float64 `yaml:"per_second"`
	// ActiveUsers is how many users were active in the peak minute.
	ActiveUsers float64 `yaml:"active_users"`
	// Servers is how many servers the fleet owns; 0 where that is unknown.
	Servers float64 `yaml:"servers"`
	// RequestsPerSecond is what the whole fleet answered meanwhile; 0 where that
	// is not known. With it the fleet's cost of a request is known.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	// Generations are the parts of a fleet of several kinds of servers. Their
	// work adds up to PerSecond.
	Generations []Generation `yaml:"generations"`
	// Coverage is the share of the servers whose figures PerSecond comes from,
	// which it was divided by; 0 where the figures were given.
	Coverage float64 `yaml:"-"`
	// SE is the standard error of log(I/U) with DF degrees of freedom; 0 where
	// the figures are taken as given.
	SE float64 `yaml:"-"`
	DF float64 `yaml:"-"`
}

// A Generation is the servers of a fleet with the same hardware, in one region
// where the fleet is told apart by these.
type Generation struct {
	// Name is the label that targets of this hardware have: generation.
	Name string `yaml:"name"`
	// Region is where its servers stand; "" where that makes no difference.
	Region string `yaml:"region"`
	// ISA is the instruction set, as Go names it: amd64, arm64. Instructions of
	// different sets do not add up.
	ISA string `yaml:"isa"`
	// PerSecond is the work per second of these servers in the peak minute.
	PerSecond float64 `yaml:"per_second"`
	// Servers is how many the fleet owns; 0 where that is unknown.
	Servers float64 `yaml:"servers"`
	// RequestsPerSecond is what they answered meanwhile; 0 where unknown.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
}

// PerUser is the work per second that one active user causes: I/U.
func (f Fleet) PerUser() float64 { return f.PerSecond / f.ActiveUsers }

// Score is AppWeight and what follows from it.
type Score struct {
	UsersPerServer float64
	// Interval is in users per server; its zero value says there is none.
	Interval Interval
	// WorkPerUser is I/U, in Unit per second.
	WorkPerUser float64
	Unit, Scope string
	// MinimumServers carry the fleet's peak: the next whole number.
	MinimumServers float64
	// Headroom is the share of the owned servers that the peak does not need;
	// nil where their number is not known. It is negative where they are too few.
	Headroom *float64
	// Warnings are doubts that do not prevent the score.
	Warnings []string
}

// ErrUndefined is the error of a score from figures that are not positive
// numbers.
var ErrUndefined = errors.New("the score is undefined")

// A MixError says that two figures do not compare.
type MixError struct {
	What          string // "unit" or "scope"
	Server, Fleet string
}

func (e *MixError) Error() string {
	return fmt.Sprintf("the server's work has %s %q and the fleet's has %q: they do not compare", e.What, e.Server, e.Fleet)
}

// Hint is the remedy.
func (e *MixError) Hint() string {
	if e.What == "unit" {
		return fmt.Sprintf("give the fleet's figure in %s, or have the server's read in %s", e.Server, e.Fleet)
	}
	return "count the same on both sides: the same processes or the whole system"
}

// Compute returns the score of a server that sustains n, in a fleet that
// spends f. The interval is n's, in n's unit per second; the score's follows
// from it and from the fleet's own standard error. It fails with a *MixError
// where units or scopes differ, and with ErrUndefined where a figure is zero,
// negative or no number.
func Compute(n Work, f Fleet, interval Interval) (Score, error) {
	if n.Unit != f.Unit {
		return Score{}, &MixError{"unit", n.Unit, f.Unit}
	}
	if f.Scope != "" && f.Scope != n.Scope {
		return Score{}, &MixError{"scope", n.Scope, f.Scope}
	}
	for _, figure := range []struct {
		name  string
		value float64
	}{{"the server's work", n.PerSecond}, {"the fleet's work", f.PerSecond}, {"the number of active users", f.ActiveUsers}} {
		if !positive(figure.value) {
			return Score{}, fmt.Errorf("%w: %s is %g", ErrUndefined, figure.name, figure.value)
		}
	}
	score := Score{UsersPerServer: n.PerSecond / f.PerUser(), WorkPerUser: f.PerUser(), Unit: n.Unit, Scope: n.Scope}
	if !positive(score.UsersPerServer) {
		return Score{}, fmt.Errorf("%w: %g per second by %g per user", ErrUndefined, n.PerSecond, f.PerUser())
	}
	score.Interval = interval.per(n.PerSecond, score.UsersPerServer, f)

	needed := f.ActiveUsers / score.UsersPerServer
	score.MinimumServers = math.Ceil(needed * (1 - 1e-12)) // a rounding error is no server
	if f.Servers > 0 {
		left := 1 - needed/f.Servers
		score.Headroom = &left
		if left < 0 {
			score.Warnings = append(score.Warnings, fmt.Sprintf(
				"the peak needs %.0f servers of this kind and the fleet has %.0f: check the fleet's figures", score.MinimumServers, f.Servers))
		}
	}
	if f.Scope == "" && n.Unit != Requests {
		score.Warnings = append(score.Warnings, fmt.Sprintf(
			"the fleet's figure does not say its scope: it is taken to count what the target's does (%s)", n.Scope))
	}
	if n.Unit == Requests {
		score.Warnings = append(score.Warnings,
			"counted in requests, the score assumes that a request of this mix costs what one of the fleet's does")
	}
	return score, nil
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 0) }
