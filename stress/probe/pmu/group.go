package pmu

import (
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kind is what an event counts.
type kind int

const (
	instructions kind = iota
	userInstructions
	cycles
	kinds // how many there are
)

const attrSize = uint32(unsafe.Sizeof(unix.PerfEventAttr{}))

const userOnly = unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv

// A wanted is an event to be opened.
type wanted struct {
	kind
	config uint64
	bits   uint64
}

// A plan is a group of events that are counted at the same instants. The first
// one leads it.
type plan []wanted

// plans are the groups to try, the fullest first: a group that is larger than
// the processor's counters is refused.
func plans(user bool) []plan {
	const retired, clocks = unix.PERF_COUNT_HW_INSTRUCTIONS, unix.PERF_COUNT_HW_CPU_CYCLES
	if user {
		return []plan{
			{{instructions, retired, userOnly}, {cycles, clocks, userOnly}},
			{{instructions, retired, userOnly}},
		}
	}
	return []plan{
		{{instructions, retired, 0}, {cycles, clocks, 0}, {userInstructions, retired, userOnly}},
		{{instructions, retired, 0}, {userInstructions, retired, userOnly}},
		{{instructions, retired, 0}},
	}
}

func (p plan) has(k kind) bool {
	return slices.ContainsFunc(p, func(w wanted) bool { return w.kind == k })
}

// A place is what a group counts on.
type place struct {
	pid, cpu int
	flags    int
	bits     uint64
}

// A group is a plan, opened.
type group struct {
	plan   plan
	events []event
	last   []cell // as read before; zeros at the start
}

// A cell is a reading of one event. The times are nanoseconds.
type cell struct{ enabled, running, value uint64 }

// openGroup opens a plan on the counters of the given device, 0 for the
// machine's only one, and starts it.
func openGroup(k kernel, p plan, at place, device uint32) (*group, error) {
	g := &group{plan: p, last: make([]cell, len(p))}
	for i, w := range p {
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_HARDWARE, Config: w.config | uint64(device)<<unix.PERF_PMU_TYPE_SHIFT,
			Size:        attrSize,
			Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING | unix.PERF_FORMAT_GROUP,
			Bits:        at.bits | w.bits,
		}
		var leader event
		if i == 0 {
			attr.Bits |= unix.PerfBitDisabled // until the group is complete
		} else {
			leader = g.events[0]
		}
		e, err := k.open(&attr, at.pid, at.cpu, leader, at.flags)
		if err != nil {
			g.close()
			return nil, err
		}
		g.events = append(g.events, e)
	}
	if err := g.events[0].enable(); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *group) close() {
	for _, e := range g.events {
		e.close()
	}
}

// errDead says that a group counts no longer: its CPU went offline.
var errDead = errors.New("the event counts no longer")

// words is the length of a reading: how many values, enabled, running, values.
const words = 3 + int(kinds)

// read reads the whole group at one instant. A group that was torn apart, as
// by its CPU's going offline, or that was stopped, is dead.
func (g *group) read() ([]cell, error) {
	now, err := readEvent(g.events[0])
	if err == nil && len(now) != len(g.events) {
		err = errDead
	}
	return now, err
}

// final reads what the events of a dead group held at their end, each by
// itself. What cannot be read stays as it was read before.
func (g *group) final() []cell {
	all := slices.Clone(g.last)
	for i, e := range g.events {
		now, err := readEvent(e)
		switch {
		case err == nil && len(now) == 1:
			all[i] = now[0]
		case err == nil && len(now) == len(g.events): // still whole
			return now
		}
	}
	return all
}

// readEvent reads an event and those that it leads.
func readEvent(e event) ([]cell, error) {
	var b [8 * words]byte
	n, err := e.read(b[:])
	if err != nil {
		return nil, err
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	count := n/8 - 3
	if count < 1 || uint64(count) != word(0) {
		return nil, errDead
	}
	all := make([]cell, count)
	for i := range all {
		all[i] = cell{enabled: word(1), running: word(2), value: word(3 + i)}
	}
	return all, nil
}
