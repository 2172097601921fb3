package record

import (
	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// The words of a record belong to the packages that found what they tell of.
// Who reads records needs no more than this one.
type (
	Ending  = ramp.Ending
	Signal  = stress.Signal
	Outcome = appweight.Outcome

	CostPoint = appweight.CostPoint
)

// The endings.
const (
	Found        = ramp.Found
	AtLeast      = ramp.AtLeast
	AtMost       = ramp.AtMost
	Inconclusive = ramp.Inconclusive
)

// Hold is the phase of the step that counts.
const Hold = ramp.Hold

// What became of a requirement.
const (
	Met       = appweight.Met
	Missed    = appweight.Missed
	Undecided = appweight.Undecided
)

// Units of work, and what an interval covers.
const (
	Instructions = appweight.Instructions
	CPUSeconds   = appweight.CPUSeconds
	WithinHold   = appweight.WithinHold
	Restarts     = appweight.Restarts
	Servers      = appweight.Servers
)

// The names of bottlenecks; any other is a gauge of the user's own.
const (
	Generator        = stress.Generator
	ContendedCPU     = stress.ContendedCPU
	MemoryBound      = stress.MemoryBound
	CPUBound         = stress.CPUBound
	QuotaBound       = stress.QuotaBound
	OverflowCollapse = stress.OverflowCollapse
	BackendBound     = stress.BackendBound
	WorkersBound     = stress.WorkersBound
	NetworkBound     = stress.NetworkBound
	DescriptorsBound = stress.DescriptorsBound
	ConntrackBound   = stress.ConntrackBound
	LatencyBound     = stress.LatencyBound
	ErrorsBound      = stress.ErrorsBound
	NoneReached      = stress.NoneReached
)

// Signals that a report treats on their own: CPU shows what a starved server
// leaves unused, latency and errors do not rise in a line with the load.
const (
	CPU        = stress.CPU
	LatencyP99 = stress.LatencyP99
	Errors     = stress.Errors
)

// Value writes a signal's value for people, in its unit.
func Value(name Signal, v float64) string { return stress.Value(name, v) }

// Share writes a part of a whole as a percentage.
func Share(v float64) string { return stress.Value(stress.Errors, v) }

// Seconds writes a latency.
func Seconds(v float64) string { return stress.Value(stress.LatencyP99, v) }
