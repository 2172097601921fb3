package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"saturate/stress"
)

// Whose a metric is decides on its label and on which probes it is read by.
type whose int

const (
	ofTarget  whose = iota // the target's, and the machine's beside it: label scope
	ofWork                 // the same, with the scope that instructions are counted in
	ofStalls               // the control group's where that is the target, else the machine's: label scope
	ofServer               // the target's: no label
	ofMachine              // the machine's: no label
)

// A metric is how a counter or a gauge of a sample is called on the page.
type metric struct {
	name, help string
	counter    stress.Counter
	gauge      stress.Gauge
	whose      whose
	labels     prometheus.Labels
}

// table has every metric that samples fill. docs/agent.md describes them; a test
// holds the two together.
func table() []metric {
	stalls := func(c stress.Counter, resource, kind string) metric {
		return metric{name: "saturate_pressure_seconds_total", counter: c, whose: ofStalls,
			help:   "Time in which some, or all, tasks waited for a resource (PSI).",
			labels: prometheus.Labels{"resource": resource, "kind": kind}}
	}
	return []metric{
		{name: "saturate_instructions_total", counter: stress.Instructions, whose: ofWork, help: "CPU instructions retired, user and kernel unless the scope says user."},
		{name: "saturate_user_instructions_total", counter: stress.UserInstructions, whose: ofWork, help: "CPU instructions retired in user space."},
		{name: "saturate_cycles_total", counter: stress.Cycles, whose: ofWork, help: "CPU cycles spent on the instructions."},
		{name: "saturate_cpu_seconds_total", counter: stress.CPUSeconds, help: "CPU time used, user and kernel."},
		{name: "saturate_cpu_limit", gauge: stress.CPULimit, help: "CPUs that may be used: the least of quota, cpuset, affinity and what is online."},
		{name: "saturate_cpu_run_delay_seconds_total", counter: stress.RunDelaySeconds, help: "Time in which threads were ready to run and did not."},
		{name: "saturate_cpu_periods_total", counter: stress.Periods, help: "Periods of the CPU quota that ran."},
		{name: "saturate_cpu_throttled_periods_total", counter: stress.ThrottledPeriods, help: "Periods in which the CPU quota ran out."},
		{name: "saturate_cpu_throttled_seconds_total", counter: stress.ThrottledSeconds, help: "Time in which the CPU quota stopped threads."},
		{name: "saturate_memory_anonymous_bytes", gauge: stress.MemoryBytes, help: "Anonymous memory."},
		{name: "saturate_memory_limit_bytes", gauge: stress.MemoryLimit, help: "Memory that may be used."},
		{name: "saturate_major_faults_total", counter: stress.MajorFaults, help: "Page faults that had to read from a disk."},
		{name: "saturate_oom_kills_total", counter: stress.OOMKills, help: "Processes killed for want of memory."},
		{name: "saturate_processes", gauge: stress.Processes, help: "Processes of the target."},
		stalls(stress.PSICPUSome, "cpu", "some"), stalls(stress.PSICPUFull, "cpu", "full"),
		stalls(stress.PSIMemorySome, "memory", "some"), stalls(stress.PSIMemoryFull, "memory", "full"),
		stalls(stress.PSIIOSome, "io", "some"),

		{name: "saturate_workers", gauge: stress.WorkersTotal, whose: ofServer, help: "Workers that can take a request."},
		{name: "saturate_workers_busy", gauge: stress.WorkersBusy, whose: ofServer, help: "Workers that are at work on a request."},
		{name: "saturate_worker_busy_seconds_total", counter: stress.WorkerBusySeconds, whose: ofServer, help: "Time that workers spent on requests."},
		{name: "saturate_worker_deaths_total", counter: stress.WorkerDeaths, whose: ofServer, help: "Workers that died, were killed or timed out."},
		{name: "saturate_requests_total", counter: stress.ServerRequests, whose: ofServer, help: "Requests by the server's own count."},
		{name: "saturate_accept_queue", gauge: stress.AcceptQueue, whose: ofServer, help: "Connections that wait to be accepted."},
		{name: "saturate_accept_queue_limit", gauge: stress.AcceptQueueLimit, whose: ofServer, help: "Connections that may wait to be accepted: the backlog."},
		{name: "saturate_open_files", gauge: stress.OpenFiles, whose: ofServer, help: "Open files of the process with the least room for more."},
		{name: "saturate_open_files_limit", gauge: stress.OpenFilesLimit, whose: ofServer, help: "Open files that this process may have."},
		{name: "saturate_listen_overflows_total", counter: stress.ListenOverflows, whose: ofServer, help: "Connections turned away by full accept queues, in the target's network namespace."},
		{name: "saturate_tcp_retransmits_total", counter: stress.Retransmits, whose: ofServer, help: "TCP segments sent again, in the target's network namespace."},
		{name: "saturate_tcp_segments_out_total", counter: stress.SegmentsOut, whose: ofServer, help: "TCP segments sent, in the target's network namespace."},

		{name: "saturate_cpus_online", gauge: stress.HostCPUs, whose: ofMachine, help: "CPUs of the machine that are online."},
		{name: "saturate_cpu_steal_seconds_total", counter: stress.HostStealSeconds, whose: ofMachine, help: "CPU time that the hypervisor took."},
		{name: "saturate_runnable_threads", gauge: stress.Runnable, whose: ofMachine, help: "Threads of the machine that run or are ready to."},
		{name: "saturate_memory_available_bytes", gauge: stress.HostMemoryAvailable, whose: ofMachine, help: "Memory that the machine could still give."},
		{name: "saturate_conntrack_entries", gauge: stress.Conntrack, whose: ofMachine, help: "Connections that the kernel tracks."},
		{name: "saturate_conntrack_limit", gauge: stress.ConntrackLimit, whose: ofMachine, help: "Connections that the kernel can track."},
		{name: "saturate_softnet_dropped_total", counter: stress.SoftnetDropped, whose: ofMachine, help: "Packets that the kernel dropped before it looked at them."},
		{name: "saturate_network_bytes_total", counter: stress.NetworkBytes, whose: ofMachine, help: "Bytes in the busier direction of the busiest link of known speed."},
		{name: "saturate_link_bytes_per_second", gauge: stress.LinkSpeed, whose: ofMachine, help: "Speed of that link."},
	}
}

func (m metric) read(s stress.Sample) (v float64, kind prometheus.ValueType, ok bool) {
	if m.counter != "" {
		v, ok = s.Counters[m.counter]
		return v, prometheus.CounterValue, ok
	}
	v, ok = s.Gauges[m.gauge]
	return v, prometheus.GaugeValue, ok
}

// scope is the metric's label in a reading; "" where it has none.
func (m metric) scope(scopes map[string]string) string {
	cpu := scopes["cpu_seconds"]
	switch m.whose {
	case ofWork:
		return scopes["instructions"]
	case ofTarget:
		return cpu
	case ofStalls:
		if cpu == "cgroup" {
			return cpu
		}
		return "host"
	}
	return ""
}
