package record

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"saturate/appweight"
)

// A Comparison is what two groups of measured targets come to when they are
// held against each other: what moved, by how much, and how sure that is. What
// does not compare is refused, with the reason, figure by figure.
type Comparison struct {
	Base Subject `json:"base"`
	New  Subject `json:"new"`
	// Measures are the figures that were compared, the most telling first.
	Measures []Measure `json:"measures"`
	// Pairs are what measuring the two in turn came to; nil where they were not.
	Pairs    *Pairs   `json:"pairs,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Pairs are two sides measured in turn.
type Pairs struct {
	Outcome appweight.PairOutcome `json:"outcome"` // different, same, open, unsettled
	Pairs   int                   `json:"pairs"`
	Void    int                   `json:"void,omitempty"`
	Ratio   float64               `json:"ratio"`
	// Interval is valid however often one looked; nil where the pairs are too few.
	Interval *Interval `json:"interval,omitempty"`
	// Evidence is an e-value: two equals reach 20 one time in twenty at most.
	Evidence float64 `json:"evidence"`
	// More is how many more pairs a change of this size would take.
	More int    `json:"more,omitempty"`
	Why  string `json:"why"`
}

// most is the most evidence that is written: pairs that are all the same give
// any amount.
const most = 1e9

// Interleaved adds what measuring in turn came to. It decides the verdict.
func (c *Comparison) Interleaved(v appweight.PairVerdict, void int) {
	c.Pairs = &Pairs{Outcome: v.Outcome, Pairs: v.Pairs, Void: void, Ratio: v.Ratio, Evidence: min(v.E, most), More: v.More, Why: v.String()}
	c.Pairs.Interval = newInterval(v.Interval)
	c.Warnings = slices.DeleteFunc(c.Warnings, func(w string) bool { // two scenarios that were found alike, in turn
		return strings.HasPrefix(w, "the two were not interleaved") || strings.HasPrefix(w, differentScenarios)
	})
	if void > 0 {
		pairs := "pairs"
		if void == 1 {
			pairs = "pair"
		}
		c.warn("%d %s did not count: one of the two found no limit", void, pairs)
	}
}

// A Subject is one of the two.
type Subject struct {
	// Name is how it was asked for: a label, a record, baseline.
	Name        string   `json:"name"`
	Records     []string `json:"records"`
	Targets     []string `json:"targets"`
	Repeats     int      `json:"repeats"`
	Generations []string `json:"generations,omitempty"`
	Builds      []string `json:"builds,omitempty"`
	// Bottlenecks are those of its repeats.
	Bottlenecks []string `json:"bottlenecks,omitempty"`

	measured []Measured
}

// Measured is a target of a record.
type Measured struct {
	Record *Record
	Target *Target
}

// The names of measures.
const (
	MeasureRate  = "sustained rate"
	MeasureWork  = "work per second" // N
	MeasureCost  = "cost per request"
	MeasureScore = "users per server"
)

// A Measure is one figure of both sides. Ratio is the new one's over the base's.
type Measure struct {
	Name string `json:"name"`
	// Of is what the figure is divided by: core, watt or price; "" for nothing.
	Of    string  `json:"of,omitempty"`
	Unit  string  `json:"unit,omitempty"`
	Base  float64 `json:"base,omitempty"`
	New   float64 `json:"new,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	// Interval is the ratio's; nil where the figures are refused.
	Interval *Interval `json:"interval,omitempty"`
	// P is how often so large a difference comes from equals; nil where unknown.
	P *float64 `json:"p,omitempty"`
	// Detectable is the smallest change, as a share, that would have been seen
	// four times in five; 0 where that is not known.
	Detectable float64 `json:"detectable,omitempty"`
	// Need says what it takes to see a change of this size; "" where it is seen.
	Need string `json:"need,omitempty"`
	// At says at what load a cost is compared, or how a score came about.
	At string `json:"at,omitempty"`
	// Refused is why the figures do not compare; Ratio is then 0.
	Refused string `json:"refused,omitempty"`
}

// Real tells whether the two differ: the interval leaves 1 out.
func (m Measure) Real() bool {
	return m.Interval != nil && (m.Interval.Lo > 1 || m.Interval.Hi < 1)
}

// Verdict is the comparison in one sentence, by the figure that matters most.
func (c Comparison) Verdict() string {
	if c.Pairs != nil {
		return fmt.Sprintf("%s against %s: %s", c.New.Name, c.Base.Name, c.Pairs.Why)
	}
	i := slices.IndexFunc(c.Measures, func(m Measure) bool { return m.Name == MeasureScore && m.Refused == "" })
	m := c.Measures[max(i, 0)]
	what := cmp.Or(map[string]string{MeasureScore: "users per server", MeasureRate: "requests"}[m.Name], m.Name)
	change := fmt.Sprintf("%+.1f%%", 100*(m.Ratio-1))
	if m.Interval != nil && m.Interval.Basis == appweight.Assumed {
		change += ", " + appweight.Interval{Basis: appweight.Assumed}.Covers()
	}
	switch {
	case m.Refused != "":
		return "the two do not compare: " + m.Refused
	case m.Real() && m.Ratio > 1:
		return fmt.Sprintf("%s carries more %s than %s: %s", c.New.Name, what, c.Base.Name, change)
	case m.Real():
		return fmt.Sprintf("%s carries fewer %s than %s: %s", c.New.Name, what, c.Base.Name, change)
	case m.Detectable > 0:
		return fmt.Sprintf("no difference was seen (%s); one of %.1f%% would have been, four times in five", change, 100*m.Detectable)
	}
	return fmt.Sprintf("no difference was seen (%s)", change)
}
