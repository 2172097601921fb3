package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/exporter-toolkit/web"
	"gopkg.in/yaml.v3"
)

const (
	tlsHint   = "name a file with tls_server_config: --web.config.file FILE (docs/agent.md shows how to make one), or listen on 127.0.0.1"
	trustHint = "write client_auth_type: VerifyClientCertIfGiven and client_ca_file in its tls_server_config"
)

// A webConfig is what matters here of exporter-toolkit's file.
type webConfig struct {
	tls bool
	// mutual: client certificates are verified, and by an authority that the
	// file names; the system's own would let anybody in.
	mutual bool
}

// readWeb reads the file, and checks all of it; no file is plain HTTP.
func readWeb(file string) (webConfig, error) {
	var c struct {
		TLS struct {
			Cert       string `yaml:"cert"`
			CertFile   string `yaml:"cert_file"`
			CA         string `yaml:"client_ca"`
			CAFile     string `yaml:"client_ca_file"`
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if file == "" {
		return webConfig{}, nil
	}
	err := web.Validate(file)
	if err == nil {
		var text []byte
		if text, err = os.ReadFile(file); err == nil {
			err = yaml.Unmarshal(text, &c)
		}
	}
	if err != nil {
		return webConfig{}, broken("its format is that of Prometheus' exporter-toolkit; docs/agent.md has an example", fmt.Errorf("%s: %w", file, err))
	}
	verified := c.TLS.ClientAuth == "VerifyClientCertIfGiven" || c.TLS.ClientAuth == "RequireAndVerifyClientCert"
	return webConfig{
		tls:    c.TLS.Cert+c.TLS.CertFile != "",
		mutual: verified && c.TLS.CA+c.TLS.CAFile != "",
	}, nil
}

// allows tells whether the agent may be reached there.
func (w webConfig) allows(a net.Addr) error {
	tcp, ok := a.(*net.TCPAddr)
	if w.tls || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return broken(tlsHint, fmt.Errorf("%v can be reached from other machines: without TLS nothing is served there", a))
}

// admits tells whether a request may follow the stream: one over plain HTTP,
// which is of this machine, or one whose certificate was verified.
func (w webConfig) admits(r *http.Request) error {
	switch {
	case !w.tls && r.TLS == nil:
		return nil
	case !w.mutual:
		return broken("on the agent's side, in the file of --web.config.file: "+trustHint,
			errors.New("it does not know which client certificates to trust, and streams to nobody"))
	case r.TLS == nil || len(r.TLS.VerifiedChains) == 0:
		return broken("name cert and key in the scenario's probes.agent; an authority of the agent's client_ca_file must have signed them",
			errors.New("it streams to those who show a client certificate"))
	}
	return nil
}
