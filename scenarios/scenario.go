// Package scenarios reads what a run is to do: the targets, the traffic, the
// climb, the limits.
//
// A scenario is one YAML file. Each of its sections is the config struct of
// the package that carries it out; this package decodes it strictly, reports
// every mistake at once with its place and what to write instead, and never
// sends or starts anything.
package scenarios

import (
	"time"

	"saturate/appweight"
	"saturate/appweight/fleet"
	"saturate/loadgen"
	"saturate/loadgen/shift"
	"saturate/ramp"
	"saturate/stress"
	"saturate/stress/probe"
)

// A Scenario says what to measure, and how. Only the targets' url and the
// requests, or the load balancer of live traffic, must be given; everything else
// has a careful default.
type Scenario struct {
	// Name of the scenario, in records and reports. The default is the file's
	// name.
	Name string `yaml:"name"`
	// Labels of the whole run, such as service: web.
	Labels map[string]string `yaml:"labels"`
	// Targets are the servers to measure, one after another; on live traffic all
	// at once.
	Targets []Target `yaml:"targets"`
	// Traffic is what is sent to them.
	Traffic loadgen.Config `yaml:"traffic"`
	// Live squeezes the targets by the traffic of real users, with the weights of
	// a load balancer, and generates nothing. Such a scenario runs with --live only.
	Live *shift.Config `yaml:"live"`
	// Ramp says how the search climbs.
	Ramp ramp.Config `yaml:"ramp"`
	// Stress holds the limits: what a healthy server does not exceed.
	Stress stress.Config `yaml:"stress"`
	// Repeat is how often each target is measured. An interval that speaks of
	// restarts needs 3 and more.
	Repeat int `yaml:"repeat"`
	// Fleet is what production spends per active user; without it there is no
	// score.
	Fleet Fleet `yaml:"fleet"`
	// Require lists what must be true of the result, such as
	// "appweight >= 1400"; where one is not, the exit code is 3.
	Require []string `yaml:"require"`
	// Goal is where the score is to go over the nights; the history tells where
	// it stands.
	Goal *appweight.Goal `yaml:"goal"`

	text    string
	secrets []secret
}

// A Target is one server under test.
type Target struct {
	// Name of the target. The default is the host and port of its url, or its path.
	Name string `yaml:"name"`
	// Labels of the target. Targets of different generation or build are never
	// pooled.
	Labels map[string]string `yaml:"labels"`
	// URL is the server's base address, http://host:port, https://host:port or
	// unix:///path/of/socket. Traffic goes nowhere else.
	URL string `yaml:"url"`
	// Server is the name that the load balancer of live traffic has for the
	// target. The default is the target's own.
	Server string `yaml:"server"`
	// Command starts the server: the program and its arguments, without a
	// shell. A run starts it, waits until it is ready, and stops it with all its
	// children. The program saturate is the one that reads this. Without a
	// command the server must be running.
	Command []string `yaml:"command"`
	// Dir is where the command runs, relative to the scenario file's folder.
	// The default is the folder that saturate is called in. A program with a
	// slash in its name is looked up from there.
	Dir string `yaml:"dir"`
	// Env is added to the environment of the command.
	Env map[string]string `yaml:"env"`
	// Pin keeps the command's processes on some CPUs, and the load generator
	// off them: auto, none (the default) or a list such as 0-1,3.
	Pin Pin `yaml:"pin"`
	// Ready says when the server can take traffic.
	Ready Ready `yaml:"ready"`
	// Probes says what may be read of the server. The processes of a command
	// are read in any case.
	Probes probe.Config `yaml:"probes"`
}

// Ready says when a target can take traffic.
type Ready struct {
	// Path is asked for until it answers with a status from 200 to 399. Where
	// it is empty, the port must accept a connection.
	Path string `yaml:"path"`
	// Within is how long to wait before the target is given up; 30s by default.
	Within time.Duration `yaml:"within"`
}

// Fleet says where the figures of the fleet come from: one of the two.
type Fleet struct {
	// Fixed are the figures themselves.
	Fixed *appweight.Fleet `yaml:"fixed"`
	// Prometheus says where to read them: the last complete day's peak, from any
	// API that speaks Prometheus's protocol.
	Prometheus *fleet.Config `yaml:"prometheus"`
}

// withDefaults is what a scenario is before a file has said anything.
func withDefaults() *Scenario {
	return &Scenario{
		Traffic: loadgen.Default,
		Ramp:    ramp.Default,
		Stress:  stress.Default,
		Repeat:  1,
	}
}

// readyWithin is how long a target may take to come up where nothing is said.
const readyWithin = 30 * time.Second

// Text is the file as it was written, with its ${NAME}s unexpanded: what
// records and logs keep.
func (s *Scenario) Text() string { return s.text }

// Engine is the one that offers the load to every target, since they could not be
// compared otherwise. The error is a [loadgen.ErrEngine].
func (s *Scenario) Engine() (loadgen.Choice, error) {
	var urls []string
	for _, t := range s.Targets {
		urls = append(urls, t.URL)
	}
	return loadgen.Choose(s.Traffic, urls...)
}

// Redact puts ${NAME} back into text for every value that came from the
// environment.
func (s *Scenario) Redact(text string) string { return redact(text, s.secrets, shortSecret) }
