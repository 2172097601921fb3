package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"saturate/scenarios"
)

// plan says what a run would do. It starts, opens and sends nothing.
func plan(w io.Writer, s *scenarios.Scenario) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, each measured %s, precision %s\n", s.Name,
		count(len(s.Targets), "target"), count(s.Repeat, "time"), s.Ramp.Precision)
	for _, t := range s.Targets {
		fmt.Fprintf(&b, "\n  %s  %s\n", t.Name, t.URL)
		if len(t.Command) > 0 {
			fmt.Fprintf(&b, "    starts  %s\n", strings.Join(t.Command, " "))
		}
		most := "until the first limit is near"
		if s.Ramp.Max > 0 {
			most = fmt.Sprintf("until the first limit is near, at most %g req/s", s.Ramp.Max)
		}
		fmt.Fprintf(&b, "    sends   %s arrivals, %s\n", s.Traffic.Arrivals, most)
	}
	b.WriteString("\n  requests\n")
	for i, share := range s.Traffic.Shares() {
		r := s.Traffic.Requests[i]
		fmt.Fprintf(&b, "    %4.0f %%  %-12s %s %s\n", 100*share, r.Name, cmp.Or(r.Method, "GET"), r.Path)
	}
	if p := s.Fleet.Prometheus; p != nil {
		fmt.Fprintf(&b, "\n  reads the fleet's figures from %s\n", s.Redact(p.URL))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
