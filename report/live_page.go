package report

import (
	"fmt"
	"html/template"

	"saturate/record"
)

// A liveView is what the page shows of a run on live traffic.
type liveView struct {
	About     string
	Restored  bool
	Untouched bool
	Squeezes  []squeezeView
}

type squeezeView struct {
	record.Squeeze
	Title    string
	Moved    []string
	Siblings string // in a sentence; "" where there are none
	Figures  []siblingFigure
	Early    bool
	Chart    template.HTML
}

func newLiveView(l *record.Live) *liveView {
	if l == nil {
		return nil
	}
	v := &liveView{About: balancer(l), Restored: l.Restored(), Untouched: len(l.Squeezes) == 0}
	for _, q := range l.Squeezes {
		s := squeezeView{Squeeze: q, Chart: weights(q), Siblings: siblings(q.Siblings), Early: early(q)}
		if len(l.Squeezes) > 1 {
			s.Title = fmt.Sprintf("Squeeze %d", q.Restart)
		}
		for _, server := range q.Servers {
			s.Moved = append(s.Moved, moved(server))
		}
		if q.Siblings != nil {
			s.Figures = siblingFigures(q.Siblings)
		}
		v.Squeezes = append(v.Squeezes, s)
	}
	return v
}

// weights draws each squeezed server's weight over the time of a squeeze, as the
// steps that it was moved in, and the most that was allowed.
func weights(q record.Squeeze) template.HTML {
	var end, most float64
	for _, s := range q.Servers {
		most = max(most, float64(s.Highest()), float64(s.Allowed))
		for _, w := range s.Weights {
			end = max(end, w.AtSeconds)
		}
	}
	if end == 0 || most == 0 {
		return ""
	}
	c := newChart("weights over time", axis{0, end, marginLeft, plotRight}, plotY(upTo(most, 0, 0)))
	c.grid("seconds since the squeeze began", "weight", tick, tick)
	names := make([]float64, len(q.Servers))
	for i, s := range q.Servers {
		if s.Allowed > 0 {
			c.line("limit", marginLeft, c.y.at(float64(s.Allowed)), plotRight, c.y.at(float64(s.Allowed)))
		}
		class := lineClass(i)
		dots := corners(s, end)
		c.joined(class, dots)
		names[i] = c.y.at(dots[len(dots)-1].y) + 4
		for _, d := range dots {
			if d.title != "" {
				c.dot(class, d, pointRadius)
			}
		}
	}
	if s := q.Servers[0]; s.Allowed > 0 {
		c.text("limitname", marginLeft+4, c.y.at(float64(s.Allowed))-4, "allowed")
	}
	for i, y := range spread(names, marginTop+4, plotBottom+4) {
		c.text("label "+lineClass(i), plotRight+6, y, shortened(q.Servers[i].Server, 14))
	}
	return c.html()
}

// lineClass is the look of the i-th of several lines.
func lineClass(i int) string { return []string{"main", "second", "other"}[min(i, 2)] }

// corners are those of a line of a server's weight over time; those where it was moved
// have a title.
func corners(s record.SqueezedServer, end float64) []dot {
	weight := float64(s.Found)
	dots := []dot{{0, weight, fmt.Sprintf("%s: %d as found", s.Server, s.Found)}}
	for _, w := range s.Weights {
		dots = append(dots, dot{w.AtSeconds, weight, ""})
		weight = float64(w.Weight)
		dots = append(dots, dot{w.AtSeconds, weight, fmt.Sprintf("%s: %d after %s", s.Server, w.Weight, span(w.AtSeconds))})
	}
	return append(dots, dot{end, weight, ""})
}
