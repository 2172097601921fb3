package stress

import "math"

// Measure turns the samples of one window into signals, and into what the
// target spent meanwhile, by unit (cpu_seconds, instructions; totals of the
// window). The samples are consecutive, oldest first, and begin with the last
// of the window before. What could not be read is absent: after a reboot, a
// lost sample or a counter that fell there is no difference to speak of.
func Measure(samples []Sample) (signals map[Signal]float64, work map[string]float64) {
	s := span(samples)
	signals, work = map[Signal]float64{}, map[string]float64{}
	put := func(name Signal, v float64, ok bool) {
		if ok && finite(v) {
			signals[name] = v
		}
	}
	measureGauges(s, put)
	if !s.unbroken() {
		busy, ok := s.share(WorkersBusy, WorkersTotal)
		put(Workers, busy, ok)
		return signals, work
	}
	measureCPU(s, put)
	measureEvidence(s, put)
	busy, ok := s.workers()
	put(Workers, busy, ok)
	for c, own := range map[Counter]Counter{CPUSeconds: AgentCPUSeconds, Instructions: AgentInstructions} {
		if grew, ok := s.work(c, own); ok && finite(grew) {
			work[string(c)] = grew
		}
	}
	return signals, work
}

// work is by how much a counter of work grew without the part of it that the
// agent spent on watching.
func (s span) work(c, own Counter) (float64, bool) {
	grew, seconds, ok := s.delta(c)
	watching, during, counted := s.delta(own)
	if counted && during == seconds {
		grew = max(0, grew-watching)
	}
	return grew, ok
}

// measureGauges reads what needs no difference.
func measureGauges(s span, put func(Signal, float64, bool)) {
	share := func(name Signal, part, whole Gauge) {
		v, ok := s.share(part, whole)
		put(name, v, ok)
	}
	size := func(name Signal, g Gauge) {
		v, ok := s.mean(g)
		put(name, v, ok)
	}
	used, all, ok := s.memory()
	put(Memory, used/all, ok)
	put(MemorySize, all, ok)
	share(OpenFDs, OpenFiles, OpenFilesLimit)
	share(Conns, Conntrack, ConntrackLimit)
	share(Queue, AcceptQueue, AcceptQueueLimit)
	size(CPUs, CPULimit)
	size(WorkerCount, WorkersTotal)
	for _, x := range s.now() {
		for g := range x.Gauges {
			if !known[g] {
				size(Signal(g), g)
			}
		}
	}
}

// known are the gauges with a meaning of their own; any other comes from a
// page of metrics and is a signal by its own name.
var known = map[Gauge]bool{
	CPULimit: true, HostCPUs: true, MemoryBytes: true, MemoryLimit: true,
	WorkersBusy: true, WorkersTotal: true, AcceptQueue: true, AcceptQueueLimit: true,
	OpenFiles: true, OpenFilesLimit: true, Conntrack: true, ConntrackLimit: true,
	LinkSpeed: true, Runnable: true, Processes: true, HostMemoryAvailable: true, ClockRate: true,
}

// memory is what is used, and what could be at most: the limit, or less where
// the host itself has not so much left to give.
func (s span) memory() (used, all float64, ok bool) {
	used, okUsed := s.mean(MemoryBytes)
	all, okAll := s.mean(MemoryLimit)
	if free, ok := s.mean(HostMemoryAvailable); ok && okAll {
		all = min(all, used+free)
	}
	return used, all, okUsed && okAll && all > 0
}

func measureCPU(s span, put func(Signal, float64, bool)) {
	limit, ok := s.mean(CPULimit)
	if !ok || limit <= 0 {
		return
	}
	used, ok := s.rate(CPUSeconds)
	put(CPU, used/limit, ok)

	cpus, ok := s.mean(HostCPUs)
	if !ok {
		cpus = math.Ceil(limit) // a quota of half a CPU still runs on a whole one
	}
	host, ok := s.rate(HostCPUSeconds)
	put(HostCPU, host/cpus, ok)
	steal, ok := s.rate(HostStealSeconds)
	put(Steal, steal/cpus, ok)
}

func measureEvidence(s span, put func(Signal, float64, bool)) {
	ratio := func(name Signal, num, den Counter) {
		v, ok := s.ratio(num, den)
		put(name, v, ok)
	}
	rate := func(name Signal, c Counter) {
		v, ok := s.rate(c)
		put(name, v, ok)
	}
	ratio(Throttling, ThrottledPeriods, Periods)
	ratio(Retransmit, Retransmits, SegmentsOut)
	ratio(ServiceTime, WorkerBusySeconds, ServerRequests)
	rate(PressureCPU, PSICPUFull)
	rate(PressureMem, PSIMemoryFull)
	rate(PressureIO, PSIIOSome)
	if speed, ok := s.mean(LinkSpeed); ok && speed > 0 {
		bytes, ok := s.rate(NetworkBytes)
		put(Network, bytes/speed, ok)
	}
}

const (
	// longest is the part of a window that a request may take for the counter
	// of finished requests' time to tell of the window: it is credited at the
	// end of each request, so longer ones come in lumps.
	longest = .25
	// stuck workers show busy while their counter stands: half of them busy by
	// the gauge, and less than a tenth of that by the counter.
	stuckBusy, stuckShare = .5, .1
)

// workers is the share of workers busy. The counter of time spent on requests
// is smoother than snapshots and is preferred; but it knows only finished
// requests, so workers that are stuck are seen by the gauge alone.
func (s span) workers() (float64, bool) {
	gauge, haveGauge := s.share(WorkersBusy, WorkersTotal)
	total, okTotal := s.mean(WorkersTotal)
	grew, seconds, ok := s.delta(WorkerBusySeconds)
	if !ok || !okTotal || total <= 0 || seconds <= 0 {
		return gauge, haveGauge
	}
	counter := grew / (seconds * total)
	if !haveGauge {
		return counter, true
	}
	if gauge >= stuckBusy && counter < gauge*stuckShare {
		return gauge, true
	}
	if each, ok := s.ratio(WorkerBusySeconds, ServerRequests); ok && each > longest*seconds {
		return gauge, true
	}
	return counter, true
}
