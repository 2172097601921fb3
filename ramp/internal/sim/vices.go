package sim

import "math"

// A server is overloaded in a second that it spent at this share of the CPUs
// left to it, or of its workers, and calm in one below the other. So many
// overloaded seconds in a row bring the hangover on.
const (
	overloadedAt  = .985
	calmBelow     = .80
	hangoverAfter = 3
)

// tick ends a second.
func (e *engine) tick() {
	e.second++
	cpu := (e.cpu - e.lastCPU) / (e.coreSeconds - e.lastCores)
	workers := (e.busySeconds - e.lastBusy) / float64(e.p.Workers)
	e.lastCPU, e.lastBusy, e.lastCores = e.cpu, e.busySeconds, e.coreSeconds
	if e.mayHang {
		e.hangover(math.Max(cpu, workers))
	}
	e.noise = e.phi*e.noise + math.Sqrt(1-e.phi*e.phi)*e.p.Noise*e.r.NormFloat64()
	e.price()
}

func (e *engine) hangover(load float64) {
	e.overloaded++
	if load < overloadedAt {
		e.overloaded = 0
	}
	e.calm++
	if load >= calmBelow {
		e.calm = 0
	}
	if e.overloaded >= hangoverAfter {
		e.hung = true
	}
	if e.calm >= e.p.HangoverCalm {
		e.hung = false
	}
}

// price sets what a request costs, relative to a warm and calm server.
func (e *engine) price() {
	e.cost = 1 + e.noise
	if e.hung {
		e.cost *= 1 + e.p.Hangover
	}
}

// neighbour comes or goes.
func (e *engine) neighbour() {
	e.stealing = !e.stealing
	e.cores = float64(e.p.Cores)
	stay := e.p.StealOff
	if e.stealing {
		e.cores *= 1 - e.p.Steal
		stay = e.p.StealOn
	}
	e.turn = e.now + stay*e.r.ExpFloat64()
	e.share()
}
