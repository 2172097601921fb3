package record

import (
	"math"
	"testing"

	"saturate/appweight"
)

// Three servers that differ by some 7 % and restarts by 1 %: the servers are
// most of what the score varies by, and the shares are the whole.
func TestSpread(t *testing.T) {
	fleet := []appweight.Fleet{{Unit: "cpu_seconds", Scope: "cgroup", PerSecond: 61, ActiveUsers: 12000}}
	r := night(nil, map[string][]float64{"web-1": {160, 162}, "web-2": {150, 151}, "web-3": {171, 169}})
	r.Conclude(fleet, nil)
	s := r.AppWeight[0].Spread
	if s == nil || len(s.Parts) < 3 || s.Parts[0].Source != "servers" || s.Parts[0].Share < .5 || s.Parts[0].SD < .05 || s.Parts[0].SD > .09 {
		t.Fatalf("%+v", s)
	}
	var sum float64
	for _, p := range s.Parts {
		sum += p.Share
	}
	if math.Abs(sum-1) > 1e-4 || !(s.Detectable > .05) {
		t.Errorf("shares sum to %v: %+v", sum, s)
	}
	one := night(nil, map[string][]float64{"web-1": {160}})
	one.Conclude(fleet, nil)
	if one.AppWeight[0].Spread != nil {
		t.Errorf("a single hold has %+v", one.AppWeight[0].Spread)
	}
}
