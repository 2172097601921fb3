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
	"slices"
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
	// ISA is the instruction set of the server, as Go names it: amd64, arm64; ""
	// where it is not known. It matters where instructions are counted.
	ISA string
}

// Fleet is what production spends in its peak minute (I), and for how many
// active users (U).
type Fleet struct {
	// Unit is instructions, cpu_seconds or requests.
	Unit string `yaml:"unit"`
	// Scope is what the figure counts, in the words of the target's own;
	// empty is taken to be the same.
	Scope string `yaml:"scope"`
	// ISA is the instruction set of all its servers; "" where it is not known, or
	// where the generations say theirs.
	ISA string `yaml:"isa"`
	// PerSecond is the work per second of the whole fleet; it may be left to the
	// generations, and must be where these count instructions of several sets.
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
	// Window is the span that the figures are of, for people; "" where they were
	// given.
	Window string `yaml:"-"`
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

// Total is the work per second of the whole fleet (I): as it was given, else the
// sum over the generations. It is 0 where these count instructions of several
// sets, which have no sum.
func (f Fleet) Total() float64 {
	if f.PerSecond != 0 || f.Unit == Instructions && len(f.ISAs()) > 1 {
		return f.PerSecond
	}
	var sum float64
	for _, g := range f.Generations {
		sum += g.PerSecond
	}
	return sum
}

// PerUser is the work per second that one active user causes: I/U.
func (f Fleet) PerUser() float64 { return f.Total() / f.ActiveUsers }

// PerServer is the work per second that one server of a generation spends in the
// peak: I/servers, where both are known. Of a fleet that is not told apart by
// generations it is that of any server.
func (f Fleet) PerServer(generation string) (work float64, ok bool) {
	spent, servers := f.Total(), f.Servers
	if len(f.Generations) > 0 {
		spent, servers = 0, 0
		for _, g := range f.Generations {
			if !f.Matches(g, generation) {
				continue
			}
			if !positive(g.Servers) {
				return 0, false
			}
			spent, servers = spent+g.PerSecond, servers+g.Servers
		}
	}
	if !positive(spent) || !positive(servers) {
		return 0, false
	}
	return spent / servers, true
}

// Matches tells whether servers with that label of generation are those of g. In
// a fleet that is told apart by regions or instruction sets only, all are.
func (f Fleet) Matches(g Generation, generation string) bool {
	named := slices.ContainsFunc(f.Generations, func(g Generation) bool { return g.Name != "" })
	return g.Name == generation || !named
}

// ISAs are the instruction sets that the fleet is known to have, sorted.
func (f Fleet) ISAs() []string {
	var all []string
	if f.ISA != "" {
		all = append(all, f.ISA)
	}
	for _, g := range f.Generations {
		if g.ISA != "" {
			all = append(all, g.ISA)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Score is AppWeight and what follows from it.
type Score struct {
	UsersPerServer float64
	// Interval is in users per server; its zero value says there is none.
	Interval Interval
	// WorkPerUser is I/U, in Unit per second.
	WorkPerUser float64
	Unit, Scope string
	// MinimumServers of this kind carry the whole fleet's peak: the next whole
	// number.
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

// Compute returns the score of a server that sustains n, in a fleet that
// spends f. The interval is n's, in n's unit per second; the score's follows
// from it and from the fleet's own standard error. It fails with a *MixError
// where units, scopes or instruction sets differ, with a *CoverageError where
// too few of the fleet's servers reported, and with ErrUndefined where a figure
// is zero, negative or no number.
func Compute(n Work, f Fleet, interval Interval) (Score, error) {
	if err := f.counts(n, f.ISAs()); err != nil {
		return Score{}, err
	}
	if err := f.covered(); err != nil {
		return Score{}, err
	}
	if err := defined(figure{"the server's work", n.PerSecond}, figure{"the fleet's work", f.Total()},
		figure{"the number of active users", f.ActiveUsers}); err != nil {
		return Score{}, err
	}
	score := Score{UsersPerServer: n.PerSecond / f.PerUser(), WorkPerUser: f.PerUser(), Unit: n.Unit, Scope: n.Scope}
	if !positive(score.UsersPerServer) {
		return Score{}, fmt.Errorf("%w: %g per second by %g per user", ErrUndefined, n.PerSecond, f.PerUser())
	}
	score.Interval = interval.per(n.PerSecond, score.UsersPerServer, f)
	score.Warnings = f.assumed(n)

	needed := f.ActiveUsers / score.UsersPerServer
	score.MinimumServers = ceil(needed)
	if f.Servers > 0 {
		left := 1 - needed/f.Servers
		score.Headroom = &left
		if left < 0 {
			score.Warnings = append(score.Warnings, fmt.Sprintf(
				"the peak needs %.0f servers of this kind and the fleet has %.0f: check the fleet's figures", score.MinimumServers, f.Servers))
		}
	}
	return score, nil
}

// assumed is what a score takes for granted of figures that do not say it.
func (f Fleet) assumed(n Work) []string {
	var all []string
	if f.Coverage > 0 && f.Coverage < 1 {
		all = append(all, fmt.Sprintf(
			"%.4g%% of the fleet's servers reported: its work is scaled to all of them, times %.4g, as if the others were like these", 100*f.Coverage, 1/f.Coverage))
	}
	if f.Scope == "" && n.Unit != Requests {
		all = append(all, fmt.Sprintf(
			"the fleet's figure does not say its scope: it is taken to count what the target's does (%s)", n.Scope))
	}
	if n.Unit == Instructions && n.ISA != "" && len(f.ISAs()) == 0 {
		all = append(all, fmt.Sprintf(
			"the fleet's figure does not say its instruction set: it is taken to be the target's (%s)", n.ISA))
	}
	if n.Unit == Requests {
		all = append(all, "counted in requests, the score assumes that a request of this mix costs what one of the fleet's does")
	}
	return all
}

// ceil is the next whole number; a rounding error is no server.
func ceil(servers float64) float64 { return math.Ceil(servers * (1 - 1e-12)) }

type figure struct {
	name  string
	value float64
}

// defined says which figure is not a positive number.
func defined(figures ...figure) error {
	for _, f := range figures {
		if !positive(f.value) {
			return fmt.Errorf("%w: %s is %g", ErrUndefined, f.name, f.value)
		}
	}
	return nil
}

func positive(v float64) bool { return v > 0 && !math.IsInf(v, 0) }
