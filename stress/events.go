package stress

import "fmt"

const (
	// halfFull is the share of a backlog that is an event; leastQueue keeps a
	// backlog of one or two from being half full with every request.
	halfFull, leastQueue = .50, 2
	// ownOverflow is how full this listener must have been for an overflow to
	// be its own: the kernel counts them for the whole network namespace.
	ownOverflow = .90
)

// Events are the instant events between consecutive samples of a target,
// oldest first; the first sample is the one before.
func Events(samples []Sample) []Event {
	var events []Event
	for i := 1; i < len(samples); i++ {
		a, b := samples[i-1], samples[i]
		if a.Boot != b.Boot {
			continue
		}
		events = append(events, between(a, b)...)
	}
	return events
}

func between(a, b Sample) []Event {
	var events []Event
	add := func(kind EventKind, format string, args ...any) {
		events = append(events, Event{Kind: kind, Detail: fmt.Sprintf(format, args...)})
	}
	if n := rose(a, b, OOMKills); n > 0 {
		add(OOMKill, "the kernel killed %s for want of memory", count(n, "process", "processes"))
	}
	if n := rose(a, b, WorkerDeaths); n > 0 {
		add(WorkerDeath, "%s died", count(n, "worker", "workers"))
	}
	fullness := max(full(a), full(b))
	if n := rose(a, b, ListenOverflows); n > 0 && fullness >= ownOverflow {
		add(Overflow, "%s turned away with the accept queue %.0f%% full", count(n, "connection", "connections"), 100*fullness)
	}
	if queue := b.Gauges[AcceptQueue]; full(b) >= halfFull && queue >= leastQueue {
		add(BacklogHalf, "%.0f connections wait in an accept queue of %.0f", queue, b.Gauges[AcceptQueueLimit])
	}
	return events
}

// rose is by how much a counter grew between two samples that both have it.
func rose(a, b Sample, c Counter) float64 {
	before, okA := a.Counters[c]
	after, okB := b.Counters[c]
	if !okA || !okB {
		return 0
	}
	return after - before
}

// full is how full the accept queue is, as a share of its backlog.
func full(s Sample) float64 {
	if limit := s.Gauges[AcceptQueueLimit]; limit > 0 {
		return s.Gauges[AcceptQueue] / limit
	}
	return 0
}

func count(n float64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%.0f %s", n, many)
}
