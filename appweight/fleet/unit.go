package fleet

import (
	"context"
	"maps"
	"slices"
)

// wholePresence is the share of a window's figures from which a server counts as
// there all the time: single scrapes fail.
const wholePresence = .9

// A reading is what one server did, in one scope.
type reading struct {
	label
	job       string
	perSecond float64
	own       float64
	present   float64
	why       string // the figure is not used: the kind of doubt
}

// units asks for one unit and judges what comes back, scope by scope.
func (r *reader) units(ctx context.Context, m meter) ([]Unit, error) {
	g, err := r.gather(ctx, m)
	if much, ok := tooMuch(err); ok {
		return []Unit{{Unit: m.unit, Refused: much.Problem, Remedy: much.Remedy}}, nil
	}
	if err != nil {
		return nil, err
	}
	if len(g.totals) > 0 && len(g.tallies) == 0 {
		return []Unit{r.total(g)}, nil
	}
	scopes := map[string]*judged{}
	for s, t := range g.tallies {
		j := scopes[s.scope]
		if j == nil {
			j = &judged{reader: r, g: g, scope: s.scope, servers: map[string]reading{}}
			scopes[s.scope] = j
		}
		j.add(s, *t)
	}
	var units []Unit
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		units = append(units, scopes[scope].unit())
	}
	return units, nil
}

// judged is one scope of a gathering on its way to a Unit.
type judged struct {
	*reader
	g       *gathering
	scope   string
	servers map[string]reading
	twice   []string
	jobs    []string
	outside []string
	doubts  []Doubt
}

// add takes one series in. Two of one server that follow one another are one;
// of two at the same time the larger counts: two jobs that scrape the same
// machine say the same thing twice.
func (j *judged) add(s source, t tally) {
	name := hostOf(s.instance)
	here, listed := j.hosts[name]
	if !listed {
		j.outside = append(j.outside, name)
		return
	}
	n := reading{label: here.filled(s.label), job: s.job, perSecond: t.work / j.g.meter.per(j.g.window), own: t.own, present: j.present(s.job, t.seen)}
	if j.g.meter.counter == "" && t.seen > 0 {
		n.perSecond = t.work / t.seen * n.present // the mean of its minutes, over those that it was there
	}
	n.why = j.unusable(of(name, s.scope), n)
	had, twice := j.servers[name]
	switch {
	case !twice:
		j.servers[name] = n
		return
	case had.why+n.why == "" && had.present+n.present < 2-wholePresence:
		had.perSecond, had.own, had.present = had.perSecond+n.perSecond, had.own+n.own, min(1, had.present+n.present)
		j.servers[name] = had
		return
	}
	j.twice = append(j.twice, name)
	j.jobs = append(j.jobs, s.job, had.job)
	if had.why != "" || n.why == "" && n.perSecond > had.perSecond {
		j.servers[name] = n
	}
}

// present is the share of the window that so many figures speak of. One that
// is missing says nothing.
func (j *judged) present(job string, seen float64) float64 {
	if whole := j.g.figures(job); seen+1 < wholePresence*whole {
		return seen / whole
	}
	return 1
}

// unusable is why a server's figure is, "" where it can be used.
func (j *judged) unusable(server source, n reading) string {
	switch {
	case !sane(n.perSecond) || !sane(n.own):
		return "no number"
	case j.g.meter.counter != "" && j.g.figures(n.job) < leastScrapes:
		return "few scrapes"
	case j.g.frozen[server]:
		return "frozen"
	case j.g.steppedBack[server]:
		return "fell"
	}
	return ""
}

// unit adds the servers up, by kind, and says what is doubtful.
func (j *judged) unit() Unit {
	parts := map[label]sum{}
	add := func(kind label, s sum) {
		p := parts[kind]
		p.add(s)
		parts[kind] = p
	}
	var missing, brief []string
	dropped := map[string][]string{}
	gone := map[label]float64{} // servers without figures
	for name, h := range j.hosts {
		n, reports := j.servers[name]
		switch {
		case !reports:
			missing = append(missing, name)
			gone[h.label] += h.present
		case n.why != "":
			dropped[n.why] = append(dropped[n.why], name)
			gone[n.label] += h.present
		default:
			s := sum{h.present, h.present, n.perSecond, n.own}
			if n.present < wholePresence*h.present {
				s.reporting = n.present
				brief = append(brief, name)
			}
			add(n.label, s)
		}
	}
	reporting := maps.Clone(parts)
	for kind, servers := range gone {
		for like, share := range kind.like(reporting) {
			add(like, sum{servers: servers * share})
		}
	}
	u := Unit{Unit: j.g.meter.unit, Scope: j.scope, OwnWindow: j.g.own.Seconds(), ScrapeInterval: j.g.interval.Seconds()}
	j.name(missing, brief, dropped)
	j.sum(&u, parts)
	u.Doubts = append(u.Doubts, j.doubts...)
	return u
}

// like are the kinds that servers without figures may be of, and with which
// shares: often only an exporter that runs tells what its server is. Where
// nothing fits, they are a kind of their own.
func (l label) like(reporting map[label]sum) map[label]float64 {
	if _, ok := reporting[l]; ok {
		return map[label]float64{l: 1}
	}
	shares, total := map[label]float64{}, 0.0
	for kind, s := range reporting {
		if kind == l.filled(kind) {
			shares[kind] = s.servers
			total += s.servers
		}
	}
	if total == 0 {
		return map[label]float64{l: 1}
	}
	for kind := range shares {
		shares[kind] /= total
	}
	return shares
}
