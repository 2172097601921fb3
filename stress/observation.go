package stress

import "time"

// A Signal is one quantity of a target that tells of stress, in its own unit.
// Signals that a page of metrics adds by name are Signals too.
type Signal string

// The signals that have a limit by default.
const (
	CPU        Signal = "cpu"              // share of the CPUs the target may use
	Workers    Signal = "workers"          // share of workers busy
	Memory     Signal = "memory"           // share of the memory limit, anonymous memory only
	LatencyP99 Signal = "latency_p99"      // seconds, from the intended time
	Errors     Signal = "errors"           // share of finished requests that failed
	OpenFDs    Signal = "file_descriptors" // share of the limit
	Conns      Signal = "conntrack"        // share of the table
	Network    Signal = "network"          // share of the link
)

// Evidence: signals that help to name the bottleneck and limit nothing.
const (
	Queue       Signal = "accept_queue" // share of the backlog
	Throttling  Signal = "throttling"   // share of CFS periods throttled
	PressureCPU Signal = "psi_cpu_full" // share of time
	PressureMem Signal = "psi_memory_full"
	PressureIO  Signal = "psi_io_some"
	HostCPU     Signal = "host_cpu"     // share of the CPUs the target may use that anybody used
	Steal       Signal = "steal"        // share the hypervisor took
	Retransmit  Signal = "retransmits"  // share of segments sent again
	ServiceTime Signal = "service_time" // seconds of a worker per request
)

// Two ways in which memory runs out before its mean says so, and the sizes that
// the shares are shares of. They limit nothing by themselves.
const (
	MemoryProjected Signal = "memory_projected"    // share of the memory limit at the 99th percentile of busy workers
	MemoryLeft      Signal = "memory_seconds_left" // until the memory limit, at the present slope
	CPUs            Signal = "cpu_limit"           // CPUs the target may use
	WorkerCount     Signal = "workers_total"
	MemorySize      Signal = "memory_limit_bytes"
)

// A Window is a span of the controller's monotonic clock.
type Window struct {
	Start time.Duration `json:"start"`
	End   time.Duration `json:"end"`
}

// Seconds is the window's length.
func (w Window) Seconds() float64 { return (w.End - w.Start).Seconds() }

// Latency condenses the answers of a window, from the intended time.
type Latency struct {
	Count uint64        `json:"count"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
	// Buckets hold every answer, so that windows can be merged exactly. They
	// are empty where only the figures above are known.
	Buckets []Bucket `json:"-"`
}

// An Observation is one window seen from both ends of the wire: what was
// offered and answered, and what the target showed meanwhile.
type Observation struct {
	Window Window `json:"window"`
	// Asked is the level offered, in the loader's unit.
	Asked float64 `json:"asked"`
	// Sent hits left the generator in the window; Done ended in it, Failed of
	// them without an expected answer. Unsent hits were dropped because the
	// generator was late.
	Sent   uint64 `json:"sent"`
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Unsent uint64 `json:"unsent"`
	// Lag is the 99th percentile of (sent - intended).
	Lag     time.Duration `json:"lag"`
	Latency Latency       `json:"latency"`
	// Signals are the values, in the signals' own units; evidence included.
	Signals map[Signal]float64 `json:"signals"`
	// Pressure is signal / limit of each signal that has a limit and a value.
	Pressure map[Signal]float64 `json:"pressure"`
	// Work is what the target spent, by unit: cpu_seconds, requests, instructions.
	Work map[string]float64 `json:"work,omitempty"`
	// Capped says why the load was less than asked although nothing went wrong:
	// live traffic has its bounds. Such a window counts.
	Capped string `json:"capped,omitempty"`
	// Missing are the signals with a limit that had no value.
	Missing []Signal `json:"missing,omitempty"`
	// Events are the instant events of the window; any one cuts the load.
	Events []Event `json:"events,omitempty"`
	// Void says why the window may not count for a verdict; "" where it may.
	Void Void `json:"void,omitempty"`
}

// Max is the largest pressure and its signal; "" and 0 where nothing was read.
func (o Observation) Max() (Signal, float64) {
	var name Signal
	var most float64
	for s, p := range o.Pressure {
		if name == "" || p > most || p == most && s < name {
			name, most = s, p
		}
	}
	return name, most
}

// Void is the reason a window does not count.
type Void string

// The reasons. A void window voids the verdict, never the cut.
const (
	GeneratorLate Void = "generator"      // the generator, not the target, was the limit
	SourceSilent  Void = "source silent"  // no fresh kernel sample
	ContendedHost Void = "contended host" // somebody else used the target's CPUs
	ClockDrift    Void = "clock drift"    // the target's clock did not keep pace with ours
)

// An Event is something a healthy server never shows, however short.
type Event struct {
	Kind EventKind `json:"kind"`
	// Detail is for people: what was seen, with figures.
	Detail string `json:"detail"`
}

// EventKind names an instant event.
type EventKind string

// The instant events.
const (
	OOMKill      EventKind = "oom kill"
	Overflow     EventKind = "listener overflow"
	WorkerDeath  EventKind = "worker death"
	BacklogHalf  EventKind = "backlog half full"
	KernelSilent EventKind = "kernel sources silent"
	TargetGone   EventKind = "target gone"
	LoadLost     EventKind = "load lost" // live traffic was put back, and cannot be had again
)
