package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"saturate/ramp"
	"saturate/stress"
)

// TestPictureLeavesNothingBehind: what a picture draws it takes away again, on a
// terminal of any width.
func TestPictureLeavesNothingBehind(t *testing.T) {
	var b strings.Builder
	v := &picture{w: &b}
	v.show(ramp.Progress{
		Elapsed: 12*time.Minute + 3*time.Second,
		Next:    ramp.Step{Phase: ramp.Approach, Level: 12345.6, Left: 10 * time.Minute, Why: strings.Repeat("long ", 30)},
		Seen: stress.Observation{
			Latency:  stress.Latency{P50: 123 * time.Millisecond, P99: 1234 * time.Millisecond},
			Pressure: map[stress.Signal]float64{stress.CPU: .5, stress.Memory: 9},
			Void:     stress.GeneratorLate,
		},
	})
	drawn := b.String()
	inside, ok := strings.CutPrefix(drawn, noWrap)
	inside, ended := strings.CutSuffix(inside, wrap)
	if !ok || !ended {
		t.Errorf("the terminal may wrap %q", drawn)
	}
	lines := strings.Split(strings.TrimSuffix(inside, "\n"), "\n")
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 && i != 1 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if !strings.HasPrefix(lines[1], "  about 10:00 left; long") {
		t.Errorf("no time left in %q", lines[1])
	}
	b.Reset()
	v.end()
	if want := fmt.Sprintf("\x1b[%dA\x1b[J", len(lines)); b.String() != want {
		t.Errorf("%q clears, want %q", b.String(), want)
	}
	b.Reset()
	if v.end(); b.Len() > 0 {
		t.Errorf("%q where nothing is drawn", b.String())
	}
}
