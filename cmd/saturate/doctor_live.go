package main

import (
	"context"
	"fmt"
	"slices"

	"saturate/loadgen/shift"
	"saturate/loadgen/shift/balancer"
	"saturate/scenarios"
)

// live looks at the load balancer of a scenario on live traffic, and at the
// targets' probes. It asks no target for anything and changes nothing.
func (x *examination) live(ctx context.Context, s *scenarios.Scenario) (measured map[string]map[string]string) {
	x.about("load balancer")
	x.balancer(ctx, s)
	measured = make(map[string]map[string]string)
	for _, t := range s.Targets {
		if ctx.Err() != nil {
			return measured
		}
		x.about("target %s, %s at the balancer", t.Name, t.Server)
		if scopes := x.probes(ctx, s, t); scopes != nil {
			measured[t.Name] = scopes
		}
	}
	return measured
}

// balancer tells how the backend stands, and what forbids a squeeze now.
func (x *examination) balancer(ctx context.Context, s *scenarios.Scenario) {
	at, err := stand(ctx, s.Live)
	if err != nil {
		x.all(err)
		return
	}
	up := 0
	for _, server := range at.now.Servers {
		if server.Status == balancer.Up {
			up++
		}
	}
	plan, refused := shift.Preflight(at.now, at.rates, setOf(s), *s.Live)
	x.ok("%s is read: %d of %s up, %.0f req/s", at.name, up, count(len(at.now.Servers), "server"), plan.Total)
	if at.state != nil {
		x.ok("the watchdog at %s answers", s.Live.Watchdog.URL)
		if at.state.Epoch != 0 {
			x.no(true, fmt.Errorf("somebody else squeezes the backend now: %s", at.state.Holder))
		}
	}
	if refused != nil {
		x.all(refused)
		return
	}
	for _, m := range plan.Members {
		x.ok("%s can be given up to %.0f req/s (weight %d to %d)", m.Server, m.MostRate, m.Weight, m.Most)
	}
	for _, doubt := range plan.Doubts {
		x.aside("%s", doubt)
	}
	if !timed(at.now) {
		x.aside("the balancer tells no answer times: latency_p99 is not judged, and the siblings' p99 is not known; name its log")
	}
}

// timed tells whether the balancer's log is read.
func timed(b balancer.Backend) bool {
	return slices.ContainsFunc(b.Servers, func(s balancer.Server) bool { return s.Times != nil })
}
