package probe

// Config is the probes section of a target: what saturate may read of it.
type Config struct {
	// Cgroup is the target's control group, as a path below the hierarchy's
	// root ("web", "system.slice/web.service"); v1, v2 and hybrid.
	Cgroup string `yaml:"cgroup"`
	// PID or Pidfile names the root of the target's process tree. A target with
	// a command needs neither: its own tree is read.
	PID     int    `yaml:"pid"`
	Pidfile string `yaml:"pidfile"`
	// Host reads the whole machine as the target.
	Host bool `yaml:"host"`
	// CPUs and MemoryLimit set the limits where the kernel knows none
	// (a quota or a memory limit of the target's own making).
	CPUs        float64 `yaml:"cpus"`
	MemoryLimit Bytes   `yaml:"memory_limit"`
	// Instructions says whose CPU instructions are counted: auto (the default:
	// those of the scope whose CPU time is read, where this machine can count),
	// host, processes, cgroup or off. A scope that is named must be countable.
	// "/user" after it counts user space only: host/user.
	Instructions string `yaml:"instructions"`
	// Agent reads a target on another machine through the saturate agent that
	// runs there; what it may read, its own command line says.
	Agent *Agent `yaml:"agent"`
	// Listen names the listener whose accept queue is read: "host:port" or
	// "unix:/path". Empty is the target URL's own.
	Listen string `yaml:"listen"`
	// UWSGI is a stats server: "host:port", "unix:/path" or "http://...".
	UWSGI string `yaml:"uwsgi"`
	// FPM is php-fpm's status page by HTTP, "http://host:port/status".
	FPM string `yaml:"php_fpm"`
	// Gunicorn is where gunicorn sends statsd, and how many workers it has.
	Gunicorn *Gunicorn `yaml:"gunicorn"`
	// Nginx is a stub_status page, "http://host:port/stub_status".
	Nginx string `yaml:"nginx"`
	// Metrics reads pages in the Prometheus text format.
	Metrics []Page `yaml:"metrics"`
}

// An Agent is where a target's agent listens, and how the two know each other.
type Agent struct {
	// URL of the agent, https://host:9321; plain http on loopback only.
	URL string `yaml:"url"`
	// CA is the file of the certificate that signed the agent's; Cert and Key
	// are the files with which saturate shows who it is. PEM.
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Gunicorn tells how to learn a gunicorn's busy workers: by Little's law from
// the request durations that it sends by statsd.
type Gunicorn struct {
	// Statsd is the UDP host:port that gunicorn's statsd_host names; saturate
	// listens there.
	Statsd string `yaml:"statsd"`
	// Workers is how many requests gunicorn carries out at once.
	Workers int `yaml:"workers"`
}

// A Page is a page of metrics in the Prometheus text format.
type Page struct {
	// URL of the page.
	URL string `yaml:"url"`
	// Gauges and Counters map names of ours to metric names of the page, with
	// labels where needed: `http_busy{pool="web"}`. The names that package
	// stress knows (workers_busy, worker_busy_seconds, ...) get their meaning;
	// any other gauge becomes a signal by its own name.
	Gauges   map[string]string `yaml:"gauges"`
	Counters map[string]string `yaml:"counters"`
}
