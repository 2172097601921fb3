package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"saturate/internal/door"
)

const (
	tlsHint   = "name a file with tls_server_config: --web.config.file FILE (docs/agent.md shows how to make one), or listen on 127.0.0.1"
	trustHint = "write client_auth_type: VerifyClientCertIfGiven and client_ca_file in its tls_server_config"
)

// A webConfig is what the file of --web.config.file says.
type webConfig struct{ door.Web }

// readWeb reads the file, and checks all of it; no file is plain HTTP.
func readWeb(file string) (webConfig, error) {
	w, err := door.ReadWeb(file)
	if err != nil {
		return webConfig{}, broken("its format is that of Prometheus' exporter-toolkit; docs/agent.md has an example", fmt.Errorf("%s: %w", file, err))
	}
	return webConfig{w}, nil
}

// allows tells whether the agent may be reached there.
func (w webConfig) allows(a net.Addr) error {
	tcp, ok := a.(*net.TCPAddr)
	if w.TLS || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return broken(tlsHint, fmt.Errorf("%v can be reached from other machines: without TLS nothing is served there", a))
}

// admits tells whether a request may follow the stream: one over plain HTTP,
// which is of this machine, or one whose certificate was verified.
func (w webConfig) admits(r *http.Request) error {
	switch {
	case !w.TLS && r.TLS == nil:
		return nil
	case !w.Mutual:
		return broken("on the agent's side, in the file of --web.config.file: "+trustHint,
			errors.New("it does not know which client certificates to trust, and streams to nobody"))
	case r.TLS == nil || len(r.TLS.VerifiedChains) == 0:
		return broken("name cert and key in the scenario's probes.agent; an authority of the agent's client_ca_file must have signed them",
			errors.New("it streams to those who show a client certificate"))
	}
	return nil
}
