package rivals

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"saturate/loadgen"
)

// beOurs makes the test binary the generator that is compared: the engines of
// loadgen, driven as a run drives them, an order on standard input, and an
// account on standard output.
const beOurs = "SATURATE_RIVALS_OURS"

func TestMain(m *testing.M) {
	if os.Getenv(beOurs) != "" {
		if err := offer(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// An order is a load of ours.
type order struct {
	URL         string
	Traffic     loadgen.Config
	Rate        float64
	Length      time.Duration
	Connections int
	Seed        uint64
}

// An account is what an engine of ours says of its load.
type account struct {
	Began                int64 // CLOCK_MONOTONIC, nanoseconds: when the load was turned on
	Sent, Failed, Unsent uint64
	Mean, P90            float64 // latency from the intended time, milliseconds
	Objects              uint64  // allocated on the heap while the load was on
}

// turns is how often a controller renews the load's lease, and takes what came.
const (
	turns = 200 * time.Millisecond
	lease = 500 * time.Millisecond
)

func offer() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	if err := o.Traffic.Validate(); err != nil {
		return err
	}
	load, err := loadgen.New(o.Traffic, o.URL, loadgen.Options{DialAhead: o.Connections, Seed: o.Seed})
	if err != nil {
		return err
	}
	defer load.Close()
	latency := hdrhistogram.New(1, 60e6, 3)
	var a account
	take := func() (inFlight int64) {
		got := load.Take()
		a.Sent, a.Failed, a.Unsent = a.Sent+got.Sent, a.Failed+got.Failed, a.Unsent+got.Unsent
		latency.Merge(got.Latency)
		return got.InFlight
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.Began = monotonic()
	for began := time.Now(); ; {
		left := o.Length - time.Since(began)
		load.Turn(o.Rate, min(left, lease))
		if left <= 0 {
			break
		}
		time.Sleep(min(left, turns))
		take()
	}
	runtime.ReadMemStats(&after)
	a.Objects = after.Mallocs - before.Mallocs
	for deadline := time.Now().Add(o.Traffic.Timeout + time.Second); take() > 0 && time.Now().Before(deadline); {
		time.Sleep(turns / 10)
	}
	a.Mean, a.P90 = latency.Mean()/1e3, float64(latency.ValueAtPercentile(90))/1e3
	return json.NewEncoder(os.Stdout).Encode(a)
}

// ours is a generator that is an engine of ours. Flat out is an open load far above
// what the connections carry: each is given the next hit at once.
func ours(name string, traffic loadgen.Config) generator {
	input := func(l load) string {
		o := order{URL: l.url, Traffic: traffic, Rate: l.rate, Length: l.length, Connections: min(50, l.connections), Seed: l.seed}
		o.Traffic.Connections = loadgen.Connections(l.connections)
		o.Traffic.Requests = []loadgen.Request{{Path: "/"}}
		if o.Rate == 0 {
			const flatOut, line = 400_000, 100 * time.Millisecond
			o.Rate, o.Traffic.Timeout = flatOut*float64(max(1, l.shards)), line
		}
		text, _ := json.Marshal(o) // of numbers and strings
		return string(text)
	}
	return generator{name: name, program: os.Args[0], args: func(load) []string { return nil }, input: input, latency: ourLatency}
}

// accountOf is what ours said at its end.
func accountOf(output string) (a account, err error) {
	err = json.Unmarshal([]byte(output), &a)
	return a, err
}

func ourLatency(_ load, output string) (latency, error) {
	a, err := accountOf(output)
	return latency{of(a.Mean, time.Millisecond), of(a.P90, time.Millisecond)}, err
}

// The engines that are compared.
var (
	fast       = ours("saturate", with("fast", loadgen.Default.Quantum))
	exact      = ours("saturate, exact", with("fast", 0))
	vegetaOurs = ours("saturate, engine vegeta", with("vegeta", 0))
)

func with(engine string, quantum time.Duration) loadgen.Config {
	c := loadgen.Default
	c.Engine, c.Arrivals, c.Quantum = engine, "even", quantum
	return c
}
