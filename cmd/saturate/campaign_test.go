package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/record"
	"saturate/scenarios"
	"saturate/stress"
)

// TestNoSecretInWords: whatever tells of a run in words may quote the target.
func TestNoSecretInWords(t *testing.T) {
	const secret = "s3cret-token"
	run := ramp.Run{
		Result:  ramp.Result{Ending: ramp.Inconclusive, Why: "it printed " + secret, Trips: []ramp.Trip{{Why: secret}}},
		Steps:   []ramp.Seen{{Why: []string{"cpu", secret}}},
		Verdict: stress.Bottleneck{Name: stress.NoneReached, Sentence: secret, Evidence: []string{secret}},
	}
	repeat := record.NewRepeat(run, 1, nil)
	hide(&repeat, func(text string) string { return strings.ReplaceAll(text, secret, "${TOKEN}") })
	text, err := json.Marshal(repeat)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) || strings.Count(string(text), "${TOKEN}") != 5 {
		t.Errorf("%s", text)
	}
}

func TestWarningsAreRedacted(t *testing.T) {
	t.Setenv("STATUS_KEY", "k3y-of-the-page")
	s, err := scenarios.Decode([]byte(`
targets:
  - {name: a, url: "http://127.0.0.1:1", probes: {metrics: [{url: "http://127.0.0.1:2/?key=${STATUS_KEY}", gauges: {depth: queue_depth}}]}}
traffic: {requests: [{path: /}]}
`), "a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := campaign{scenario: s, record: &record.Record{}}
	c.warn("a", []string{"GET http://127.0.0.1:2/?key=k3y-of-the-page: refused"})
	if got := c.record.Warnings[0]; got != "a: GET http://127.0.0.1:2/?key=${STATUS_KEY}: refused" {
		t.Error(got)
	}
}

// What an agent tells of its machine fills in what the scenario leaves open, of
// the target or of the run, and nothing else.
func TestAddMachine(t *testing.T) {
	machine := map[string]string{"generation": "zen4", "region": "eu", "isa": "amd64"}
	for _, c := range []struct {
		name             string
		target, scenario map[string]string
		machine          map[string]string
		want             map[string]string // the target's labels
	}{
		{"open", nil, nil, machine, map[string]string{"generation": "zen4", "region": "eu"}},
		{"of the target", map[string]string{"generation": "zen3"}, nil, machine, map[string]string{"generation": "zen3", "region": "eu"}},
		{"of the run", map[string]string{"rack": "7"}, map[string]string{"generation": "zen3"}, machine, map[string]string{"rack": "7", "region": "eu"}},
		{"not told", nil, nil, map[string]string{"isa": "amd64"}, nil},
		{"no agent", nil, nil, nil, nil},
	} {
		target := record.Target{Labels: c.target}
		addMachine(&target, c.machine, c.scenario)
		if !maps.Equal(target.Labels, c.want) || (target.Env != nil) != (c.machine != nil) {
			t.Errorf("%s: labels %v, want %v; env %v", c.name, target.Labels, c.want, target.Env)
		}
	}
}

// A search begins where the last one of the same generation ended, also where it
// is the target's agent that knows the generation.
func TestSearchBeginsAtWhatIsKnown(t *testing.T) {
	s := &scenarios.Scenario{Name: "feed", Targets: []scenarios.Target{{Name: "web-1"}}}
	c := campaign{scenario: s, last: make([]float64, 1), known: func(scenario, target, generation string) float64 {
		if scenario == "feed" && target == "web-1" && generation == "zen4" {
			return 120
		}
		return 0
	}}
	told := session{scenario: s, target: s.Targets[0], machine: map[string]string{"generation": "zen4"}}
	if got := c.lastKnown(0)(told.generation()); got != 120 {
		t.Errorf("by the agent's generation: %v", got)
	}
	if got := c.lastKnown(0)("zen3"); got != 0 {
		t.Errorf("of another generation: %v", got)
	}
	c.last[0] = 130
	if got := c.lastKnown(0)("zen4"); got != 130 {
		t.Errorf("in this run: %v", got)
	}
}

// An agent of another make may tell no scopes at all.
func TestSearchWithoutScopes(t *testing.T) {
	s := session{scenario: &scenarios.Scenario{}, lastKnown: func(string) float64 { return 0 },
		fleets: []appweight.Fleet{{Unit: appweight.CPUSeconds, PerSecond: 10}}}
	if s.search(stress.Sample{}, 0, stress.NewLimits(stress.Default), nil) == nil {
		t.Error("no search")
	}
}
