package ramp

import (
	"context"
	"fmt"
	"time"

	"saturate/stress"
)

const (
	// calm is how long a target must have been quiet before the first load.
	calm = 2 * time.Second
	// patience is how long a target gets to become quiet, after a start or
	// after somebody else's load.
	patience = 15 * time.Second
)

// NotQuiet says that a target was busy although nobody sends it load.
type NotQuiet struct{ Seen string }

func (e *NotQuiet) Error() string {
	return fmt.Sprintf("the target is not quiet after %v without load from here: %s", patience, e.Seen)
}

// Hint is the remedy.
func (e *NotQuiet) Hint() string {
	return "something else sends it requests, or an earlier overload still hangs; restart it or take other load away"
}

// AwaitQuiet waits until a target has been quiet for two seconds, so that a
// run does not start on the remains of an earlier one. One that is not seen is
// not quiet.
func AwaitQuiet(ctx context.Context, p Prober) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	start, since := time.Now(), time.Now()
	var last stress.Sample
	var seen string
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-clock.C:
		}
		if err := p.Err(); err != nil {
			return fmt.Errorf("probes: %w", err)
		}
		for _, s := range p.Take() {
			if why := busy(last, s); why != "" {
				seen, since = why, time.Now()
			}
			last = s
		}
		blind := p.Fresh() > silence
		if blind {
			since = time.Now()
		}
		if time.Since(since) >= calm {
			return nil
		}
		switch {
		case time.Since(start) <= patience:
		case blind:
			return fmt.Errorf("no sample of the target's kernel comes, waited %v", patience)
		default:
			return &NotQuiet{seen}
		}
	}
}

// busy says what of a sample is not quiet. A worker in twenty may be busy with
// a health check or with the status page itself.
func busy(last, s stress.Sample) string {
	if q := s.Gauges[stress.AcceptQueue]; q > 0 {
		return fmt.Sprintf("%.0f connections wait in its accept queue", q)
	}
	if b, n := s.Gauges[stress.WorkersBusy], s.Gauges[stress.WorkersTotal]; b > max(1, n/20) {
		return fmt.Sprintf("%.0f of %.0f workers are busy", b, n)
	}
	used, before := s.Counters[stress.CPUSeconds], last.Counters[stress.CPUSeconds]
	limit, seconds := s.Gauges[stress.CPULimit], (s.At - last.At).Seconds()
	if _, ok := last.Counters[stress.CPUSeconds]; ok && limit > 0 && seconds > 0 && used >= before {
		if share := (used - before) / seconds / limit; share > .3 {
			return fmt.Sprintf("it uses %.0f %% of its CPU", 100*share)
		}
	}
	return ""
}
