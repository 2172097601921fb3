package stress

import (
	"fmt"
	"strings"
)

// sentence says for people why the target does not carry more.
func (s scene) sentence(b Bottleneck) string {
	v := s.hold.Signals
	switch b.Name {
	case Generator:
		return s.generatorSentence()
	case ContendedCPU:
		return s.contendedSentence()
	case MemoryBound:
		return s.memorySentence() + s.beside(b)
	case CPUBound:
		return fmt.Sprintf("%s of %s are used (limit %s)", percent(v[CPU]), cpus(v[CPUs]), s.limit(CPU)) + s.beside(b)
	case QuotaBound:
		return fmt.Sprintf("%s of the quota of %s are used (limit %s) and %s of the periods end throttled",
			percent(v[CPU]), cpus(v[CPUs]), s.limit(CPU), percent(v[Throttling])) + s.beside(b)
	case OverflowCollapse:
		return fmt.Sprintf("the accept queue overflowed: %s are busy while the CPU does next to nothing (%s), waiting for bytes that were lost",
			workers(v[WorkerCount]), percent(v[CPU]))
	case BackendBound:
		return s.workersSentence() + fmt.Sprintf(", and a request takes a worker %s where it took %s at low load: what the workers wait for slows down",
			duration(v[ServiceTime]), duration(s.quiet.Signals[ServiceTime])) + s.beside(b)
	case WorkersBound:
		return s.workersSentence() + s.beside(b)
	case LatencyBound:
		return fmt.Sprintf("the 99th percentile is %s (limit %s) although no resource that was read is at its limit%s: locks, garbage collection or something unseen",
			duration(v[LatencyP99]), s.limit(LatencyP99), s.nearest(b))
	case ErrorsBound:
		return fmt.Sprintf("%s of the requests fail (limit %s) although no resource that was read is at its limit%s",
			percent(s.hold.FailedShare()), s.limit(Errors), s.nearest(b))
	case NoneReached:
		if b.Signal == "" {
			return "no signal was read"
		}
		return fmt.Sprintf("no limit was reached: the nearest is %s, at %s of its limit", b.Signal, percent(b.Pressure))
	case NetworkBound:
		if b.Signal != Network {
			return fmt.Sprintf("%s of the segments are sent again while %s is %s (limit %s)",
				percent(v[Retransmit]), b.Signal, Value(b.Signal, v[b.Signal]), s.limit(b.Signal)) + s.beside(b)
		}
	}
	return fmt.Sprintf("%s is %s (limit %s)", b.Signal, Value(b.Signal, v[b.Signal]), s.limit(b.Signal)) + s.beside(b)
}

func (s scene) limit(name Signal) string { return Value(name, s.limits[name]) }

// beside tells of the runner-up; of CPU first, where something else binds: it
// is what a starved server leaves unused.
func (s scene) beside(b Bottleneck) string {
	if p, ok := s.hold.Pressure[CPU]; ok && b.Signal != CPU {
		return fmt.Sprintf(", while CPU is at %s of its limit", percent(p))
	}
	if b.Runner == "" {
		return ""
	}
	return fmt.Sprintf(", while %s is at %s of its limit", b.Runner, percent(1-b.Headroom))
}

// nearest tells, in brackets, of the runner-up where an effect was named.
func (s scene) nearest(b Bottleneck) string {
	if b.Runner == "" {
		return ""
	}
	return fmt.Sprintf(" (the nearest, %s, is at %s of it)", b.Runner, percent(1-b.Headroom))
}

func (s scene) workersSentence() string {
	return fmt.Sprintf("%s are busy %s of the time (limit %s)",
		workers(s.hold.Signals[WorkerCount]), percent(s.hold.Signals[Workers]), s.limit(Workers))
}

func (s scene) memorySentence() string {
	v := s.hold.Signals
	for _, e := range s.hold.Events {
		if e.Kind == OOMKill {
			return e.Detail
		}
	}
	size := "its limit"
	if v[MemorySize] > 0 {
		size = Value(MemorySize, v[MemorySize])
	}
	switch level := v[Memory] / s.limits[Memory]; {
	case v[PressureMem] >= stallsFor:
		return fmt.Sprintf("everything waits for memory %s of the time, with %s of %s used", percent(v[PressureMem]), percent(v[Memory]), size)
	case v[MemoryProjected] > level:
		return fmt.Sprintf("memory is at %s of %s and would need %s in the busiest moments", percent(v[Memory]), size, percent(v[MemoryProjected]))
	case level < reached && v[MemoryLeft] > 0:
		return fmt.Sprintf("memory is at %s of %s and grows: the limit is %.0f s away", percent(v[Memory]), size, v[MemoryLeft])
	}
	return fmt.Sprintf("memory is at %s of %s (limit %s)", percent(v[Memory]), size, s.limit(Memory))
}

func (s scene) generatorSentence() string {
	text := "the generator, not the target, was the limit"
	if due := s.hold.Sent + s.hold.Unsent; s.hold.Unsent > 0 {
		text += fmt.Sprintf(": %s of the hits could not be sent in time", percent(float64(s.hold.Unsent)/float64(due)))
	} else if s.hold.Lag > 0 {
		text += fmt.Sprintf(": hits left up to %s late", duration(s.hold.Lag.Seconds()))
	}
	return text
}

func (s scene) contendedSentence() string {
	v := s.hold.Signals
	if v[Steal] > stealMost {
		return fmt.Sprintf("the hypervisor took %s of the target's CPUs", percent(v[Steal]))
	}
	return fmt.Sprintf("somebody else used the target's CPUs: they were %s busy, and the target itself used %s of its share",
		percent(v[HostCPU]), percent(v[CPU]))
}

// evidence lists what else tells of stress. The thresholds are where each
// begins to say something; none of them limits anything.
func (s scene) evidence() []string {
	var seen []string
	for _, e := range []struct {
		name Signal
		from float64
		text string
	}{
		{Queue, .02, "the accept queue is %s full"},
		{Throttling, .05, "%s of the CPU periods end throttled"},
		{PressureCPU, .10, "all tasks wait for CPU %s of the time"},
		{PressureMem, .01, "all tasks wait for memory %s of the time"},
		{PressureIO, .20, "some task waits for disk %s of the time"},
		{Retransmit, resent, "%s of the host's TCP segments are sent again"},
		{Steal, .005, "the hypervisor takes %s of the CPUs"},
	} {
		if v := s.hold.Signals[e.name]; v >= e.from {
			seen = append(seen, fmt.Sprintf(e.text, percent(v)))
		}
	}
	if now, before := s.hold.Signals[ServiceTime], s.quiet.Signals[ServiceTime]; now > 0 && before > 0 {
		seen = append(seen, fmt.Sprintf("a request takes a worker %s (%s at low load)", duration(now), duration(before)))
	}
	return append(seen, happened(s.hold.Events)...)
}

// happened lists events, each kind once.
func happened(events []Event) []string {
	var list []string
	kinds := map[EventKind]int{}
	for _, e := range events {
		if kinds[e.Kind]++; kinds[e.Kind] == 1 {
			list = append(list, string(e.Kind)+": "+strings.TrimSuffix(e.Detail, "."))
		}
	}
	return list
}

func cpus(n float64) string {
	if n == 1 {
		return "1 CPU"
	}
	return fmt.Sprintf("%.3g CPUs", n)
}

func workers(n float64) string {
	switch {
	case n == 0:
		return "the workers"
	case n < 1.5:
		return "the only worker"
	}
	return fmt.Sprintf("the %.0f workers", n)
}
