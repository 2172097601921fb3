package main

import (
	"math"
	"slices"
	"time"

	"saturate/loadgen/shift"
	"saturate/record"
	"saturate/scenarios"
)

// newSqueeze records one squeeze.
func newSqueeze(restart int, s *scenarios.Scenario, plan shift.Plan, c shift.Closed) record.Squeeze {
	q := record.Squeeze{
		Restart: restart, Epoch: c.Epoch, Why: s.Redact(c.Why), Restored: c.Restored, RestoreSeconds: exact(c.Took), Respected: c.Respected,
		Siblings: newSiblings(c.Siblings),
		Traffic:  &record.LiveRates{From: tenth(c.Total.From), To: tenth(c.Total.To), Least: tenth(c.Total.Least), Most: tenth(c.Total.Most)},
	}
	for _, t := range s.Targets {
		server := record.SqueezedServer{Target: t.Name, Server: t.Server, Found: c.Found[t.Server], MaxConns: s.Live.MaxConns,
			Weights: weightChanges(c.Weights, t.Server, c.Found[t.Server])}
		if left, ok := c.Left[t.Server]; ok {
			server.Left = &left
		}
		if i := slices.IndexFunc(plan.Members, func(m shift.PlannedMember) bool { return m.Server == t.Server }); i >= 0 {
			server.Allowed, server.Bound = plan.Members[i].Most, plan.Members[i].Bound
		}
		if server.Highest() > server.Allowed { // which is told with the others' weights as found
			server.Allowed, server.Bound = 0, ""
		}
		q.Servers = append(q.Servers, server)
	}
	return q
}

// weightChanges are those of one server out of everybody's.
func weightChanges(all []shift.Weighed, server string, found int) []record.WeightChange {
	var changes []record.WeightChange
	last := found
	for _, w := range all {
		if now, ok := w.Weights[server]; ok && now != last {
			changes = append(changes, record.WeightChange{AtSeconds: exact(w.At), Weight: now})
			last = now
		}
	}
	return changes
}

func newSiblings(s shift.Siblings) *record.Siblings {
	requests := math.Round(s.During.Rate * s.During.Seconds)
	return &record.Siblings{Names: s.Names, Quiet: newSiblingFigures(s.Quiet), Worst: newSiblingFigures(s.Worst),
		Requests: uint64(requests), Failed: uint64(math.Round(s.During.Failed * requests))}
}

// newSiblingFigures leaves out what the balancer does not tell.
func newSiblingFigures(f shift.Figures) record.SiblingFigures {
	var out record.SiblingFigures
	if f.Seconds > 0 {
		out.FailedShare = &f.Failed
	}
	for _, t := range []struct {
		from time.Duration
		to   **float64
	}{{f.Mean, &out.Response}, {f.P99, &out.P99}} {
		if t.from > 0 {
			seconds := t.from.Seconds()
			*t.to = &seconds
		}
	}
	return out
}

// exact is a time in seconds to the millisecond, tenth a rate to the tenth.
func exact(d time.Duration) float64 { return math.Round(d.Seconds()*1e3) / 1e3 }
func tenth(v float64) float64       { return math.Round(v*10) / 10 }
