package main

import (
	"context"
	"fmt"
	"time"

	"saturate/appweight"
	"saturate/appweight/fleet"
	"saturate/scenarios"
)

// figures are what the fleet spends, in every unit that is known, and the doubts
// about them. They are read before any load is sent: the run holds the fleet's
// own load as well where it is known, and who watches can still turn back. What
// cannot be read costs the score, not the run.
func figures(ctx context.Context, s *scenarios.Scenario) (all []appweight.Fleet, doubts []string) {
	if s.Fleet.Fixed != nil {
		return []appweight.Fleet{*s.Fleet.Fixed}, nil
	}
	if s.Fleet.Prometheus == nil {
		return nil, nil
	}
	report, err := fleet.Read(ctx, *s.Fleet.Prometheus, time.Now())
	if err != nil {
		doubt := fmt.Sprintf("no AppWeight, for the fleet's figures could not be read: %v", err)
		for _, h := range hints(err) {
			doubt += "; " + h
		}
		return nil, []string{s.Redact(doubt)}
	}
	for _, w := range report.Warnings() {
		doubts = append(doubts, s.Redact("fleet: "+w))
	}
	return report.Fleets(), doubts
}
