package report

import (
	"fmt"

	"saturate/record"
)

// advice is one sentence on what would change the answer; "" where there is
// nothing to say. Where a level was held, there was no ramp, and the load of real
// users has no level to begin with.
func advice(r record.Repeat, load record.Load) string {
	if r.Bottleneck == nil {
		return ""
	}
	if load.Kind == record.LiveTraffic && (r.Ending == record.AtLeast || r.Ending == record.AtMost) {
		return adviceLive(r)
	}
	held := load.Held > 0
	switch r.Bottleneck.Name {
	case record.Generator:
		return "give saturate more CPU or a machine of its own and run again: the target was not brought to its limit"
	case record.ContendedCPU:
		return "run again on a quiet host, or give the target CPUs of its own"
	case record.OverflowCollapse:
		return "restart the target or leave it without load until its accept queue is empty, then run again from a lower ramp.start"
	}
	switch {
	case r.Ending == record.AtMost && r.Done == 0:
		return "it is past a limit without any load: find out what keeps it there, or raise that limit in stress"
	case r.Ending == record.AtMost && (held || r.Bottleneck.Name == record.ErrorsBound):
		return remedy(r)
	case held:
		return ""
	case r.Ending == record.AtMost:
		return "set ramp.start lower; if that fails too, look at the target with a single request"
	case r.Ending == record.AtLeast:
		return "raise ramp.max; where the generator is the limit, give it more CPU or a machine of its own"
	case r.Ending == record.Inconclusive:
		return ""
	}
	return remedy(r) + further(r)
}

// adviceLive is for live traffic that was too little, or too much.
func adviceLive(r record.Repeat) string {
	if r.Ending == record.AtMost {
		return "it is past a limit with the traffic that it has: give it less, or raise that limit in stress; " + remedy(r)
	}
	return "squeeze when there is more traffic, or one server at a time; or raise live.max_weight or live.max_share, whichever came first"
}

// remedy is what moves the bottleneck.
func remedy(r record.Repeat) string {
	switch b := r.Bottleneck; b.Name {
	case record.WorkersBound:
		if p, ok := r.Pressure[record.CPU]; ok {
			return fmt.Sprintf("CPU is at %s of its limit: more workers would carry more", record.Share(p))
		}
		return "more workers would carry more, as far as CPU and memory allow"
	case record.BackendBound:
		return "make what the workers wait for faster; more workers would mostly wait in a longer line"
	case record.CPUBound:
		return "less CPU per request or more CPU would carry more"
	case record.QuotaBound:
		return "a higher CPU quota would carry more"
	case record.MemoryBound:
		return "less memory per request or a higher memory limit would carry more"
	case record.NetworkBound:
		return "smaller answers or a faster link would carry more"
	case record.ConntrackBound:
		return "a larger net.netfilter.nf_conntrack_max, or connections that are kept alive, would carry more"
	case record.DescriptorsBound:
		return "a higher limit of open files (ulimit -n, LimitNOFILE=) would carry more"
	case record.LatencyBound:
		return "find what requests wait for while nothing is full: locks, garbage collection, a database"
	case record.ErrorsBound:
		return "find what fails: the target's own log has the requests"
	case record.NoneReached:
		return ""
	default:
		return fmt.Sprintf("more of what %s counts, or a higher limit in stress.metrics, would carry more", b.Name)
	}
}

// further says how far that goes: until the next limit, along straight lines.
func further(r record.Repeat) string {
	next := r.RunnerUp
	switch r.Bottleneck.Name {
	case record.LatencyBound, record.ErrorsBound, record.BackendBound, record.NoneReached:
		return ""
	}
	if next == nil || next.Signal == record.LatencyP99 || next.Signal == record.Errors {
		return "" // these do not rise in a line
	}
	if next.Headroom < .05 {
		return fmt.Sprintf(", but %s is next and almost as full", next.Signal)
	}
	if most := 1 / (1 - next.Headroom); most < 10 {
		return fmt.Sprintf(", up to about %.1f times as much, where %s is the limit", most, next.Signal)
	}
	return ""
}
