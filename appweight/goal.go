package appweight

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Goal is where a score is to go: an improvement over what it was on a day,
// and what all regressions since may cost together.
type Goal struct {
	// Since is the first day that counts.
	Since Day `yaml:"since" json:"since"`
	// Improvement is by how much the score is to rise; 0 where there is no such
	// goal.
	Improvement Percent `yaml:"improvement" json:"improvement,omitempty"`
	// RegressionBudget is how much all drops since then may take away, whether or
	// not something else made up for them; 0 where there is none.
	RegressionBudget Percent `yaml:"regression_budget" json:"regression_budget,omitempty"`
}

// A Percent is a part of a whole; written 13.1% or 0.131 in a scenario.
type Percent float64

// UnmarshalText reads "13.1%" or "0.131".
func (p *Percent) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(strings.TrimSpace(string(b)), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !finite(v) {
		return fmt.Errorf("%q is not a share: write 20%% or 0.2", b)
	}
	if percent {
		v /= 100
	}
	*p = Percent(v)
	return nil
}

// MarshalJSON writes the part as a number.
func (p Percent) MarshalJSON() ([]byte, error) { return json.Marshal(float64(p)) }

// UnmarshalJSON reads a number, or what UnmarshalText reads.
func (p *Percent) UnmarshalJSON(b []byte) error { return p.UnmarshalText(bytes.Trim(b, `"`)) }

// A Day is a date, written 2016-01-01; it begins at midnight UTC.
type Day struct{ time.Time }

// UnmarshalText reads "2016-01-01".
func (d *Day) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("%q is not a day: write 2016-01-01", b)
	}
	d.Time = t
	return nil
}

// MarshalText writes the day as UnmarshalText reads it.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.Format(time.DateOnly)), nil }

// MarshalJSON writes the day, and not the time that it begins at.
func (d Day) MarshalJSON() ([]byte, error) { return json.Marshal(d.Format(time.DateOnly)) }

// UnmarshalJSON reads a day, or a time on it.
func (d *Day) UnmarshalJSON(b []byte) error {
	text, _, _ := bytes.Cut(bytes.Trim(b, `"`), []byte("T"))
	return d.UnmarshalText(text)
}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none.
func (g Goal) Validate() error {
	var mistakes []error
	add := func(path, problem, hint string) { mistakes = append(mistakes, &Mistake{path, problem, hint}) }
	if g.Since.IsZero() {
		add("since", "is missing", "the first day that counts, such as 2016-01-01")
	}
	if g.Improvement == 0 && g.RegressionBudget == 0 {
		add("improvement", "is missing, and so is regression_budget", "give one of them, such as improvement: 20%")
	}
	if g.Improvement < 0 {
		add("improvement", fmt.Sprintf("%g%% is not an improvement", 100*float64(g.Improvement)), "")
	}
	if g.RegressionBudget < 0 || g.RegressionBudget >= 1 {
		add("regression_budget", fmt.Sprintf("%g%% is not a part of the score", 100*float64(g.RegressionBudget)), "such as 13.1%")
	}
	return errors.Join(mistakes...)
}

// A Standing is where a score stands against its goal.
type Standing struct {
	// From is the first night that counts, as an index.
	From int
	// Start and Now are the levels of the first nights and of the last.
	Start, Now float64
	// Ratio is Now by Start.
	Ratio    float64
	Interval Interval
	// Improvement is Met where the whole interval is there, Missed where none of
	// it is yet, Undecided between; "" where there is no such goal. Reached is
	// the share of the way, in logarithms.
	Improvement Outcome
	Reached     float64
	// Drops since From have taken Spent of the score, with 95 % confidence
	// SpentLo to SpentHi. Budget judges that as Improvement is judged.
	Drops                   []Change
	Spent, SpentLo, SpentHi float64
	Budget                  Outcome
	Warnings                []string
}

// levelNights are what a goal's beginning and its present are read from.
const levelNights = 28

// ErrNoNights says that too few nights are there to tell.
var ErrNoNights = errors.New("too few nights")

// Stand tells where the score stands. What crept too slowly to be called a
// change counts for the improvement, since that holds the first nights against
// the last. It fails with [ErrNoNights] where there are fewer than four since the
// goal's day.
func (g Goal) Stand(nights []Night, t Trend) (Standing, error) {
	s := Standing{From: len(nights)}
	for i := len(nights) - 1; i >= 0 && !nights[i].At.Before(g.Since.Time); i-- {
		s.From = i
	}
	if n := len(nights) - s.From; n < 4 {
		return s, fmt.Errorf("%w since %s: %d, and it takes 4", ErrNoNights, g.Since.Format(time.DateOnly), n)
	}
	if first := nights[s.From].At; s.From == 0 && first.After(g.Since.AddDate(0, 0, levelNights)) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("the history begins on %s, not on %s: what went before is not counted",
			first.Format(time.DateOnly), g.Since.Format(time.DateOnly)))
	}
	s.levels(t)
	s.spend(t)
	if g.Improvement > 0 {
		goal := 1 + float64(g.Improvement)
		s.Improvement = judge(s.Interval.Lo >= goal, s.Interval.Hi < goal)
		s.Reached = math.Log(s.Ratio) / math.Log(goal)
	}
	if g.RegressionBudget > 0 {
		budget := float64(g.RegressionBudget)
		s.Budget = judge(s.SpentHi <= budget, s.SpentLo > budget)
	}
	return s, nil
}

func judge(met, missed bool) Outcome {
	switch {
	case met:
		return Met
	case missed:
		return Missed
	}
	return Undecided
}

// levels holds the first nights against the last, with no change inside either.
func (s *Standing) levels(t Trend) {
	var x []float64
	for _, v := range t.Values[s.From:] {
		x = append(x, math.Log(v))
	}
	head, tail := min(levelNights, len(x)/2), max(len(x)-levelNights, len(x)-len(x)/2)
	for _, c := range t.Changes {
		if at := c.Since - s.From; at > 0 {
			if at < head {
				head = at
			}
			tail = max(tail, at)
		}
	}
	c := between(x[:head], x[tail:])
	var ch Change
	c.into(&ch)
	s.Start, s.Now, s.Ratio, s.Interval = ch.Before, ch.After, ch.Ratio, ch.Interval
}

// spend adds up the drops: ratios multiply, and the variances of their
// logarithms add.
func (s *Standing) spend(t Trend) {
	var sum, variance float64
	for _, c := range t.Changes {
		if !c.Drop() || c.Since <= s.From {
			continue
		}
		s.Drops = append(s.Drops, c)
		sum += math.Log(c.Ratio)
		variance += c.Interval.SE() * c.Interval.SE()
	}
	half := quantile(confidence, 0) * math.Sqrt(variance)
	s.Spent, s.SpentLo, s.SpentHi = -math.Expm1(sum), max(0, -math.Expm1(sum+half)), -math.Expm1(sum-half)
}
