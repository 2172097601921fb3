package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"saturate/appweight"
)

const (
	// leastScrapes is how many scrapes a rate needs: two suffice for a number,
	// four for one that a single late scrape does not spoil.
	leastScrapes = 4
	// thirds is in how many parts of the window figures are counted, so that a
	// part without any shows.
	thirds = 3
)

// A source is one series of figures: one job's, of one server, in one scope.
type source struct {
	instance, job, scope string
	label
}

// A tally is what one series says of the window.
type tally struct {
	work float64 // done within the window, or the sum over its minutes
	seen float64 // figures that it comes from
	own  float64 // work per second in the window's middle
}

// A gathering is all that was asked about one unit.
type gathering struct {
	meter    meter
	window   time.Duration
	tallies  map[source]*tally
	totals   map[label]*tally   // of series that name no server
	expected map[string]float64 // figures that a whole window holds, by job
	interval time.Duration      // between two, the longest that does
	own      time.Duration      // what the middle's own figure is a mean over
	// The servers of which something is said, by scope.
	restarted, steppedBack, frozen, ended map[source]bool
}

// gather asks all there is to ask about one unit.
func (r *reader) gather(ctx context.Context, m meter) (*gathering, error) {
	g := &gathering{meter: m, window: r.config.Window, tallies: map[source]*tally{}, totals: map[label]*tally{}, expected: map[string]float64{}}
	if err := r.seen(ctx, g); err != nil || len(g.tallies)+len(g.totals) == 0 {
		return g, err
	}
	least := max(time.Minute, leastScrapes*g.interval)
	work := func(w time.Duration) string { return m.work(r.config, w) }
	if err := r.windowed(ctx, m.unit, work, r.peak.To, g.window, least, func(t *tally, v float64) { t.work += v }, g); err != nil {
		return nil, err
	}
	g.own = least
	middle := r.peak.At.Add((least - time.Minute) / 2)
	err := r.windowed(ctx, m.unit+" of the middle", work, middle, least, least, func(t *tally, v float64) { t.own += v / m.per(least) }, g)
	if err != nil {
		return nil, err
	}
	return g, r.misbehaviour(ctx, g, least)
}

// per is what a window's work is divided by to get work per second.
func (m meter) per(window time.Duration) float64 {
	if m.counter == "" {
		return window.Minutes()
	}
	return window.Seconds()
}

// seen counts the figures that each series has in the window, and finds out how
// many a whole window holds: what most servers have, unless a third of it has
// fewer than another. That is a gap, not a longer interval.
func (r *reader) seen(ctx context.Context, g *gathering) error {
	m, c := g.meter, r.config
	query := func(w time.Duration) string { return m.seen(c, w) }
	if err := r.windowed(ctx, m.unit+" figures", query, r.peak.To, g.window, time.Minute, func(t *tally, v float64) { t.seen += v }, g); err != nil {
		return err
	}
	if m.counter == "" || c.ScrapeInterval > 0 {
		g.interval = c.ScrapeInterval
		return nil
	}
	piece := (g.window / thirds).Truncate(time.Second)
	held := map[string]*[thirds]float64{}
	for i := range thirds {
		usual := func(w time.Duration) string { return fmt.Sprintf("quantile by (job) (0.5, %s)", m.seen(c, w)) }
		err := r.pieces(ctx, m.unit+" figures of a server", usual, r.peak.To.Add(-time.Duration(i)*piece), piece, time.Minute,
			func(labels map[string]string, v float64) error {
				job := labels["job"]
				if held[job] == nil {
					held[job] = new([thirds]float64)
				}
				held[job][i] += v
				return nil
			})
		if err != nil {
			return err
		}
	}
	for job, h := range held {
		g.expected[job] = whole(h[:])
		if n := g.expected[job]; n >= leastScrapes {
			g.interval = max(g.interval, (g.window / time.Duration(n)).Round(time.Second))
		}
	}
	return nil
}

// whole is how many figures a window holds, by what its parts do. A part with
// fewer than another, by more than chance, is a gap.
func whole(parts []float64) float64 {
	sum := 0.0
	for _, n := range parts {
		sum += n
	}
	if most := slices.Max(parts); slices.Min(parts) < most-1 {
		return most * float64(len(parts))
	}
	return sum
}

// figures is how many a whole window holds of a job's series.
func (g *gathering) figures(job string) float64 {
	switch n, ok := g.expected[job]; {
	case g.meter.counter == "":
		return g.window.Minutes()
	case ok:
		return n
	}
	return g.window.Seconds() / g.interval.Seconds()
}

// misbehaviour asks which counters did what they should not.
func (r *reader) misbehaviour(ctx context.Context, g *gathering, least time.Duration) error {
	m, c := g.meter, r.config
	g.restarted, g.steppedBack, g.frozen, g.ended = map[source]bool{}, map[source]bool{}, map[source]bool{}, map[source]bool{}
	note := func(into map[source]bool) func(source) { return func(s source) { into[s] = true } }
	if m.counter != "" {
		err := r.offenders(ctx, m.unit, "restarts", func(w time.Duration) string { return m.restarted(c, w) }, g.window, least, note(g.restarted))
		if err == nil && len(g.restarted) > 0 {
			err = r.offenders(ctx, m.unit, "falls", func(w time.Duration) string { return m.steppedBack(c, w) }, g.window, least, note(g.steppedBack))
		}
		if err == nil && g.interval > 0 {
			err = r.offenders(ctx, m.unit, "ends", func(time.Duration) string { return m.ended(c, g.interval) }, least, least, note(g.ended))
		}
		if err != nil {
			return err
		}
	}
	frozen := m.frozenQuery(c, g.interval)
	if frozen == "" {
		return nil
	}
	err := r.offenders(ctx, m.unit, "standing still", func(time.Duration) string { return frozen }, least, least, note(g.frozen))
	if _, ok := tooMuch(err); ok {
		r.doubt(Doubt{Kind: "frozen", Text: "whether counters of " + m.unit + " stand still cannot be told: that query touches more than the API allows", Remedy: tooMuchRemedy})
		return nil
	}
	return err
}

// of is a server in one scope, whatever the series.
func of(name, scope string) source { return source{instance: name, scope: scope} }

// offenders asks for the servers to which something applies at the end of the
// window.
func (r *reader) offenders(ctx context.Context, unit, what string, query func(time.Duration) string, window, least time.Duration, each func(source)) error {
	return r.pieces(ctx, unit+" "+what, query, r.peak.To, window, least, func(labels map[string]string, _ float64) error {
		s, _ := r.sourceOf(labels, unit)
		each(of(hostOf(s.instance), s.scope))
		return nil
	})
}

// windowed asks for something that adds up over a window, and adds it.
func (r *reader) windowed(ctx context.Context, purpose string, query func(time.Duration) string, end time.Time, window, least time.Duration, add func(*tally, float64), g *gathering) error {
	return r.pieces(ctx, purpose, query, end, window, least, func(labels map[string]string, v float64) error {
		s, named := r.sourceOf(labels, g.meter.unit)
		t := g.tallies[s]
		if !named {
			t = g.totals[s.label]
		}
		if t == nil {
			t = &tally{}
			if named {
				g.tallies[s] = t
			} else {
				g.totals[s.label] = t
			}
		}
		add(t, v)
		return nil
	})
}

// sourceOf reads which series this is, and whether it names a server. Requests
// have no scope.
func (r *reader) sourceOf(labels map[string]string, unit string) (source, bool) {
	s := source{labels[r.config.Labels.Host], labels["job"], labels["scope"], r.labelOf(labels)}
	switch {
	case unit == appweight.Requests:
		s.scope = ""
	case s.scope == "":
		s.scope = r.config.Scope
	}
	return s, s.instance != ""
}

// pieces asks for a window as a whole; where that is more than the API allows
// one query, for its halves, and so on while each still holds enough scrapes.
func (r *reader) pieces(ctx context.Context, purpose string, query func(time.Duration) string, end time.Time, window, least time.Duration, each func(map[string]string, float64) error) error {
	given := 0
	err := r.client.vector(ctx, purpose, query(window), end, func(labels map[string]string, v float64) error {
		given++
		return each(labels, v)
	})
	if _, ok := tooMuch(err); !ok || given > 0 {
		return err
	}
	half := (window / 2).Truncate(time.Second)
	if half < least {
		return err
	}
	if err := r.pieces(ctx, purpose, query, end, half, least, each); err != nil {
		return err
	}
	return r.pieces(ctx, purpose, query, end.Add(-half), window-half, least, each)
}

// tooMuch tells an error of a query that touches more than the API allows.
func tooMuch(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e) && e.tooMuch
	return e, ok
}

// sane is a figure that can be true.
func sane(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
