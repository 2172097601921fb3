package pmu

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// A counter counts one CPU, or one thread and what it creates. On a machine
// with several kinds of core a thread needs a group on each.
type counter struct {
	groups []*group
	read   time.Duration // when, on the machine's clock
}

// openCounter opens the fullest plan that the machine takes, from t.plans on,
// and drops those that it does not.
func openCounter(m *machine, t *tally, at place, devices []uint32) (*counter, error) {
	for {
		c, err := openPlan(m, t.plans[0], at, devices)
		if err == nil || len(t.plans) == 1 || t.opened || !tooMuch(err) {
			return c, err
		}
		t.plans = t.plans[1:]
	}
}

// tooMuch reports whether a smaller plan may be taken where one was refused
// with err: there are too few counters, or none for one of the events.
func tooMuch(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSPC)
}

func openPlan(m *machine, p plan, at place, devices []uint32) (*counter, error) {
	c := &counter{read: m.clock()}
	for _, device := range devices {
		g, err := openGroup(m.kernel, p, at, device)
		if tooMuch(err) && device != 0 && at.cpu >= 0 {
			// A kernel that knows no devices in hardware events (arm64 before
			// Linux 6.7) finds the CPU's own by itself.
			g, err = openGroup(m.kernel, p, at, 0)
		}
		if err != nil {
			c.close()
			return nil, err
		}
		c.groups = append(c.groups, g)
	}
	return c, nil
}

// update adds what was counted since the last reading to the tally. The error
// is that the counter is dead: it is to be finished. A clock that must run and
// stands still tells of it too.
func (c *counter) update(now time.Duration, mustRun bool, t *tally) error {
	readings := make([][]cell, len(c.groups))
	for i, g := range c.groups {
		var err error
		if readings[i], err = g.read(); err != nil {
			return err
		}
	}
	stands := mustRun && now-c.read > time.Millisecond && readings[0][0].enabled == c.groups[0].last[0].enabled
	c.take(readings, t, false)
	c.read = now
	if stands {
		return errDead
	}
	return nil
}

// finish adds what the counter held at its end, and closes it.
func (c *counter) finish(t *tally) {
	readings := make([][]cell, len(c.groups))
	for i, g := range c.groups {
		readings[i] = g.final()
	}
	c.take(readings, t, true)
	c.close()
}

// patience is how much time may pass in which a counter was to run and did not,
// before that time counts as lost. Until then the next reading is scaled over it
// too: a thread that ran for an instant while others had the counters.
const patience = 100 * time.Millisecond

// take adds the growth of each event since the last reading, scaled by that
// interval's share. Of a thread on several kinds of core only one group can run
// at a time: their running times and values add up, and the time in which they
// might have run is the thread's.
func (c *counter) take(readings [][]cell, t *tally, last bool) {
	plan := c.groups[0].plan
	var grown [kinds]float64
	var enabled, running float64 // of the first event
	for i := len(plan) - 1; i >= 0; i-- {
		var value float64
		enabled, running = 0, 0
		for j, g := range c.groups {
			now, was := readings[j][i], g.last[i]
			enabled = max(enabled, grew(was.enabled, now.enabled))
			running += grew(was.running, now.running)
			value += grew(was.value, now.value)
		}
		if running > 0 {
			grown[plan[i].kind] = value * max(1, enabled/running)
		}
	}
	if enabled == 0 || running == 0 && enabled < float64(patience) && !last {
		return
	}
	for j, g := range c.groups {
		g.last = readings[j]
	}
	t.add(grown, time.Duration(enabled), min(1, running/enabled))
}

// grew is by how much a counter of the kernel's grew. They do not fall.
func grew(was, now uint64) float64 {
	if now < was {
		return 0
	}
	return float64(now - was)
}

func (c *counter) close() {
	for _, g := range c.groups {
		g.close()
	}
}
