package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A host is a controller's machine: a network namespace of its own, with one
// wire to this one.
type host struct{ name, wire string }

const (
	here, there = "10.191.7.1", "10.191.7.2"
	netmask     = "/30"
)

// newHost sets it up, until the test ends.
func newHost(t *testing.T) *host {
	t.Helper()
	root(t, "a host of its own for the controller")
	h := &host{fmt.Sprintf("live-%d", os.Getpid()), fmt.Sprintf("lv%d", os.Getpid()%100000)}
	far := h.wire + "p"
	if out, err := exec.Command("ip", "netns", "add", h.name).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", h.name).Run() })
	for _, args := range [][]string{
		{"link", "add", h.wire, "type", "veth", "peer", "name", far, "netns", h.name},
		{"addr", "add", here + netmask, "dev", h.wire},
		{"link", "set", h.wire, "up"},
		{"-n", h.name, "addr", "add", there + netmask, "dev", far},
		{"-n", h.name, "link", "set", far, "up"},
		{"-n", h.name, "link", "set", "lo", "up"},
	} {
		h.ip(t, args...)
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", h.wire).Run() }) // goes with the namespace as well
	return h
}

func (h *host) ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// on makes a command run there.
func (h *host) on(p *process) *process {
	p.Args = append([]string{"ip", "netns", "exec", h.name, p.Path}, p.Args[1:]...)
	p.Path, p.Err = "/usr/sbin/ip", nil
	if path, err := exec.LookPath("ip"); err == nil {
		p.Path = path
	}
	return p
}

// agent runs one for the first server, on an address of this machine.
func (p *production) agent(t *testing.T, g *guard, address string) (*process, string) {
	t.Helper()
	s := p.Servers[0]
	run := saturate(t, g.state, "agent", "--pidfile", s.Pidfile, "--uwsgi", s.Stats, "--listen-queue", s.Address, "--instructions", "off",
		"--listen", address, "--web.config.file", filepath.Join(g.keys, "web.yml"))
	run.start(t)
	return run, fmt.Sprintf("{agent: {url: \"https://%s\", ca: %[2]s/ca.pem, cert: %[2]s/client.pem, key: %[2]s/client.key}}", address, g.keys)
}

// TestShowsHost has watchdog and agent on one machine and the controller on
// another, and cuts the wire; and then lets the agent end.
func TestShowsHost(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "a controller whose host cannot be reached")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	h := newHost(t)
	begin := func(t *testing.T) (run, agent *process) {
		p.calm(t)
		g := p.guard(t, here+":19071")
		g.await(t)
		agent, probes := p.agent(t, g, here+":19072")
		agent.awaitTLS(t, here+":19072")
		return p.begin(t, squeeze{watchdog: g.lines("https://" + g.listen), probes: probes}, h.on), agent
	}

	unreachable, gone := &tally{what: "controller's host unreachable for 10 s"}, &tally{what: "agent gone"}
	for round := range rounds(1) {
		t.Run(fmt.Sprintf("unreachable/%d", round+1), func(t *testing.T) {
			unreachable.try(t)
			run, _ := begin(t)
			h.ip(t, "link", "set", h.wire, "down")
			took := p.wantAsFound(t, time.Now())
			time.Sleep(5 * time.Second)
			h.ip(t, "link", "set", h.wire, "up")
			back := time.Now()
			run.wantExit(t, 30*time.Second, 1, 4)
			p.wantStood(t, back, p.found)
			unreachable.add(took, p.wantWell(t, fewFail))
		})
		t.Run(fmt.Sprintf("agent gone/%d", round+1), func(t *testing.T) {
			gone.try(t)
			run, agent := begin(t)
			took := p.wantAsFound(t, agent.kill(t))
			run.wantExit(t, 30*time.Second, 1, 4)
			gone.add(took, p.wantWell(t, fewFail))
		})
	}
	tellTallies(t, unreachable, gone)
}
