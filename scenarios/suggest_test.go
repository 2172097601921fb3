package scenarios

import (
	"reflect"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"start", "max", "precision", "connections", "url", "uwsgi"}
	for word, want := range map[string]string{
		"strat": "start", "Start": "start", "starts": "start", "mx": "max", "presicion": "precision",
		"conections": "connections", "maximum": "", "x": "", "": "", "http": "", "uri": "url",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"raet", "rate", 1}, {"same", "same", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestHomes(t *testing.T) {
	for key, want := range map[string][]string{
		"weight": {"traffic.requests[]"},
		"cpu":    {"stress"},
		"uwsgi":  {"targets[].probes"},
		"nobody": nil,
	} {
		if got := homes(key, "", reflect.TypeFor[Scenario]()); !reflect.DeepEqual(got, want) {
			t.Errorf("homes(%q) = %q, want %q", key, got, want)
		}
	}
}
