package record

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"saturate/appweight"
	"saturate/ramp"
)

// NewSubject collects what is compared under a name. It fails where it is
// nothing.
func NewSubject(name string, measured []Measured) (Subject, error) {
	s := Subject{Name: name, measured: measured}
	if len(measured) == 0 {
		return s, fmt.Errorf("%s: nothing was measured under this name", name)
	}
	for _, m := range measured {
		add(&s.Records, m.Record.ID)
		add(&s.Targets, m.Target.Name)
		add(&s.Generations, m.Record.Label(m.Target, "generation"))
		add(&s.Builds, m.Record.Label(m.Target, "build"))
		for _, r := range m.Target.Counting() {
			s.Repeats++
			if r.Bottleneck != nil {
				add(&s.Bottlenecks, r.Bottleneck.Name)
			}
		}
	}
	return s, nil
}

// add adds what is not there yet, and is not empty.
func add(to *[]string, text string) {
	if text != "" && !slices.Contains(*to, text) {
		*to = append(*to, text)
	}
}

// Compare holds a new side against a base.
func Compare(base, new Subject) Comparison {
	c := Comparison{Base: base, New: new}
	rate := c.measure(MeasureRate, base.measured[0].Record.Load.Unit, "", func(_ *Record, r *Repeat) float64 { return r.Sustained.Rate })
	unit := sharedUnit(base, new)
	if unit != "" {
		c.cost(unit)
		c.measure(MeasureWork, unit, unit, func(_ *Record, r *Repeat) float64 { return r.WorkIn(unit).PerSecond })
	}
	c.score()
	c.per(rate)
	for _, note := range []struct {
		name      string
		base, new []string
	}{{"generation", base.Generations, new.Generations}, {"build", base.Builds, new.Builds}} {
		if len(note.base) > 1 || len(note.new) > 1 {
			c.warn("a side has targets of more than one %s: the figures are of their mixture", note.name)
		}
	}
	c.doubt()
	return c
}

// doubt warns of sides that overlap, and of such as were not asked the same: a
// mix is told by the names of its requests only.
func (c *Comparison) doubt() {
	shared := 0
	for _, m := range c.Base.measured {
		if slices.ContainsFunc(c.New.measured, func(o Measured) bool {
			return o.Record.ID == m.Record.ID && o.Target.Name == m.Target.Name
		}) {
			shared++
		}
	}
	if shared > 0 {
		c.warn("%d of the base's %d measurements are on the other side, too: the two look more alike than they are", shared, len(c.Base.measured))
	}
	a, b := c.Base.measured[0].Record, c.New.measured[0].Record
	if a.Load.Kind == LiveTraffic && b.Load.Kind == LiveTraffic && a.ID != b.ID {
		c.warn("both were measured on live traffic, whose mix nobody chose: at other hours it may differ, and the figures with it")
	}
	if a.Scenario != b.Scenario {
		c.warn(differentScenarios+" (%s and %s): check that the same requests mean the same", a.Scenario, b.Scenario)
	}
}

// differentScenarios begins the doubt that sides measured in turn are spared.
const differentScenarios = "the two were measured by different scenarios"

func (c *Comparison) warn(format string, args ...any) { add(&c.Warnings, fmt.Sprintf(format, args...)) }

// sharedUnit is the best unit of work that every repeat of both has; requests,
// which are the sustained rate again, left out.
func sharedUnit(sides ...Subject) string {
	for _, unit := range []string{appweight.Instructions, appweight.CPUSeconds} {
		all := true
		for _, s := range sides {
			for _, m := range s.measured {
				for _, r := range m.Target.Counting() {
					all = all && r.WorkIn(unit) != nil
				}
			}
		}
		if all {
			return unit
		}
	}
	return ""
}

// measure compares one figure of every repeat and adds it. The work's unit is
// "" where the figure is not an amount of work.
func (c *Comparison) measure(name, unit, work string, value func(*Record, *Repeat) float64) appweight.Difference {
	base, new := c.Base.side(work, value), c.New.side(work, value)
	m := Measure{Name: name, Unit: unit, Base: center(base), New: center(new)}
	d, err := appweight.Compare(base, new, level)
	if errors.Is(err, appweight.ErrTooFew) {
		d, err = d.Assume(level, c.Base.holdError(name, unit), c.New.holdError(name, unit)), nil
		c.warn("each side is a single hold, so the intervals take restarts to differ by %.1f%%, as they usually do: repeat either three times to know", 100*appweight.RestartSD)
		if !slices.Equal(c.Base.Targets, c.New.Targets) {
			c.warn("one server on each side: how servers differ is not in the intervals")
		}
	}
	m.tell(d, err)
	c.Measures = append(c.Measures, m)
	for _, w := range d.Warnings {
		c.warn("%s", w)
	}
	return d
}

// tell puts a difference, or why there is none, into a measure.
func (m *Measure) tell(d appweight.Difference, err error) {
	if err != nil {
		m.Refused = reasons(err)
		return
	}
	m.Ratio, m.Interval = d.Ratio, newInterval(d.Interval)
	if !math.IsNaN(d.P) {
		m.P = &d.P
	}
	if !math.IsNaN(d.Detectable) && !math.IsInf(d.Detectable, 0) {
		m.Detectable = d.Detectable
	}
	switch {
	case d.Need == nil:
	case d.Need.Servers == 1:
		m.Need = fmt.Sprintf("%d repeats on either side", d.Need.Restarts)
	default:
		m.Need = fmt.Sprintf("%d servers with %d restarts each, on either side", d.Need.Servers, d.Need.Restarts)
	}
}

// holdError is the standard error of the one hold that a side is of, in what a
// measure is of and as a share of it; 0 where it is not known.
func (s Subject) holdError(measure, unit string) float64 {
	for _, m := range s.measured {
		own := m.Target.Counting()
		switch {
		case len(own) == 0:
			continue
		case measure == MeasureCost:
			return own[0].CostSE[unit]
		}
		return holdError(own[0].Sustained)
	}
	return 0
}

// reasons are all that an error joins, with their remedies.
func reasons(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var text string
		for i, one := range joined.Unwrap() {
			if i > 0 {
				text += "; "
			}
			text += reasons(one)
		}
		return text
	}
	return hinted(err).Error()
}

// side is a subject's values of one figure, by server.
func (s Subject) side(work string, value func(*Record, *Repeat) float64) appweight.Side {
	out := appweight.Side{Name: s.Name}
	for i, m := range s.measured {
		var own []float64
		terms := m.terms(nil, work)
		for _, r := range m.Target.Counting() {
			own = append(own, value(m.Record, &r))
			terms = m.terms(&r, work)
		}
		// One target that is odd among its own decides: the two sides do not compare.
		if i == 0 || out.Terms.Ending == string(ramp.Found) && out.Terms.Differ(terms) != nil {
			out.Terms = terms
		}
		at := slices.IndexFunc(out.Servers, func(s appweight.Server) bool { return s.Name == m.Target.Name })
		if at < 0 {
			at, out.Servers = len(out.Servers), append(out.Servers, appweight.Server{Name: m.Target.Name})
		}
		out.Servers[at].Values = append(out.Servers[at].Values, own...)
	}
	return out
}

// terms are what must be the same on both sides.
func (m Measured) terms(r *Repeat, work string) appweight.Terms {
	t := appweight.Terms{Ending: string(m.Target.Ending), Load: m.Record.Load.Kind, LoadUnit: m.Record.Load.Unit, Engine: m.Record.Load.Engine,
		Arrivals: m.Record.Load.Arrivals, Mix: m.Record.Load.Mix, Limits: map[string]float64{}}
	for name, v := range m.Record.Limits {
		t.Limits[string(name)] = v
	}
	if w := workOf(r, work); w != nil {
		env := m.Record.EnvOf(m.Target)
		t.Unit, t.Scope, t.ISA, t.CPU = w.Unit, w.Scope, env.ISA, env.CPU
	}
	return t
}

func workOf(r *Repeat, unit string) *Work {
	if r == nil || unit == "" {
		return nil
	}
	return r.WorkIn(unit)
}

// center is the geometric mean of a side's servers; 0 where it has no value.
func center(s appweight.Side) float64 {
	var values [][]float64
	for _, server := range s.Servers {
		if len(server.Values) == 0 {
			return 0
		}
		values = append(values, server.Values)
	}
	v, _, err := appweight.Pool(values, level)
	if err != nil && !errors.Is(err, appweight.ErrTooFew) {
		return 0
	}
	return v
}

// cost compares what a request costs where both serve the same load: a request
// costs a busy server less.
func (c *Comparison) cost(unit string) {
	var curves [][]appweight.CostPoint
	for _, s := range []Subject{c.Base, c.New} {
		for _, m := range s.measured {
			for _, r := range m.Target.Counting() {
				curves = append(curves, r.Curve(unit))
			}
		}
	}
	rate, ok := appweight.EqualLoad(curves...)
	if !ok {
		c.Measures = append(c.Measures, Measure{Name: MeasureCost, Unit: unit, Refused: "the two never served the same load"})
		return
	}
	c.measure(MeasureCost, unit, unit, func(_ *Record, r *Repeat) float64 {
		v, _ := appweight.CostAtRate(r.Curve(unit), rate)
		return v
	})
	c.Measures[len(c.Measures)-1].At = fmt.Sprintf("at %.4g %s", rate, c.Base.measured[0].Record.Load.Unit)
}

// per divides the sustained rate by what the labels say a server has.
func (c *Comparison) per(rate appweight.Difference) {
	if rate.Ratio == 0 {
		return
	}
	base, new := c.Base.hardware(), c.New.hardware()
	for _, p := range appweight.Per(rate, base, new) {
		k := map[string][2]float64{"core": {base.Cores, new.Cores}, "watt": {base.Watts, new.Watts}, "price": {base.Price, new.Price}}[p.Of]
		m := Measure{Name: MeasureRate, Of: p.Of, Unit: c.Measures[0].Unit, Base: c.Measures[0].Base / k[0], New: c.Measures[0].New / k[1]}
		m.tell(p.Difference, nil)
		c.Measures = append(c.Measures, m)
	}
}

// hardware is what the labels cores, watts and price say of all of a side's
// servers alike; the cores are the CPUs the target may use where no label does.
func (s Subject) hardware() appweight.Hardware {
	of := func(name string, otherwise func(Measured) float64) float64 {
		var all []float64
		for _, m := range s.measured {
			v, err := strconv.ParseFloat(m.Record.Label(m.Target, name), 64)
			if err != nil {
				v = otherwise(m)
			}
			all = append(all, v)
		}
		if slices.Min(all) != slices.Max(all) {
			return 0
		}
		return all[0]
	}
	unknown := func(Measured) float64 { return 0 }
	return appweight.Hardware{Cores: of("cores", cores), Watts: of("watts", unknown), Price: of("price", unknown)}
}

// cores are the CPUs that a target may use, as its probes read them.
func cores(m Measured) float64 {
	for _, r := range m.Target.Counting() {
		if v := r.Signals["cpu_limit"]; v > 0 {
			return math.Round(v*100) / 100
		}
	}
	return 0
}

// score compares users per server: of two generations by what their servers
// sustain, of two builds by what the fleet would have to spend with the new one.
func (c *Comparison) score() {
	base, new := c.Base.scored(), c.New.scored()
	if base == nil && new == nil {
		return
	}
	by, at := MeasureWork, "the fleet's work per user is the same for both"
	if slices.Compare(c.Base.Builds, c.New.Builds) != 0 && slices.Compare(c.Base.Generations, c.New.Generations) == 0 {
		// N / (D c_new/c_old) over N_old / D, with N = rate x cost: the rates' ratio
		by, at = MeasureRate, "the fleet's work per user is taken to change as a request's does (D x c_new/c_old)"
	}
	i := slices.IndexFunc(c.Measures, func(m Measure) bool { return m.Name == by })
	if i < 0 {
		return
	}
	m := c.Measures[i]
	m.Name, m.Unit, m.At = MeasureScore, "", at
	if m.Refused == "" {
		if base != nil {
			m.Base, m.New = base.UsersPerServer, base.UsersPerServer*m.Ratio
		} else {
			m.Base, m.New = new.UsersPerServer/m.Ratio, new.UsersPerServer
		}
	}
	c.Measures = append(c.Measures, m)
}

// scored is the subject's newest score that was found.
func (s Subject) scored() *Score {
	newest := slices.SortedFunc(slices.Values(s.measured), func(a, b Measured) int { return b.Record.At.Compare(a.Record.At) })
	for _, m := range newest {
		for i, score := range m.Record.AppWeight {
			if score.Ending == ramp.Found && score.Generation == m.Record.Label(m.Target, "generation") && score.Build == m.Record.Label(m.Target, "build") {
				return &m.Record.AppWeight[i]
			}
		}
	}
	return nil
}
