package fleet

import "time"

// Config is the prometheus section of a scenario's fleet: where production's
// figures are read, and how. A zero field has its default.
type Config struct {
	// URL is the API's base address, with its path prefix: everything before
	// /api/v1.
	URL string `yaml:"url"`
	// Headers are sent with every query, such as X-Scope-OrgID.
	Headers map[string]string `yaml:"headers"`
	// BearerToken or BasicAuth say who asks. Write secrets as ${NAME}.
	BearerToken string     `yaml:"bearer_token"`
	BasicAuth   *BasicAuth `yaml:"basic_auth"`
	// CA is the file of the certificate that signed the server's, Cert and Key
	// those with which we show who we are. PEM.
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Timeout of one query; 2m.
	Timeout time.Duration `yaml:"timeout"`

	// Users is a query for one series: a gauge of the distinct users active in
	// the last minute.
	Users string `yaml:"users"`
	// Counted are the users of the peak where they were counted elsewhere, from
	// access logs; instead of Users.
	Counted *Counted `yaml:"counted"`
	// Hosts is the inventory: a query for one series per server of the fleet,
	// from something other than the exporter that may be missing. The default
	// is up{job="saturate"} for the agent and up{job="node"} for node_exporter.
	Hosts string `yaml:"hosts"`
	// Info is a query for one series per server whose labels tell its
	// generation, region and instruction set. The default is
	// saturate_host_info for the agent and node_uname_info for node_exporter.
	Info string `yaml:"info"`
	// Source is agent (the default), node_exporter or queries.
	Source string `yaml:"source"`
	// Recorded reads the series of our recording rules instead of the raw
	// counters.
	Recorded bool `yaml:"recorded"`
	// Queries are own queries; they replace the source's, or add to them.
	Queries Queries `yaml:"queries"`
	// Scope is what series without a scope label count; host.
	Scope string `yaml:"scope"`
	// Labels are the names of the labels that tell servers apart.
	Labels Labels `yaml:"labels"`

	// Timezone is the IANA name of the zone whose day is meant; UTC.
	Timezone string `yaml:"timezone"`
	// Day is the day to read, 2006-01-02; the last complete one.
	Day string `yaml:"day"`
	// Window is the stretch around the peak that the figures are means of; 15m.
	Window time.Duration `yaml:"window"`
	// Step is the time between two figures of the users' gauge; 1m.
	Step time.Duration `yaml:"step"`
	// ScrapeInterval of the counters; found from them where it is 0.
	ScrapeInterval time.Duration `yaml:"scrape_interval"`
}

// BasicAuth is a user and a password, as RFC 7617 has them.
type BasicAuth struct {
	Username string `yaml:"username"`
	Password string `yaml:"password"`
}

// Counted is how many users were active, as counted elsewhere.
type Counted struct {
	// ActiveUsers is the mean over the window of the distinct users of a minute.
	ActiveUsers float64 `yaml:"active_users"`
	// StandardError is its own, in users; 0 where it is exact.
	StandardError float64 `yaml:"standard_error"`
	// At is the end of the window, in RFC 3339: 2026-11-20T20:15:00Z.
	At string `yaml:"at"`
}

// Queries are expressions for the work per second of each server at one time.
// They give one series per server; requests may be a total of the fleet, or of
// each generation.
type Queries struct {
	Instructions string `yaml:"instructions"`
	CPUSeconds   string `yaml:"cpu_seconds"`
	Requests     string `yaml:"requests"`
}

// Labels are the names of labels.
type Labels struct {
	// Host names the server; instance, whose port is ignored.
	Host string `yaml:"host"`
	// Generation, Region and ISA are generation, region and isa.
	Generation string `yaml:"generation"`
	Region     string `yaml:"region"`
	ISA        string `yaml:"isa"`
}

// The sources of the fleet's work.
const (
	Agent        = "agent"
	NodeExporter = "node_exporter"
	Own          = "queries"
)

// Default is what zero fields of a Config mean; hosts and info depend on the
// source.
var Default = Config{
	Timeout:  2 * time.Minute,
	Source:   Agent,
	Scope:    "host",
	Labels:   Labels{Host: "instance", Generation: "generation", Region: "region", ISA: "isa"},
	Timezone: "UTC",
	Window:   15 * time.Minute,
	Step:     time.Minute,
}
