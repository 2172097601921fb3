package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saturate/appweight"
	"saturate/loadgen"
	"saturate/stress"
)

// sections lets each package check its own section, and then what one section
// needs of another.
func (c checker) sections(s *Scenario) {
	if s.Live == nil {
		c.joined("traffic", s.Traffic.Validate())
	}
	c.live(s)
	c.all("ramp", s.Ramp.Validate())
	c.all("stress", s.Stress.Validate())
	c.fleet(s.Fleet)
	if s.Goal != nil {
		c.joined("goal", s.Goal.Validate())
	}
	c.requirements(s)
	c.metricLimits(s)
	for i, t := range s.Targets {
		c.all(fmt.Sprintf("targets[%d].probes", i), t.Probes.Validate())
	}
}

func (c checker) fleet(f Fleet) {
	if f.Fixed != nil {
		c.joined("fleet.fixed", f.Fixed.Validate())
	}
	if f.Prometheus != nil {
		c.joined("fleet.prometheus", f.Prometheus.Validate())
	}
	if f.Fixed != nil && f.Prometheus != nil {
		c.note("fleet.prometheus", "stands beside fixed: the figures can come from one place only", "remove one of the two")
	}
}

func (c checker) all(section string, mistakes []stress.Mistake) {
	for _, m := range mistakes {
		c.note(join(section, m.Field), m.Msg, m.Hint)
	}
}

// joined notes the mistakes that a Validate returned: one, or several joined.
func (c checker) joined(section string, err error) {
	for _, one := range loadgen.Joined(err) {
		switch m := one.(type) {
		case *loadgen.Mistake:
			c.note(join(section, m.Path), m.Problem, m.Hint)
		case *appweight.Mistake:
			c.note(join(section, m.Path), m.Problem, m.Hint)
		default:
			c.note(section, one.Error(), "")
		}
	}
}

// requirements notes what cannot be read, and what could never be met.
func (c checker) requirements(s *Scenario) {
	for i, text := range s.Require {
		at := fmt.Sprintf("require[%d]", i)
		r, err := appweight.ParseRequirement(text)
		var wrong *appweight.SyntaxError
		switch {
		case errors.As(err, &wrong):
			c.note(at, wrong.Problem, wrong.Hint())
		case err != nil:
			c.note(at, err.Error(), "")
		case r.Name == "appweight" && s.Fleet == (Fleet{}):
			c.note(at, "there is no appweight without the fleet's figures", "add fleet: {fixed: {unit: ..., per_second: ..., active_users: ...}}, or fleet: {prometheus: ...}")
		}
	}
}

// metricLimits notes limits on gauges that no target has: they would never be
// reached, and nobody would know.
func (c checker) metricLimits(s *Scenario) {
	var read []string
	nginx := false
	for _, t := range s.Targets {
		nginx = nginx || t.Probes.Nginx != ""
		for _, page := range t.Probes.Metrics {
			read = append(read, slices.Collect(maps.Keys(page.Gauges))...)
		}
	}
	for name := range s.Stress.Metrics {
		if slices.Contains(read, name) || nginx && strings.HasPrefix(name, "nginx_") {
			continue
		}
		hint := "name it in a target: probes: {metrics: [{url: ..., gauges: {" + name + ": ...}}]}"
		if meant := nearest(name, read); meant != "" {
			hint = fmt.Sprintf("did you mean %q?", meant)
		}
		c.note(join("stress.metrics", name), "no target's metrics page has a gauge of this name", hint)
	}
}
