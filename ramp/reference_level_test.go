package ramp

import "testing"

// TestLevelFor: the level lies between the nearest known ones, idle included; what
// was tried above the hold is not known to be safe.
func TestLevelFor(t *testing.T) {
	at := func(level, work float64) costAt {
		return costAt{seconds: 5, asked: level, done: 5 * level, work: 5 * work, usable: true}
	}
	hold := at(100, 1)
	for _, c := range []struct {
		name  string
		curve []costAt
		work  float64
		want  float64 // 0: none
	}{
		{"between two", []costAt{at(0, 0), at(20, .3), at(60, .7), hold}, .5, 40},
		{"above idle", []costAt{at(0, .1), at(20, .3), hold}, .2, 10},
		{"below idle", []costAt{at(0, .1), at(20, .3), hold}, .05, 0},
		{"without idle", []costAt{at(20, .3), hold}, .2, 0},
		{"below the hold", []costAt{at(0, 0), at(60, .7), hold}, .85, 80},
		{"as much as the hold", []costAt{at(0, 0), hold}, .99, 0},
		{"more than the hold", []costAt{at(0, 0), hold}, 1.2, 0},
		{"a level above the hold", []costAt{at(0, 0), at(60, .7), at(130, .9), hold}, .8, 60 + 40./3},
	} {
		got, ok := levelFor(c.work, c.curve, hold)
		if ok != (c.want > 0) || ok && (got < c.want-1e-9 || got > c.want+1e-9) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
}
