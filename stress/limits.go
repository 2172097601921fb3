package stress

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Limits judge the windows of one target in one run: they hold the limits that
// the scenario gave and learn the two that depend on the target, its quiet
// latency and its base error rate, from its quiet windows.
type Limits struct {
	config  Config
	level   float64 // what the windows since the last turn were asked
	latency latencies
	errors  failures
	memory  memory
	calm    time.Duration // when the aftermath of the last trouble is over
	sampled bool          // samples have come in before
	idle    float64       // the largest pressure before any load
	lowest  float64       // the first level above zero
}

// NewLimits starts a run's limits.
func NewLimits(c Config) *Limits {
	l := &Limits{config: c}
	l.memory.turn()
	return l
}

// InForce are the limits as they now stand, in the signals' own units
// (latency_p99 in seconds). Print them beside every score.
func (l *Limits) InForce() map[Signal]float64 {
	c := l.config
	limits := map[Signal]float64{
		CPU: float64(c.CPU), Workers: float64(c.Workers), Memory: float64(c.Memory),
		OpenFDs: float64(c.FileDescriptors), Conns: float64(c.Conntrack), Network: float64(c.Network),
		LatencyP99: l.latency.limit(c.LatencyP99).Seconds(),
		Errors:     l.errors.base() + float64(c.Errors),
	}
	for name, limit := range c.Metrics {
		limits[Signal(name)] = limit
	}
	return limits
}

const (
	// sameLevel is by how much a level may move and its windows still tell of
	// one state: a hold centres itself in smaller moves.
	sameLevel = .10
	// The pressures of the target's own resources below which the quiet
	// latency, the base error rate and the memory line are learnt, as parts of
	// the way from idle to the limit: a server whose caches fill half of its
	// memory is quiet all the same.
	quietBelow, baseBelow, lineBelow = .5, .7, .9
	// baseWithin bounds the levels that teach the base error rate, as a multiple
	// of the first: a server that turns requests away at some limit of its own,
	// with CPU and workers to spare, must not teach that this is its base.
	baseWithin = 4
	// aftermath is how long after trouble nothing is learnt: answers that it
	// delayed, and clients' timeouts, come in when the load is long gone.
	aftermath = 15 * time.Second
)

// Complete reads a window's samples into the observation: signals, pressures,
// work, what is missing, and whether the window is void. The first sample is
// the last of the window before. Everything else of the observation must have
// been filled in; windows must come in order.
func (l *Limits) Complete(o *Observation, samples []Sample) {
	s := span(samples)
	o.Signals, o.Work = Measure(samples)
	o.Work["requests"] = float64(o.Done)
	if math.Abs(o.Asked-l.level) > sameLevel*l.level {
		l.level = o.Asked
		l.memory.turn()
		l.latency.turn()
		l.errors.turn()
	}
	if o.Void == "" {
		o.Void = l.void(s, o.Signals)
	}
	l.learn(o, s)

	limits := l.InForce()
	o.Pressure = pressures(o.Signals, limits)
	if p, ok := o.Pressure[Memory]; ok {
		o.Pressure[Memory] = max(p, memoryAhead(o.Signals))
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if _, ok := o.Pressure[name]; !ok {
			o.Missing = append(o.Missing, name)
		}
	}
	if _, p := o.Max(); p >= 1 || len(o.Events) > 0 {
		l.calm = o.Window.End + aftermath
	}
	l.sampled = l.sampled || len(samples) > 0
}

// learn takes what the window teaches and adds the signals that need more than
// one window: memory ahead, the p99 and the share of errors.
func (l *Limits) learn(o *Observation, s span) {
	_, cpu := o.Signals[CPU]
	_, workers := o.Signals[Workers]
	watched := cpu || workers
	var pressure float64
	for _, p := range pressures(o.Signals, l.InForce()) {
		pressure = max(pressure, p)
	}
	if l.lowest == 0 {
		l.lowest = o.Asked
	}
	if l.lowest == 0 {
		l.idle = min(max(l.idle, pressure), 1)
	}
	undisturbed := o.Window.Start >= l.calm && len(o.Events) == 0 && o.Void == ""

	l.memory.observe(s, undisturbed && pressure < l.above(lineBelow))
	if limit, ok := o.Signals[MemorySize]; ok {
		if v, ok := l.memory.projected(limit); ok {
			o.Signals[MemoryProjected] = v
		}
		if v, ok := l.memory.left(limit); ok {
			o.Signals[MemoryLeft] = v
		}
	}
	l.latency.observe(o.Latency, undisturbed && pressure < l.above(quietBelow), watched)
	if v, ok := l.latency.p99(); ok {
		o.Signals[LatencyP99] = v.Seconds()
	}
	l.errors.observe(o.Done, o.Failed, undisturbed && pressure < l.above(baseBelow) && o.Asked <= baseWithin*l.lowest, watched)
	if v, ok := l.errors.share(); ok {
		o.Signals[Errors] = v
	}
}

// above is the pressure at a part of the way from idle to the limit.
func (l *Limits) above(part float64) float64 { return l.idle + (1-l.idle)*part }

// pressures are the signals that have a limit, as parts of it.
func pressures(signals, limits map[Signal]float64) map[Signal]float64 {
	p := make(map[Signal]float64)
	for name, limit := range limits {
		if v, ok := signals[name]; ok && limit > 0 {
			p[name] = v / limit
		}
	}
	return p
}

// memoryAhead is the pressure of memory that is not used yet: what the busiest
// moments will need of the whole limit, and the limit that is seconds away.
func memoryAhead(signals map[Signal]float64) float64 {
	p := signals[MemoryProjected]
	if left, ok := signals[MemoryLeft]; ok && left < leastLeft {
		p = max(p, min(leastLeft/max(left, 1), leastLeft))
	}
	return p
}

const (
	// A host is contended when the target has less than contendedOwn of its CPU
	// limit while its CPUs are busier than contendedHost, and all its tasks wait
	// for more than waitMost of the time (where PSI tells: alone it is up to
	// 5 %) without a quota having stopped them.
	contendedOwn, contendedHost, waitMost, quotaStops = .90, .95, .10, .05
	// stealMost is what the hypervisor may take.
	stealMost = .02
	// driftMost is by how much the target's clock may run faster or slower than
	// ours: an emulated or a starved machine's does, and a second of it is then
	// not a second of load.
	driftMost = .02
)

// void says why the window may not count, judged by the target's side alone.
func (l *Limits) void(s span, signals map[Signal]float64) Void {
	if l.sampled && !s.unbroken() {
		return SourceSilent
	}
	if rate, ok := s.mean(ClockRate); ok && math.Abs(rate-1) > driftMost {
		return ClockDrift
	}
	if signals[Steal] > stealMost {
		return ContendedHost
	}
	own, okOwn := signals[CPU]
	host, okHost := signals[HostCPU]
	wait, okWait := signals[PressureCPU]
	if okOwn && okHost && own < contendedOwn && host > contendedHost &&
		(!okWait || wait > waitMost) && signals[Throttling] < quotaStops {
		return ContendedHost
	}
	return ""
}
