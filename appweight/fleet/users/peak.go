package users

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// windowMinutes is how long the peak's window is.
const windowMinutes = 15

// A Window says where to look for the peak.
type Window struct {
	// Day is a date such as 2026-11-20, All, or empty: the last day that the logs
	// cover from its begin to its end, or all of them where they cover none.
	Day string
	// Zone is whose days they are; nil is that of the logs.
	Zone *time.Location
}

// All looks for the peak in everything there is.
const All = "all"

// A Peak is when most users were active, and how many.
type Peak struct {
	// Day is the date that was searched, "" where it was everything, and Zone
	// whose day it is.
	Day  string
	Zone *time.Location
	// From and To bound the 15 minutes with the largest mean: about the peak
	// minute of the smoothed series.
	From, To time.Time
	// ActiveUsers is U: the mean over these minutes of the users active in one
	// minute. It is no count of the users of 15 minutes. SE is its standard error
	// as an estimate; how days differ is not in it.
	ActiveUsers, SE float64
	// Middle is the minute in the middle, and Busiest the one with most users of
	// all that were searched.
	Middle, Busiest Minute
	// Warnings are doubts.
	Warnings []string
}

// ErrNoUsers says that nobody was seen.
var ErrNoUsers = errors.New("no user was active")

// Peak finds the peak. It fails with [ErrNoUsers] where there is nobody in the
// window, and with a [*Mistake] where the day is none.
func (s *Sketch) Peak(w Window) (Peak, error) {
	series, err := s.Series()
	if err != nil {
		return Peak{}, err
	}
	if len(series) == 0 {
		return Peak{}, ErrNoUsers
	}
	p := Peak{Zone: w.Zone}
	if p.Zone == nil {
		p.Zone = s.zone(&p)
	}
	from, to := series[0].At, series[len(series)-1].At.Add(time.Minute)
	if w.Day != All {
		if from, to, err = p.day(w.Day, from, to); err != nil {
			return Peak{}, err
		}
	}
	if !p.find(series, from, to) {
		return Peak{}, fmt.Errorf("%w between %s and %s", ErrNoUsers, p.clock(from), p.clock(to))
	}
	s.doubt(&p)
	return p, nil
}

// zone is that of the logs.
func (s *Sketch) zone(p *Peak) *time.Location {
	var zone *time.Location
	first := 0
	for _, source := range s.Sources {
		if source.To.IsZero() {
			continue // it saw nobody
		}
		_, east := source.To.Zone()
		if zone == nil {
			zone, first = time.FixedZone(source.To.Format("-07:00"), east), east
		} else if east != first {
			p.warn("the logs were written in different time zones: days are taken to be UTC's (--timezone says otherwise)")
			return time.UTC
		}
	}
	if zone == nil || first == 0 {
		return time.UTC
	}
	return zone
}

func (p *Peak) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

func (p *Peak) clock(t time.Time) string { return t.In(p.Zone).Format("2006-01-02 15:04") }

// day narrows [from, to) to a day. A day counts as covered when the logs begin
// and end at most a window's length inside of it: at night a server may be idle.
func (p *Peak) day(name string, from, to time.Time) (time.Time, time.Time, error) {
	if name != "" {
		begin, err := time.ParseInLocation(time.DateOnly, name, p.Zone)
		if err != nil {
			return from, to, &Mistake{"day", fmt.Sprintf("%q is no date", name), "write it as 2026-11-20, or all"}
		}
		p.Day = name
		return begin, begin.AddDate(0, 0, 1), nil
	}
	const slack = windowMinutes * time.Minute
	y, m, d := to.In(p.Zone).Date()
	for end := time.Date(y, m, d+1, 0, 0, 0, 0, p.Zone); ; {
		begin := end.AddDate(0, 0, -1)
		if !begin.After(to) && from.After(begin.Add(slack)) {
			p.warn("the logs cover no whole day: the peak is that of %s to %s", p.clock(from), p.clock(to))
			return from, to, nil
		}
		if !to.Before(end.Add(-slack)) {
			p.Day = begin.Format(time.DateOnly)
			return begin, end, nil
		}
		end = begin
	}
}

// find looks for the peak in [from, to) and reports whether there is any user.
// Minutes without users count as such.
func (p *Peak) find(series []Minute, from, to time.Time) bool {
	length := min(windowMinutes, int(to.Sub(from)/time.Minute))
	if length < windowMinutes {
		p.warn("the logs are shorter than %d minutes: the mean is over the %d that there are", windowMinutes, length)
	}
	p.ActiveUsers = -1
	begin := 0
	var sum, variance float64
	for i, m := range series {
		if m.At.Before(from) || !m.At.Before(to) {
			begin = i + 1
			continue
		}
		if m.Users > p.Busiest.Users {
			p.Busiest = m
		}
		sum, variance = 0, 0
		for begin < i && !series[begin].At.After(m.At.Add(-time.Duration(length)*time.Minute)) {
			begin++
		}
		for _, in := range series[begin : i+1] {
			sum += in.Users
			variance += in.SE * in.SE
		}
		if mean := sum / float64(length); mean > p.ActiveUsers {
			p.ActiveUsers, p.SE = mean, math.Sqrt(variance)/float64(length)
			p.To = m.At.Add(time.Minute)
		}
	}
	if earliest := from.Add(time.Duration(length) * time.Minute); p.To.Before(earliest) {
		p.To = earliest
	}
	p.From = p.To.Add(-time.Duration(length) * time.Minute)
	p.Middle = Minute{At: p.From.Add(time.Duration(length/2) * time.Minute)}
	for _, m := range series {
		if m.At.Equal(p.Middle.At) {
			p.Middle = m
		}
	}
	return p.ActiveUsers > 0
}

// doubt says which logs make the peak less than certain.
func (s *Sketch) doubt(p *Peak) {
	short := 0
	var first Source
	for _, source := range s.Sources {
		if !source.To.IsZero() && (source.From.After(p.From) || source.To.Before(p.To.Add(-time.Minute))) {
			if short++; short == 1 {
				first = source
			}
		}
	}
	if short > 0 && len(s.Sources) > 1 {
		p.warn("%d of %d sketches do not reach over the peak's window (%s goes from %s to %s): their users may be missing",
			short, len(s.Sources), first.Name, p.clock(first.From), p.clock(first.To))
	}
	if !p.Busiest.At.IsZero() && p.Busiest.Users > 2*p.ActiveUsers {
		p.warn("the minute from %s had %.1f times as many users as the mean of the peak's window: is it a robot, or a burst?",
			p.clock(p.Busiest.At), p.Busiest.Users/p.ActiveUsers)
	}
}
