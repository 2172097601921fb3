package stress

import "time"

// A Sample is what one target's probes read at one instant: raw cumulative
// counters and gauges. A value that could not be read is absent, never zero.
// It has one shape through agent, search and record.
type Sample struct {
	// At is the sampled host's monotonic clock (CLOCK_BOOTTIME).
	At time.Duration `json:"at"`
	// Seq grows by one a sample.
	Seq uint64 `json:"seq"`
	// Boot changes when the counters start anew (reboot, restart of the sampler).
	Boot string `json:"boot,omitempty"`
	// Counters only ever grow; a falling one starts anew and yields no difference.
	Counters map[Counter]float64 `json:"counters"`
	// Gauges are read as they stand.
	Gauges map[Gauge]float64 `json:"gauges"`
}

// A Counter names a cumulative quantity of a target since some start.
type Counter string

// The counters that probes fill. Seconds and bytes are SI base units; float64
// counts exactly up to 2^53, which is 104 days of nanoseconds on one CPU.
const (
	CPUSeconds        Counter = "cpu_seconds"           // CPU time the target used, user and kernel
	Instructions      Counter = "instructions"          // CPU instructions retired, user and kernel, in the scope that the probes name
	UserInstructions  Counter = "user_instructions"     // of those, the ones retired in user space
	Cycles            Counter = "cycles"                // CPU cycles spent on them
	AgentCPUSeconds   Counter = "agent_cpu_seconds"     // of CPUSeconds, what the agent that took the sample used itself
	AgentInstructions Counter = "agent_instructions"    // of Instructions, its own
	HostCPUSeconds    Counter = "host_cpu_seconds"      // busy time of the CPUs the target may run on, whoever used it
	HostStealSeconds  Counter = "host_steal_seconds"    // time the hypervisor took from those CPUs
	Periods           Counter = "cpu_periods"           // CFS bandwidth periods that ran (cpu.stat nr_periods)
	ThrottledPeriods  Counter = "cpu_throttled_periods" // of those, the throttled ones (nr_throttled)
	ThrottledSeconds  Counter = "cpu_throttled_seconds" // time throttled
	RunDelaySeconds   Counter = "run_delay_seconds"     // runnable but not running (/proc/PID/schedstat field 2)
	PSICPUSome        Counter = "psi_cpu_some_seconds"  // cpu.pressure some total=
	PSICPUFull        Counter = "psi_cpu_full_seconds"  // cpu.pressure full total=
	PSIMemorySome     Counter = "psi_memory_some_seconds"
	PSIMemoryFull     Counter = "psi_memory_full_seconds"
	PSIIOSome         Counter = "psi_io_some_seconds"
	MajorFaults       Counter = "major_faults"
	OOMKills          Counter = "oom_kills"
	WorkerDeaths      Counter = "worker_deaths"       // workers that died, were killed or timed out (harakiri)
	WorkerBusySeconds Counter = "worker_busy_seconds" // summed time workers spent on requests
	ServerRequests    Counter = "server_requests"     // requests by the server's own count
	ListenOverflows   Counter = "listen_overflows"    // TcpExt ListenOverflows: of the whole network namespace
	Retransmits       Counter = "tcp_retransmits"     // Tcp RetransSegs
	SegmentsOut       Counter = "tcp_segments_out"    // Tcp OutSegs
	SoftnetDropped    Counter = "softnet_dropped"
	NetworkBytes      Counter = "network_bytes" // of the busier direction of the busiest link with a known speed
)

// A Gauge names a quantity of a target at one instant.
type Gauge string

// The gauges that probes fill.
const (
	CPULimit            Gauge = "cpu_limit"    // CPUs the target may use: min(quota, cpuset, affinity, online)
	HostCPUs            Gauge = "host_cpus"    // CPUs that HostCPUSeconds sums over: cpuset, affinity, online; without the quota
	MemoryBytes         Gauge = "memory_bytes" // anonymous memory
	MemoryLimit         Gauge = "memory_limit_bytes"
	HostMemoryAvailable Gauge = "host_memory_available_bytes" // what the host could still give (MemAvailable)
	WorkersBusy         Gauge = "workers_busy"
	WorkersTotal        Gauge = "workers_total"      // workers that can take a request (a "cheap" uWSGI worker cannot)
	AcceptQueue         Gauge = "accept_queue"       // connections waiting in the listeners' accept queues, summed
	AcceptQueueLimit    Gauge = "accept_queue_limit" // the listeners' backlogs, summed
	OpenFiles           Gauge = "open_files"         // of the process with the least room
	OpenFilesLimit      Gauge = "open_files_limit"
	Conntrack           Gauge = "conntrack_entries"
	ConntrackLimit      Gauge = "conntrack_limit"
	LinkSpeed           Gauge = "link_bytes_per_second"
	Runnable            Gauge = "runnable" // /proc/stat procs_running: includes neighbours
	Processes           Gauge = "processes"
	ClockRate           Gauge = "clock_rate" // seconds of the sampled host's clock per second of ours; of a remote target
)
