package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"saturate/loadgen"
	"saturate/loadgen/shift"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
	"saturate/scenarios"
)

const watchdogLong = `
watchdog holds a load balancer's weights on behalf of "saturate run --live", and
puts them back as it found them: when the run ends, when it is not heard of for
a second, when a server of the backend is no longer up, when somebody else
changes a weight. It is the only one that speaks with the balancer.

A run starts one by itself, on its own machine. To run on another machine than
the balancer, start one on the balancer's, and name it in the scenario:

    saturate watchdog --config /etc/saturate/web.yaml \
        --listen :9322 --web.config.file /etc/saturate/watchdog/web.yml

    live: {watchdog: {url: "https://lb-1:9322", ca: ..., cert: ..., key: ...}}

The file of --config has the balancer alone, as a scenario's live section has
it; a scenario with such a section will do as well:

    balancer: {haproxy: {socket: /run/haproxy/admin.sock, backend: web}}

On this machine it answers on a socket in the folder of its journal, to this
user alone; on others by mutual TLS alone. What it found is in the journal
before it sets anything: killed and started again, it first puts back what was
left.

However much it is asked, it allows no more than --max-weight, --max-share and
--within say. See docs/live.md.
`

// watchdogLetGo is how long a watchdog that is told to end tries to put back what
// is not as found.
const watchdogLetGo = 10 * time.Second

// crashVariable is for tests: where the watchdog kills itself, "POINT" or
// "POINT:N", the Nth time that it comes by. watchdog.Points lists the points. It
// does so once: the file "crashed" in the state's folder says that it has.
const crashVariable = "SATURATE_TEST_CRASH"

type watchdogFlags struct {
	watchdog.Config
	file     string
	share    string
	lifeline bool
}

func newWatchdogCommand(env *environment) *cobra.Command {
	f := watchdogFlags{Config: watchdog.Config{Caps: watchdog.DefaultCaps()}}
	c := &cobra.Command{
		Use:   "watchdog SCENARIO | --config FILE",
		Short: "Hold a load balancer's weights, and put them back",
		Long:  watchdogLong,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case f.file != "" || f.lifeline:
				return none(c, args)
			case len(args) == 0:
				return hint(errors.New("watchdog: no balancer is named"), usageLine(c))
			}
			return exactlyOne("scenario")(c, args)
		},
		ValidArgsFunction: completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			if f.lifeline {
				return runLifeline(c.Context(), env)
			}
			return runWatchdog(c.Context(), env, f, args)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.file, "config", "", "a YAML file with the balancer, instead of a scenario")
	flags.StringVar(&f.Listen, "listen", "", "the address to listen on for other machines, such as :9322")
	flags.StringVar(&f.WebConfig, "web.config.file", "", "TLS and whose client certificates to trust, in the format of Prometheus' exporter-toolkit")
	flags.StringVar(&f.Socket, "socket", "", "the socket to answer on (default: in the folder of --state)")
	flags.StringVar(&f.Dir, "state", "", "the folder of the journal (default $XDG_STATE_HOME/saturate/live)")
	flags.Float64Var(&f.Caps.Times, "max-weight", f.Caps.Times, "the most that a weight may be raised to, as a multiple of the one found")
	flags.StringVar(&f.share, "max-share", fmt.Sprintf("%g%%", 100*f.Caps.Share), "the most of the backend's weight that one server may have")
	flags.DurationVar(&f.Caps.For, "within", f.Caps.For, "how long weights may be other than found, at most")
	flags.BoolVar(&f.lifeline, "lifeline", false, "read the configuration from standard input, and end with it")
	flags.Lookup("lifeline").Hidden = true // how a run starts one
	return c
}

// runWatchdog is one that ends when it is told to.
func runWatchdog(ctx context.Context, env *environment, f watchdogFlags, args []string) error {
	c, err := f.config(env, args)
	if err != nil {
		return err
	}
	w, err := openWatchdog(env, c)
	if err != nil {
		return err
	}
	serving := make(chan error, 1)
	go func() { serving <- w.Serve(ctx) }()
	stop := keepAlive(env, w)
	defer stop()
	why := "the watchdog was told to end"
	select {
	case <-ctx.Done():
	case err = <-serving:
		why = "the watchdog could not serve any more"
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchdogLetGo)
	defer cancel()
	return errors.Join(err, w.Close(ending, why))
}

// runLifeline is one that a run has started. It ends when the other end of its
// standard input is gone, however that went, and everything is as found.
func runLifeline(ctx context.Context, env *environment) error {
	var c watchdog.Config
	in := bufio.NewReader(env.stdin)
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c)
	}
	if err != nil {
		return fmt.Errorf("watchdog: read the configuration: %w", err)
	}
	w, err := openWatchdog(env, c)
	if err != nil {
		var refused *watchdog.Refusal
		if !errors.As(err, &refused) {
			refused = &watchdog.Refusal{Code: watchdog.BadRequest, Why: err.Error(), Remedy: strings.Join(hints(err), "; ")}
		}
		json.NewEncoder(env.stdout).Encode(watchdog.Greeting{Refusal: refused})
		return err
	}
	json.NewEncoder(env.stdout).Encode(watchdog.Greeting{Socket: w.Socket()})
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go w.Serve(serving)
	gone := make(chan struct{})
	go func() {
		io.Copy(io.Discard, in)
		close(gone)
	}()
	select {
	case <-gone:
		return w.Close(ctx, "the run that started the watchdog is gone")
	case <-ctx.Done():
		ending, cancel := context.WithTimeout(serving, watchdogLetGo)
		defer cancel()
		return w.Close(ending, "the watchdog was told to end")
	}
}

// openWatchdog opens the balancer and listens.
func openWatchdog(env *environment, c watchdog.Config) (*watchdog.Watchdog, error) {
	c.Log = func(line string) {
		fmt.Fprintf(env.stderr, "%s saturate: watchdog: %s\n", time.Now().Format("2006-01-02T15:04:05.000Z07:00"), line)
	}
	if at := env.getenv(crashVariable); at != "" {
		c.Step = crashAt(at, filepath.Join(c.Dir, "crashed"))
	}
	w, err := watchdog.Open(c)
	if err != nil {
		return nil, err
	}
	if err := w.Listen(); err != nil {
		ending, cancel := context.WithTimeout(context.Background(), watchdogLetGo)
		defer cancel()
		return nil, errors.Join(err, w.Close(ending, "the watchdog cannot be reached"))
	}
	return w, nil
}

// crashAt kills this process at a point, unless one was killed before.
func crashAt(at, mark string) func(string) error {
	point, nth := at, 1
	if i := strings.LastIndex(at, ":"); i >= 0 { // a point may have one of its own
		if n, err := strconv.Atoi(at[i+1:]); err == nil {
			point, nth = at[:i], n
		}
	}
	var seen atomic.Int64
	return func(p string) error {
		if p != point || seen.Add(1) != int64(nth) {
			return nil
		}
		file, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil
		}
		file.Close()
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it comes
	}
}

// config is what the flags and the file say.
func (f watchdogFlags) config(env *environment, args []string) (c watchdog.Config, err error) {
	c = f.Config
	var share shift.Share
	if err := share.UnmarshalText([]byte(f.share)); err != nil {
		return c, hint(exitWith(exitUsage, fmt.Errorf("--max-share: %w", err)), "write 25% or 0.25")
	}
	c.Caps.Share = float64(share)
	if err := c.Caps.Validate(); err != nil {
		return c, exitWith(exitUsage, err)
	}
	if c.Dir == "" {
		if c.Dir, err = watchdog.StateDir(env.getenv); err != nil {
			return c, err
		}
	}
	if f.file == "" {
		s, err := scenarios.Load(args[0])
		if err != nil {
			return c, err
		}
		if s.Live == nil || s.Live.Balancer == (balancer.Config{}) {
			return c, hint(exitWith(exitUsage, fmt.Errorf("%s: it names no balancer", args[0])), "a scenario of live traffic has live: {balancer: ...}")
		}
		c.Balancer = s.Live.Balancer
		return c, nil
	}
	text, err := os.ReadFile(f.file)
	if err != nil {
		return c, err
	}
	var file struct {
		Balancer balancer.Config `yaml:"balancer"`
	}
	in := yaml.NewDecoder(bytes.NewReader(text))
	in.KnownFields(true)
	if err := in.Decode(&file); err != nil && err != io.EOF {
		return c, hint(exitWith(exitUsage, fmt.Errorf("%s: %w", f.file, err)), "it has balancer: {haproxy: ...}, nginx or command, and nothing else")
	}
	c.Balancer = file.Balancer
	return c, mistakesOf(f.file, c.Balancer.Validate())
}

// mistakesOf says what is wrong with a file's balancer, each with its remedy.
func mistakesOf(file string, err error) error {
	if err == nil {
		return nil
	}
	var all error
	for _, one := range loadgen.Joined(err) {
		said := fmt.Errorf("%s: balancer: %w", file, one)
		if m, ok := errors.AsType[*balancer.Mistake](one); ok {
			said = hint(said, m.Hint)
		}
		all = errors.Join(all, said)
	}
	return exitWith(exitUsage, all)
}

// keepAlive tells systemd that we are up, and that we live, where it wants to
// know: one that hangs is killed then, started again, and puts back what was left.
func keepAlive(env *environment, w *watchdog.Watchdog) (stop func()) {
	notifySystemd(env, "READY=1")
	every, err := strconv.Atoi(env.getenv("WATCHDOG_USEC"))
	if err != nil || every <= 0 {
		return func() { notifySystemd(env, "STOPPING=1") }
	}
	end := make(chan struct{})
	go func() {
		for {
			select {
			case <-time.After(time.Duration(every) * time.Microsecond / 3):
				w.Alive()
				notifySystemd(env, "WATCHDOG=1")
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); notifySystemd(env, "STOPPING=1") }
}
