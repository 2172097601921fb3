package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen/shift"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
	"saturate/ramp"
	"saturate/record"
	"saturate/report"
	"saturate/scenarios"
	"saturate/stress"
	"saturate/stress/probe"
)

// A plant is a load balancer before six servers: its traffic is shared by weight,
// and each server has so many workers that it keeps busy for some time a request.
type plant struct {
	name string

	mu      sync.Mutex
	total   float64 // req/s
	at      time.Time
	servers []*plantServer
	boot    string
	stuck   bool // weights are not taken any more
}

type plantServer struct {
	name          string
	weight        int
	status        balancer.Status
	requests, cpu float64
	limit         float64 // req/s at which 90 % of its 16 workers are busy
	rate          float64
}

func newPlant(name string, limits ...float64) *plant {
	p := &plant{name: "haproxy /model/" + name + " web", total: 600, at: time.Now(), boot: "1"}
	for i := range 6 {
		s := &plantServer{name: fmt.Sprintf("s%d", i+1), weight: 100, status: balancer.Up, limit: 400}
		if i < len(limits) {
			s.limit = limits[i]
		}
		p.servers = append(p.servers, s)
	}
	return p
}

// advance brings the counters up to now; the lock is held.
func (p *plant) advance() {
	seconds := time.Since(p.at).Seconds()
	p.at = time.Now()
	var sum float64
	for _, s := range p.servers {
		sum += float64(s.weight)
	}
	for _, s := range p.servers {
		s.rate = p.total * float64(s.weight) / sum
		s.requests += s.rate * seconds
		s.cpu += s.rate * seconds * .002
	}
}

func (p *plant) Name() string         { return p.name }
func (p *plant) Delay() time.Duration { return 100 * time.Millisecond }

func (p *plant) Read(context.Context) (balancer.Backend, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	b := balancer.Backend{At: time.Now(), Boot: p.boot, MaxWeight: 256, Algorithm: "roundrobin"}
	for _, s := range p.servers {
		b.Servers = append(b.Servers, balancer.Server{Name: s.name, Weight: s.weight, Initial: 100, Status: s.status,
			Requests: uint64(s.requests), InFlight: int(s.rate * s.service())})
	}
	return b, nil
}

func (p *plant) SetWeights(_ context.Context, weights map[string]int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	for _, s := range p.servers {
		if w, ok := weights[s.name]; ok && !p.stuck {
			s.weight = w
		}
	}
	return nil
}

func (p *plant) weights() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]int{}
	for _, s := range p.servers {
		all[s.name] = s.weight
	}
	return all
}

// do changes the plant some time from now.
func (p *plant) do(after time.Duration, change func(*plant)) {
	time.AfterFunc(after, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.advance()
		change(p)
	})
}

const plantWorkers = 16

// service is how long a request takes a worker.
func (s *plantServer) service() float64 { return .9 * plantWorkers / s.limit }

// A plantProbe watches one server.
type plantProbe struct {
	plant  *plant
	server int
	mu     sync.Mutex
	seq    uint64
	last   time.Time
	start  time.Time
}

func (p *plantProbe) Take() []stress.Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) < 150*time.Millisecond {
		return nil
	}
	p.last = time.Now()
	p.seq++
	p.plant.mu.Lock()
	defer p.plant.mu.Unlock()
	p.plant.advance()
	s := p.plant.servers[p.server]
	busy := s.rate * s.service() * (1 + .02*math.Sin(float64(p.seq)))
	return []stress.Sample{{At: time.Since(p.start), Seq: p.seq, Boot: "b",
		Counters: map[stress.Counter]float64{stress.CPUSeconds: s.cpu},
		Gauges:   map[stress.Gauge]float64{stress.WorkersBusy: math.Min(busy, plantWorkers), stress.WorkersTotal: plantWorkers, stress.CPULimit: 2}}}
}

func (p *plantProbe) Fresh() time.Duration { return 0 }
func (p *plantProbe) Err() error           { return nil }
func (p *plantProbe) Start()               {}
func (p *plantProbe) Gone() error          { return nil }
func (p *plantProbe) Close() error         { return nil }
func (p *plantProbe) Sources() []probe.Source {
	return nil
}
func (p *plantProbe) Scopes() map[string]string { return map[string]string{"cpu_seconds": "host"} }

// trial is a run on live traffic against a plant, in a bubble whose time is fast.
type trial struct {
	plant    *plant
	targets  string // of the scenario
	more     string
	seen     bytes.Buffer
	campaign *campaign
	failed   error
}

const oneTarget = `[{name: web-1, server: s1, url: "http://127.0.0.1:1", probes: {host: true}}]`

const twoTargets = `[{name: web-1, server: s1, url: "http://127.0.0.1:1", probes: {host: true}}, {name: web-2, server: s2, url: "http://127.0.0.1:2", probes: {host: true}}]`

func (x *trial) run(ctx context.Context, t *testing.T) *record.Record {
	t.Helper()
	dog, err := watchdog.New(watchdog.Config{Dir: filepath.Join(t.TempDir(), "live")}, x.plant)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Decode([]byte(fmt.Sprintf("targets: %s\nlive: {balancer: {haproxy: {socket: /model, backend: web}}}\nramp: {precision: quick}\n%s", x.targets, x.more)), "plant.yaml")
	if err != nil {
		t.Fatal(err)
	}
	x.campaign = &campaign{scenario: s, view: newView(&x.seen, false, false), record: newRecord(s)}
	if err := x.campaign.prepare(ctx); err != nil {
		t.Fatal(err)
	}
	q := &squeeze{campaign: x.campaign, dog: dog, watch: func(_ context.Context, s *session) (watcher, error) {
		return &plantProbe{plant: x.plant, server: int(s.target.Server[1] - '1'), start: time.Now()}, nil
	}}
	x.failed = q.all(ctx)
	x.campaign.conclude(nil, nil)
	ending, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := dog.Close(ending, "the test is over"); err != nil && !x.plant.stuck {
		t.Error(err)
	}
	return x.campaign.record
}

// text is what a person reads in the end.
func (x *trial) text(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Text(&b, x.campaign.record, report.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Marshal(x.campaign.record); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func asFound() map[string]int {
	return map[string]int{"s1": 100, "s2": 100, "s3": 100, "s4": 100, "s5": 100, "s6": 100}
}

// Two servers squeezed at once, each to its own limit.
func TestSqueezeTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &trial{plant: newPlant("two", 130, 120), targets: twoTargets, more: "fleet: {fixed: {unit: cpu_seconds, per_second: 10, active_users: 3000}}\n"}
		r := x.run(t.Context(), t)
		if x.failed != nil {
			t.Fatal(x.failed)
		}
		text := x.text(t)
		for i, want := range []float64{130, 120} {
			target := r.Targets[i]
			if got := target.Sustained(); target.Ending != record.Found || math.Abs(got.AtLimit/want-1) > .06 {
				t.Fatalf("%s: %s %+v, want %v\n%s\n%s", target.Name, target.Ending, got, want, text, x.seen.String())
			}
		}
		if got := x.plant.weights(); !maps.Equal(got, asFound()) {
			t.Errorf("weights %v", got)
		}
		q := r.Live.Squeezes[0]
		if !q.Restored || q.Why != record.RunEnded || q.Epoch == 0 || len(q.Servers) != 2 || q.Servers[0].Highest() <= 110 || *q.Servers[0].Left != 100 || len(q.Siblings.Names) != 4 ||
			q.Siblings.Requests < 10000 || q.Siblings.Failed != 0 || math.Abs(q.Traffic.From-600) > 10 {
			t.Errorf("%+v", q)
		}
		if last := q.Servers[1].Weights; last[len(last)-1].Weight != 100 {
			t.Errorf("the weights over time do not end as found: %v", last)
		}
		for _, want := range []string{", live traffic\n", "workers: ", "AppWeight", "put back      weights back as found: s1 100, s2 100; read back in ", "s3, s4, s5, s6: 0 of "} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		for _, want := range []string{"live traffic on web-1, web-2", " web-1      hold ", " web-2      hold ", "req/s  weight 1", "weights back as found"} {
			if !strings.Contains(x.seen.String(), want) {
				t.Errorf("no %q in\n%s", want, x.seen.String())
			}
		}
		if r.Load.Kind != record.LiveTraffic || r.Load.Engine != "haproxy" || r.Load.Mix != nil || r.Load.Arrivals != "" {
			t.Errorf("%+v", r.Load)
		}
		if err := verdict(t.Context(), r, false, x.failed); err != nil {
			t.Error(err)
		}
	})
}

// One squeeze after another, with everything back in between.
func TestSqueezeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &trial{plant: newPlant("twice", 130), targets: oneTarget, more: "repeat: 2\n"}
		r := x.run(t.Context(), t)
		if x.failed != nil || len(r.Live.Squeezes) != 2 || len(r.Targets[0].Repeats) != 2 || r.Ending != record.Found ||
			r.Live.Squeezes[0].Epoch == r.Live.Squeezes[1].Epoch || !r.Live.Restored() {
			t.Errorf("%v, %+v", x.failed, r.Live)
		}
	})
}

// A server that carries all that the bounds allow: at least that, and why.
func TestSqueezeCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &trial{plant: newPlant("capped", 300), targets: oneTarget}
		r := x.run(t.Context(), t)
		repeat := r.Targets[0].Repeats[0]
		if x.failed != nil || r.Ending != record.AtLeast || repeat.Sustained.Rate < 140 || repeat.Sustained.Rate > 151 || !strings.Contains(repeat.Why, "25 %") {
			t.Errorf("%v, %s: %s, %+v", x.failed, r.Ending, repeat.Why, repeat.Sustained)
		}
		if err := verdict(t.Context(), r, false, x.failed); codeOf(err) != exitNoAnswer || !maps.Equal(x.plant.weights(), asFound()) {
			t.Errorf("%v, weights %v", err, x.plant.weights())
		}
	})
}

// A run that is interrupted puts back, makes sure, and tells what it saw.
func TestSqueezeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(25*time.Second, func() { cancel(errors.New("interrupt signal received")) })
		x := &trial{plant: newPlant("interrupted", 130), targets: oneTarget, more: "repeat: 3\n"}
		r := x.run(ctx, t)
		if !maps.Equal(x.plant.weights(), asFound()) || len(r.Live.Squeezes) != 1 || !r.Live.Restored() || len(r.Targets[0].Repeats[0].Steps) == 0 {
			t.Errorf("weights %v, %+v", x.plant.weights(), r.Live)
		}
		err := verdict(ctx, r, false, x.failed)
		var b strings.Builder
		complain(&b, err)
		if codeOf(err) != exitInterrupted || !strings.HasPrefix(b.String(), "saturate: error: interrupted; weights back as found: s1 100; read back in ") {
			t.Errorf("exit code %d, %q", codeOf(err), b.String())
		}
	})
}

// Interrupted before anything was moved.
func TestSqueezeInterruptedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(errors.New("interrupt signal received")) })
		x := &trial{plant: newPlant("early", 130), targets: oneTarget}
		r := x.run(ctx, t)
		err := verdict(ctx, r, false, x.failed)
		if codeOf(err) != exitInterrupted || err.Error() != "interrupted; no weight was moved" || !strings.Contains(x.text(t), "put back      no weight was moved") {
			t.Errorf("%v\n%s", err, x.text(t))
		}
	})
}

// What others do at the balancer ends a squeeze, is respected and is told; and no
// further squeeze is begun.
func TestSqueezeEndsEarly(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plant)
		why    string
		left   map[string]int
	}{
		"somebody sets a weight": {func(p *plant) { p.servers[0].weight = 40 }, "somebody else set the weight of s1", map[string]int{"s1": 40}},
		"a sibling goes down":    {func(p *plant) { p.servers[4].status = balancer.Down }, "s5 is down", nil},
		"the balancer restarts":  {func(p *plant) { p.boot = "2" }, "balancer", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &trial{plant: newPlant(name, 130), targets: oneTarget, more: "repeat: 2\n"}
				x.plant.do(30*time.Second, c.change)
				r := x.run(t.Context(), t)
				want := asFound()
				maps.Copy(want, c.left)
				if got := x.plant.weights(); !maps.Equal(got, want) {
					t.Errorf("weights %v, want %v", got, want)
				}
				if x.failed != nil || r.Ending != record.Inconclusive || len(r.Live.Squeezes) != 1 || !strings.Contains(r.Live.Squeezes[0].Why, c.why) ||
					!strings.Contains(r.Targets[0].Repeats[0].Why, c.why) {
					t.Errorf("%v, %s: %+v, %s", x.failed, r.Ending, r.Live.Squeezes, r.Targets[0].Repeats[0].Why)
				}
				text := x.text(t)
				if !strings.Contains(text, "ended early") || !strings.Contains(text, "no further squeeze after the one that ended early") {
					t.Error(text)
				}
				if err := verdict(t.Context(), r, false, x.failed); codeOf(err) != exitNoAnswer {
					t.Error(err)
				}
			})
		})
	}
}

// Weights that do not go back are an error whatever else there is to say.
func TestSqueezeNotRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		x := &trial{plant: newPlant("stuck", 130), targets: oneTarget}
		x.plant.do(30*time.Second, func(p *plant) { p.stuck = true })
		time.AfterFunc(32*time.Second, func() { cancel(errors.New("interrupt signal received")) })
		r := x.run(ctx, t)
		err := verdict(ctx, r, false, x.failed)
		var b strings.Builder
		complain(&b, err)
		if codeOf(err) != exitFailed || !strings.Contains(b.String(), "saturate restore") || r.Live.Restored() {
			t.Errorf("exit code %d, %q, %+v", codeOf(err), b.String(), r.Live.Squeezes)
		}
		if text := x.text(t); !strings.Contains(text, "NOT VERIFIED, found were s1 100 and ") {
			t.Error(text)
		}
	})
}

// What stands in the way of a squeeze is told at once, and nothing is changed.
func TestSqueezeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &trial{plant: newPlant("refused", 130), targets: twoTargets}
		x.plant.servers[0].weight = 0
		x.plant.servers[5].status = balancer.Drain
		r := x.run(t.Context(), t)
		if r.Ending != record.Inconclusive || len(r.Live.Squeezes) != 0 || len(r.Targets) != 2 || x.failed == nil {
			t.Fatalf("%v, %+v", x.failed, r)
		}
		for _, want := range []string{"the weight of s1 is 0", "s6 is drain"} {
			if !strings.Contains(x.failed.Error(), want) || !strings.Contains(r.Targets[1].Repeats[0].Why, want) {
				t.Errorf("no %q in %v", want, x.failed)
			}
		}
		if refused, ok := errors.AsType[*shift.Refused](x.failed); !ok || refused.Hint() == "" || codeOf(verdict(t.Context(), r, false, x.failed)) != exitFailed {
			t.Error(x.failed)
		}
	})
}

var _ ramp.Prober = (*plantProbe)(nil)

// Several targets share one picture on a terminal, and leave nothing behind.
func TestSqueezePicture(t *testing.T) {
	var b strings.Builder
	views := newSqueezeViews(&picture{w: &b}, []scenarios.Target{{Name: "web-1"}, {Name: "web-2"}})
	p := ramp.Progress{Elapsed: 12 * time.Second, Step: ramp.Step{Phase: ramp.Approach}, Next: ramp.Step{Phase: ramp.Hold, Left: time.Minute, Why: "near the limit"},
		Seen: stress.Observation{Window: stress.Window{End: time.Second}, Sent: 157, Capped: "25 % of the traffic", Pressure: map[stress.Signal]float64{stress.CPU: .5}}}
	for i, v := range views {
		v.weight = func() int { return 20 + i }
		v.show(p)
	}
	last := b.String()[strings.LastIndex(b.String(), noWrap):]
	for _, want := range []string{"0:12  web-1      hold         157.0 req/s  weight  20  failed 0\n", "web-2", "weight  21", "about 1:00 left; near the limit; 25 % of the traffic\n", "50% of its limit\n"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in\n%s", want, last)
		}
	}
	if strings.Contains(last, "p99") {
		t.Error("a latency that nobody read")
	}
	views[0].end()
	views[1].end()
	if !strings.HasSuffix(b.String(), "\x1b[3A\x1b[J"+noWrap+wrap) {
		t.Errorf("it ends with %q", b.String()[max(0, b.Len()-60):])
	}
}
