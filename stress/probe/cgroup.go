package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"saturate/stress"
)

// cgroup reads the CPU use of a control group and what it may use.
type cgroup struct {
	*group
	limits *limits
	may    *affinity
	list   []int    // its processes
	by     groupDir // sets the quota
	err    error
	ticks  int
}

func openCgroup(fs rootFS, c Config) (*cgroup, error) {
	g, err := openGroup(fs, c.Cgroup)
	if err != nil {
		return nil, err
	}
	return &cgroup{group: g, limits: newLimits(fs, c), may: newAffinity(fs)}, nil
}

func (c *cgroup) pids() []int  { return c.list }
func (c *cgroup) cpus() cpuSet { return c.limits.cpus }

func (c *cgroup) read(s *stress.Sample) error {
	if err := c.readUsage(s); err != nil {
		if errors.Is(err, fs.ErrNotExist) && c.ticks > 0 {
			return fmt.Errorf("its service %w: %w", ErrGone, err)
		}
		return err
	}
	if c.ticks%seldom == 0 {
		c.err = c.look()
	}
	c.ticks++
	if c.err != nil {
		return c.err
	}
	c.limits.fill(s)
	s.Gauges[stress.Processes] = float64(len(c.list))
	if !math.IsInf(c.limits.quota, 1) {
		c.by.readThrottling(s)
	}
	return nil
}

// look reads what hardly changes.
func (c *cgroup) look() error {
	c.list = c.usage.pids()
	switch {
	case len(c.list) == 0 && c.ticks > 0:
		return fmt.Errorf("the last process of the group %w", ErrGone)
	case len(c.list) == 0:
		return hinted("start the server in it, or name the group that it is in: /proc/PID/cgroup shows it",
			"the group has no process")
	}
	c.limits.quota, c.by = c.bandwidth()
	c.limits.memory = c.memoryLimit()
	return c.limits.update(c.group.cpus(), c.may.cpus(c.list))
}

// cgroupMemory reads the group's memory.
type cgroupMemory struct{ *group }

func (c cgroupMemory) read(s *stress.Sample) error { return c.readMemory(s) }

// cgroupPressure reads the group's stalls.
type cgroupPressure struct{ *group }

func (c cgroupPressure) read(s *stress.Sample) error { return c.readPressure(s) }
