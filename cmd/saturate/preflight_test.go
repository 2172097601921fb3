package main

import (
	"errors"
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
