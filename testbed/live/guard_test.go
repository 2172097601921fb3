package live

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"
)

// A guard is a watchdog beside the balancer, for a controller elsewhere: what a
// unit of systemd would run, and start again.
type guard struct {
	*process
	keys, state, listen string
	config              string
}

// guard starts one on an address, with further environment for its first life.
func (p *production) guard(t *testing.T, address string, env ...string) *guard {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{keys: keys(t, host, "127.0.0.1"), state: shortDir(t), listen: address}
	g.config = write(t, "guard.yaml", "balancer:\n"+indent("  ", p.balancerLines()))
	g.again(t, env...)
	return g
}

// again starts its process, the first time and after it was killed.
func (g *guard) again(t *testing.T, env ...string) {
	t.Helper()
	g.process = saturate(t, g.state, "watchdog", "--config", g.config, "--listen", g.listen,
		"--web.config.file", g.keys+"/web.yml", "--max-weight", "25", "--max-share", "90%", "--within", "30m")
	g.Env = append(g.Env, env...)
	g.start(t)
}

// await returns once it listens.
func (g *guard) await(t *testing.T) {
	t.Helper()
	g.awaitTLS(t, g.listen)
}

// awaitTLS returns once a process serves TLS at an address.
func (p *process) awaitTLS(t *testing.T, address string) {
	t.Helper()
	eventually(t, 10*time.Second, "something listens at "+address, func() bool {
		p.stillRuns(t)
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// lines are what a scenario says of it.
func (g *guard) lines(url string) string {
	return fmt.Sprintf("watchdog: {url: %q, ca: %[2]s/ca.pem, cert: %[2]s/client.pem, key: %[2]s/client.key}\n", url, g.keys)
}
