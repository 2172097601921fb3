package watchdog

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"saturate/loadgen/shift/balancer"
)

func backendOf(most, least int, weights ...int) balancer.Backend {
	b := balancer.Backend{MaxWeight: most, MinWeight: least}
	for i, w := range weights {
		b.Servers = append(b.Servers, balancer.Server{Name: fmt.Sprintf("s%d", i+1), Weight: w, Status: balancer.Up})
	}
	return b
}

func TestCap(t *testing.T) {
	three := Caps{Times: 3, Share: .25, For: time.Minute}
	wide := Caps{Times: 3, Share: 1, For: time.Minute}
	for _, c := range []struct {
		name    string
		caps    Caps
		found   balancer.Backend
		servers []string
		wish    map[string]int
		want    map[string]int
	}{
		{"nothing is wished", three, backendOf(256, 0, 100, 100, 100, 100, 100), []string{"s1"}, nil, map[string]int{"s1": 100}},
		{"within", three, backendOf(256, 0, 100, 100, 100, 100, 100, 100), []string{"s1"}, map[string]int{"s1": 150}, map[string]int{"s1": 150}},
		{"share: 166 of 666", three, backendOf(256, 0, 100, 100, 100, 100, 100, 100), []string{"s1"}, map[string]int{"s1": 250}, map[string]int{"s1": 166}},
		{"times", wide, backendOf(0, 0, 100, 100), []string{"s1"}, map[string]int{"s1": 999}, map[string]int{"s1": 300}},
		{"times, rounded down", Caps{Times: 1.5, Share: 1}, backendOf(0, 0, 3, 3), []string{"s1"}, map[string]int{"s1": 999}, map[string]int{"s1": 4}},
		{"the balancer's most", wide, backendOf(256, 0, 100, 100), []string{"s1"}, map[string]int{"s1": 999}, map[string]int{"s1": 256}},
		{"two share one whole", three, backendOf(0, 0, 100, 100, 100, 100, 100, 100), []string{"s1", "s2"}, map[string]int{"s1": 300, "s2": 300}, map[string]int{"s1": 200, "s2": 200}},
		{"drained", three, backendOf(256, 0, 100, 100, 100, 100, 100, 100), []string{"s1"}, map[string]int{"s1": 0}, map[string]int{"s1": 0}},
		{"drained where 0 takes a server away", three, backendOf(256, 1, 100, 100, 100, 100, 100, 100), []string{"s1"}, map[string]int{"s1": 0}, map[string]int{"s1": 1}},
		{"no cap goes below what was found", Caps{Times: 1, Share: .1}, backendOf(0, 0, 100, 100), []string{"s1"}, map[string]int{"s1": 150}, map[string]int{"s1": 100}},
	} {
		if got := c.caps.cap(c.found, c.servers, c.wish); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Whatever is wished, no server gets more than any cap says.
func TestCapHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 300), 2, 12).Draw(t, "weights")
		found := backendOf(rapid.SampledFrom([]int{0, 256, 999}).Draw(t, "most"), rapid.IntRange(0, 1).Draw(t, "least"), weights...)
		c := Caps{Times: rapid.Float64Range(1, 10).Draw(t, "times"), Share: rapid.Float64Range(.01, 1).Draw(t, "share")}
		var servers []string
		wish := make(map[string]int)
		for _, s := range found.Servers[1:] {
			if rapid.Bool().Draw(t, "squeezed") {
				servers = append(servers, s.Name)
				wish[s.Name] = rapid.IntRange(0, 2000).Draw(t, "wish")
			}
		}
		got := c.cap(found, servers, wish)
		total := 0
		for _, s := range found.Servers {
			if w, ok := got[s.Name]; ok {
				total += w
			} else {
				total += s.Weight
			}
		}
		for _, s := range found.Servers {
			w, ok := got[s.Name]
			if !ok || w <= s.Weight {
				continue // below what was found no cap holds
			}
			if w > wish[s.Name] || float64(w) > c.Times*float64(s.Weight)+1e-6 || found.MaxWeight > 0 && w > found.MaxWeight || float64(w) > c.Share*float64(total)+1e-6 {
				t.Fatalf("%s: %d of %d, found %d, wished %d", s.Name, w, total, s.Weight, wish[s.Name])
			}
		}
		if len(got) != len(servers) {
			t.Fatalf("%v for %v", got, servers)
		}
	})
}

func TestCapsCheck(t *testing.T) {
	for _, c := range []struct {
		caps Caps
		ok   bool
	}{
		{DefaultCaps(), true},
		{Caps{Times: .5, Share: .1, For: 1}, false},
		{Caps{Times: math.NaN(), Share: .1, For: 1}, false},
		{Caps{Times: math.Inf(1), Share: .1, For: 1}, false},
		{Caps{Times: 1, Share: 1.1, For: 1}, false},
		{Caps{Times: 1, Share: math.NaN(), For: 1}, false},
		{Caps{Times: 1, Share: -1, For: 1}, false},
		{Caps{Times: 1, Share: 1, For: -1}, false},
	} {
		if got := c.caps.check(); (got == nil) != c.ok {
			t.Errorf("%+v: %v", c.caps, got)
		}
	}
}
