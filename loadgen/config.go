package loadgen

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config is the traffic section of a scenario.
type Config struct {
	// Engine is auto, fast or vegeta. What fast offers is HTTP/1.1 without TLS; auto
	// is fast for that, and vegeta for all else.
	Engine string `yaml:"engine"`
	// Arrivals is poisson or even. Even arrivals overstate capacity.
	Arrivals string `yaml:"arrivals"`
	// Timeout of one request, from its actual send. A hit that finds no
	// connection free waits for one just as long.
	Timeout time.Duration `yaml:"timeout"`
	// Connections bounds the connections open at once: auto or a number.
	Connections Connections `yaml:"connections"`
	// Quantum is the least time between two wake-ups of the fast engine that
	// only its schedule asks for: so much later than intended, at most, a hit may
	// leave, and so much cheaper it gets above 1/Quantum hits per second. 0 wakes
	// it for every hit.
	Quantum time.Duration `yaml:"quantum"`
	// HTTP2 asks for HTTP/2: by ALPN on https, with prior knowledge on http.
	HTTP2 bool `yaml:"http2"`
	// CA is a PEM file that the target's certificate is checked against.
	CA string `yaml:"ca"`
	// Insecure accepts any certificate.
	Insecure bool `yaml:"insecure"`
	// Headers are sent with every request; a request's own replace them.
	Headers map[string]string `yaml:"headers"`
	// Requests is the mix.
	Requests []Request `yaml:"requests"`
}

// Connections is a bound; 0 is auto: workers + backlog/4 where known.
type Connections int

// UnmarshalText reads "auto" or a number.
func (n *Connections) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	if text == "auto" {
		*n = 0
		return nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return fmt.Errorf("%q is not a number of connections: write auto, or 1 or more", text)
	}
	*n = Connections(v)
	return nil
}

// MarshalText writes "auto" or the number.
func (n Connections) MarshalText() ([]byte, error) {
	if n == 0 {
		return []byte("auto"), nil
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}

// A Request is one kind of request of the mix.
type Request struct {
	// Name labels its figures; empty is the path.
	Name string `yaml:"name"`
	// Weight is its share of the mix, relative to the other weights; where no
	// request has one all are equal.
	Weight float64 `yaml:"weight"`
	// Method is GET where it is empty, and POST where there is a body.
	Method string `yaml:"method"`
	// Path begins with a slash and may have a query.
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	// Body or BodyFile is sent as it is; the file is read once, at the start.
	Body     string `yaml:"body"`
	BodyFile string `yaml:"body_file"`
	// Expect lists the statuses that are not failures; empty is 200 to 399.
	Expect []int `yaml:"expect"`
}

// Default is what a scenario that says nothing gets.
var Default = Config{Engine: "auto", Arrivals: "poisson", Timeout: 5 * time.Second, Quantum: 250 * time.Microsecond}

// maxConnections keeps a target's ephemeral ports (28 k by default) out of reach.
const maxConnections = 20000

// maxQuantum is far below what counts as a generator that is late.
const maxQuantum = 5 * time.Millisecond

// A Mistake is one thing wrong with a Config.
type Mistake struct {
	// Path names the field as the scenario file does: requests[1].weight.
	Path string
	// Problem says what is wrong, Hint what to do; Hint may be empty.
	Problem, Hint string
}

func (m *Mistake) Error() string { return m.Path + ": " + m.Problem }

// Joined are the errors that err joins, as [errors.Join] does: those of a
// Validate. It is err alone where it joins none, and nothing where it is nil.
func Joined(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, Joined(one)...)
	}
	return all
}

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none. It looks whether named files can be read.
func (c Config) Validate() error {
	var v mistakes
	v.oneOf("engine", c.Engine, "auto", "vegeta", "fast")
	v.oneOf("arrivals", c.Arrivals, "poisson", "even")
	if c.Timeout != 0 && (c.Timeout < 10*time.Millisecond || c.Timeout > 10*time.Minute) {
		v.add("timeout", fmt.Sprintf("%v is not between 10ms and 10m", c.Timeout), "")
	}
	if c.Quantum < 0 || c.Quantum > maxQuantum {
		v.add("quantum", fmt.Sprintf("%v is not between 0 and %v", c.Quantum, maxQuantum), "")
	}
	if c.Connections < 0 || c.Connections > maxConnections {
		v.add("connections", fmt.Sprintf("%d is not between 1 and %d", c.Connections, maxConnections), "write auto to let saturate choose")
	}
	v.file("ca", c.CA)
	if c.CA != "" && c.Insecure {
		v.add("insecure", "makes ca pointless: any certificate would do", "remove one of the two")
	}
	v.headers("headers", c.Headers)
	if len(c.Requests) == 0 {
		v.add("requests", "is empty", "name at least one request, such as {name: home, path: /}")
	}
	v.requests(c.Requests)
	return errors.Join(v...)
}

type mistakes []error

func (v *mistakes) add(path, problem, hint string) {
	*v = append(*v, &Mistake{Path: path, Problem: problem, Hint: hint})
}

func (v *mistakes) oneOf(path, value string, known ...string) {
	if value == "" {
		return
	}
	for _, k := range known {
		if value == k {
			return
		}
	}
	v.add(path, fmt.Sprintf("%q is not known", value), "write "+strings.Join(known, " or "))
}

func (v *mistakes) file(path, name string) {
	if name == "" {
		return
	}
	if info, err := os.Stat(name); err != nil {
		v.add(path, "cannot be read: "+err.Error(), "relative paths start at the scenario file's folder")
	} else if info.IsDir() {
		v.add(path, name+" is a folder", "")
	}
}

func (v *mistakes) headers(path string, h map[string]string) {
	for name, value := range h {
		if !token(name) || strings.ContainsAny(value, "\r\n\x00") {
			v.add(path+"."+name, "is not a valid header", "")
		}
	}
}

func (v *mistakes) requests(all []Request) {
	seen, weighted := map[string]int{}, false
	for _, r := range all {
		weighted = weighted || r.Weight != 0
	}
	for i, r := range all {
		at := fmt.Sprintf("requests[%d]", i)
		if first, twice := seen[r.name()]; twice {
			v.add(at+".name", fmt.Sprintf("%q is the name of requests[%d] already", r.name(), first), "give each request a name of its own")
		} else {
			seen[r.name()] = i
		}
		switch {
		case math.IsNaN(r.Weight) || math.IsInf(r.Weight, 0) || r.Weight < 0:
			v.add(at+".weight", fmt.Sprintf("%v is not a weight", r.Weight), "write a number above 0")
		case weighted && r.Weight == 0:
			v.add(at+".weight", "is missing, or 0, while other requests have one", "write a number above 0, or remove the request")
		}
		v.request(at, r)
	}
}

func (v *mistakes) request(at string, r Request) {
	if !token(r.method()) {
		v.add(at+".method", fmt.Sprintf("%q is not a method", r.Method), "")
	}
	switch {
	case r.Path == "":
		v.add(at+".path", "is missing", "write the path to ask for, such as /")
	case !strings.HasPrefix(r.Path, "/"):
		v.add(at+".path", fmt.Sprintf("%q does not begin with a slash", r.Path), "host and port stand in the target's url")
	default:
		if _, err := http.NewRequest(http.MethodGet, "http://host"+r.Path, nil); err != nil {
			v.add(at+".path", fmt.Sprintf("%q is not a path: %v", r.Path, err), "")
		}
	}
	if r.Body != "" && r.BodyFile != "" {
		v.add(at+".body_file", "stands beside body", "keep one of the two")
	}
	v.file(at+".body_file", r.BodyFile)
	v.headers(at+".headers", r.Headers)
	for j, s := range r.Expect {
		if s < 200 || s > 599 {
			v.add(fmt.Sprintf("%s.expect[%d]", at, j), fmt.Sprintf("%d is not a status of an answer", s), "write 200 to 599")
		}
	}
}

// token reports whether s is a token of RFC 9110 section 5.6.2: what methods
// and the names of headers are made of.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (r Request) name() string {
	if r.Name == "" {
		return r.Path
	}
	return r.Name
}

func (r Request) method() string {
	switch {
	case r.Method != "":
		return r.Method
	case r.Body != "" || r.BodyFile != "":
		return http.MethodPost
	}
	return http.MethodGet
}

// withDefaults fills what a caller that did not start from Default left out.
func (c Config) withDefaults() Config {
	if c.Arrivals == "" {
		c.Arrivals = Default.Arrivals
	}
	if c.Timeout == 0 {
		c.Timeout = Default.Timeout
	}
	return c
}
