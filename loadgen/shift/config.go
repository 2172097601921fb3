package shift

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"saturate/loadgen"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

// Config is the live section of a scenario.
type Config struct {
	// Balancer is the backend of the load balancer. Where the watchdog runs
	// elsewhere, its backend is its own to know.
	Balancer balancer.Config `yaml:"balancer"`
	// Watchdog is where it runs; nothing starts one on this machine.
	Watchdog watchdog.Remote `yaml:"watchdog"`
	// MaxWeight bounds a server's weight, as a multiple of the one found.
	MaxWeight float64 `yaml:"max_weight"`
	// MaxShare bounds a server's share of the backend's weight.
	MaxShare Share `yaml:"max_share"`
	// Within is how long weights may be changed.
	Within time.Duration `yaml:"within"`
	// MaxConns bounds the requests that a squeezed server works on at once, at
	// the balancer, while it lasts; 0 leaves that as it is.
	MaxConns int `yaml:"max_conns"`
	// Headroom is by how much the siblings' traffic may rise, were the squeezed
	// servers lost. Nothing begins where it would be more.
	Headroom Share `yaml:"headroom"`
}

// allowed is what a watchdog allows that is told nothing.
var allowed = watchdog.DefaultCaps()

// Default is what a scenario that says nothing gets.
var Default = Config{MaxWeight: allowed.Times, MaxShare: Share(allowed.Share), Within: allowed.For, Headroom: .5}

// The bounds of the bounds: beyond them a number is a slip of the pen.
const (
	mostTimes  = 100
	mostWithin = 24 * time.Hour
	// leastWithin is the quiet time, the shortest search and what it takes to
	// put things back.
	leastWithin = 2 * time.Minute
)

// Validate returns every mistake at once, as [errors.Join] of
// [*loadgen.Mistake]; nil where there is none.
func (c Config) Validate() error {
	var all []error
	add := func(path, problem, hint string) {
		all = append(all, &loadgen.Mistake{Path: path, Problem: problem, Hint: hint})
	}
	remote := c.Watchdog != (watchdog.Remote{})
	if remote {
		all = append(all, within("watchdog", c.Watchdog.Validate())...)
	}
	switch named := c.Balancer != (balancer.Config{}); {
	case remote && named:
		add("balancer", "stands beside watchdog.url, and a watchdog elsewhere knows its balancer by itself",
			"remove one of the two; `saturate watchdog` takes the balancer where it is started")
	case !remote:
		all = append(all, within("balancer", c.Balancer.Validate())...)
	}
	if !(c.MaxWeight > 1) || c.MaxWeight > mostTimes {
		add("max_weight", fmt.Sprintf("%v is not between 1 and %d times the weight found", c.MaxWeight, mostTimes), "write a number such as 3")
	}
	if !(c.MaxShare > 0) || c.MaxShare > 1 {
		add("max_share", fmt.Sprintf("%v is not a share of the traffic", float64(c.MaxShare)), "write 25% or 0.25")
	}
	if c.Within < leastWithin || c.Within > mostWithin {
		add("within", fmt.Sprintf("%v is not between %v and %v", c.Within, leastWithin, mostWithin), "a search takes 2 to 10 minutes")
	}
	if c.MaxConns < 0 {
		add("max_conns", fmt.Sprintf("%d is not a number of requests", c.MaxConns), "twice the server's workers is a good valve; leave it away for none")
	}
	if !(c.Headroom > 0) || math.IsInf(float64(c.Headroom), 0) {
		add("headroom", fmt.Sprintf("%v is not by how much the siblings' traffic may rise", float64(c.Headroom)), "write 50% or 0.5")
	}
	return errors.Join(all...)
}

// within puts the path of a section before those of its mistakes.
func within(section string, err error) []error {
	parts := loadgen.Joined(err)
	all := make([]error, len(parts))
	for i, part := range parts {
		m := &loadgen.Mistake{Path: section, Problem: part.Error()}
		if its, ok := errors.AsType[*balancer.Mistake](part); ok {
			m = &loadgen.Mistake{Path: join(section, its.Path), Problem: its.Problem, Hint: its.Hint}
		}
		if its, ok := errors.AsType[*watchdog.Mistake](part); ok {
			m = &loadgen.Mistake{Path: join(section, its.Field), Problem: its.Problem, Hint: its.Hint}
		}
		all[i] = m
	}
	return all
}

func join(section, path string) string {
	if path == "" {
		return section
	}
	return section + "." + path
}

// Caps are what the watchdog is asked to hold.
func (c Config) Caps() watchdog.Caps {
	return watchdog.Caps{Times: c.MaxWeight, Share: float64(c.MaxShare), For: c.Within}
}

// A Share is a part of a whole; written 0.25 or 25% in a scenario.
type Share float64

// UnmarshalText reads "25%" or "0.25".
func (s *Share) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(strings.TrimSpace(string(b)), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return fmt.Errorf("%q is not a share: write 0.25 or 25%%", b)
	}
	if percent {
		v /= 100
	}
	*s = Share(v)
	return nil
}

// MarshalText writes the share as a fraction.
func (s Share) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s), 'g', -1, 64), nil
}
