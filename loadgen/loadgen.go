// Package loadgen offers load to a target and reports what became of it.
//
// It never decides how much: a controller turns the level, and grants it for a
// short lease only, so that no load outlives a controller that hangs. It never
// judges the target either, but it knows when it is itself the limit.
package loadgen

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Loader offers a level of load until told otherwise.
type Loader interface {
	// Unit names the level's unit, such as "req/s".
	Unit() string
	// Delay is how long a turned level takes to reach the target.
	Delay() time.Duration
	// Turn offers level from now on, for at most lease; without another Turn
	// the load then stops by itself. It does not wait and never bursts.
	Turn(level float64, lease time.Duration)
	// Take returns what has happened since the last Take.
	Take() Answers
	// Close takes the load away, gives up what is under way, and returns when
	// nothing is sent any more.
	Close() error
}

// Answers tells what became of the hits between two Takes.
type Answers struct {
	// Sent hits left for the target; Done ended (answered or not); Failed of
	// those had no expected answer, Timeouts of the failed had none in time.
	// Once nothing is in flight, Done is Sent + Dropped.
	Sent, Done, Failed, Timeouts uint64
	// Unsent hits were dropped because the generator was late for them.
	Unsent uint64
	// Dropped hits found no connection free for longer than the timeout. They
	// are counted in Done and Failed too, but not in Sent: the target, not the
	// generator, had no room for them. Hits that still waited when the load was
	// turned to silence are counted nowhere.
	Dropped uint64
	// Reconnects counts requests sent again on a fresh connection after a
	// reused one died before the first byte of the answer.
	Reconnects uint64
	// InFlight hits were sent or queued, and not ended, at the time of Take.
	InFlight int64
	// Latency runs from the intended time, Service from the actual send; Lag is
	// the actual send minus the intended time where the generator was the cause.
	// Microseconds. Latency and Service hold expected answers only.
	Latency, Service, Lag *hdrhistogram.Histogram
	// ByName splits Done, Failed, Latency and Service by request name. Names
	// without a hit that ended are absent; dropped hits had no name yet.
	ByName map[string]*Named
	// Causes counts failures by cause ("status 500", "timeout", "connection refused").
	Causes map[string]uint64
	// Limit says why the generator was itself the limit, with figures; "" where it was not.
	Limit string
	// Capped says why less than the level was offered although nothing went
	// wrong: live traffic has its bounds. "" where the level was offered.
	Capped string
	// CPUSeconds is what this process used.
	CPUSeconds float64
}

// Named is what became of one request name's hits.
type Named struct {
	Done, Failed     uint64
	Latency, Service *hdrhistogram.Histogram
}
