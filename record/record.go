// Package record holds what a run found: its types and its versioned JSON.
//
// A record explains itself: beside every figure stand its unit, its limits and
// how sure it is. It holds no secret: of the scenario it keeps the name and a
// hash. Enums are strings, durations are seconds, and a value that was not
// read is absent, never zero.
//
// Compatibility: a reader of a version reads every record of that version and
// of earlier ones. Within a version fields are added, and none changes its
// meaning; a reader passes over those that it does not know.
package record

import (
	"time"

	"saturate/appweight"
	"saturate/ramp"
	"saturate/stress"
)

// Version is the version of the format that this package writes.
const Version = 1

// A Record is everything that one run found.
type Record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// At is when the run began.
	At time.Time `json:"at"`
	// Scenario is its name, ScenarioHash the SHA-256 of its text as written.
	Scenario     string            `json:"scenario"`
	ScenarioHash string            `json:"scenario_sha256,omitempty"`
	Ending       ramp.Ending       `json:"ending"`
	Labels       map[string]string `json:"labels,omitempty"`
	// InTurnWith is the ID of the other side's record where two scenarios were
	// measured in turn, to be compared (run --against). Such a record is no night:
	// one of the two is of what production does not run.
	InTurnWith string `json:"in_turn_with,omitempty"`
	// Versions of saturate and of what it was built with.
	Versions map[string]string `json:"versions,omitempty"`
	// Env is the machine that the run was made from; EnvOf tells a target's own.
	Env Env `json:"env"`
	// Limits are those that the scenario set, in the signals' own units. Two
	// of them depend on the target and are learnt: Repeat.Limits has these.
	Limits map[stress.Signal]float64 `json:"limits"`
	Load   Load                      `json:"load"`
	// Live tells of the load balancer where the load was live traffic.
	Live      *Live    `json:"live,omitempty"`
	Targets   []Target `json:"targets"`
	Fleet     *Fleet   `json:"fleet,omitempty"`
	AppWeight []Score  `json:"appweight,omitempty"`
	// FleetScore is that of a fleet of several generations or regions.
	FleetScore   *FleetScore   `json:"fleet_score,omitempty"`
	Requirements []Requirement `json:"requirements,omitempty"`
	// Goal is where the scenario wants the score to go.
	Goal            *Goal    `json:"goal,omitempty"`
	Warnings        []string `json:"warnings,omitempty"`
	DurationSeconds float64  `json:"duration_seconds"`
}

// Env is a machine.
type Env struct {
	CPU    string `json:"cpu,omitempty"` // its model
	Cores  int    `json:"cores,omitempty"`
	ISA    string `json:"isa,omitempty"` // amd64, arm64
	Kernel string `json:"kernel,omitempty"`
}

// Load is what was offered.
type Load struct {
	Kind     string `json:"kind"` // "synthetic mix", which was generated, or "live traffic"
	Unit     string `json:"unit"` // of levels and rates: req/s
	Engine   string `json:"engine,omitempty"`
	Arrivals string `json:"arrivals,omitempty"`
	// Held is the level that a check kept to; 0 where the limit was searched for.
	Held float64 `json:"held,omitempty"`
	// Mix is each request's share.
	Mix map[string]float64 `json:"mix,omitempty"`
}

// SyntheticMix is the kind of generated load.
const SyntheticMix = "synthetic mix"

// A Target is one server under test.
type Target struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	// Env is its machine, where that is another than the one the run was made
	// from.
	Env     *Env        `json:"env,omitempty"`
	Ending  ramp.Ending `json:"ending"`
	Repeats []Repeat    `json:"repeats"`
}

// A Repeat is one search and hold.
type Repeat struct {
	// Restart counts from 1.
	Restart int         `json:"restart"`
	Ending  ramp.Ending `json:"ending"`
	// Why is the reason of any ending but found, or a note to it.
	Why       string     `json:"why,omitempty"`
	Sustained *Sustained `json:"sustained,omitempty"`
	// Break is the lowest level seen to fail.
	Break      float64     `json:"break,omitempty"`
	Bottleneck *Bottleneck `json:"bottleneck,omitempty"`
	RunnerUp   *RunnerUp   `json:"runner_up,omitempty"`
	// Work is what the target spent per second in the hold, in the unit that the
	// score is computed in; Measured has it in every unit that was read.
	Work     *Work  `json:"work,omitempty"`
	Measured []Work `json:"measured,omitempty"`
	Cost     *Cost  `json:"cost,omitempty"`
	// CostSE is the standard error of the hold's work per request, as a share of
	// it, by unit.
	CostSE map[string]float64 `json:"cost_se,omitempty"`
	// FailedShare is of the hold's requests; Done and Failed are the whole run's.
	FailedShare float64 `json:"failed_share"`
	Done        uint64  `json:"done"`
	Failed      uint64  `json:"failed"`
	// Latency, Signals and Pressure are the hold's; the latter two are means.
	Latency  *Latency                  `json:"latency,omitempty"`
	Signals  map[stress.Signal]float64 `json:"signals,omitempty"`
	Pressure map[stress.Signal]float64 `json:"pressure,omitempty"`
	// Limits are those in force at the end, in the signals' own units.
	Limits          map[stress.Signal]float64 `json:"limits,omitempty"`
	Trips           []Trip                    `json:"trips,omitempty"`
	Notes           []string                  `json:"notes,omitempty"`
	HoldSeconds     float64                   `json:"hold_seconds"`
	DurationSeconds float64                   `json:"duration_seconds"`
	Steps           []Step                    `json:"steps,omitempty"`
}

// Sustained is what a hold found.
type Sustained struct {
	// Rate is what was really served in the hold; where the run ended at_least,
	// the highest rate offered.
	Rate float64 `json:"rate"`
	// AtLimit is the estimate of the rate at pressure 1.0, with its interval.
	AtLimit  float64   `json:"at_limit,omitempty"`
	Interval *Interval `json:"interval,omitempty"`
	// Hangover is what the target sustains for a while after it was pushed over.
	Hangover float64 `json:"hangover,omitempty"`
}

// An Interval is where the true value lies with the given confidence.
type Interval struct {
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
	Level float64 `json:"level"`
	Basis string  `json:"basis"` // "within hold", "restarts", "servers"
}

// Bottleneck is why the target does not carry more.
type Bottleneck struct {
	Name     string        `json:"name"`
	Signal   stress.Signal `json:"signal,omitempty"`
	Pressure float64       `json:"pressure,omitempty"`
	Sentence string        `json:"sentence,omitempty"`
	Evidence []string      `json:"evidence,omitempty"`
}

// RunnerUp is the next signal, and how far it is from its limit as a share of it.
type RunnerUp struct {
	Signal   stress.Signal `json:"signal"`
	Headroom float64       `json:"headroom"`
}

// Work is what one target spends per second.
type Work struct {
	Unit      string  `json:"unit"`
	Scope     string  `json:"scope,omitempty"`
	ISA       string  `json:"isa,omitempty"` // of instructions, in a score
	PerSecond float64 `json:"per_second"`
}

// Cost is the work of one request, from a counter.
type Cost struct {
	Unit       string  `json:"unit"`
	PerRequest float64 `json:"per_request"`
}

// Latency is from the intended time, in seconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// A Trip is a cut of the load.
type Trip struct {
	AtSeconds float64 `json:"at_seconds"`
	Level     float64 `json:"level"`
	Why       string  `json:"why"`
}

// A Step is one level kept for a while. Its figures are of the windows that
// were measured.
type Step struct {
	Phase      ramp.Phase                `json:"phase"`
	Level      float64                   `json:"level"`
	Seconds    float64                   `json:"seconds"`
	Rate       float64                   `json:"rate"`
	Done       uint64                    `json:"done"`
	Failed     uint64                    `json:"failed"`
	Unsent     uint64                    `json:"unsent,omitempty"`
	Signals    map[stress.Signal]float64 `json:"signals,omitempty"`
	Pressure   map[stress.Signal]float64 `json:"pressure,omitempty"`
	LatencyP50 float64                   `json:"latency_p50,omitempty"` // seconds
	LatencyP99 float64                   `json:"latency_p99,omitempty"`
	Cost       *Cost                     `json:"cost,omitempty"`
	// Work is per second, by unit; CostSE as in Repeat.
	Work    map[string]float64 `json:"work,omitempty"`
	CostSE  map[string]float64 `json:"cost_se,omitempty"`
	Verdict stress.Outcome     `json:"verdict"`
	Why     []string           `json:"why,omitempty"`
}

// A Requirement is one of the scenario's, judged.
type Requirement struct {
	Text    string            `json:"text"`
	Outcome appweight.Outcome `json:"outcome"` // met, missed, undecided
	Why     string            `json:"why"`
}
