package demo

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"time"
)

// Config says what the server is like. Each part can be made the bottleneck.
type Config struct {
	// Listen is where requests are answered, Metrics where the server tells of
	// itself, never through its workers; "" tells nothing.
	Listen, Metrics string
	// Workers take one connection at a time each. Backlog is how many
	// connections the kernel keeps waiting for them (listen(2); at most the
	// system's somaxconn).
	Workers, Backlog int
	// KeepAlive is how long a worker waits for another request on a connection
	// that the client keeps open; 0 closes it after the answer.
	KeepAlive time.Duration
	// CPU is the mean CPU time of a request and CPUCV its coefficient of
	// variation (lognormal); Serial is what of it is spent one at a time.
	CPU, Serial time.Duration
	CPUCV       float64
	// Steps are of a computation that a request carries out besides: as much
	// work on any machine, where CPU is as much time. They vary as CPU does.
	Steps int64
	// Wait is the mean time that a request waits for a backend, using no CPU.
	Wait   time.Duration
	WaitCV float64
	// Memory is what a request holds, touched, while it is carried out, and
	// BaseMemory what the server holds always. Above MemoryLimit it is killed,
	// as by the kernel; 0 is no limit. MiB.
	Memory, BaseMemory, MemoryLimit float64
	// Seed of the draws; the same seed gives the same requests.
	Seed uint64
}

// Default is a server that runs out of workers at some 300 requests a second.
var Default = Config{
	Listen: "127.0.0.1:18790", Metrics: "127.0.0.1:18791",
	Workers: 16, Backlog: 128,
	CPU: 1500 * time.Microsecond, CPUCV: .3,
	Wait: 45 * time.Millisecond, WaitCV: .3,
	Seed: 1,
}

// These keep the demo a little server; memory is in MiB.
const mostWorkers, mostMemory, mostSteps = 4096, 1 << 20, 1e12

// Validate returns every mistake at once.
func (c Config) Validate() error {
	var all []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Listen == "", "--listen is empty")
	refuse(c.Workers < 1 || c.Workers > mostWorkers, "--workers %d is not between 1 and %d", c.Workers, mostWorkers)
	refuse(c.Backlog < 1, "--backlog %d is not above 0", c.Backlog)
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"cpu", c.CPU}, {"serial", c.Serial}, {"wait", c.Wait}, {"keepalive", c.KeepAlive}} {
		refuse(d.value < 0 || d.value > time.Hour, "--%s %v is not between 0 and 1h", d.flag, d.value)
	}
	refuse(c.Steps < 0 || c.Steps > mostSteps, "--steps %d is not between 0 and %d", c.Steps, int64(mostSteps))
	refuse(c.Serial > c.CPU, "--serial %v is more than --cpu %v, which it is a part of", c.Serial, c.CPU)
	refuse(!variation(c.CPUCV), "--cpu-cv %v is not between 0 and 10", c.CPUCV)
	refuse(!variation(c.WaitCV), "--wait-cv %v is not between 0 and 10", c.WaitCV)
	for _, m := range []struct {
		flag  string
		value float64
	}{{"memory", c.Memory}, {"memory-base", c.BaseMemory}, {"memory-limit", c.MemoryLimit}} {
		refuse(!(m.value >= 0 && m.value <= mostMemory), "--%s %v is not between 0 and %d MiB", m.flag, m.value, mostMemory)
	}
	refuse(c.MemoryLimit > 0 && c.BaseMemory+c.Memory > c.MemoryLimit,
		"--memory-limit is less than --memory-base and one request's --memory together")
	return errors.Join(all...)
}

func variation(cv float64) bool { return !math.IsNaN(cv) && cv >= 0 && cv <= 10 }

// parse reads the flags of the demo; it prints what is wrong, and the usage, to w.
func parse(args []string, w io.Writer) (Config, error) {
	c := Default
	fs := flag.NewFlagSet("saturate demo", flag.ContinueOnError)
	fs.SetOutput(w)
	fs.StringVar(&c.Listen, "listen", c.Listen, "answer requests at this `address`")
	fs.StringVar(&c.Metrics, "metrics", c.Metrics, "serve metrics at this `address`; empty: nowhere")
	fs.IntVar(&c.Workers, "workers", c.Workers, "carry out this `number` of requests at a time")
	fs.IntVar(&c.Backlog, "backlog", c.Backlog, "let the kernel keep this `number` of connections waiting")
	fs.DurationVar(&c.KeepAlive, "keepalive", c.KeepAlive, "wait this `time` for another request of a connection; 0 closes it")
	fs.DurationVar(&c.CPU, "cpu", c.CPU, "mean CPU `time` of a request")
	fs.Float64Var(&c.CPUCV, "cpu-cv", c.CPUCV, "its standard deviation, as a `share` of the mean (lognormal)")
	fs.Int64Var(&c.Steps, "steps", c.Steps, "mean `number` of steps that a request computes, as many on any machine")
	fs.DurationVar(&c.Serial, "serial", c.Serial, "the part of the CPU `time` that only one request at a time can spend")
	fs.DurationVar(&c.Wait, "wait", c.Wait, "mean `time` a request waits for a backend")
	fs.Float64Var(&c.WaitCV, "wait-cv", c.WaitCV, "its standard deviation, as a `share` of the mean (lognormal)")
	fs.Float64Var(&c.Memory, "memory", c.Memory, "`MiB` that a request holds")
	fs.Float64Var(&c.BaseMemory, "memory-base", c.BaseMemory, "`MiB` that the server holds always")
	fs.Float64Var(&c.MemoryLimit, "memory-limit", c.MemoryLimit, "`MiB` above which the server is killed; 0: no limit")
	fs.Uint64Var(&c.Seed, "seed", c.Seed, "`seed` of the draws")
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	err := c.Validate()
	if fs.NArg() > 0 {
		err = errors.Join(fmt.Errorf("%q is not a flag", fs.Arg(0)), err)
	}
	if err != nil {
		fmt.Fprintf(w, "saturate demo: %v\n", err)
	}
	return c, err
}
