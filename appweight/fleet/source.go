package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"saturate/appweight"
)

// A meter says how a unit of work is read: from counters (and then it can be
// told when they misbehave), or by an expression for the work per second.
type meter struct {
	unit string
	// counter selects raw counters of each server; parts are the labels of those
	// that add up within one.
	counter string
	parts   []string
	// busy selects the counters of CPU seconds that must not run while counter
	// stands still, cpus the labels that both have of one CPU.
	busy string
	cpus []string
	// optional figures are not missed where there are too few.
	optional bool
	// expr is work per second, and frozen an expression for the number of CPUs
	// whose counter stands still.
	expr, frozen string
}

const (
	agentCPU = "saturate_cpu_seconds_total"
	nodeCPU  = `node_cpu_seconds_total{mode!~"idle|iowait|steal"}`
)

// meters are what a configuration reads.
func meters(c Config) []meter {
	var all []meter
	switch {
	case c.Source == Agent && c.Recorded:
		all = []meter{
			{unit: appweight.Instructions, expr: "instance_scope:saturate_instructions:rate1m", frozen: "instance_scope:saturate_instructions_frozen:bool1m"},
			{unit: appweight.CPUSeconds, expr: "instance_scope:saturate_cpu_seconds:rate1m"},
		}
	case c.Source == Agent:
		all = []meter{
			{unit: appweight.Instructions, counter: "saturate_instructions_total", busy: agentCPU, cpus: []string{c.Labels.Host, "scope"}},
			{unit: appweight.CPUSeconds, counter: agentCPU},
			{unit: appweight.Requests, counter: "saturate_requests_total", optional: true},
		}
	case c.Source == NodeExporter && c.Recorded:
		all = []meter{
			{unit: appweight.Instructions, expr: "instance:node_perf_instructions:rate1m", frozen: "instance:node_perf_instructions_frozen:count1m"},
			{unit: appweight.CPUSeconds, expr: "instance:node_cpu_busy_seconds:rate1m"},
		}
	case c.Source == NodeExporter:
		all = []meter{
			{unit: appweight.Instructions, counter: "node_perf_instructions_total", parts: []string{"cpu"}, busy: nodeCPU, cpus: []string{c.Labels.Host, "cpu"}},
			{unit: appweight.CPUSeconds, counter: nodeCPU, parts: []string{"cpu", "mode"}},
		}
	}
	for _, own := range []meter{
		{unit: appweight.Instructions, expr: c.Queries.Instructions},
		{unit: appweight.CPUSeconds, expr: c.Queries.CPUSeconds},
		{unit: appweight.Requests, expr: c.Queries.Requests},
	} {
		if own.expr != "" {
			all = replace(all, own)
		}
	}
	return all
}

func replace(all []meter, m meter) []meter {
	for i := range all {
		if all[i].unit == m.unit {
			all[i] = m
			return all
		}
	}
	return append(all, m)
}

// by is the list of the labels that are kept of each series.
func (c Config) by(more ...string) string {
	names := append([]string{c.Labels.Host, "job", "scope", c.Labels.Generation, c.Labels.Region, c.Labels.ISA}, more...)
	return strings.Join(names, ", ")
}

// work is a query for the work done within the window that ends at the time of
// the query: an increase, or the sum of what is given for each minute.
//
// The maximum is first taken over series that differ in nothing we know, such
// as those of two replicas of a Prometheus: only then may parts be added. Rates
// come before sums: a sum of counters hides a restart.
func (m meter) work(c Config, window time.Duration) string {
	if m.counter == "" {
		return fmt.Sprintf("max by (%s) (sum_over_time((%s)[%s:1m]))", c.by(), m.expr, open(window))
	}
	one := fmt.Sprintf("max by (%s) (increase(%s[%s]))", c.by(m.parts...), m.counter, promql(window))
	if len(m.parts) == 0 {
		return one
	}
	return fmt.Sprintf("sum by (%s) (%s)", c.by(), one)
}

// seen is a query for how many figures the window holds of each server.
func (m meter) seen(c Config, window time.Duration) string {
	if m.counter == "" {
		return fmt.Sprintf("max by (%s) (count_over_time((%s)[%s:1m]))", c.by(), m.expr, open(window))
	}
	return fmt.Sprintf("max by (%s) (count_over_time(%s[%s]))", c.by(), m.counter, open(window))
}

// restarted is a query for the servers whose counters began anew.
func (m meter) restarted(c Config, window time.Duration) string {
	return fmt.Sprintf("max by (%s) (resets(%s[%s])) > 0", c.by(), m.counter, promql(window))
}

// steppedBack is a query for the servers whose counters fell, but not to near
// nothing as after a restart: those are estimates. An increase takes what
// stands there after the fall for new, which can be years' worth.
func (m meter) steppedBack(c Config, window time.Duration) string {
	w := promql(window)
	return fmt.Sprintf("max by (%s) ((min_over_time(%s[%s]) / max_over_time(%s[%s]) > 0.5) and resets(%s[%s]) > 0)",
		c.by(), m.counter, w, m.counter, w, m.counter, w)
}

// ended is a query for the servers whose last figure is old, and yet no marker
// says that there are no more.
func (m meter) ended(c Config, interval time.Duration) string {
	oldest := max(45*time.Second, 5*interval/2)
	return fmt.Sprintf("time() - max by (%s) (timestamp(%s)) > %d", c.by(), m.counter, int(oldest/time.Second))
}

// frozenQuery is a query for the servers with counters that stand still at the
// end of the window while their CPU is busy; "" where that cannot be told.
func (m meter) frozenQuery(c Config, interval time.Duration) string {
	short := promql(max(time.Minute, 4*interval))
	switch {
	case m.frozen != "":
		return fmt.Sprintf("max by (%s) (%s) > 0", c.by(), m.frozen)
	case m.busy == "" || m.counter == "":
		return ""
	}
	cpu := strings.Join(m.cpus, ", ")
	return fmt.Sprintf("count by (%s) ((rate(%s[%s]) == 0) and on (%s) (sum by (%s) (rate(%s[%s])) > 0.05))",
		c.by(), m.counter, short, cpu, cpu, m.busy, short)
}

// inventory is a query for the servers that exist within the window: in how
// many of its minutes.
func inventory(c Config, window time.Duration) string {
	return fmt.Sprintf("max by (%s) (count_over_time((%s)[%s:1m]))", c.kinds(), c.Hosts, open(window))
}

// information is a query for the labels of the servers.
func information(c Config, window time.Duration) string {
	return fmt.Sprintf("max by (%s) (last_over_time((%s)[%s:1m]))", c.kinds(), c.Info, open(window))
}

// kinds is the list of the labels that say what a server is.
func (c Config) kinds() string {
	return strings.Join([]string{c.Labels.Host, c.Labels.Generation, c.Labels.Region, c.Labels.ISA, machine}, ", ")
}

// promql writes a duration as PromQL has it.
func promql(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

// open is a window without its beginning, which Prometheus 2 counts in and 3
// does not: the end of one piece of a window is not the beginning of the next.
func open(window time.Duration) string { return promql(window - time.Second) }

// short writes 15m0s as 15m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
