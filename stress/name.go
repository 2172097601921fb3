package stress

import (
	"maps"
	"math"
	"slices"
)

// A Bottleneck is why a target does not carry more.
type Bottleneck struct {
	// Name is one of the names below, or that of a gauge of the user's own.
	Name string
	// Signal whose limit is reached first; "" where the target is not to blame.
	Signal   Signal
	Pressure float64
	// Sentence tells people, with figures; Evidence is what else was seen.
	Sentence string
	Evidence []string
	// Runner is the next signal and Headroom how far it is from its limit, as
	// a share of that limit; "" where there is no other.
	Runner   Signal
	Headroom float64
}

// The names of bottlenecks, in the order in which they are looked for: one that
// comes earlier explains the later ones. The first two are never a result.
const (
	Generator        = "generator"
	ContendedCPU     = "contended host"
	MemoryBound      = "memory"
	CPUBound         = "cpu"
	QuotaBound       = "cpu quota"
	OverflowCollapse = "overflow collapse"
	BackendBound     = "backend"
	WorkersBound     = "workers"
	NetworkBound     = "network"
	DescriptorsBound = "file descriptors"
	ConntrackBound   = "conntrack"
	LatencyBound     = "latency" // past its limit while no resource is: locks, collections, something unseen
	ErrorsBound      = "errors"
	NoneReached      = "none"
)

const (
	// nearBy is how close to the largest pressure another must be to count as
	// reached too; reached is the pressure below which no limit was reached.
	nearBy, reached = .03, .85
	// stallsFor is the share of time that all tasks waited for memory, and
	// stopped the share of periods that a quota stopped the target.
	stallsFor, stopped = .20, .25
	// slower is by how much a request's time on a worker must have grown for
	// the backend to be the cause; beyondCPU how far past what sharing the CPU
	// explains.
	slower, beyondCPU = 1.3, 1.15
	// resent is the share of segments sent again that tells of the network.
	resent = .01
	// mostFail is a share of failures that needs no 200 answers to be believed.
	mostFail = .50
	// lastWindows stand for a hold where there was none.
	lastWindows = 5
)

// Name finds the bottleneck of a run. The windows are all of the run's, in
// order, and [from, to) is the hold's measured part; where it is empty, the
// last windows before the load was taken away are looked at. It is called once
// a run has ended.
func Name(all []Observation, from, to int, limits map[Signal]float64) Bottleneck {
	if to <= from {
		to = troubled(all)
		from = max(0, to-lastWindows)
	}
	s := scene{hold: Summarise(all[from:to]), quiet: Summarise(quietWindows(all[:to])), limits: limits,
		disturbance: disturbance(all)}
	for _, p := range s.hold.Pressure {
		s.most = max(s.most, p)
	}
	b := s.name()
	b.Pressure = s.hold.Pressure[b.Signal]
	b.Runner, b.Headroom = s.runner(b.Signal)
	b.Sentence = s.sentence(b)
	b.Evidence = s.evidence()
	return b
}

// troubled is the end of the last windows that tell why a run came to nothing:
// those up to the last that was void, past a limit or had an event. What
// follows it is recovery.
func troubled(all []Observation) int {
	for i := len(all) - 1; i >= 0; i-- {
		if _, p := all[i].Max(); p >= 1 || all[i].Void != "" || len(all[i].Events) > 0 {
			return i + 1
		}
	}
	return len(all)
}

// disturbance is what voided most windows of the run; the generator comes first.
func disturbance(all []Observation) string {
	void := Summarise(all).Void
	if void[ContendedHost] > void[GeneratorLate] {
		return ContendedCPU
	}
	return Generator
}

// quietWindows are those with load in which nothing was near its limit.
func quietWindows(all []Observation) []Observation {
	var quiet []Observation
	for _, o := range all {
		if _, p := o.Max(); o.Done > 0 && o.Void == "" && len(o.Events) == 0 && p < baseBelow {
			quiet = append(quiet, o)
		}
	}
	return quiet
}

// scene is what naming looks at.
type scene struct {
	hold, quiet Summary
	limits      map[Signal]float64
	most        float64 // the largest pressure
	disturbance string  // what voided most windows of the run: generator or contended host
}

// near tells whether a signal's limit is reached, as nearly as the foremost is.
// Past the limits all are that exceed theirs: a share cannot exceed it by much,
// a latency by any factor.
func (s scene) near(name Signal) bool {
	p, ok := s.hold.Pressure[name]
	return ok && s.most >= reached && p >= (1-nearBy)*min(1, s.most)
}

func (s scene) voided(by Void) bool {
	return float64(s.hold.Void[by]) > voidMost*float64(s.hold.Windows)
}

func (s scene) happened(kind EventKind) bool {
	return slices.ContainsFunc(s.hold.Events, func(e Event) bool { return e.Kind == kind })
}

func (s scene) name() Bottleneck {
	h := s.hold
	switch {
	case s.voided(GeneratorLate), s.voided(ContendedHost):
		return Bottleneck{Name: s.disturbance}
	case s.near(Memory), s.happened(OOMKill), h.Signals[PressureMem] >= stallsFor:
		return Bottleneck{Name: MemoryBound, Signal: Memory}
	case s.near(CPU) && h.Signals[Throttling] >= stopped:
		return Bottleneck{Name: QuotaBound, Signal: CPU}
	case s.near(CPU):
		return Bottleneck{Name: CPUBound, Signal: CPU}
	case s.collapsed():
		return Bottleneck{Name: OverflowCollapse, Signal: Workers}
	case s.near(Workers) && s.backend():
		return Bottleneck{Name: BackendBound, Signal: Workers}
	case s.near(Workers):
		return Bottleneck{Name: WorkersBound, Signal: Workers}
	case s.near(Network):
		return Bottleneck{Name: NetworkBound, Signal: Network}
	case s.near(Conns):
		return Bottleneck{Name: ConntrackBound, Signal: Conns}
	case s.near(OpenFDs):
		return Bottleneck{Name: DescriptorsBound, Signal: OpenFDs}
	}
	return s.nameByEffect()
}

// nameByEffect is for when no resource that we know is at its limit.
func (s scene) nameByEffect() Bottleneck {
	for _, name := range slices.Sorted(maps.Keys(s.hold.Pressure)) {
		if !slices.Contains(limited, name) && s.near(name) {
			return Bottleneck{Name: string(name), Signal: name}
		}
	}
	effect := Bottleneck{Name: NoneReached}
	switch {
	case s.near(LatencyP99):
		effect = Bottleneck{Name: LatencyBound, Signal: LatencyP99}
	case s.near(Errors), s.hold.FailedShare() > mostFail:
		effect = Bottleneck{Name: ErrorsBound, Signal: Errors}
	default:
		effect.Signal, _ = Observation{Pressure: s.hold.Pressure}.Max()
		return effect
	}
	if s.hold.Signals[Retransmit] > resent && !s.happened(Overflow) {
		effect.Name = NetworkBound
	}
	return effect
}

// collapsed tells the state after an overflow: the workers hold connections
// whose bytes were lost, and wait. They are all busy and nothing is done.
func (s scene) collapsed() bool {
	own, okOwn := s.hold.Signals[CPU]
	healthy, okHealthy := s.quiet.Signals[CPU]
	good := float64(s.hold.Done - s.hold.Failed)
	return s.near(Workers) && okOwn && okHealthy && own < healthy/10 && good < .05*float64(s.hold.Sent)
}

// backend tells whether workers are busy because what they wait for got slower.
// A CPU that is shared slows requests too, on one core from c to c/(1-rho);
// that much is not the backend's doing.
func (s scene) backend() bool {
	now, okNow := s.hold.Signals[ServiceTime]
	before, okBefore := s.quiet.Signals[ServiceTime]
	if !okNow || !okBefore || now < slower*before {
		return false
	}
	unit, cost := s.hold.Cost()
	if unit != string(CPUSeconds) {
		cost = s.hold.perRequest[string(CPUSeconds)]
	}
	explained := before + cost*(waiting(s.hold.Signals[CPU])-waiting(s.quiet.Signals[CPU]))
	return now >= beyondCPU*explained
}

// waiting is the time spent waiting per time of service on one shared core of
// the given utilisation.
func waiting(rho float64) float64 {
	rho = math.Min(rho, .98)
	return rho / (1 - rho)
}

// runner is the signal that comes next after the named one.
func (s scene) runner(named Signal) (Signal, float64) {
	rest := maps.Clone(s.hold.Pressure)
	delete(rest, named)
	next, p := Observation{Pressure: rest}.Max()
	if next == "" {
		return "", 0
	}
	return next, 1 - p
}
