package probe

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"saturate/stress"
)

// links reads the traffic of the network links whose speed is known. Virtual
// ones and the loopback have none.
type links struct {
	fs   files
	last map[string]float64 // bytes of each link and direction
	load map[string]float64 // seconds of its speed that each has carried since the start
	sum  float64            // bytes of the busiest; never falls

	ticks  int
	mute   bool               // no link told its speed when they were last looked up
	speeds map[string]float64 // bytes per second, as last looked up
}

var errNoSpeed = errors.New("no network link tells its speed")

// read counts the direction of a link that has been busiest since the start.
func (l *links) read(s *stress.Sample) error {
	if l.mute && l.ticks%seldom != 0 {
		l.ticks++
		return errNoSpeed
	}
	text, err := l.fs.read("proc/net/dev")
	if err != nil {
		return err
	}
	if l.last == nil {
		l.last, l.load = make(map[string]float64), make(map[string]float64)
	}
	if l.ticks%seldom == 0 {
		l.speeds = make(map[string]float64)
	}
	l.ticks++
	var busiest string
	var grown, speed float64
	for name, bytes := range parseNetDev(text) {
		link, _, _ := strings.Cut(name, " ")
		known := l.speed(link)
		if known == 0 {
			continue
		}
		was, seen := l.last[name]
		l.last[name] = bytes
		delta := 0.0
		if seen {
			delta = max(0, bytes-was)
		}
		l.load[name] += delta / known
		if busiest == "" || l.load[name] > l.load[busiest] || l.load[name] == l.load[busiest] && name < busiest {
			busiest, grown, speed = name, delta, known
		}
	}
	if l.mute = busiest == ""; l.mute {
		return errNoSpeed
	}
	l.sum += grown
	s.Counters[stress.NetworkBytes], s.Gauges[stress.LinkSpeed] = l.sum, speed
	return nil
}

// speed is a link's in bytes per second, 0 where unknown; it may change, but
// not from sample to sample.
func (l *links) speed(link string) float64 {
	speed, known := l.speeds[link]
	if !known {
		speed = l.lookup(link)
		l.speeds[link] = speed
	}
	return speed
}

// lookup reads a link's speed. That of a virtual link (bridge, veth, tun) is
// made up: only what is a device has one.
func (l *links) lookup(link string) float64 {
	if _, err := os.Stat(l.fs.path("sys/class/net", link, "device")); err != nil {
		return 0
	}
	text, err := l.fs.read("sys/class/net", link, "speed") // Mbit/s; -1 or an error where unknown
	mbit, parseErr := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || parseErr != nil || mbit <= 0 {
		return 0
	}
	return mbit * 1e6 / 8
}

// parseNetDev reads the bytes of each link from /proc/net/dev, by "name rx"
// and "name tx".
func parseNetDev(text string) map[string]float64 {
	bytes := make(map[string]float64)
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if name = strings.TrimSpace(name); !found || len(f) < 9 || name == "" {
			continue
		}
		rx, err1 := parseNumber(f[0])
		tx, err2 := parseNumber(f[8])
		if err1 == nil && err2 == nil {
			bytes[name+" rx"], bytes[name+" tx"] = rx, tx
		}
	}
	return bytes
}
