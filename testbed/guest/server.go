package guest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A Server is a machine on which saturate's demo is the server, in a control
// group named web, and saturate's agent watches it from another.
type Server struct {
	*Machine
	// Folder holds ca.pem, and client.pem with client.key, which the agent
	// trusts.
	Folder string
	trust  *tls.Config
}

// The ports of a Server.
const (
	demoPort  = 8080
	agentPort = 9321
)

// Programs are those of a Server, built for it.
type Programs struct{ init, saturate []byte }

// BuildPrograms builds them, in a folder of its own.
func BuildPrograms() (p Programs, err error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	p.init, err = Build(dir, "build", "saturate/testbed/guest/cmd/init")
	if err == nil {
		p.saturate, err = Build(dir, "build", "saturate/cmd/saturate")
	}
	return p, err
}

// BootServer boots one, of the speed that shift says, in real time; a request
// costs it so many steps (of 13 instructions). Its agent counts instructions in the
// scopes given, with commas between them. Its keys are put into folder. It returns
// when the demo and the agent answer.
func BootServer(dir, folder string, p Programs, shift int, steps int64, scopes string) (*Server, error) {
	keys, err := writeKeys(folder)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"init": p.init, "saturate": p.saturate, "etc/web.yml": []byte(webConfig)}
	for _, name := range []string{"ca.pem", "agent.pem", "agent.key"} {
		files["etc/"+name] = keys[name]
	}
	demo := []string{"/saturate", "demo", "--listen", fmt.Sprintf("%s:%d", Address, demoPort), "--metrics", "",
		"--workers", "32", "--backlog", "256", "--keepalive", "1m", "--cpu", "0s", "--wait", "0s", "--cpu-cv", "0", "--steps", strconv.FormatInt(steps, 10)}
	agent := []string{"/saturate", "agent", "--cgroup", "web", "--instructions", scopes, "--generation", fmt.Sprintf("shift-%d", shift),
		"--listen", fmt.Sprintf("%s:%d", Address, agentPort), "--web.config.file", "/etc/web.yml"}
	m, err := Boot(Config{
		Dir: dir, Shift: shift, RealTime: true, CPUs: 1, Memory: 256, Files: files, Ports: []int{demoPort, agentPort},
		Plan: Plan{Controllers: "+cpu +memory +pids", Programs: []Program{
			{Args: demo, Cgroup: "web"}, {Args: agent, Cgroup: "agent", Weight: 1000},
		}},
	})
	if err != nil {
		return nil, err
	}
	s := &Server{Machine: m, Folder: folder}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(keys["ca.pem"])
	s.trust = &tls.Config{RootCAs: roots}
	if err := s.await(); err != nil {
		m.Stop()
		return nil, fmt.Errorf("%w; the guest printed\n%s", err, m.Output())
	}
	return s, nil
}

// bootWithin is how long a slow guest on a busy machine may take to serve.
const bootWithin = 2 * time.Minute

func (s *Server) await() error {
	client := s.Client()
	client.Timeout = 5 * time.Second
	late := time.After(bootWithin)
	for _, url := range []string{s.URL() + "/health", s.AgentURL() + "/metrics"} {
		for {
			answer, err := client.Get(url)
			if err == nil {
				answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					break
				}
			}
			select {
			case <-late:
				return fmt.Errorf("%s does not answer after %v: %w", url, bootWithin, err)
			case <-s.Done():
				return errors.Join(errors.New("the guest has ended"), s.Err())
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}

// URL is the demo's.
func (s *Server) URL() string { return "http://" + s.Addr(demoPort) }

// AgentURL is the agent's.
func (s *Server) AgentURL() string { return "https://" + s.Addr(agentPort) }

// Client trusts the agent.
func (s *Server) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: s.trust}}
}

// Env is what the scenario server.yaml is to be run with.
func (s *Server) Env() []string {
	return []string{"GUEST_URL=" + s.URL(), "GUEST_AGENT=" + s.AgentURL(), "GUEST_KEYS=" + filepath.Clean(s.Folder)}
}
