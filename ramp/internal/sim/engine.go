package sim

import (
	"math"
	"math/rand/v2"
)

// An engine carries a server through time, from event to event. Requests go
// through a worker's hands: CPU (processor sharing over the cores), the serial
// resource if there is one (first come, first served), the wait for a backend.
type engine struct {
	p    *profile
	r    *rand.Rand
	even bool // arrivals evenly spaced, not Poisson
	now  float64

	rate, arrival   float64 // arrivals a second, and the next one's time
	cpuMu, cpuSigma float64
	waitMu, waitSD  float64
	lockMu, lockSD  float64

	all  []request
	free []int32

	// Processor sharing by virtual time: every job on the CPU has had v CPU
	// seconds since v was 0, and gets speed more of them a second.
	v, speed, cores float64
	onCPU           timers // by the virtual time at which they have had enough
	waiting         timers
	locked          fifo[int32]
	holder          int32
	unlock          float64
	backlog         fifo[int32]
	busy            int
	deadlines       fifo[deadline]
	retries         fifo[retry]

	second      float64 // when the present second ends
	cold, decay float64
	noise, cost float64 // cost without the cold start
	phi         float64
	stealing    bool
	turn        float64 // when the neighbour comes or goes
	mayHang     bool
	hung        bool
	overloaded  int // seconds in a row
	calm        int
	lastCPU     float64
	lastBusy    float64
	lastCores   float64

	totals
	latency []float64 // of the requests that ended, where keep is set
	keep    bool
}

// totals are what has happened since the start; integrals over seconds.
type totals struct {
	sent, done, failed               uint64
	cpu, busySeconds, insideSeconds  float64
	coreSeconds                      float64 // CPUs that the neighbour left
	asked, cpuAsked, waitAsked, lock float64 // what requests brought in: their number and demands
}

type request struct {
	intended float64
	life     uint32 // grows when the slot is reused
	dead     bool   // the client has gone; the server does not know
}

type deadline struct {
	at   float64
	id   int32
	life uint32
}

type retry struct{ at, intended float64 }

var never = math.Inf(1)

func newEngine(p *profile, r *rand.Rand) *engine {
	e := &engine{
		p: p, r: r, arrival: never, unlock: never, turn: never, second: 1,
		cores: float64(p.Cores), speed: 1, cold: p.Cold, mayHang: p.Hangover > 0,
	}
	e.cpuMu, e.cpuSigma = lognormal(p.CPU, p.CPUSpread)
	e.waitMu, e.waitSD = lognormal(p.Wait, p.WaitSpread)
	if p.Lock > 0 {
		e.lockMu, e.lockSD = lognormal(p.Lock, p.LockSpread)
	}
	if p.Cold > 0 {
		e.decay = math.Exp(-1 / p.ColdRequests)
	}
	e.phi = math.Exp(-1 / p.NoiseTime)
	e.noise = p.Noise * r.NormFloat64()
	if p.Steal > 0 {
		e.turn = p.StealOff * r.ExpFloat64()
	}
	e.price()
	return e
}

// offer changes the rate of arrivals.
func (e *engine) offer(rate float64) {
	if rate == e.rate {
		return
	}
	e.rate = rate
	e.arrival = e.following()
}

// following is the next arrival's time.
func (e *engine) following() float64 {
	switch {
	case e.rate <= 0:
		return never
	case e.even:
		return e.now + 1/e.rate
	}
	return e.now + e.r.ExpFloat64()/e.rate
}

// An event is what happens next.
type event uint8

const (
	arrives event = iota
	secondEnds
	computed
	waited
	unlocks
	timesOut
	retried
	neighbourTurns
)

// next finds the earliest event.
func (e *engine) next() (at float64, what event) {
	at, what = e.arrival, arrives
	if e.second < at {
		at, what = e.second, secondEnds
	}
	if len(e.onCPU) > 0 {
		if t := e.now + (e.onCPU[0].at-e.v)/e.speed; t < at {
			at, what = t, computed
		}
	}
	if len(e.waiting) > 0 && e.waiting[0].at < at {
		at, what = e.waiting[0].at, waited
	}
	if e.unlock < at {
		at, what = e.unlock, unlocks
	}
	for e.deadlines.n > 0 && e.deadlines.first().life != e.all[e.deadlines.first().id].life {
		e.deadlines.pop() // answered in time
	}
	if e.deadlines.n > 0 && e.deadlines.first().at < at {
		at, what = e.deadlines.first().at, timesOut
	}
	if e.retries.n > 0 && e.retries.first().at < at {
		at, what = e.retries.first().at, retried
	}
	if e.turn < at {
		at, what = e.turn, neighbourTurns
	}
	return at, what
}

// advance carries the server on to the time.
func (e *engine) advance(until float64) {
	for {
		at, what := e.next()
		if at > until {
			e.pass(until)
			return
		}
		e.pass(at)
		switch what {
		case arrives:
			e.arrive()
		case secondEnds:
			e.tick()
		case computed:
			e.compute()
		case waited:
			e.finish()
		case unlocks:
			e.release()
		case timesOut:
			e.timeOut()
		case retried:
			e.again()
		case neighbourTurns:
			e.neighbour()
		}
	}
}

// pass lets time go by in which nothing happens.
func (e *engine) pass(to float64) {
	dt := math.Max(0, to-e.now)
	n := float64(len(e.onCPU))
	e.v += dt * e.speed
	e.cpu += dt * math.Min(n, e.cores)
	e.coreSeconds += dt * e.cores
	e.busySeconds += dt * float64(e.busy)
	e.insideSeconds += dt * float64(e.busy+e.backlog.n)
	e.now = to
}

// share sets the speed of each job on the CPU.
func (e *engine) share() {
	n := float64(len(e.onCPU))
	switch {
	case n == 0:
		e.v, e.speed = 0, 1
	case n <= e.cores:
		e.speed = 1
	default:
		e.speed = e.cores / n
	}
}

func (e *engine) arrive() {
	e.arrival = e.following()
	e.sent++
	e.enter(e.now)
}

func (e *engine) again() {
	e.enter(e.retries.pop().intended)
}

// enter puts an attempt before the server.
func (e *engine) enter(intended float64) {
	if e.busy == e.p.Workers && e.backlog.n == e.p.Backlog {
		e.fail(intended) // refused
		return
	}
	id := e.slot()
	q := &e.all[id]
	q.intended, q.dead = intended, false
	e.deadlines.push(deadline{e.now + e.p.Timeout, id, q.life})
	if e.busy < e.p.Workers {
		e.start(id)
	} else {
		e.backlog.push(id)
	}
}

func (e *engine) slot() int32 {
	if n := len(e.free); n > 0 {
		id := e.free[n-1]
		e.free = e.free[:n-1]
		return id
	}
	e.all = append(e.all, request{})
	return int32(len(e.all) - 1)
}

// start gives a request a worker and the CPU.
func (e *engine) start(id int32) {
	e.busy++
	demand := e.demand(e.cpuMu, e.cpuSigma)
	e.asked++
	e.cpuAsked += demand
	e.cold *= e.decay
	e.onCPU.push(timer{e.v + demand, id})
	e.share()
}

func (e *engine) demand(mu, sigma float64) float64 {
	return math.Exp(mu+sigma*e.r.NormFloat64()) * e.cost * (1 + e.cold)
}

func (e *engine) compute() {
	id := e.onCPU.pop().id
	e.share()
	switch {
	case e.p.Lock == 0:
		e.wait(id)
	case e.unlock == never:
		e.lockUp(id)
	default:
		e.locked.push(id)
	}
}

func (e *engine) lockUp(id int32) {
	hold := e.demand(e.lockMu, e.lockSD)
	e.lock += hold
	e.holder, e.unlock = id, e.now+hold
}

func (e *engine) release() {
	id := e.holder
	e.unlock = never
	if e.locked.n > 0 {
		e.lockUp(e.locked.pop())
	}
	e.wait(id)
}

func (e *engine) wait(id int32) {
	wait := e.demand(e.waitMu, e.waitSD)
	e.waitAsked += wait
	e.waiting.push(timer{e.now + wait, id})
}

// finish ends a request and gives its worker to the next.
func (e *engine) finish() {
	id := e.waiting.pop().id
	q := &e.all[id]
	if !q.dead {
		e.answer(e.now - q.intended)
	}
	q.life++
	e.free = append(e.free, id)
	e.busy--
	if e.backlog.n > 0 {
		e.start(e.backlog.pop())
	}
}

// timeOut lets the client go; the server works on.
func (e *engine) timeOut() {
	d := e.deadlines.pop()
	q := &e.all[d.id]
	q.dead = true
	e.fail(q.intended)
}

func (e *engine) fail(intended float64) {
	if e.p.Retry > 0 && e.r.Float64() < e.p.Retry {
		e.retries.push(retry{e.now + e.p.Backoff, intended})
		return
	}
	e.failed++
	e.answer(e.now - intended)
}

func (e *engine) answer(after float64) {
	e.done++
	if e.keep {
		e.latency = append(e.latency, after)
	}
}
