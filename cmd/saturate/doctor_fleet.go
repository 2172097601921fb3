package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"saturate/appweight"
	"saturate/appweight/fleet"
	"saturate/scenarios"
)

// fleet tells whether the fleet's figures can be had, and held against what is
// read of the targets.
func (x *examination) fleet(ctx context.Context, s *scenarios.Scenario, measured map[string]map[string]string) {
	var fleets []appweight.Fleet
	if f := s.Fleet.Fixed; f != nil {
		fleets = []appweight.Fleet{*f}
		x.ok("fixed figures, in %s", workOf(f.Unit, f.Scope))
	} else {
		report, err := fleet.Read(ctx, *s.Fleet.Prometheus, time.Now())
		if err != nil {
			x.no(true, err)
			return
		}
		fleets = report.Fleets()
		x.report(report, len(fleets) == 0)
	}
	for _, t := range s.Targets {
		scopes := measured[t.Name]
		if scopes == nil || len(fleets) == 0 {
			continue
		}
		scopes[appweight.Requests] = ""
		f, why, err := appweight.Choose(scopes, fleets)
		if err != nil {
			x.no(true, fmt.Errorf("%s: %w", t.Name, err))
			continue
		}
		if x.ok("%s is held against it in %s", t.Name, workOf(f.Unit, scopes[f.Unit])); why != "" {
			x.aside("%s: %s", t.Name, why)
		}
	}
}

// workOf is a unit with its scope, where it has one.
func workOf(unit, scope string) string {
	if scope == "" {
		return unit
	}
	return unit + " of " + scope
}

// report tells of what production's figures cover; none says that no unit of
// them can be used.
func (x *examination) report(r fleet.Report, none bool) {
	x.ok("%.0f active users in the peak of %s (%s)", r.Peak.ActiveUsers, r.Day, r.Timezone)
	doubts := r.Doubts
	for _, u := range r.Units {
		name := workOf(u.Unit, u.Scope)
		switch {
		case u.Refused != "":
			x.no(none, hint(fmt.Errorf("%s: %s", name, u.Refused), u.Remedy))
		case u.Coverage > 0:
			x.ok("%s: %.1f%% of %.0f servers report", name, 100*u.Coverage, u.Servers)
		default:
			x.ok("%s: of the whole", name)
		}
		doubts = append(doubts, u.Doubts...)
	}
	for _, d := range doubts {
		x.no(false, hint(errors.New(d.String()), d.Remedy))
	}
}
