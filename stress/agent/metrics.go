package agent

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"saturate/stress/probe"
)

// mostScrapes is how many are answered at once.
const mostScrapes = 2

// metrics is the page for Prometheus.
func (a *Agent) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newPage(a), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: mostScrapes, Timeout: answerWithin - patience,
		DisableCompression: true, // the page is small, and a compressor is not
	})
}

func labelName(s string) bool {
	return regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(s) && s != "__name__"
}

// A page collects the metrics when it is asked for.
type page struct {
	*Agent
	table []described
	info  prometheus.Metric
	build prometheus.Metric

	up, age, failed, ownWork, streaming, refused, running, counted *prometheus.Desc
}

type described struct {
	metric
	desc *prometheus.Desc
}

func newPage(a *Agent) *page {
	one := func(name, help string, labels prometheus.Labels) prometheus.Metric {
		return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), prometheus.GaugeValue, 1)
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	p := &page{
		Agent:     a,
		info:      one("saturate_host_info", "What this machine is.", a.config.Info),
		build:     one("saturate_build_info", "Which saturate this is.", prometheus.Labels{"version": a.config.Version}),
		up:        desc("saturate_source_up", "Whether a source could be read the last time.", "source"),
		age:       desc("saturate_source_age_seconds", "Time since a source was last read.", "source"),
		failed:    desc("saturate_source_errors_total", "Readings of a source that failed.", "source"),
		running:   desc("saturate_instructions_running_ratio", "Share of the time in which the counters ran; 1 unless others use the PMU too. What they missed is made up for.", "scope"),
		counted:   desc("saturate_instructions_counters", "CPUs, or threads where processes are counted, whose instructions are counted now.", "scope"),
		ownWork:   desc("saturate_agent_instructions_total", "CPU instructions that the agent itself retired, in the scope host or host/user."),
		streaming: desc("saturate_agent_streams", "Streams that are open."),
		refused:   desc("saturate_agent_refused_total", "What was not served: connections of a crowd, streams beyond two, streams without a certificate.", "reason"),
	}
	for _, m := range table() {
		var labels []string
		if m.whose <= ofStalls {
			labels = []string{"scope"}
		}
		p.table = append(p.table, described{m, prometheus.NewDesc(m.name, m.help, labels, m.labels)})
	}
	return p
}

// Describe lists what may be on the page.
func (p *page) Describe(to chan<- *prometheus.Desc) {
	for _, d := range p.table {
		to <- d.desc
	}
	for _, d := range []*prometheus.Desc{p.info.Desc(), p.build.Desc(), p.up, p.age, p.failed, p.ownWork, p.streaming, p.refused, p.running, p.counted} {
		to <- d
	}
}

// Collect reads what is to be read.
func (p *page) Collect(to chan<- prometheus.Metric) {
	s := sheet{page: p, to: to, seen: make(map[string]bool), counted: make(map[string]probe.Source)}
	for _, t := range p.targets() {
		s.target(t)
	}
	s.instructions()
	to <- p.info
	to <- p.build
	if v, ok := p.counter.instructions(); ok {
		s.put(p.ownWork, prometheus.CounterValue, v)
	}
	s.put(p.streaming, prometheus.GaugeValue, float64(p.streams.count()))
	s.put(p.refused, prometheus.CounterValue, float64(p.gate.TurnedAway()), "connection")
	s.put(p.refused, prometheus.CounterValue, float64(p.Agent.refused.streams.Load()), "stream")
	s.put(p.refused, prometheus.CounterValue, float64(p.Agent.refused.certificates.Load()), "certificate")
}

// A sheet is one page on its way out.
type sheet struct {
	*page
	to   chan<- prometheus.Metric
	seen map[string]bool // what has been put: the target's come first, then the machine's

	counted map[string]probe.Source // how each scope's instructions are
	misses  uint64                  // readings of them that failed
}

func (s *sheet) put(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s.to <- m
}

// once tells whether that has not been put yet.
func (s *sheet) once(what ...string) bool {
	key := ""
	for _, w := range what {
		key += w + "\x00"
	}
	had := s.seen[key]
	s.seen[key] = true
	return !had
}

// target puts what one set of probes reads.
func (s *sheet) target(t *target) {
	beside := t == s.Agent.host
	r, failures, err := t.view()
	if !beside {
		s.source(targetSource, probe.Source{Err: errors.Join(err, r.gone), Age: -1}, failures[targetSource])
	}
	if err != nil {
		return
	}
	for _, d := range s.table {
		if d.whose == ofServer && beside || d.whose == ofMachine && !beside && s.Agent.host != nil {
			continue
		}
		v, kind, ok := d.read(r.Sample)
		if !ok {
			continue
		}
		switch scope := d.scope(r.scopes); {
		case d.whose > ofStalls:
			s.put(d.desc, kind, v)
		case scope != "" && s.once(d.name, scope, d.labels["resource"], d.labels["kind"]):
			s.put(d.desc, kind, v, scope)
		}
	}
	if scope := r.scopes[instructions]; scope != "" && s.once(instructions, scope) {
		s.put(s.running, prometheus.GaugeValue, r.counters.Running, scope)
		s.put(s.page.counted, prometheus.GaugeValue, float64(r.counters.Counters), scope)
	}
	for _, src := range r.sources {
		switch {
		case src.Name == instructions:
			scope := cmp.Or(r.scopes[instructions], t.config.Instructions)
			if s.once(instructions, "errors", scope) {
				s.counted[scope] = src
				s.misses += failures[src.Name]
			}
		case !src.Required && !src.Named && src.Age < 0: // this machine has no such thing
		case s.once("source", src.Name):
			s.source(src.Name, src, failures[src.Name])
		}
	}
}

// instructions puts whether those of all scopes that were asked for are counted.
func (s *sheet) instructions() {
	var all probe.Source
	for _, scope := range s.config.counted() {
		if scope == off {
			return
		}
		src, known := s.counted[scope]
		if !known {
			src.Err, src.Age = errNotCounted, -1
		}
		if src.Age < 0 || all.Age < 0 {
			all.Age = -1
		} else {
			all.Age = max(all.Age, src.Age)
		}
		all.Err = errors.Join(all.Err, src.Err)
	}
	s.source(instructions, all, s.misses)
}

var errNotCounted = errors.New("not counted")

// source puts how a source is doing.
func (s *sheet) source(name string, src probe.Source, failures uint64) {
	up := 1.0
	if src.Err != nil {
		up = 0
	}
	s.put(s.up, prometheus.GaugeValue, up, name)
	s.put(s.failed, prometheus.CounterValue, float64(failures), name)
	if src.Age >= 0 {
		s.put(s.age, prometheus.GaugeValue, src.Age.Seconds(), name)
	}
}
