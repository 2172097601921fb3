package balancer

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Config says how a backend is reached; exactly one of its fields is given.
type Config struct {
	HAProxy *HAProxy `yaml:"haproxy" json:"haproxy,omitempty"`
	Nginx   *Nginx   `yaml:"nginx" json:"nginx,omitempty"`
	Command *Command `yaml:"command" json:"command,omitempty"`
}

// HAProxy is a backend of HAProxy 2.4 or later, by its runtime API.
type HAProxy struct {
	// Socket is the UNIX socket of "stats socket ... level admin".
	Socket string `yaml:"socket" json:"socket"`
	// Backend is the name of the backend (or listen) section.
	Backend string `yaml:"backend" json:"backend"`
	// Log is a file with its HTTP log ("option httplog"), as syslog or HAProxy
	// writes it; answer times are read there. Empty, there are none.
	Log string `yaml:"log" json:"log,omitempty"`
}

// Nginx is an upstream of open-source nginx: weights are in a file, and a change
// is a reload.
type Nginx struct {
	// UpstreamFile has the upstream block, or the server lines that are included
	// in it. It is the only file that is written.
	UpstreamFile string `yaml:"upstream_file" json:"upstream_file"`
	// Upstream is the name of the upstream.
	Upstream string `yaml:"upstream" json:"upstream"`
	// AccessLog has the format that docs/live.md gives; requests, failures and
	// answer times are counted there.
	AccessLog string `yaml:"access_log" json:"access_log"`
	// PIDFile tells the master process; empty is /run/nginx.pid.
	PIDFile string `yaml:"pid_file" json:"pid_file,omitempty"`
	// Program is nginx where it is empty, and Config the program's own.
	Program string `yaml:"program" json:"program,omitempty"`
	Config  string `yaml:"config" json:"config,omitempty"`
	// Test and Reload replace "nginx -t" and "nginx -s reload".
	Test   []string `yaml:"test" json:"test,omitempty"`
	Reload []string `yaml:"reload" json:"reload,omitempty"`
	// Reloads is how many reloads may come before everything is as found again;
	// 0 is 60. Putting back is never refused.
	Reloads int `yaml:"reloads" json:"reloads,omitempty"`
}

// Command is any other balancer, by two programs; no shell is between.
type Command struct {
	// Get prints the backend as JSON; docs/live.md has the shape.
	Get []string `yaml:"get" json:"get"`
	// Set sets one server's weight: {server} and {weight} in it are replaced.
	Set []string `yaml:"set" json:"set"`
	// Delay is how long a weight takes to act.
	Delay time.Duration `yaml:"delay" json:"delay"`
	// MaxWeight is the highest weight that the balancer takes.
	MaxWeight int `yaml:"max_weight" json:"max_weight"`
	// Timeout bounds each run of a program; 0 is 10 s.
	Timeout time.Duration `yaml:"timeout" json:"timeout,omitempty"`
}

const (
	defaultPIDFile = "/run/nginx.pid"
	defaultReloads = 60
	defaultTimeout = 10 * time.Second
	maxDelay       = 10 * time.Minute
	maxTimeout     = time.Minute
)

// A Mistake is one thing wrong with a Config.
type Mistake struct {
	// Path names the field as the YAML does: haproxy.socket; it is empty where
	// the whole is meant.
	Path string
	// Problem says what is wrong, Hint what to do; Hint may be empty.
	Problem, Hint string
}

func (m *Mistake) Error() string {
	if m.Path == "" {
		return m.Problem
	}
	return m.Path + ": " + m.Problem
}

// mistakes collects them.
type mistakes []error

func (m *mistakes) add(path, problem, hint string) {
	*m = append(*m, &Mistake{Path: path, Problem: problem, Hint: hint})
}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none. It asks no balancer and opens no file.
func (c Config) Validate() error {
	var m mistakes
	given := 0
	if c.HAProxy != nil {
		given++
		c.HAProxy.validate(&m)
	}
	if c.Nginx != nil {
		given++
		c.Nginx.validate(&m)
	}
	if c.Command != nil {
		given++
		c.Command.validate(&m)
	}
	const one = "write one of haproxy, nginx and command"
	switch {
	case given == 0:
		m.add("", "names no balancer", one)
	case given > 1:
		m.add("", "names more than one balancer", one)
	}
	return errors.Join(m...)
}

func (h HAProxy) validate(m *mistakes) {
	const example = `the path of "stats socket /run/haproxy/admin.sock mode 600 level admin"`
	switch {
	case h.Socket == "":
		m.add("haproxy.socket", "is missing", example)
	case !filepath.IsAbs(h.Socket) && strings.Contains(h.Socket, ":"):
		m.add("haproxy.socket", fmt.Sprintf("%q is a network address: whoever reaches HAProxy's runtime API over TCP controls it, for it asks for no password", h.Socket), example)
	case strings.Contains(h.Socket, "@"):
		m.add("haproxy.socket", fmt.Sprintf("%q is not a path", h.Socket), "write the path alone, without unix@")
	default:
		m.path("haproxy.socket", h.Socket)
		if len(h.Socket) >= maxSocketPath {
			m.add("haproxy.socket", fmt.Sprintf("has %d bytes, a socket's path at most %d", len(h.Socket), maxSocketPath-1), "")
		}
	}
	switch {
	case h.Backend == "":
		m.add("haproxy.backend", "is missing", "the name of the backend section")
	case !isName(h.Backend):
		m.add("haproxy.backend", fmt.Sprintf("%q is not a name that HAProxy has", h.Backend), "letters, digits and . : _ -")
	}
	if h.Log != "" {
		m.path("haproxy.log", h.Log)
	}
}

func (n Nginx) validate(m *mistakes) {
	m.path("nginx.upstream_file", n.UpstreamFile)
	if n.Upstream == "" || strings.ContainsAny(n.Upstream, " \t\r\n;{}'\"") {
		m.add("nginx.upstream", fmt.Sprintf("%q is not a name", n.Upstream), `the name in "upstream web {"`)
	}
	if n.AccessLog == "" {
		m.add("nginx.access_log", "is missing", "open-source nginx counts no requests per server but in its access log; docs/live.md has the format")
	} else {
		m.path("nginx.access_log", n.AccessLog)
	}
	if n.PIDFile != "" {
		m.path("nginx.pid_file", n.PIDFile)
	}
	if n.Config != "" {
		m.path("nginx.config", n.Config)
	}
	if n.Test != nil {
		m.argv("nginx.test", n.Test)
	}
	if n.Reload != nil {
		m.argv("nginx.reload", n.Reload)
	}
	if n.Reloads < 0 || n.Reloads > 10000 {
		m.add("nginx.reloads", fmt.Sprintf("%d is not between 1 and 10000", n.Reloads), "")
	}
}

func (c Command) validate(m *mistakes) {
	m.argv("command.get", c.Get)
	m.argv("command.set", c.Set)
	for _, placeholder := range []string{serverPlaceholder, weightPlaceholder} {
		if len(c.Set) > 0 && !strings.Contains(strings.Join(c.Set[1:], "\x00"), placeholder) {
			m.add("command.set", "has no "+placeholder, "such as [set-weight, --server, \"{server}\", --weight, \"{weight}\"]")
		}
	}
	if c.Delay < 0 || c.Delay > maxDelay {
		m.add("command.delay", fmt.Sprintf("%v is not between 0s and %v", c.Delay, maxDelay), "how long a weight takes to act")
	}
	if c.MaxWeight < 1 {
		m.add("command.max_weight", fmt.Sprintf("%d is not 1 or more", c.MaxWeight), "the highest weight that the balancer takes")
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		m.add("command.timeout", fmt.Sprintf("%v is not between 0s and %v", c.Timeout, maxTimeout), "")
	}
}

// path wants a path from the root: a watchdog may run on another machine, and in
// another folder, than who wrote it.
func (m *mistakes) path(at, path string) {
	if path == "" {
		m.add(at, "is missing", "")
	} else if !filepath.IsAbs(path) {
		m.add(at, fmt.Sprintf("%q does not begin at the root", path), "the watchdog runs in a folder of its own: write the whole path")
	}
}

func (m *mistakes) argv(at string, argv []string) {
	if len(argv) == 0 || argv[0] == "" {
		m.add(at, "names no program", "a program and its arguments, as a list; there is no shell")
	}
	for _, a := range argv {
		if strings.ContainsRune(a, 0) {
			m.add(at, "has a NUL byte", "")
			return
		}
	}
}

// Open returns the balancer of a configuration, which it validates first. Logs
// are opened, at their end; the balancer itself need not be there yet. What it
// returns may be used by several goroutines, and needs no closing.
func Open(c Config) (Balancer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch {
	case c.HAProxy != nil:
		return openHAProxy(*c.HAProxy)
	case c.Nginx != nil:
		return openNginx(*c.Nginx)
	default:
		return openCommand(*c.Command), nil
	}
}

// Errors that callers tell apart.
var (
	// ErrUnknownServer is a server that the backend does not have.
	ErrUnknownServer = errors.New("no such server")
	// ErrBudget is a change refused because the budget of reloads is used up.
	ErrBudget = errors.New("the budget of reloads is used up")
)
