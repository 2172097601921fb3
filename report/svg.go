package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// The size of a chart in its own units: it is scaled to the width it gets, and
// its letters stay legible on a telephone.
const (
	chartWidth, chartHeight = 480, 280
	wideWidth               = 820    // of a chart that has the page to itself
	marginLeft, marginRight = 58, 96 // names of lines stand on the right
	marginTop, marginBottom = 26, 38
	plotRight, plotBottom   = chartWidth - marginRight, chartHeight - marginBottom
	letterHeight            = 13
	tickCount               = 5
	pointRadius, holdRadius = 2.5, 5
)

// An axis maps values to places.
type axis struct {
	lo, hi   float64 // values
	from, to float64 // places
}

func (a axis) at(v float64) float64 {
	if a.hi == a.lo {
		return a.from
	}
	return a.from + (v-a.lo)/(a.hi-a.lo)*(a.to-a.from)
}

// ticks are round values inside an axis, some four to six of them.
func (a axis) ticks() []float64 {
	step := niceStep((a.hi - a.lo) / tickCount)
	if step == 0 {
		return nil
	}
	var all []float64
	for i := math.Ceil(a.lo/step-1e-9) + 0; i*step <= a.hi+step*1e-9; i++ {
		all = append(all, i*step)
	}
	return all
}

// niceStep is the smallest of 1, 2, 2.5 and 5 times a power of ten that is not
// below v.
func niceStep(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 0
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// upTo is an axis from zero to a round value above most.
func upTo(most, from, to float64) axis {
	step := niceStep(most / tickCount)
	if step == 0 {
		return axis{0, 1, from, to}
	}
	return axis{0, math.Ceil(most/step*(1-1e-9)) * step, from, to}
}

// around is an axis that holds all of the values, with some room, and does not
// begin at zero: for small changes of something large.
func around(values []float64, from, to float64) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	if !(lo <= hi) {
		return axis{0, 1, from, to}
	}
	room := max((hi-lo)*.1, math.Abs(hi)*.01)
	if room == 0 {
		room = 1
	}
	return axis{lo - room, hi + room, from, to}
}

// A chart collects the elements of an SVG (W3C SVG 1.1). Colours are classes of
// the page's style sheet, so that dark, light and paper each have their own.
type chart struct {
	b    strings.Builder
	x, y axis
}

func newChart(title string, x, y axis) *chart { return sized(title, chartWidth, chartHeight, x, y) }

func sized(title string, width, height int, x, y axis) *chart {
	c := &chart{x: x, y: y}
	fmt.Fprintf(&c.b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, html.EscapeString(title))
	return c
}

// plotX and plotY are the axes' places of the usual plot.
func plotX(a axis) axis { a.from, a.to = marginLeft, plotRight; return a }
func plotY(a axis) axis { a.from, a.to = plotBottom, marginTop; return a }

// grid draws the ticks of both axes and what they are of.
func (c *chart) grid(xName, yName string, x, y func(float64) string) {
	c.rows(c.y.ticks(), yName, y)
	for _, v := range c.x.ticks() {
		c.text("tick middle", c.x.at(v), plotBottom+15, x(v))
	}
	c.text("name end", plotRight, chartHeight-4, xName)
}

// rows draws the ticks of the y axis, and what it is of above them.
func (c *chart) rows(ticks []float64, name string, write func(float64) string) {
	for _, v := range ticks {
		c.line("grid", c.x.from, c.y.at(v), c.x.to, c.y.at(v))
		c.text("tick end", c.x.from-5, c.y.at(v)+4, write(v))
	}
	c.text("name", 0, min(c.y.from, c.y.to)-12, name)
}

// tick writes a round number.
func tick(v float64) string {
	if v >= 1000 {
		return whole(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func (c *chart) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, place(x1), place(y1), place(x2), place(y2))
}

func (c *chart) text(class string, x, y float64, text string) {
	fmt.Fprintf(&c.b, `<text class="%s" x="%s" y="%s">%s</text>`, class, place(x), place(y), html.EscapeString(text))
}

// band shades what lies between two values of x, or of y.
func (c *chart) band(class string, lo, hi float64, vertical bool, title string) {
	x, y, w, h := c.x.at(lo), min(c.y.from, c.y.to), c.x.at(hi)-c.x.at(lo), math.Abs(c.y.to-c.y.from)
	if !vertical {
		x, y, w, h = min(c.x.from, c.x.to), c.y.at(hi), math.Abs(c.x.to-c.x.from), c.y.at(lo)-c.y.at(hi)
	}
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
		class, place(x), place(y), place(max(w, 1)), place(max(h, 1)), html.EscapeString(title))
}

// A dot is a point of a chart with what is said where a pointer rests on it.
type dot struct {
	x, y  float64
	title string
}

// path joins dots with a line and marks each.
func (c *chart) path(class string, dots []dot) {
	c.joined(class, dots)
	for _, d := range dots {
		c.dot(class, d, pointRadius)
	}
}

func (c *chart) joined(class string, dots []dot) {
	var at []string
	for _, d := range dots {
		at = append(at, place(c.x.at(d.x))+","+place(c.y.at(d.y)))
	}
	fmt.Fprintf(&c.b, `<polyline class="%s" points="%s"/>`, class, strings.Join(at, " "))
}

func (c *chart) dot(class string, d dot, radius float64) {
	fmt.Fprintf(&c.b, `<circle class="%s" cx="%s" cy="%s" r="%s"><title>%s</title></circle>`,
		class, place(c.x.at(d.x)), place(c.y.at(d.y)), place(radius), html.EscapeString(d.title))
}

// html closes the chart.
func (c *chart) html() template.HTML {
	return template.HTML(c.b.String() + "</svg>") // all that came from outside is escaped above
}

// place writes a coordinate with a tenth of a unit.
func place(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// spread moves the places of labels apart so that none covers another: from the
// top down, then back up where they have run out of room.
func spread(places []float64, top, bottom float64) []float64 {
	out := make([]float64, len(places))
	copy(out, places)
	for i := range out {
		if i == 0 {
			out[i] = max(out[i], top)
		} else {
			out[i] = max(out[i], out[i-1]+letterHeight)
		}
	}
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = min(out[i], bottom)
		bottom = out[i] - letterHeight
	}
	return out
}
