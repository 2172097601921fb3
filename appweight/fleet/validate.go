package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"saturate/appweight"
)

// filled is c with its defaults.
func (c Config) filled() Config {
	c.Timeout = cmp.Or(c.Timeout, Default.Timeout)
	c.Source = cmp.Or(c.Source, Default.Source)
	c.Scope = cmp.Or(c.Scope, Default.Scope)
	c.Labels.Host = cmp.Or(c.Labels.Host, Default.Labels.Host)
	c.Labels.Generation = cmp.Or(c.Labels.Generation, Default.Labels.Generation)
	c.Labels.Region = cmp.Or(c.Labels.Region, Default.Labels.Region)
	c.Labels.ISA = cmp.Or(c.Labels.ISA, Default.Labels.ISA)
	c.Window = cmp.Or(c.Window, Default.Window)
	c.Step = cmp.Or(c.Step, Default.Step)
	c.Hosts = cmp.Or(c.Hosts, map[string]string{Agent: `up{job="saturate"}`, NodeExporter: `up{job="node"}`}[c.Source])
	c.Info = cmp.Or(c.Info, map[string]string{Agent: "saturate_host_info", NodeExporter: "node_uname_info"}[c.Source])
	return c
}

// zone is the configured time zone.
func (c Config) zone() (*time.Location, error) {
	if c.Timezone == "Local" {
		return nil, errors.New("the zone Local is another one on every machine")
	}
	return time.LoadLocation(cmp.Or(c.Timezone, Default.Timezone))
}

// Validate returns every mistake at once, as [errors.Join] of
// [*appweight.Mistake]; nil where there is none. It asks nobody.
func (c Config) Validate() error {
	v := validation{}
	c = c.filled()
	v.server(c)
	v.figures(c)
	v.times(c)
	return errors.Join(v.mistakes...)
}

type validation struct{ mistakes []error }

func (v *validation) add(path, hint, format string, args ...any) {
	v.mistakes = append(v.mistakes, &appweight.Mistake{Path: path, Problem: fmt.Sprintf(format, args...), Hint: hint})
}

// server checks whom to ask, and as whom.
func (v *validation) server(c Config) {
	const example = "write the API's base address, such as https://prometheus.example:9090"
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		v.add("url", example, "is missing")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		v.add("url", example, "is not an address that starts with http:// or https://")
	case u.User != nil:
		v.add("url", "write basic_auth: {username: ..., password: ${PASSWORD}}", "has a user name or password in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.add("url", "leave away what comes after the path", "has a query or a fragment")
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1"):
		v.add("url", "leave /api/v1 away: it is added", "names the API itself")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value := c.Headers[name]
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '-' && notInName(r) }) || strings.ContainsFunc(value, unicode.IsControl) {
			v.add("headers."+name, "", "is not a header that HTTP allows")
		}
	}
	if c.BearerToken != "" && c.BasicAuth != nil {
		v.add("basic_auth", "leave one of them out", "bearer_token says already who asks")
	}
	if c.BasicAuth != nil && c.BasicAuth.Username == "" {
		v.add("basic_auth.username", "", "is missing")
	}
	if (c.Cert == "") != (c.Key == "") {
		v.add("cert", "a certificate and its key belong together", "cert and key: one of them is missing")
	}
	if c.Timeout < time.Second {
		v.add("timeout", "such as 2m", "%v is too short for a query", c.Timeout)
	}
}

// figures checks what is asked for.
func (v *validation) figures(c Config) {
	switch {
	case c.Users == "" && c.Counted == nil:
		v.add("users", "write a query for ONE series: a gauge of the distinct users active in the last minute, such as max(active_users); or count them in access logs", "is missing")
	case c.Users != "" && c.Counted != nil:
		v.add("counted", "leave one of them out", "users says already how many were active")
	}
	if n := c.Counted; n != nil {
		if !(n.ActiveUsers > 0) || math.IsInf(n.ActiveUsers, 0) {
			v.add("counted.active_users", "how many users were active in a minute, over the window", "%g is not a number above 0", n.ActiveUsers)
		}
		if !(n.StandardError >= 0) || math.IsInf(n.StandardError, 0) {
			v.add("counted.standard_error", "", "%g is not a standard error", n.StandardError)
		}
		if _, err := time.Parse(time.RFC3339, n.At); err != nil {
			v.add("counted.at", "write the end of the window as 2026-11-20T20:15:00Z", "%q is not a time", n.At)
		}
		if c.Day != "" {
			v.add("day", "remove it", "counted.at says already when the peak was")
		}
	}
	switch c.Source {
	case Agent, NodeExporter:
	case Own:
		if c.Queries == (Queries{}) {
			v.add("queries", "write queries: {instructions: ...}, or name another source", "are missing")
		}
		if c.Recorded {
			v.add("recorded", "the rules that ship are for agent and node_exporter; own queries may name recorded series", "means nothing for own queries")
		}
	default:
		v.add("source", "agent, node_exporter or queries", "%q is not a source", c.Source)
	}
	if c.Hosts == "" {
		v.add("hosts", `write a query for one series per server, such as up{job="web"}; not from what may itself be missing`, "is missing")
	}
	for path, query := range map[string]string{"users": c.Users, "hosts": c.Hosts, "info": c.Info,
		"queries.instructions": c.Queries.Instructions, "queries.cpu_seconds": c.Queries.CPUSeconds, "queries.requests": c.Queries.Requests} {
		if query != "" && strings.TrimSpace(query) == "" {
			v.add(path, "", "is blank")
		}
	}
	for path, name := range map[string]string{"labels.host": c.Labels.Host, "labels.generation": c.Labels.Generation,
		"labels.region": c.Labels.Region, "labels.isa": c.Labels.ISA} {
		if strings.ContainsFunc(name, notInName) || name[0] >= '0' && name[0] <= '9' {
			v.add(path, "letters, digits and _", "%q is not a name of a label", name)
		}
	}
}

func notInName(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// times checks which day is meant, and the window.
func (v *validation) times(c Config) {
	if _, err := c.zone(); err != nil {
		v.add("timezone", "write an IANA name, such as Europe/Berlin or America/New_York", "%q is not the name of a time zone", c.Timezone)
	}
	if _, err := time.Parse(time.DateOnly, c.Day); c.Day != "" && err != nil {
		v.add("day", "write it as 2026-11-20", "%q is not a day", c.Day)
	}
	if c.Step < 10*time.Second || c.Step > 5*time.Minute {
		v.add("step", "10s to 5m; 1m where the gauge is of the last minute", "%v is no step for the users of a day", c.Step)
	}
	if c.Window < time.Minute || c.Window > 2*time.Hour || c.Step > 0 && c.Window%c.Step != 0 {
		v.add("window", "1m to 2h, and a multiple of the step", "%v is no window around a peak", c.Window)
	}
	if c.ScrapeInterval < 0 {
		v.add("scrape_interval", "leave it out to have it found", "%v is no interval", c.ScrapeInterval)
	}
}
