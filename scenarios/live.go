package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saturate/loadgen"
	"saturate/stress/probe"
)

// finishLive gives each target its name at the balancer, and the watchdog's files
// their place: relative ones start at the scenario's folder.
func (s *Scenario) finishLive(folder string) {
	if s.Live == nil {
		return
	}
	within(folder, &s.Live.Watchdog.CA)
	within(folder, &s.Live.Watchdog.Cert)
	within(folder, &s.Live.Watchdog.Key)
	for i := range s.Targets {
		t := &s.Targets[i]
		t.Server = cmp.Or(t.Server, t.Name)
	}
}

// live checks the section itself and what it asks of the others: the users send
// the requests, and the servers are in production.
func (c checker) live(s *Scenario) {
	if s.Live == nil {
		for i := range s.Targets {
			if at := fmt.Sprintf("targets[%d].server", i); c.written(at) {
				c.note(at, "does nothing without live", "add live: {balancer: ...}, or remove this")
			}
		}
		return
	}
	c.joined("live", s.Live.Validate())
	c.users(s)
	servers := map[string]int{}
	for i, t := range s.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		c.production(at, t)
		c.text(at+".server", t.Server)
		if first, twice := servers[t.Server]; twice && t.Server != "" {
			c.note(at+".server", fmt.Sprintf("%q is the server of targets[%d] already", brief(t.Server), first), "give each target the balancer's name of its own server")
		} else {
			servers[t.Server] = i
		}
	}
}

// users notes what says how load is generated. The timeout alone has a meaning:
// it is the longest that a request may take.
func (c checker) users(s *Scenario) {
	for _, path := range slices.Sorted(maps.Keys(c.at)) {
		key, ok := strings.CutPrefix(path, "traffic.")
		if ok && key != "timeout" && !strings.ContainsAny(key, ".[") {
			c.note(path, "does nothing on live traffic: the users send the requests", "remove it; timeout is the only key of traffic that means something")
		}
	}
	if c.written("ramp.start") {
		c.note("ramp.start", "does nothing on live traffic: the search starts from the traffic that a server has", "remove it")
	}
	least := loadgen.Default
	least.Timeout, least.Requests = s.Traffic.Timeout, []loadgen.Request{{Path: "/"}}
	c.joined("traffic", least.Validate())
}

// production refuses what would start a server, or wait for one, and wants to
// know how it is watched.
func (c checker) production(at string, t Target) {
	if len(t.Command) > 0 {
		c.note(at+".command", "is refused on live traffic: saturate does not start production", "remove it, with dir, env and pin; or remove live, to measure a server of its own by generated load")
	}
	if c.written(at + ".ready") {
		c.note(at+".ready", "does nothing on live traffic: the balancer says whether a server is up", "remove it")
	}
	if len(t.Command) == 0 && !watched(t.Probes) {
		c.note(at+".probes", "names nothing that tells how the server is doing, and no weight is raised for a server that nobody watches",
			"write probes: {agent: {url: ...}} for a server on another machine (see docs/agent.md); on this one cgroup, pidfile, pid or host: true")
	}
}

// watched tells whether the kernel's figures of a target are read.
func watched(c probe.Config) bool {
	return c.Agent != nil || c.Cgroup != "" || c.Pidfile != "" || c.PID != 0 || c.Host
}
