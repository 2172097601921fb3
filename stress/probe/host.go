package probe

import (
	"fmt"
	"strconv"
	"strings"

	"saturate/stress"
)

// A cpuTime is what one CPU did since boot, in seconds.
type cpuTime struct {
	busy  float64 // user, nice, system and interrupts; guests are in user
	steal float64
}

// parseHostStat reads the CPUs' times and the number of runnable threads from
// /proc/stat (proc(5)).
func parseHostStat(text string) (cpus map[int]cpuTime, running float64, err error) {
	cpus = make(map[int]cpuTime)
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "procs_running "); found {
			running, err = parseNumber(rest)
			break // and do not look at the long lines of interrupts
		}
		rest, found := strings.CutPrefix(line, "cpu")
		if !found || strings.HasPrefix(rest, " ") { // of all CPUs
			continue
		}
		number, rest := nextField(strings.TrimSpace(rest))
		cpu, err := strconv.Atoi(number)
		if err != nil {
			return nil, 0, fmt.Errorf("%.40q is not a CPU's line of /proc/stat", line)
		}
		var n [8]float64 // user nice system idle iowait irq softirq steal
		for i := range n {
			var field string
			field, rest = nextField(rest)
			if n[i], err = parseNumber(field); err != nil {
				return nil, 0, fmt.Errorf("%.40q is not a CPU's line of /proc/stat", line)
			}
		}
		cpus[cpu] = cpuTime{
			busy:  (n[0] + n[1] + n[2] + n[5] + n[6]) / userHZ,
			steal: n[7] / userHZ,
		}
	}
	if len(cpus) == 0 {
		err = fmt.Errorf("/proc/stat has no CPU")
	}
	return cpus, running, err
}

// host reads the machine under the target: how busy the CPUs are that the
// target may use, whoever uses them.
type host struct {
	fs   files
	cpus func() cpuSet
	last map[int]cpuTime
	sum  cpuTime // over the set, which may change; never falls
}

func (h *host) read(s *stress.Sample) error {
	text, err := h.fs.read("proc/stat")
	if err != nil {
		return err
	}
	now, running, err := parseHostStat(text)
	if err != nil {
		return err
	}
	counted := 0
	for _, cpu := range h.cpus() {
		t, online := now[cpu]
		if !online {
			continue
		}
		counted++
		if was, known := h.last[cpu]; known {
			h.sum.busy += max(0, t.busy-was.busy)
			h.sum.steal += max(0, t.steal-was.steal)
		}
	}
	h.last = now
	s.Counters[stress.HostCPUSeconds] = h.sum.busy
	s.Counters[stress.HostStealSeconds] = h.sum.steal
	s.Gauges[stress.HostCPUs] = float64(counted)
	s.Gauges[stress.Runnable] = running
	return nil
}

// hostMemory reads what the machine could still give.
type hostMemory struct{ fs files }

func (h hostMemory) read(s *stress.Sample) error {
	text, err := h.fs.read("proc/meminfo")
	if err != nil {
		return err
	}
	kib, found := parseKeyed(text, "MemAvailable")["MemAvailable"]
	if !found {
		return fmt.Errorf("/proc/meminfo has no MemAvailable")
	}
	s.Gauges[stress.HostMemoryAvailable] = kib * 1024
	return nil
}

// hostPressure reads the machine's stalls. All CPUs stalled is not defined for
// a whole machine: the kernel writes zeros, which would be a false comfort.
type hostPressure struct{ fs files }

func (h hostPressure) read(s *stress.Sample) error {
	err := readPSI(s, func(resource string) (string, error) { return h.fs.read("proc/pressure", resource) })
	delete(s.Counters, stress.PSICPUFull)
	if err != nil {
		return hinted("boot with psi=1", "%w", err)
	}
	return nil
}

func readHostOOM(fs rootFS, s *stress.Sample) {
	text, _ := fs.read("proc/vmstat")
	if v, found := parseKeyed(text, "oom_kill")["oom_kill"]; found {
		s.Counters[stress.OOMKills] = v
	}
}

// wholeHost takes the machine as the target.
type wholeHost struct {
	fs     files
	limits *limits
	host   *host
	ticks  int
}

func openWholeHost(fs rootFS, kept files, c Config) *wholeHost {
	w := &wholeHost{fs: kept, limits: newLimits(fs, c)}
	w.host = &host{fs: kept, cpus: w.cpus}
	return w
}

func (w *wholeHost) pids() []int  { return nil }
func (w *wholeHost) cpus() cpuSet { return w.limits.cpus }

func (w *wholeHost) read(s *stress.Sample) error {
	if w.ticks%seldom == 0 {
		if err := w.limits.update(); err != nil {
			return err
		}
	}
	w.ticks++
	if err := w.host.read(s); err != nil {
		return err
	}
	s.Counters[stress.CPUSeconds] = s.Counters[stress.HostCPUSeconds]
	text, err := w.fs.read("proc/meminfo")
	if err != nil {
		return err
	}
	memory := parseKeyed(text, "AnonPages", "MemAvailable")
	s.Gauges[stress.MemoryBytes] = memory["AnonPages"] * 1024
	if kib, found := memory["MemAvailable"]; found {
		s.Gauges[stress.HostMemoryAvailable] = kib * 1024
	}
	w.limits.fill(s)
	if text, err = w.fs.read("proc/vmstat"); err == nil {
		stat := parseKeyed(text, "oom_kill", "pgmajfault")
		for key, name := range map[string]stress.Counter{"oom_kill": stress.OOMKills, "pgmajfault": stress.MajorFaults} {
			if v, found := stat[key]; found {
				s.Counters[name] = v
			}
		}
	}
	return nil
}
