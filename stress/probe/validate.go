package probe

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"saturate/stress"
)

// Validate lists what is wrong with the section; what it names need not exist.
func (c Config) Validate() []stress.Mistake {
	v := &validation{}
	if c.Agent != nil {
		v.agent(c)
	}
	v.scope(c)
	v.instructions(c)
	if c.Listen != "" {
		v.address("listen", c.Listen, "unix")
	}
	if c.UWSGI != "" {
		v.address("uwsgi", c.UWSGI, "unix", "http")
	}
	if c.FPM != "" {
		v.address("php_fpm", c.FPM, "http only")
	}
	if c.Nginx != "" {
		v.address("nginx", c.Nginx, "http only")
	}
	if g := c.Gunicorn; g != nil {
		if g.Statsd == "" {
			v.add("gunicorn.statsd", `write the address that gunicorn sends to, "127.0.0.1:8125"`, "is missing")
		} else {
			v.address("gunicorn.statsd", g.Statsd)
		}
		if g.Workers < 1 {
			v.add("gunicorn.workers", "write how many workers gunicorn is started with", "%d is no number of workers", g.Workers)
		}
	}
	if n := workerSources(c); len(n) > 1 {
		v.add(n[1], "leave one of them out, or read the other by metrics", "%s tells of workers already", n[0])
	}
	for i, p := range c.Metrics {
		v.page(fmt.Sprintf("metrics[%d]", i), p)
	}
	return v.mistakes
}

type validation struct{ mistakes []stress.Mistake }

func (v *validation) add(field, hint, format string, args ...any) {
	v.mistakes = append(v.mistakes, stress.Mistake{Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// scope checks what says whose CPU and memory are read.
func (v *validation) scope(c Config) {
	if c.PID < 0 {
		v.add("pid", "", "%d is no process id", c.PID)
	}
	given := make([]string, 0, 4)
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"cgroup", c.Cgroup != ""}, {"pid", c.PID != 0}, {"pidfile", c.Pidfile != ""}, {"host", c.Host},
	} {
		if f.set {
			given = append(given, f.name)
		}
	}
	if len(given) > 1 {
		v.add(given[1], "name the one that holds the target and nothing else", "%s says already what the target is", given[0])
	}
	if strings.HasPrefix(c.Cgroup, "/sys/fs/cgroup") {
		v.add("cgroup", "write what comes below the hierarchy's root: system.slice/web.service", "%s is a directory of the machine", c.Cgroup)
	} else if slices.Contains(strings.Split(c.Cgroup, "/"), "..") {
		v.add("cgroup", "", "%s leads out of the hierarchy", c.Cgroup)
	}
	if c.CPUs < 0 || math.IsNaN(c.CPUs) || math.IsInf(c.CPUs, 0) {
		v.add("cpus", "leave the line out for what the kernel allows", "%g is no number of CPUs", c.CPUs)
	}
	if c.MemoryLimit < 0 {
		v.add("memory_limit", "leave the line out for what the kernel allows", "%d is no size", c.MemoryLimit)
	}
}

// workerSources are the servers in c that tell of the target's workers.
func workerSources(c Config) (all []string) {
	for _, s := range []struct {
		name string
		set  bool
	}{{"uwsgi", c.UWSGI != ""}, {"php_fpm", c.FPM != ""}, {"gunicorn", c.Gunicorn != nil}} {
		if s.set {
			all = append(all, s.name)
		}
	}
	return all
}

// address checks "host:port", and what else is allowed: unix, http, or http
// only.
func (v *validation) address(field, address string, allowed ...string) {
	u, err := url.Parse(address)
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https")
	switch {
	case slices.Contains(allowed, "http only"):
		if !web || u.Host == "" {
			v.add(field, "write http://host:port/path", "%q is not a URL", address)
		}
		return
	case web && slices.Contains(allowed, "http"):
		if u.Host == "" {
			v.add(field, "write http://host:port", "%q has no host", address)
		}
		return
	case strings.HasPrefix(address, "unix:") && slices.Contains(allowed, "unix"):
		if address == "unix:" {
			v.add(field, "write unix:/path/of/the/socket", "%q has no path", address)
		}
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || strings.Contains(host, "/") {
		hint := "write host:port"
		for _, a := range allowed {
			hint += map[string]string{"unix": ", unix:/path", "http": " or http://host:port"}[a]
		}
		v.add(field, hint, "%q is not an address", address)
	}
}

// page checks a page of metrics.
func (v *validation) page(field string, p Page) {
	if p.URL == "" {
		v.add(field+".url", "write http://host:port/metrics", "is missing")
	} else {
		v.address(field+".url", p.URL, "http only")
	}
	if len(p.Gauges)+len(p.Counters) == 0 {
		v.add(field, "add gauges or counters: which of the page's metrics tells what", "reads nothing from the page")
	}
	v.series(field+".gauges", p.Gauges)
	v.series(field+".counters", p.Counters)
}

// series checks what is read from a page, by our names.
func (v *validation) series(field string, names map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := field + "." + name
		if _, err := parseSelector(names[name]); err != nil {
			v.add(at, `write name or name{label="value"}`, "%s is not a metric of a page", strconv.Quote(names[name]))
		}
		if name == "" {
			v.add(at, "", "needs a name")
		}
	}
}
