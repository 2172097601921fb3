package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/record"
)

// Pairs that did not count leave fewer than were asked for. No more will come, so
// that the comparison is not open, and says what it has.
func TestDuelIsNotLeftOpen(t *testing.T) {
	d := duel{rule: appweight.DefaultPairTest, names: [2]string{"old/web.yaml", "new/web.yaml"},
		pairs: ramp.Pairs{Logs: []float64{math.Log(1.10), math.Log(.94), math.Log(1.08)}, Void: 1}}
	for i := range d.sides {
		r := kept()
		r.Targets[0].Repeats[0].Sustained = &record.Sustained{Rate: 100, AtLimit: 100}
		r.Scenario, r.ID = d.names[i], d.names[i]
		d.sides[i] = &campaign{record: r}
	}
	var b bytes.Buffer
	if err := d.write(&b, []output{{format: "text"}}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if strings.Contains(text, "different scenarios") {
		t.Errorf("what was found alike is doubted:\n%s", text)
	}
	for _, want := range []string{"new/web.yaml against old/web.yaml: not settled after 3 pairs: +3.", "1 pair did not count"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// What was missed is missed in a check, too; what a check cannot decide, since it
// finds bounds only, does not fail it.
func TestVerdictOfRequirements(t *testing.T) {
	for _, c := range []struct {
		ending   record.Ending
		check    bool
		outcomes []record.Outcome
		want     int
	}{
		{record.Found, false, nil, exitOK},
		{record.Found, false, []record.Outcome{record.Met, record.Undecided}, exitNoAnswer},
		{record.Found, false, []record.Outcome{record.Undecided, record.Missed}, exitMissed},
		{record.AtLeast, false, []record.Outcome{record.Met}, exitNoAnswer},
		{record.AtLeast, true, []record.Outcome{record.Met, record.Undecided}, exitOK},
		{record.AtLeast, true, []record.Outcome{record.Undecided, record.Missed}, exitMissed},
		{record.AtMost, true, []record.Outcome{record.Met}, exitMissed},
	} {
		r := &record.Record{Ending: c.ending}
		for _, o := range c.outcomes {
			r.Requirements = append(r.Requirements, record.Requirement{Outcome: o})
		}
		if got := codeOf(verdict(t.Context(), r, c.check, nil)); got != c.want {
			t.Errorf("%+v: exit %d", c, got)
		}
	}
}
