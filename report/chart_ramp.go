package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"

	"saturate/record"
)

// pressures draws each signal's pressure over the rate: straight lines towards
// the limit, the bottleneck's in colour, and where the ramp stopped.
func pressures(r *record.Repeat, unit string) template.HTML {
	lines := pressureLines(r)
	if len(lines) == 0 {
		return ""
	}
	most, fastest := 1.1, highest(r)
	for _, l := range lines {
		for _, d := range l.dots {
			most = max(most, d.y)
		}
	}
	c := newChart("pressure of each signal over the rate", plotX(upTo(fastest, 0, 0)), plotY(upTo(min(most, 2), 0, 0)))
	c.grid(unit, "pressure", tick, percent)
	if s := r.Sustained; s != nil && s.Interval != nil {
		c.band("interval", s.Interval.Lo, min(s.Interval.Hi, c.x.hi), true,
			fmt.Sprintf("the limit is at %s %s, %s", figure(s.AtLimit), unit, sure(s.Interval)))
	}
	c.line("limit", marginLeft, c.y.at(1), plotRight, c.y.at(1))
	c.text("limitname", marginLeft+4, c.y.at(1)-4, "limit")
	names := make([]float64, len(lines))
	for i, l := range lines {
		names[i] = c.y.at(min(l.dots[len(l.dots)-1].y, c.y.hi)) + 4
	}
	names = spread(names, marginTop+4, plotBottom+4)
	for i := len(lines) - 1; i >= 0; i-- { // the bottleneck, the first, on top
		class := "other"
		if r.Bottleneck != nil && lines[i].name == r.Bottleneck.Signal {
			class = "main"
		}
		c.path(class, lines[i].dots)
		c.text("label "+class, plotRight+6, names[i], string(lines[i].name))
	}
	c.stop(r, lines, unit)
	return c.html()
}

// stop marks the hold, which is where the ramp ended and what counts.
func (c *chart) stop(r *record.Repeat, lines []pressureLine, unit string) {
	if r.Sustained == nil || len(lines) == 0 || r.Bottleneck == nil {
		return
	}
	p, ok := r.Pressure[r.Bottleneck.Signal]
	if !ok {
		return
	}
	c.dot("hold", dot{r.Sustained.Rate, p, fmt.Sprintf("held %s at %s %s: %s at %s of its limit",
		span(r.HoldSeconds), figure(r.Sustained.Rate), unit, r.Bottleneck.Signal, record.Share(p))}, holdRadius)
}

// A pressureLine is one signal's pressure at every step.
type pressureLine struct {
	name record.Signal
	dots []dot
}

// pressureLines are the signals with a pressure, the highest in the end first.
// What never came above a hundredth is left out: it says nothing.
func pressureLines(r *record.Repeat) []pressureLine {
	var lines []pressureLine
	for _, s := range r.Steps {
		for _, name := range slices.Sorted(maps.Keys(s.Pressure)) {
			i := slices.IndexFunc(lines, func(l pressureLine) bool { return l.name == name })
			if i < 0 {
				i, lines = len(lines), append(lines, pressureLine{name: name})
			}
			lines[i].dots = append(lines[i].dots, dot{s.Rate, s.Pressure[name],
				fmt.Sprintf("%s at %s of its limit at %s (%s)", name, record.Share(s.Pressure[name]), figure(s.Rate), s.Phase)})
		}
	}
	lines = slices.DeleteFunc(lines, func(l pressureLine) bool {
		return !slices.ContainsFunc(l.dots, func(d dot) bool { return d.y > .01 })
	})
	for _, l := range lines {
		slices.SortStableFunc(l.dots, byRate)
	}
	slices.SortStableFunc(lines, func(a, b pressureLine) int {
		return cmp.Compare(b.dots[len(b.dots)-1].y, a.dots[len(a.dots)-1].y)
	})
	return lines
}

func byRate(a, b dot) int { return cmp.Compare(a.x, b.x) }

// highest is the highest rate of any step, and the bounds of the answer.
func highest(r *record.Repeat) float64 {
	most := r.Break
	for _, s := range r.Steps {
		most = max(most, s.Rate)
	}
	if s := r.Sustained; s != nil {
		most = max(most, s.Rate, s.AtLimit)
		if s.Interval != nil && s.Interval.Hi < 1.5*most {
			most = max(most, s.Interval.Hi)
		}
	}
	return most
}

// overTime draws the ramp as it went: the rate step by step, and under it the
// 99th percentile of the answers' latency.
func overTime(r *record.Repeat, unit string) template.HTML {
	if len(r.Steps) == 0 {
		return ""
	}
	var rates, latencies []dot
	var t, slowest float64
	for _, s := range r.Steps {
		title := fmt.Sprintf("%s: %s %s for %s, %s", s.Phase, figure(s.Rate), unit, span(s.Seconds), s.Verdict)
		rates = append(rates, dot{t, s.Rate, title}, dot{t + s.Seconds, s.Rate, title})
		if s.LatencyP99 > 0 {
			latencies = append(latencies, dot{t + s.Seconds/2, s.LatencyP99, fmt.Sprintf("99%% of the answers within %s at %s %s", record.Seconds(s.LatencyP99), figure(s.Rate), unit)})
			slowest = max(slowest, s.LatencyP99)
		}
		t += s.Seconds
	}
	middle := float64(marginTop + (plotBottom-marginTop)*6/10)
	x := axis{0, t, marginLeft, plotRight}
	c := newChart("rate and latency over time", x, upTo(highest(r), middle-16, marginTop))
	c.rows(c.y.ticks(), unit, tick)
	c.joined("main", rates)
	c.text("label main", plotRight+6, c.y.at(rates[len(rates)-1].y)+4, "rate")
	c.holds(r)

	c.y = upTo(slowest, plotBottom, middle+16)
	c.rows([]float64{0, c.y.hi}, "latency", briefSeconds)
	if len(latencies) > 0 {
		c.path("second", latencies)
		c.text("label second", plotRight+6, c.y.at(latencies[len(latencies)-1].y)+4, "p99")
	}
	for _, v := range x.ticks() {
		c.text("tick middle", x.at(v), plotBottom+15, tick(v))
	}
	c.text("name end", plotRight, chartHeight-4, "seconds measured")
	return c.html()
}

// holds shades the steps that count.
func (c *chart) holds(r *record.Repeat) {
	var t float64
	for _, s := range r.Steps {
		if s.Phase == record.Hold {
			c.band("held", t, t+s.Seconds, true, fmt.Sprintf("held for %s", span(s.Seconds)))
		}
		t += s.Seconds
	}
}

// costCurve draws what a request costs at every rate. A server that idles pays
// for its idling; the curve shows from where on that no longer matters.
func costCurve(r *record.Repeat, unit string) template.HTML {
	var dots []dot
	var work string
	for _, s := range r.Steps {
		if s.Cost == nil || s.Rate <= 0 {
			continue
		}
		work = s.Cost.Unit
		dots = append(dots, dot{s.Rate, s.Cost.PerRequest, fmt.Sprintf("%s per request at %s %s (%s)", cost(s.Cost.PerRequest, work), figure(s.Rate), unit, s.Phase)})
	}
	if len(dots) < 2 {
		return ""
	}
	slices.SortStableFunc(dots, byRate)
	var most float64
	for _, d := range dots {
		most = max(most, d.y)
	}
	c := newChart("cost of a request over the rate", plotX(upTo(highest(r), 0, 0)), plotY(upTo(most, 0, 0)))
	c.grid(unit, "work per request", tick, func(v float64) string { return briefCost(v, work) })
	c.path("main", dots)
	if r.Cost != nil && r.Sustained != nil {
		c.dot("hold", dot{r.Sustained.Rate, r.Cost.PerRequest, "in the hold: " + cost(r.Cost.PerRequest, r.Cost.Unit)}, holdRadius)
	}
	return c.html()
}

// briefCost writes a tick of the cost's axis.
func briefCost(v float64, unit string) string {
	if unit == record.CPUSeconds {
		return briefSeconds(v)
	}
	return strings.TrimSuffix(work(v, unit), unit)
}

// briefSeconds writes a round time.
func briefSeconds(v float64) string {
	if v < 1 {
		return tick(v*1000) + " ms"
	}
	return tick(v) + " s"
}

func percent(v float64) string { return tick(v*100) + "%" }

// sides draws scores beside each other, with their intervals.
func sides(scores []record.Score) template.HTML {
	var most float64
	for _, s := range scores {
		most = max(most, s.UsersPerServer)
		if s.Interval != nil {
			most = max(most, s.Interval.Hi)
		}
	}
	if len(scores) < 2 || most == 0 {
		return ""
	}
	const row = 58
	x := axis{0, most, 0, wideWidth - 130}
	c := sized("users per server, by generation", wideWidth, row*len(scores), x, axis{})
	for i, s := range scores {
		y := float64(row * i)
		c.text("label", 0, y+17, shortened(cmp.Or(join(" ", s.Generation, s.Build), "all"), 110))
		fmt.Fprintf(&c.b, `<rect class="bar" x="0" y="%s" width="%s" height="18" rx="3"/>`, place(y+25), place(x.at(s.UsersPerServer)))
		if iv := s.Interval; iv != nil {
			c.line("whisker", x.at(iv.Lo), y+34, x.at(iv.Hi), y+34)
		}
		c.text("label main", max(x.at(s.UsersPerServer), whiskerEnd(x, s))+6, y+39, bound(s.Ending)+figure(s.UsersPerServer))
	}
	return c.html()
}

// shortened is the beginning of a text that is longer than n letters.
func shortened(text string, n int) string {
	if letters := []rune(text); len(letters) > n {
		return string(letters[:n-1]) + "…"
	}
	return text
}

func whiskerEnd(x axis, s record.Score) float64 {
	if s.Interval == nil {
		return math.Inf(-1)
	}
	return x.at(s.Interval.Hi)
}
