package loadgen

import "time"

// Config is the traffic section of a scenario.
type Config struct {
	// Arrivals is poisson or even. Even arrivals overstate capacity.
	Arrivals string `yaml:"arrivals"`
	// Timeout of one request, from its actual send.
	Timeout time.Duration `yaml:"timeout"`
	// Connections bounds the connections open at once: auto or a number.
	Connections Connections `yaml:"connections"`
	// HTTP2 asks for HTTP/2: by ALPN on https, with prior knowledge on http.
	HTTP2 bool `yaml:"http2"`
	// CA is a PEM file that the target's certificate is checked against.
	CA string `yaml:"ca"`
	// Insecure accepts any certificate.
	Insecure bool `yaml:"insecure"`
	// Headers are sent with every request.
	Headers map[string]string `yaml:"headers"`
	// Requests is the mix.
	Requests []Request `yaml:"requests"`
}

// Connections is a bound; 0 is auto: workers + backlog/4 where known.
type Connections int

// A Request is one kind of request of the mix.
type Request struct {
	Name    string            `yaml:"name"`
	Weight  float64           `yaml:"weight"`
	Method  string            `yaml:"method"`
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	// Body or BodyFile is sent as it is; the file is read once, at the start.
	Body     string `yaml:"body"`
	BodyFile string `yaml:"body_file"`
	// Expect lists the statuses that are not failures; empty is 200 to 399.
	Expect []int `yaml:"expect"`
}

// Default is what a scenario that says nothing gets.
var Default = Config{Arrivals: "poisson", Timeout: 5 * time.Second}
