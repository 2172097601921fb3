package main

import (
	"errors"
	"strings"
	"testing"

	"saturate/stress/probe"
)

// Why nothing is heard of a target is the matter of a source that the load
// depends on, not of any other that fails too.
func TestUnheard(t *testing.T) {
	refused := errors.New("connection refused")
	for _, c := range []struct {
		name    string
		sources []probe.Source
		want    error
	}{
		{"none", nil, nil},
		{"in order", []probe.Source{{Name: "agent", Required: true}}, nil},
		{"a page", []probe.Source{{Name: "uwsgi", Named: true, Err: errors.New("no answer")}, {Name: "host", Required: true}}, nil},
		{"the agent", []probe.Source{{Name: "links", Err: errors.New("none")}, {Name: "agent", Required: true, Err: refused}}, refused},
	} {
		if got := unheard(c.sources); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What has a remedy is a warning, also to who watches.
func TestAdvise(t *testing.T) {
	var seen strings.Builder
	s := &session{view: newView(&seen, false, false)}
	s.advise(nil)
	s.advise(&probe.Error{Source: "links", Err: errors.New("none tells its speed")})
	s.advise(&probe.Error{Source: "agent", Err: errors.New("refused"), Remedy: "start it"})
	want := "agent: refused; start it"
	if len(s.warnings) != 1 || s.warnings[0] != want || !strings.Contains(seen.String(), want) {
		t.Errorf("warnings %q, seen %q", s.warnings, seen.String())
	}
}
