package main

import (
	"bytes"
	"errors"
	"io"
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

// Servers that give no more pairs end the measuring, and not what it came to: what
// there is is concluded from, with the reason. Without any pair it is an error.
func TestDuelSettlesForWhatItHas(t *testing.T) {
	for _, c := range []struct {
		logs    []float64
		err     error
		failed  bool
		stopped string
	}{
		{[]float64{.1, .12}, ramp.ErrVoidPairs, false, "three pairs in a row found no limit"},
		{nil, ramp.ErrVoidPairs, true, ""},
		{[]float64{.1, .12}, errors.New("the target is gone"), true, ""},
		{[]float64{.1, .12}, nil, false, ""},
	} {
		d := duel{rule: appweight.DefaultPairTest, names: [2]string{"old", "new"}, view: newView(io.Discard, false, true),
			pairs: ramp.Pairs{Logs: c.logs, Void: 3}}
		if err := d.settleFor(c.err); (err != nil) != c.failed || !strings.Contains(d.stopped, c.stopped) || (d.stopped == "") != (c.stopped == "") {
			t.Errorf("%v: %v, stopped %q", c, err, d.stopped)
		}
		if d.stopped == "" {
			continue
		}
		for i := range d.sides {
			r := kept()
			r.ID = d.names[i]
			d.sides[i] = &campaign{record: r}
		}
		var b bytes.Buffer
		if err := d.write(&b, []output{{format: "text"}}); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(text, "not settled after 2 pairs") || !strings.Contains(text, d.stopped) {
			t.Errorf("it does not say why it stopped:\n%s", text)
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
