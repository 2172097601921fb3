package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"saturate/loadgen"
	"saturate/ramp"
	"saturate/stress"
	"saturate/stress/probe"
)

// try proves that the target answers every request as it should. Where an answer
// takes longer than the SLO it is asked twice more, and the fastest answer
// counts: the first one may have had to fill a cache.
func (s *session) try(ctx context.Context, ours bool) (loadgen.Trial, error) {
	trial, err := loadgen.Try(ctx, s.scenario.Traffic, s.target.URL)
	for range 2 {
		if err != nil || s.slowShare(trial) == 0 {
			break
		}
		var again loadgen.Trial
		again, err = loadgen.Try(ctx, s.scenario.Traffic, s.target.URL)
		for name, took := range again.Quiet {
			trial.Quiet[name] = min(trial.Quiet[name], took)
		}
	}
	if trial.Note != "" {
		s.warn("%s", trial.Note)
	}
	if err != nil {
		return trial, hint(fmt.Errorf("target %s: %w", s.target.Name, err), tryHint(err, ours))
	}
	return trial, nil
}

// slowShare is the share of the mix that takes longer than the SLO with nothing
// else under way; 0 where there is no SLO.
func (s *session) slowShare(trial loadgen.Trial) float64 {
	var slow float64
	slo := s.scenario.Stress.LatencyP99
	for i, share := range s.scenario.Traffic.Shares() {
		if slo > 0 && trial.Quiet[s.scenario.Traffic.Requests[i].Name] > slo {
			slow += share
		}
	}
	return slow
}

// tooSlow ends a run before any load where more than a hundredth of the mix
// breaks the SLO by itself: no level would have a p99 inside it.
func (s *session) tooSlow(trial loadgen.Trial) (ramp.Run, bool) {
	share := s.slowShare(trial)
	if share <= .01 {
		return ramp.Run{}, false
	}
	slo, slowest := s.scenario.Stress.LatencyP99, time.Duration(0)
	var name string
	for one, took := range trial.Quiet {
		if took > slowest {
			name, slowest = one, took
		}
	}
	why := fmt.Sprintf("request %q takes %v with nothing else under way, and latency_p99 allows %v", name, round(slowest), slo)
	return ramp.Run{
		Result: ramp.Result{Ending: ramp.AtMost, Why: why, Bottleneck: stress.LatencyP99},
		Limits: stress.NewLimits(s.scenario.Stress).InForce(),
		Verdict: stress.Bottleneck{Name: stress.LatencyBound, Signal: stress.LatencyP99, Pressure: float64(slowest) / float64(slo),
			Sentence: fmt.Sprintf("%.0f%% of the mix is slower than the limit without any load", 100*share)},
	}, true
}

// unread names the pages of the scenario that have never answered. A run without
// them would neither see nor guard what they tell.
func unread(sources []probe.Source) error {
	var errs error
	for _, src := range sources {
		if !src.Named || src.Age >= 0 {
			continue
		}
		err := src.Err
		if err == nil {
			err = fmt.Errorf("%s: no answer yet", src.Name)
		}
		var known *probe.Error
		if !errors.As(err, &known) || known.Hint() == "" {
			err = hint(err, "does it answer when asked by hand? To measure without what it tells, take it out of `probes`")
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

// unheard is why no sample is complete: the first source that the load depends
// on and that cannot be read. It is nil where that is not known.
func unheard(sources []probe.Source) error {
	for _, src := range sources {
		if src.Required && src.Err != nil {
			return src.Err
		}
	}
	return nil
}

// tryHint names the remedy of a target that is down; an answer that is not as
// expected knows its own.
func tryHint(err error, ours bool) string {
	switch {
	case errors.Is(err, loadgen.ErrDown) && !ours:
		return "start the server first, or give the target a `command:` so that saturate starts it"
	case errors.Is(err, loadgen.ErrDown):
		return "the command runs but nothing listens at `url`; is the port right?"
	}
	return ""
}
