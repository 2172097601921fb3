package ramp

import (
	"math"
	"strings"
	"testing"

	"saturate/stress"
)

// readings are n seconds at a rate, with one signal at the pressure.
func readings(n int, rate, p float64) []reading {
	rows := make([]reading, n)
	for i := range rows {
		rows[i] = reading{end: float64(i + 1), dt: 1, level: rate, sent: rate, done: rate,
			p: []float64{p}, latency: math.NaN(), phase: Hold}
	}
	return rows
}

func TestTripped(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rows  []reading
		why   string
		burst bool
	}{
		{"just below", readings(60, 5000, 1.02), "", false},
		{"a second far above", append(readings(10, 5000, .9), readings(1, 5000, 1.7)...), "cpu at 1.70 of its limit for 1 s", true},
		{"twelve seconds a little above", append(readings(10, 5e5, .9), readings(12, 5e5, 1.05)...), "cpu at 1.05 of its limit for 12 s", false},
		{"a second of 20 requests", append(readings(10, 20, .9), readings(1, 20, 2.5)...), "", false},
		{"a minute of 20 requests a second", readings(60, 20, 1.6), "cpu at 1.60 of its limit for 48 s", false},
		{"failures", failing(readings(10, 500, .5), 20), "of", false},
		{"a few failures", failing(readings(10, 500, .5), 1), "", false},
		{"memory at the brim", full(readings(10, 20, 1), .97), "memory at 0.97 of all there is for 3 s", false},
		{"memory beyond what there is, for a moment", full(readings(10, 20, 1), 1.4), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSearch(SearchConfig{})
			s.log.names, s.log.rows = []stress.Signal{stress.CPU}, tt.rows
			a := s.tripped(0, holdLines)
			if a == nil {
				a = &alarm{}
			}
			if (a.why == "") != (tt.why == "") || !strings.Contains(a.why, tt.why) || a.burst != tt.burst {
				t.Errorf("got %+v, want %q, burst %v", *a, tt.why, tt.burst)
			}
		})
	}
}

func failing(rows []reading, each float64) []reading {
	for i := range rows {
		rows[i].failed = each
	}
	return rows
}

func full(rows []reading, share float64) []reading {
	for i := range rows {
		rows[i].memory = share
	}
	return rows
}

func TestQueueing(t *testing.T) {
	s := NewSearch(SearchConfig{Timeout: 4e9})
	s.log.rows = readings(10, 100, .5)
	for _, tt := range []struct {
		inFlight float64
		trip     bool
	}{{10, false}, {190, false}, {210, true}} {
		s.inFlight = tt.inFlight
		if got := s.queueing(s.log.rows) != ""; got != tt.trip {
			t.Errorf("%.0f in flight at 100/s, timeout 4 s: tripped %v", tt.inFlight, got)
		}
	}
}

// TestCulprit: a queue that outlasts a step down is the higher level's.
func TestCulprit(t *testing.T) {
	s := NewSearch(SearchConfig{})
	s.phase, s.level = Hold, 80
	s.log.rows = append(readings(10, 100, 1), readings(10, 80, 1)...)
	for i := range s.log.rows {
		s.log.rows[i].end = float64(i + 1)
	}
	if got := s.culprit(); got != 100 {
		t.Errorf("culprit %v, want 100", got)
	}
}
