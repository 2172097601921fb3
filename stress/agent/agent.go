// Package agent serves what the probes read of a target: its samples to a
// controller on another machine, and its counters to Prometheus.
//
// It reads what its configuration names and nothing else, it changes nothing,
// and it costs its server next to nothing: it reads five times a second while
// somebody follows the stream, and else when it is scraped. Off the loopback
// interface it speaks TLS only, and streams to those alone who show a
// certificate that it trusts.
//
// Client is the other end: it stands where a probe.Sampler stands when the
// target is on this machine.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"saturate/internal/door"
	"saturate/stress"
	"saturate/stress/probe"
)

// DefaultListen is where an agent listens unless told otherwise.
const DefaultListen = "127.0.0.1:9321"

// Config says what an agent reads and where it serves it.
type Config struct {
	// Probes is the target; where it names none, the machine is.
	Probes probe.Config
	// Instructions are the scopes whose instructions are counted, of host and
	// that of the target (cgroup, processes), "/user" appended for user space
	// alone. Empty is host, where this machine can count.
	Instructions []string
	// Info are the labels of the metric saturate_host_info.
	Info map[string]string
	// Version is saturate's.
	Version string
	// Listen is host:port.
	Listen string
	// WebConfig is a file in the format of Prometheus' exporter-toolkit: TLS,
	// client certificates, basic authentication. Without it the agent serves
	// plain HTTP, on loopback only.
	WebConfig string
}

// off counts no instructions.
const off = "off"

// Validate lists what is wrong with the configuration. Fields are named as
// those of probe.Config are (but listen_queue for its listen), and instructions,
// label and listen.
func (c Config) Validate() []stress.Mistake {
	var all []stress.Mistake
	add := func(field, hint, format string, args ...any) {
		all = append(all, stress.Mistake{Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
	if c.Probes.Agent != nil {
		add("agent", "", "an agent does not read another")
	}
	if c.Probes.Instructions != "" {
		add("instructions", "", "the agent's own list of scopes says it")
	}
	for _, m := range c.Probes.Validate() {
		if m.Field == "listen" { // ours is another
			m.Field = "listen_queue"
		}
		all = append(all, m)
	}
	if _, _, _, err := c.targets(); err != nil {
		remedy := "write host, or off"
		if scope := c.scope(); scope != string(probe.ScopeHost) {
			remedy = fmt.Sprintf("write host, %s, both as host,%s, or off", scope, scope)
		}
		add("instructions", remedy, "%v", err)
	}
	for name := range c.Info {
		if !labelName(name) {
			add("label", "write letters, digits and _, and no digit first", "%q is no name of a label", name)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		add("listen", "write host:port, such as "+DefaultListen, "%q is not an address", c.Listen)
	}
	return all
}

// scope is the target's, by what names it.
func (c Config) scope() string {
	switch {
	case c.Probes.Cgroup != "":
		return string(probe.ScopeCgroup)
	case c.Probes.PID != 0 || c.Probes.Pidfile != "":
		return string(probe.ScopeProcesses)
	}
	return string(probe.ScopeHost)
}

// targets are the probes of the target, and of the machine beside it, nil where
// the machine is the target. Those of the target count its instructions, where
// that is wanted; the machine's are counted once, in the scope machine, "" for
// not at all.
func (c Config) targets() (main probe.Config, host *probe.Config, machine string, err error) {
	main = c.Probes
	scope := c.scope()
	main.Host, main.Instructions = scope == string(probe.ScopeHost), off
	if !main.Host {
		host = &probe.Config{Host: true, Instructions: off}
	}
	for _, name := range c.counted() {
		whose, _ := strings.CutSuffix(name, "/user")
		switch {
		case name == off && len(c.Instructions) == 1:
		case whose == string(probe.ScopeHost) && machine == "":
			machine = name
		case whose == scope && host != nil && main.Instructions == off:
			main.Instructions = name
		default:
			return main, host, machine, fmt.Errorf("%q cannot be counted beside the rest, or not for this target", name)
		}
	}
	return main, host, machine, nil
}

// counted are the scopes whose instructions are to be counted.
func (c Config) counted() []string {
	if len(c.Instructions) == 0 {
		return []string{string(probe.ScopeHost)}
	}
	return c.Instructions
}

// An Agent serves a target.
type Agent struct {
	config  Config
	main    *target
	host    *target // the machine beside it; nil where it is the target
	counter *counter
	streams *streams
	gate    *door.Gate
	scheme  string
	refused refusals
}

// Open listens. The target need not be up yet: Notes tells, and it is looked for
// again whenever somebody asks. Errors are *probe.Error.
func Open(c Config) (*Agent, error) {
	main, host, machine, err := c.targets()
	if err != nil {
		return nil, broken("", err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, broken("another agent may run already, or take another port: --listen", err)
	}
	w, err := readWeb(c.WebConfig)
	if err == nil {
		err = w.allows(l.Addr())
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	a := &Agent{config: c, gate: door.NewGate(l), scheme: "http", counter: newCounter(machine, len(c.Instructions) > 0)}
	if w.TLS {
		a.scheme = "https"
	}
	a.main = newTarget(main, a.counter)
	if host != nil {
		a.host = newTarget(*host, a.counter)
	}
	a.streams = &streams{target: a.main, version: c.Version, info: c.Info, open: make(map[chan []byte]bool)}
	return a, nil
}

// broken is an error of the agent's own, with its remedy.
func broken(remedy string, err error) *probe.Error {
	return &probe.Error{Source: "agent", Err: err, Remedy: remedy}
}

// URL is where it listens.
func (a *Agent) URL() string { return a.scheme + "://" + a.gate.Addr().String() }

// Notes are what cannot be read, counted or served now, and what to do about
// it: errors to print once.
func (a *Agent) Notes() []error {
	var notes []error
	for _, t := range a.targets() {
		for _, d := range t.doubts() { // both read the machine
			if !slices.ContainsFunc(notes, func(had error) bool { return had.Error() == d.Error() }) {
				notes = append(notes, d)
			}
		}
	}
	if err := a.counter.doubt(); err != nil {
		notes = append(notes, err)
	}
	if w, err := readWeb(a.config.WebConfig); err == nil && w.TLS && !w.Mutual {
		notes = append(notes, broken(trustHint, errors.New("no stream will be served: nothing says which client certificates to trust")))
	}
	return notes
}

func (a *Agent) targets() []*target {
	if a.host == nil {
		return []*target{a.main}
	}
	return []*target{a.main, a.host}
}

// answerWithin is how long an answer other than a stream may take.
const answerWithin = 5 * time.Second

// Serve answers until ctx ends; it is called once, and closes the agent.
func (a *Agent) Serve(ctx context.Context) error {
	defer a.Close()
	if err := door.Serve(ctx, a.gate, a.handler(), answerWithin, a.config.WebConfig); err != nil {
		return broken("", err)
	}
	return nil
}

// Close ends the agent; Serve does it by itself.
func (a *Agent) Close() {
	a.gate.Close()
	a.streams.close()
	for _, t := range a.targets() {
		t.Close()
	}
	a.counter.Close()
}
