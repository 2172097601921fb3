package main

import (
	"encoding/json"
	"strings"
	"testing"

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
