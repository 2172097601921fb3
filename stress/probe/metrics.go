package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"saturate/stress"
)

// A selector names series of a page: all of that name that have the labels.
type selector struct {
	text   string
	name   string
	labels []*dto.LabelPair
}

// parseSelector reads `name` or `name{label="value",...}`.
func parseSelector(text string) (selector, error) {
	// As a line with a value it is in the page's own format, unless it has one
	// already.
	text = strings.TrimSpace(text)
	alone := strings.HasSuffix(text, "}") || !strings.ContainsAny(text, " \t\n#")
	families, err := parseMetrics([]byte(text + " 0\n"))
	if err != nil || len(families) != 1 || !alone {
		return selector{}, fmt.Errorf("%q is not a metric", text)
	}
	s := selector{text: text}
	for name, family := range families {
		if len(family.GetMetric()) != 1 {
			return selector{}, fmt.Errorf("%q is not a metric", text)
		}
		s.name, s.labels = name, family.GetMetric()[0].GetLabel()
	}
	return s, nil
}

// parseMetrics reads the Prometheus text format.
func parseMetrics(b []byte) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(b))
}

// sum adds the values of the series that match; false where none does.
func (s selector) sum(families map[string]*dto.MetricFamily) (total float64, found bool) {
	for _, m := range families[s.name].GetMetric() {
		if v := m.GetUntyped().GetValue(); s.matches(m) && !math.IsNaN(v) && !math.IsInf(v, 0) {
			total += v
			found = true
		}
	}
	return total, found
}

func (s selector) matches(m *dto.Metric) bool {
	for _, want := range s.labels {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
			return l.GetName() == want.GetName() && l.GetValue() == want.GetValue()
		}) {
			return false
		}
	}
	return true
}

// metrics reads a page in the Prometheus text format.
type metrics struct {
	*fetcher
	gauges   map[stress.Gauge]selector
	counters map[stress.Counter]selector
}

// newMetrics takes a page that Validate has passed.
func newMetrics(p Page) (*metrics, error) {
	m := &metrics{
		fetcher:  newFetcher(p.URL, "text/plain;version=0.0.4"),
		gauges:   make(map[stress.Gauge]selector),
		counters: make(map[stress.Counter]selector),
	}
	var errs []error
	parse := func(text string) selector {
		sel, err := parseSelector(text)
		errs = append(errs, err)
		return sel
	}
	for name, text := range p.Gauges {
		m.gauges[stress.Gauge(name)] = parse(text)
	}
	for name, text := range p.Counters {
		m.counters[stress.Counter(name)] = parse(text)
	}
	return m, errors.Join(errs...)
}

func (m *metrics) read(ctx context.Context, s *stress.Sample) error {
	b, err := m.fetch(ctx)
	if err != nil {
		return err
	}
	families, err := parseMetrics(m.wanted(b))
	if err != nil {
		return fmt.Errorf("no Prometheus text: %w", err)
	}
	var missing []string
	for name, sel := range m.gauges {
		if v, found := sel.sum(families); found {
			s.Gauges[name] = v
		} else {
			missing = append(missing, sel.text)
		}
	}
	for name, sel := range m.counters {
		if v, found := sel.sum(families); found {
			s.Counters[name] = v
		} else {
			missing = append(missing, sel.text)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return hinted("curl "+m.address+" shows the names and labels it has", "the page has no %s", strings.Join(slices.Compact(missing), ", no "))
	}
	return nil
}

// wanted keeps the lines of the metrics that are asked for. Without their TYPE
// the rest are plain series, also the _sum and _count of a histogram; and of a
// thousand lines few are left to parse, five times a second.
func (m *metrics) wanted(page []byte) []byte {
	names := make(map[string]bool)
	for _, s := range slices.Concat(slices.Collect(maps.Values(m.gauges)), slices.Collect(maps.Values(m.counters))) {
		names[s.name] = true
	}
	var kept []byte
	for line := range bytes.Lines(page) {
		if end := bytes.IndexAny(line, "{ \t"); end > 0 && names[string(line[:end])] {
			kept = append(kept, line...)
		}
	}
	if n := len(kept); n > 0 && kept[n-1] != '\n' {
		kept = append(kept, '\n')
	}
	return kept
}
