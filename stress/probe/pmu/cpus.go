package pmu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpus counts on every CPU that is online: all that runs there, or a control
// group.
type cpus struct {
	machine *machine
	tally   *tally
	config  Config
	group   *os.File // nil: all
	on      map[int]*counter
}

func newCPUs(m *machine, t *tally, c Config, group *os.File) *cpus {
	return &cpus{machine: m, tally: t, config: c, group: group, on: make(map[int]*counter)}
}

func (c *cpus) size() int { return len(c.on) }

func (c *cpus) close() {
	for _, counter := range c.on {
		counter.close()
	}
	clear(c.on)
	if c.group != nil {
		c.group.Close()
	}
}

func (c *cpus) read() error {
	online, err := onlineCPUs(c.machine.root)
	if err != nil {
		return c.machine.explain(err, c.config, "")
	}
	now := c.machine.clock()
	for cpu, counter := range c.on {
		// The clocks of a group's events stand still while it sleeps.
		err := counter.update(now, c.group == nil, c.tally)
		here := slices.Contains(online, cpu)
		if err == nil && here {
			continue
		}
		counter.finish(c.tally)
		delete(c.on, cpu)
		if here {
			c.tally.reopened++
		}
	}
	if c.tally.shrink() {
		for cpu, counter := range c.on {
			counter.finish(c.tally)
			delete(c.on, cpu)
		}
	}
	return c.open(online)
}

// open opens the CPUs that are not counted yet.
func (c *cpus) open(online []int) error {
	if !slices.ContainsFunc(online, func(cpu int) bool { return c.on[cpu] == nil }) {
		return nil
	}
	all := devices(c.machine.root)
	at := place{pid: -1}
	if c.group != nil {
		at = place{pid: int(c.group.Fd()), flags: unix.PERF_FLAG_PID_CGROUP}
	}
	for _, cpu := range online {
		if c.on[cpu] != nil {
			continue
		}
		at.cpu = cpu
		counter, err := openCounter(c.machine, c.tally, at, []uint32{all.of(cpu)})
		if errors.Is(err, unix.ENODEV) && !c.online(cpu) {
			continue // it went offline again
		}
		if err != nil {
			return c.machine.explain(err, c.config, fmt.Sprintf("CPU %d", cpu))
		}
		c.on[cpu] = counter
	}
	return nil
}

func (c *cpus) online(cpu int) bool {
	now, err := onlineCPUs(c.machine.root)
	return err == nil && slices.Contains(now, cpu)
}

// onlineCPUs lists the CPUs that run.
func onlineCPUs(root string) ([]int, error) {
	b, err := os.ReadFile(filepath.Join(root, "sys/devices/system/cpu/online"))
	if err != nil {
		return nil, err
	}
	return ParseCPUs(string(b))
}

// MostCPUs bounds what a list may name: the kernel's own NR_CPUS is at most
// this.
const MostCPUs = 8192

// ParseCPUs reads the kernel's list format, "0-3,8" (cpuset(7)), in the order of
// the list.
func ParseCPUs(list string) ([]int, error) {
	var all []int
	list = strings.TrimSpace(list)
	if list == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || a > b || b >= MostCPUs || len(all) > MostCPUs {
			return nil, fmt.Errorf("%.40q is not a list of CPUs", list)
		}
		for cpu := a; cpu <= b; cpu++ {
			all = append(all, int(cpu))
		}
	}
	return all, nil
}
