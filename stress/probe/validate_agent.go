package probe

import (
	"net/netip"
	"net/url"
)

// agent checks how an agent is reached, and that nothing else is read: the agent
// reads what its own command line names.
func (v *validation) agent(c Config) {
	for _, other := range []struct {
		name string
		set  bool
	}{
		{"cgroup", c.Cgroup != ""}, {"pid", c.PID != 0}, {"pidfile", c.Pidfile != ""}, {"host", c.Host},
		{"cpus", c.CPUs != 0}, {"memory_limit", c.MemoryLimit != 0}, {"instructions", c.Instructions != ""},
		{"listen", c.Listen != ""}, {"uwsgi", c.UWSGI != ""}, {"php_fpm", c.FPM != ""}, {"gunicorn", c.Gunicorn != nil},
		{"nginx", c.Nginx != ""}, {"metrics", len(c.Metrics) > 0},
	} {
		if other.set {
			v.add(other.name, "say it on the agent's command line, and leave it out here: see `saturate help agent`", "does not go with agent")
		}
	}
	a := c.Agent
	if a.URL == "" {
		v.add("agent.url", "write https://host:9321", "is missing")
		return
	}
	u, err := url.Parse(a.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		v.add("agent.url", "write https://host:9321", "is not the URL of an agent") // not echoed: it may hold a password
		return
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		v.add("agent.url", "write https://host:9321 and nothing behind it", "has a path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		v.add("agent.url", "write https://, and name ca, cert and key", "plain http goes to an agent on this machine only")
		return
	}
	v.certificates(u.Scheme == "https", *a)
}

// certificates checks that saturate can show who it is, where that is asked.
func (v *validation) certificates(tls bool, a Agent) {
	for _, f := range []struct{ name, file string }{{"ca", a.CA}, {"cert", a.Cert}, {"key", a.Key}} {
		switch {
		case tls && f.file == "" && f.name != "ca": // the system's own authorities may do
			v.add("agent."+f.name, "name the PEM file: an agent shows its stream to those who have a certificate", "is missing")
		case !tls && f.file != "":
			v.add("agent."+f.name, "write https:// in url, or leave it out", "does not go with plain http")
		}
	}
}

// loopback tells whether a host is this machine, without asking anybody.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
