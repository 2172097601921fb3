package ramp

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/stress"
)

// resting is a target without load.
type resting struct{ scripted }

func (p *resting) Take() []stress.Sample {
	all := p.scripted.Take()
	for _, s := range all {
		s.Counters[stress.CPUSeconds] = 0
	}
	return all
}

// A target that nobody sees is not quiet.
func TestAwaitQuietWantsSamples(t *testing.T) {
	for _, c := range []struct {
		name          string
		silent, until time.Duration
		want          string // of the error
		after         time.Duration
	}{
		{"seen", 0, 0, "", calm},
		{"silent", time.Second, 0, "no sample of the target's kernel", patience},
		{"back", time.Second, 6 * time.Second, "", 6*time.Second + calm - tick},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := AwaitQuiet(t.Context(), &resting{scripted{start: start, silent: c.silent, until: c.until}})
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if busy := (*NotQuiet)(nil); errors.As(err, &busy) {
					t.Errorf("it is taken for busy: %v", err)
				}
				if took := time.Since(start); took < c.after || took > c.after+time.Second {
					t.Errorf("it took %v, want %v", took, c.after)
				}
			})
		})
	}
}
