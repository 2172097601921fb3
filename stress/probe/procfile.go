package probe

import (
	"fmt"
	"strconv"
	"strings"
)

// userHZ is the unit of times in /proc/PID/stat and /proc/stat: 1/100 s on
// every architecture that Go supports, whatever the kernel's own tick.
const userHZ = 100

// A procStat is what we read of /proc/PID/stat.
type procStat struct {
	state   byte
	parent  int
	majflt  float64 // of the process and of the children it has reaped
	own     float64 // seconds of CPU, user and kernel
	reaped  float64 // seconds of the children it has waited for, and theirs
	threads int
	start   uint64 // ticks since boot: with the pid it names the process
}

// parseStat reads /proc/PID/stat (proc(5)). The command's name is in brackets
// and may itself have brackets and spaces.
func parseStat(text string) (procStat, error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const (
		state, parent, majflt, cmajflt = 0, 1, 9, 10
		utime, stime, cutime, cstime   = 11, 12, 13, 14
		threads, start                 = 17, 19
	)
	if len(f) <= start || len(f[state]) != 1 {
		return procStat{}, fmt.Errorf("%.40q is not a process's stat", text)
	}
	n := make([]float64, start+1)
	for i := parent; i <= start; i++ {
		v, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			// Priority and pgrp may be negative, start times may not overflow.
			return procStat{}, fmt.Errorf("field %d of a process's stat: %.40q is not a number", i+3, f[i])
		}
		n[i] = float64(v)
	}
	ticks, _ := strconv.ParseUint(f[start], 10, 64)
	return procStat{
		state:   f[state][0],
		parent:  int(n[parent]),
		majflt:  max(0, n[majflt]) + max(0, n[cmajflt]),
		own:     (max(0, n[utime]) + max(0, n[stime])) / userHZ,
		reaped:  (max(0, n[cutime]) + max(0, n[cstime])) / userHZ,
		threads: int(n[threads]),
		start:   ticks,
	}, nil
}

// dead reports whether the process has ended and waits to be reaped.
func (p procStat) dead() bool { return p.state == 'Z' || p.state == 'X' }

// parseStatus reads anonymous memory in bytes and the CPUs allowed from
// /proc/PID/status. Kernel threads and zombies have no memory: ok is false.
func parseStatus(text string) (anon float64, cpus cpuSet, ok bool) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "RssAnon":
			kib, err := parseNumber(strings.TrimSuffix(strings.TrimSpace(value), "kB"))
			anon, ok = kib*1024, err == nil
		case "Cpus_allowed_list":
			cpus, _ = parseCPUs(value)
		}
	}
	return anon, cpus, ok
}

// parseOpenFilesLimit reads the soft limit of open files from /proc/PID/limits;
// false where there is none.
func parseOpenFilesLimit(text string) (float64, bool) {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			if f := strings.Fields(rest); len(f) > 0 {
				v, err := parseNumber(f[0])
				return v, err == nil
			}
		}
	}
	return 0, false
}

// parseSchedstat reads the time runnable but not running, in seconds, from
// /proc/PID/schedstat.
func parseSchedstat(text string) (float64, bool) {
	f := strings.Fields(text)
	if len(f) < 2 {
		return 0, false
	}
	ns, err := parseNumber(f[1])
	return ns / 1e9, err == nil
}
