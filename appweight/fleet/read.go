// Package fleet reads what production spends in the peak of a day, and for how
// many users: I and U of the score.
//
// Any API that speaks Prometheus's HTTP protocol will do. The peak is found in
// one query for the users of a day; everything else are instant queries at the
// end of the window around it, one series per server. Servers are counted
// against an inventory, and whatever makes a figure too high or too low without
// saying so (servers that are missing or counted twice, counters that stand
// still, partial answers) is found and named, or the figure is refused.
//
// The package only asks; it changes nothing, and it follows no redirect.
package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"saturate/appweight"
)

// A reader is one report in the making.
type reader struct {
	config Config
	client *client
	day    string
	peak   Peak
	hosts  map[string]*host
	doubts []Doubt
}

// Read asks for the figures of the configured day; now says which day was the
// last complete one. The error is the configuration's mistakes, or says why
// there is nothing to report: it wraps ErrRefused where the API answered but
// the answer cannot be used. Units that cannot be used are in the report, with
// the reason.
func Read(ctx context.Context, c Config, now time.Time) (Report, error) {
	if err := c.Validate(); err != nil {
		return Report{}, err
	}
	c = c.filled()
	zone, err := c.zone()
	if err != nil {
		return Report{}, err
	}
	client, err := newClient(c)
	if err != nil {
		return Report{}, err
	}
	defer client.close()
	r := &reader{config: c, client: client, hosts: map[string]*host{}}
	if c.Timezone == "" {
		r.doubt(Doubt{Kind: "time zone", Text: "no time zone is given: the day is UTC's", Remedy: "name the zone that most users live in: timezone: Europe/Berlin"})
	}
	if err := r.users(ctx, zone, now); err != nil {
		return Report{}, err
	}
	if err := r.inventory(ctx); err != nil {
		return Report{}, err
	}
	report := Report{Day: r.day, Timezone: zone.String(), Peak: r.peak}
	for _, m := range meters(c) {
		units, err := r.units(ctx, m)
		if err != nil {
			return Report{}, err
		}
		if m.optional {
			units = slices.DeleteFunc(units, func(u Unit) bool { return u.Refused != "" })
		} else if len(units) == 0 {
			r.doubt(Doubt{Kind: "absent", Text: fmt.Sprintf("there are no figures in %s", m.unit), Remedy: absentRemedy(c, m)})
		}
		report.Units = append(report.Units, units...)
	}
	report.Doubts, report.Queries = append(r.doubts, client.doubts...), client.asked
	if len(report.Units) == 0 {
		return report, &Error{Problem: fmt.Sprintf("no server reports any work in the peak of %s", r.day), Remedy: absentRemedy(c, meters(c)[0]), refused: true}
	}
	return report, nil
}

// users finds the peak.
func (r *reader) users(ctx context.Context, zone *time.Location, now time.Time) error {
	if n := r.config.Counted; n != nil {
		return r.counted(*n, zone, now)
	}
	from, to, err := dayOf(r.config.Day, zone, now)
	if err != nil {
		return err
	}
	r.day = from.Format(time.DateOnly)
	var points []point
	several := 0
	err = r.client.matrix(ctx, "users", r.config.Users, from.Add(r.config.Step), to, r.config.Step, func(_ map[string]string, all []point) error {
		several++
		points = slices.Clone(all)
		return nil
	})
	switch {
	case err != nil:
		return err
	case several == 0:
		return &Error{Problem: fmt.Sprintf("the users' query has no answer for %s", r.day), Remedy: "check the query, and that the API keeps data for that long", refused: true}
	case several > 1:
		return &Error{Problem: fmt.Sprintf("the users' query gives %d series: a user whom two servers saw would be counted twice", several),
			Remedy: "count distinct users in one place, or over merged logs (saturate fleet users); never add servers' distinct users", refused: true}
	case r.client.partial:
		return &Error{Problem: "the users may be of a part of the data: " + r.client.doubts[0].Text, Remedy: "ask again when all of the API's stores are there", refused: true}
	}
	peak, doubts, err := findPeak(points, from, to, r.config.Window, r.config.Step)
	r.peak, r.doubts = peak, append(r.doubts, doubts...)
	return err
}

// counted takes the users that were counted elsewhere.
func (r *reader) counted(n Counted, zone *time.Location, now time.Time) error {
	at, err := time.Parse(time.RFC3339, n.At)
	if err != nil {
		return err
	}
	end := at.In(zone).Truncate(r.config.Step)
	if end.After(now) {
		return &Error{Problem: fmt.Sprintf("the window ends at %s, which is still to come", n.At), Remedy: "counted.at is when the peak was"}
	}
	middle := end.Add(-r.config.Window / 2).Truncate(r.config.Step).Add(r.config.Step)
	r.day = end.Add(-r.config.Window / 2).Format(time.DateOnly)
	r.peak = Peak{From: end.Add(-r.config.Window), To: end, At: middle, Smoothing: "as counted",
		ActiveUsers: n.ActiveUsers, StandardError: n.StandardError}
	return nil
}

// absentRemedy says what could be missing where there are no figures.
func absentRemedy(c Config, m meter) string {
	switch {
	case c.Recorded:
		return "are the rules of deploy/prometheus loaded, and were they that day?"
	case m.counter == "":
		return "check the query by hand: " + m.expr
	case c.Source == NodeExporter && m.unit == appweight.Instructions:
		return "start node_exporter with --collector.perf, where the machine can count"
	case c.Source == Agent && m.unit == appweight.Instructions:
		return "saturate doctor on a server says whether it can count"
	}
	return "is the source right? Other exporters: source: node_exporter, or own queries"
}
