package fleet

import (
	"fmt"
	"strings"
	"time"

	"saturate/appweight"
)

// A Report is what production spent in the peak of a day, and for how many
// users.
type Report struct {
	// Day is 2026-11-20, Timezone the zone whose day is meant.
	Day      string `json:"day"`
	Timezone string `json:"timezone"`
	Peak     Peak   `json:"peak"`
	// Units are the fleet's work in each unit and scope that was found.
	Units []Unit `json:"units"`
	// Doubts are those that concern all units.
	Doubts []Doubt `json:"doubts,omitempty"`
	// Queries are all that was asked, as it was sent.
	Queries []Query `json:"queries"`
}

// A Peak is when most users were active, and how many.
type Peak struct {
	// From and To are the ends of the window, At the end of the step in its
	// middle: the smoothed peak.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	At   time.Time `json:"at"`
	// Smoothing says how the peak was found.
	Smoothing string `json:"smoothing"`
	// ActiveUsers is U: the mean over the window of the users active in the last
	// minute. StandardError is its own, where they were counted with one.
	ActiveUsers   float64 `json:"active_users"`
	StandardError float64 `json:"standard_error,omitempty"`
	// AtUsers are the users of At alone.
	AtUsers float64 `json:"at_users"`
	// Busiest is the one step of the day with the most users.
	Busiest      time.Time `json:"busiest"`
	BusiestUsers float64   `json:"busiest_users"`
}

// A Unit is the work of the fleet in one unit and scope.
type Unit struct {
	Unit  string `json:"unit"`
	Scope string `json:"scope,omitempty"`
	// PerSecond is I, for all servers; Measured is what those that report did.
	// Both are 0 where the parts do not add up (several instruction sets).
	PerSecond float64 `json:"per_second"`
	Measured  float64 `json:"measured"`
	// OwnPerSecond is the figure of the window's middle alone, scaled alike; it
	// is a mean over OwnWindow seconds.
	OwnPerSecond float64 `json:"own_per_second"`
	OwnWindow    float64 `json:"own_window"`
	// Servers is how many the inventory lists in the mean of the window,
	// Reporting for how many of them there are figures.
	Servers   float64 `json:"servers"`
	Reporting float64 `json:"reporting"`
	// Coverage is Reporting / Servers; 0 where the query names no servers.
	Coverage float64 `json:"coverage"`
	// ScrapeInterval in seconds, as found or given; 0 for expressions.
	ScrapeInterval float64 `json:"scrape_interval,omitempty"`
	// SE is the standard error of the logarithm of PerSecond / ActiveUsers.
	SE float64 `json:"se"`
	// Parts are the generations, by region and instruction set.
	Parts  []Part  `json:"parts"`
	Doubts []Doubt `json:"doubts,omitempty"`
	// Refused says why the figures must not be used, and Remedy what to do.
	Refused string `json:"refused,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// A Part is the servers of one generation, region and instruction set.
type Part struct {
	Generation string  `json:"generation"`
	Region     string  `json:"region"`
	ISA        string  `json:"isa,omitempty"`
	PerSecond  float64 `json:"per_second"`
	Measured   float64 `json:"measured"`
	Servers    float64 `json:"servers"`
	Reporting  float64 `json:"reporting"`
}

// A Doubt is something that makes a figure uncertain, and does not forbid it.
type Doubt struct {
	// Kind is one of the words of docs/fleet.md.
	Kind string `json:"kind"`
	// Text is one sentence, Remedy what to do about it.
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
	// Hosts are some of the servers meant.
	Hosts []string `json:"hosts,omitempty"`
}

func (d Doubt) String() string {
	if len(d.Hosts) == 0 {
		return d.Text
	}
	return fmt.Sprintf("%s (%s)", d.Text, strings.Join(d.Hosts, ", "))
}

// An Error says why there are no figures.
type Error struct {
	Problem, Remedy string
	refused         bool // the API answered, but what it said cannot be used
	tooMuch         bool // the query touches more than the API allows
}

func (e *Error) Error() string { return e.Problem }

// Hint is the remedy.
func (e *Error) Hint() string { return e.Remedy }

// Is tells ErrRefused.
func (e *Error) Is(target error) bool { return target == ErrRefused && e.refused }

// ErrRefused is what errors are that come from the figures, not from the way to
// them.
var ErrRefused = fmt.Errorf("the fleet's figures cannot be used")

// Fleets are the figures for the score, one for each unit and scope that can be
// used.
func (r Report) Fleets() []appweight.Fleet {
	var all []appweight.Fleet
	requests := r.requests()
	for _, u := range r.Units {
		if u.Refused != "" {
			continue
		}
		f := appweight.Fleet{Unit: u.Unit, Scope: u.Scope, PerSecond: u.PerSecond, ActiveUsers: r.Peak.ActiveUsers,
			Servers: u.Servers, Coverage: u.Coverage, SE: u.SE, RequestsPerSecond: requests.PerSecond, Window: r.Window()}
		if len(u.Parts) > 1 || len(u.Parts) == 1 && u.Parts[0].label() != (label{}) {
			for _, p := range u.Parts {
				f.Generations = append(f.Generations, appweight.Generation{Name: p.Generation, Region: p.Region, ISA: p.ISA,
					PerSecond: p.PerSecond, Servers: p.Servers, RequestsPerSecond: requests.of(p.label())})
			}
		}
		all = append(all, f)
	}
	return all
}

// Window names the window for people.
func (r Report) Window() string {
	return fmt.Sprintf("%s to %s %s", r.Peak.From.Format("2006-01-02 15:04"), r.Peak.To.Format("15:04"), r.Timezone)
}

// requests are the fleet's, where they can be used.
func (r Report) requests() Unit {
	for _, u := range r.Units {
		if u.Unit == appweight.Requests && u.Refused == "" {
			return u
		}
	}
	return Unit{}
}

// of is the work of one part; 0 where it is not known.
func (u Unit) of(l label) float64 {
	for _, p := range u.Parts {
		if p.label() == l {
			return p.PerSecond
		}
	}
	return 0
}

func (p Part) label() label { return label{p.Generation, p.Region, p.ISA} }

// Warnings are all doubts, a sentence each.
func (r Report) Warnings() []string {
	var all []string
	for _, d := range r.Doubts {
		all = append(all, d.String())
	}
	for _, u := range r.Units {
		for _, d := range u.Doubts {
			all = append(all, u.name()+": "+d.String())
		}
		if u.Refused != "" {
			all = append(all, u.name()+": "+u.Refused)
		}
	}
	return all
}

// name is the unit with its scope.
func (u Unit) name() string {
	if u.Scope == "" {
		return u.Unit
	}
	return u.Unit + " of scope " + u.Scope
}

// count writes "1 server" and "2 servers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
