package agent

import "time"

const (
	// paceOver is how long the target's clock is watched to tell its pace, and
	// paceLeast from when on that can be told.
	paceOver, paceLeast = 5 * time.Second, 4 * time.Second
	// paceEnd is the part at either end of that time in which the sample is
	// looked for that was on its way the shortest. Which one that is depends a
	// little on the pace itself: it is looked for paceRounds times.
	paceEnd, paceRounds = .4, 3
)

// A pace compares the sampled host's clock with ours, by when samples were taken
// there and when they came here. What delays a sample on its way only ever makes
// it come later: so it is the quickest of several that tells the time. The
// difference between two of those, seconds apart, is the clocks' own.
type pace struct {
	boot  string
	ticks []tick // oldest first
}

// A tick is one sample's time, there and here.
type tick struct {
	there time.Duration
	here  time.Time
}

// late is by how much longer than another sample this one was on its way, where
// the clocks' pace is rate.
func (t tick) late(than tick, rate float64) float64 {
	return t.here.Sub(than.here).Seconds() - (t.there-than.there).Seconds()/rate
}

// rate is the pace between two samples.
func (t tick) rate(since tick) float64 {
	return (t.there - since.there).Seconds() / t.here.Sub(since.here).Seconds()
}

// observe takes in a sample and returns how many seconds of the sampled host's
// clock went by in one of ours over the last five; not before four are known.
func (p *pace) observe(boot string, there time.Duration, here time.Time) (rate float64, ok bool) {
	now := tick{there, here}
	if n := len(p.ticks); boot != p.boot || n > 0 && there <= p.ticks[n-1].there {
		p.boot, p.ticks = boot, nil
	}
	p.ticks = append(p.ticks, now)
	for here.Sub(p.ticks[0].here) > paceOver {
		p.ticks = p.ticks[1:]
	}
	whole := here.Sub(p.ticks[0].here)
	if whole < paceLeast {
		return 0, false
	}
	part := time.Duration(paceEnd * float64(whole))
	rate = now.rate(p.ticks[0])
	for range paceRounds {
		a, b := p.ticks[0], now
		for _, t := range p.ticks {
			switch {
			case t.here.Sub(p.ticks[0].here) <= part && t.late(a, rate) < 0:
				a = t
			case here.Sub(t.here) <= part && t.late(b, rate) < 0:
				b = t
			}
		}
		rate = b.rate(a)
	}
	return rate, true
}
