package watchdog

import (
	"math"
	"time"

	"saturate/loadgen/shift/balancer"
)

// DefaultCaps are what a squeeze may do unless the watchdog is told otherwise.
func DefaultCaps() Caps { return Caps{Times: 3, Share: .25, For: 20 * time.Minute} }

// withDefaults fills what is zero with what stands in d.
func (c Caps) withDefaults(d Caps) Caps {
	if c.Times == 0 {
		c.Times = d.Times
	}
	if c.Share == 0 {
		c.Share = d.Share
	}
	if c.For == 0 {
		c.For = d.For
	}
	return c
}

// Validate tells what makes no sense, once zero fields have their defaults.
func (c Caps) Validate() error {
	if bad := c.withDefaults(DefaultCaps()).check(); bad != nil {
		return bad
	}
	return nil
}

// check refuses caps that make no sense.
func (c Caps) check() *Refusal {
	switch {
	case !(c.Times >= 1) || math.IsInf(c.Times, 0):
		return refuse(BadRequest, "a weight of at most %v times the one found makes no sense", c.Times).hinted("1 or more")
	case !(c.Share > 0 && c.Share <= 1):
		return refuse(BadRequest, "a share of at most %v makes no sense", c.Share).hinted("more than 0, and at most 1")
	case c.For <= 0:
		return refuse(BadRequest, "for %v makes no sense", c.For)
	}
	return nil
}

// within refuses caps above most, which are the watchdog's own.
func (c Caps) within(most Caps) *Refusal {
	const remedy = "the watchdog's own command line says how much it allows: --max-weight, --max-share, --within"
	switch {
	case c.Times > most.Times:
		return refuse(TooMuch, "a weight of %v times the one found: the watchdog allows %v", c.Times, most.Times).hinted(remedy)
	case c.Share > most.Share:
		return refuse(TooMuch, "%.3g %% of the backend's weight for one server: the watchdog allows %.3g %%", 100*c.Share, 100*most.Share).hinted(remedy)
	case c.For > most.For:
		return refuse(TooMuch, "for %v: the watchdog allows %v", c.For, most.For).hinted(remedy)
	}
	return nil
}

// cap is what of the wished weights is allowed: every weight of the servers to be
// squeezed. A cap never takes a weight below the one found, which is where a
// server stands that is not wished anything.
func (c Caps) cap(found balancer.Backend, servers []string, wish map[string]int) map[string]int {
	capped := make(map[string]int, len(servers))
	before := make(map[string]int, len(servers))
	total := 0
	for _, s := range found.Servers {
		if !s.Backup {
			total += s.Weight
		}
		before[s.Name] = s.Weight
	}
	for _, name := range servers {
		w, ok := wish[name]
		if !ok {
			w = before[name]
		}
		most := int(c.Times*float64(before[name]) + 1e-9)
		if found.MaxWeight > 0 {
			most = min(most, found.MaxWeight)
		}
		capped[name] = max(min(w, max(most, before[name])), found.MinWeight)
		total += capped[name] - before[name]
	}
	// Each that is lowered makes the whole less, and with it what the others may.
	for lowered := true; lowered; {
		lowered = false
		for _, name := range servers {
			most := max(int(c.Share*float64(total)+1e-9), before[name])
			if w := capped[name]; w > most {
				capped[name] = most
				total -= w - most
				lowered = true
			}
		}
	}
	return capped
}
