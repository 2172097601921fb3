package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"saturate/stress/agent"
	"saturate/stress/probe"
)

const agentLong = `
agent runs on a server and serves what is read of it: to Prometheus, as counters
on /metrics, and to "saturate run" on another machine, as a stream of samples.

    saturate agent --generation epyc-zen4
    saturate agent --cgroup system.slice/web.service --listen-queue :80
    saturate agent --pidfile /run/uwsgi.pid --uwsgi 127.0.0.1:1717

It reads what its flags name and the machine around it, and changes nothing.
Without a flag that names a target, the machine is the target. The target need
not be up: the agent looks again whenever it is asked.

It listens on 127.0.0.1:9321. Anywhere else it wants TLS, by a file in the
format of Prometheus' exporters, and it streams to those alone who show a
certificate that the file's client_ca_file signed:

    saturate agent --listen :9321 --web.config.file /etc/saturate/web.yml

Instructions are counted for the whole machine unless --instructions says
otherwise. See docs/agent.md.
`

// agentMemory is what the agent's heap is kept below, in bytes, unless GOMEMLIMIT
// says otherwise.
const agentMemory = 32 << 20

type agentFlags struct {
	agent.Config
	gunicorn           probe.Gunicorn
	page               probe.Page
	generation, region string
	labels             map[string]string
}

func newAgentCommand(env *environment) *cobra.Command {
	var f agentFlags
	c := &cobra.Command{
		Use:   "agent",
		Short: "Serve what is read of this server",
		Long:  agentLong,
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return runAgent(c.Context(), env, &f) },
	}
	f.define(c.Flags())
	return c
}

func (f *agentFlags) define(flags *pflag.FlagSet) {
	p := &f.Probes
	flags.StringVar(&p.Cgroup, "cgroup", "", "the target's control group, such as system.slice/web.service")
	flags.StringVar(&p.Pidfile, "pidfile", "", "the file with the process id at the root of the target's tree")
	flags.IntVar(&p.PID, "pid", 0, "that process id itself")
	flags.BoolVar(&p.Host, "host", false, "the machine is the target (the default)")
	flags.Float64Var(&p.CPUs, "cpus", 0, "how many CPUs the target may use, where the kernel does not know")
	flags.TextVar(&p.MemoryLimit, "memory-limit", probe.Bytes(0), "how much memory the target may use, such as 4GiB, where the kernel does not know")
	flags.StringVar(&p.Listen, "listen-queue", "", "the listener whose accept queue is read: host:port or unix:/path")
	flags.StringVar(&p.UWSGI, "uwsgi", "", "uWSGI's stats server: host:port, unix:/path or http://...")
	flags.StringVar(&p.FPM, "php-fpm", "", "php-fpm's status page, http://host:port/status")
	flags.StringVar(&p.Nginx, "nginx", "", "nginx's stub_status page, http://host:port/stub_status")
	flags.StringVar(&f.gunicorn.Statsd, "gunicorn-statsd", "", "the address that gunicorn's statsd_host names; the agent listens there")
	flags.IntVar(&f.gunicorn.Workers, "gunicorn-workers", 0, "how many requests gunicorn carries out at once")
	flags.StringVar(&f.page.URL, "metrics", "", "a page of metrics of the target, http://host:port/metrics")
	flags.StringToStringVar(&f.page.Gauges, "gauge", nil, "what to read from it: workers_busy=http_busy, may be repeated")
	flags.StringToStringVar(&f.page.Counters, "counter", nil, "the same for counters: worker_busy_seconds=http_busy_seconds_total")
	flags.StringSliceVar(&f.Instructions, "instructions", nil, "whose instructions to count: host, cgroup, processes, host,cgroup, or off; host/user counts user space only (default host)")
	flags.StringVar(&f.generation, "generation", "", "label of saturate_host_info: what hardware this is")
	flags.StringVar(&f.region, "region", "", "label of saturate_host_info: where it stands")
	flags.StringToStringVar(&f.labels, "label", nil, "another label of saturate_host_info, name=value; may be repeated")
	flags.StringVar(&f.Listen, "listen", agent.DefaultListen, "the address to listen on")
	flags.StringVar(&f.WebConfig, "web.config.file", "", "TLS, client certificates and passwords, in the format of Prometheus' exporter-toolkit")
}

// config is what the flags say.
func (f *agentFlags) config() agent.Config {
	c := f.Config
	if f.gunicorn != (probe.Gunicorn{}) {
		c.Probes.Gunicorn = &f.gunicorn
	}
	if f.page.URL != "" || len(f.page.Gauges)+len(f.page.Counters) > 0 {
		c.Probes.Metrics = []probe.Page{f.page}
	}
	env := machine()
	c.Version = version()
	c.Info = map[string]string{"generation": f.generation, "region": f.region, "isa": env.ISA, "cpu_model": env.CPU, "kernel": env.Kernel}
	maps.Copy(c.Info, f.labels)
	return c
}

func runAgent(ctx context.Context, env *environment, f *agentFlags) error {
	c := f.config()
	var mistakes error
	for _, m := range c.Validate() {
		mistakes = errors.Join(mistakes, hint(exitWith(exitUsage, fmt.Errorf("--%s: %s", agentFlag(m.Field), m.Msg)), m.Hint))
	}
	if mistakes != nil {
		return exitWith(exitUsage, mistakes)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(agentMemory)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1) // whatever comes, most of the machine is left to its server
	}
	a, err := agent.Open(c)
	if err != nil {
		return err
	}
	for _, note := range a.Notes() {
		fmt.Fprintf(env.stderr, "saturate: note: %v\n", note)
		for _, h := range hints(note) {
			fmt.Fprintf(env.stderr, "saturate: hint: %s\n", h)
		}
	}
	fmt.Fprintf(env.stderr, "saturate: agent: listening on %s\n", a.URL())
	return a.Serve(ctx)
}

// agentFlag is the flag that sets a field of the configuration.
func agentFlag(field string) string {
	switch field {
	case "listen_queue":
		return "listen-queue"
	case "memory_limit":
		return "memory-limit"
	case "php_fpm":
		return "php-fpm"
	case "gunicorn.statsd":
		return "gunicorn-statsd"
	case "gunicorn.workers":
		return "gunicorn-workers"
	case "metrics[0].url", "metrics[0]":
		return "metrics"
	}
	return field
}
