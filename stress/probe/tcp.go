package probe

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"saturate/stress"
)

// A protocol reads what the kernel counts of one of its protocols, in the target's
// network namespace.
type protocol struct {
	fs         files
	pid        int // a process in the namespace; 0 for our own
	file, name string
	want       map[string]stress.Counter
}

var (
	// segments are those of TCP that were sent, and sent again.
	segments = map[string]stress.Counter{"RetransSegs": stress.Retransmits, "OutSegs": stress.SegmentsOut}
	// overflows are connections turned away because an accept queue was full: any
	// in the namespace.
	overflows = map[string]stress.Counter{"ListenOverflows": stress.ListenOverflows}
)

func (p protocol) read(s *stress.Sample) error {
	process := "self"
	if p.pid != 0 {
		process = strconv.Itoa(p.pid)
	}
	text, err := p.fs.read("proc", process, "net", p.file)
	if err != nil {
		return err
	}
	values, err := parseProtocol(text, p.name, p.want)
	maps.Copy(s.Counters, values)
	return err
}

// parseProtocol reads counters of one protocol from /proc/net/snmp or netstat: a
// line of names and under it a line of values, both led by the protocol's name.
// Values below zero, which are limits that are not set, are left out.
func parseProtocol(text, protocol string, want map[string]stress.Counter) (map[stress.Counter]float64, error) {
	names := ""
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, protocol+":")
		if !found {
			continue
		}
		if names == "" {
			names = rest
			continue
		}
		values := make(map[stress.Counter]float64, len(want))
		for names, rest = strings.TrimSpace(names), strings.TrimSpace(rest); names != "" && rest != ""; {
			var name, value string
			name, names = nextField(names)
			value, rest = nextField(rest)
			if counter, wanted := want[name]; wanted {
				if v, err := parseNumber(value); err == nil {
					values[counter] = v
				}
			}
		}
		if names != "" || rest != "" {
			break
		}
		return values, nil
	}
	return nil, fmt.Errorf("no counters of %s", protocol)
}

// nextField cuts the first field off a line.
func nextField(line string) (field, rest string) {
	field, rest, _ = strings.Cut(line, " ")
	return field, strings.TrimLeft(rest, " ")
}

// conntrack reads how full the table of tracked connections is.
type conntrack struct{ fs files }

func (c conntrack) read(s *stress.Sample) error {
	const dir = "proc/sys/net/netfilter"
	text, err := c.fs.read(dir, "nf_conntrack_count")
	if err != nil {
		return fmt.Errorf("connections are not tracked: %w", err)
	}
	entries, err := parseNumber(text)
	if err != nil {
		return err
	}
	if text, err = c.fs.read(dir, "nf_conntrack_max"); err != nil {
		return err
	}
	limit, err := parseNumber(text)
	if err != nil {
		return err
	}
	s.Gauges[stress.Conntrack], s.Gauges[stress.ConntrackLimit] = entries, limit
	return nil
}

// softnet reads how many packets were dropped because a CPU's input queue was
// full.
type softnet struct{ fs files }

func (n softnet) read(s *stress.Sample) error {
	text, err := n.fs.read("proc/net/softnet_stat")
	if err != nil {
		return err
	}
	dropped, err := parseSoftnet(text)
	if err == nil {
		s.Counters[stress.SoftnetDropped] = dropped
	}
	return err
}

// parseSoftnet sums the second field of each CPU's line, hexadecimal.
func parseSoftnet(text string) (dropped float64, err error) {
	for line := range strings.Lines(text) {
		_, rest := nextField(strings.TrimSpace(line))
		field, _ := nextField(rest)
		if field == "" {
			continue
		}
		v, err := strconv.ParseUint(field, 16, 64)
		if err != nil {
			return 0, fmt.Errorf("%.40q is not a count of dropped packets", field)
		}
		dropped += float64(v)
	}
	return dropped, nil
}
