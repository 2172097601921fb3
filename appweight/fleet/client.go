package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// A client asks one API. It remembers what it asked and what it was told
// beside the answers.
type client struct {
	config  Config
	http    *http.Client
	keep    map[string]string // the labels that are read
	texts   names
	asked   []Query
	doubts  []Doubt
	partial bool // an answer may lack something
}

// A Query is a question as it was sent.
type Query struct {
	// For says what the answer is for.
	For string `json:"for"`
	// Text is PromQL, At its time; From, To and Step those of a range.
	Text string     `json:"query"`
	At   *time.Time `json:"at,omitempty"`
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
}

// newClient reads the certificates that the configuration names.
func newClient(c Config) (*client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read the API's CA: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &Error{Problem: fmt.Sprintf("%s holds no certificate", c.CA), Remedy: "ca names a file with PEM certificates"}
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read our own certificate: %w", err)
		}
		trust.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 1 << 20}
	keep := map[string]string{}
	for _, name := range []string{c.Labels.Host, c.Labels.Generation, c.Labels.Region, c.Labels.ISA, "job", "scope", machine} {
		keep[name] = name
	}
	return &client{config: c, keep: keep, texts: names{}, http: &http.Client{Transport: transport,
		// Whoever is redirected to would get our credentials.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// vector asks for the values at one time, and hands each series to each.
func (c *client) vector(ctx context.Context, purpose, query string, at time.Time, each func(labels map[string]string, value float64) error) error {
	c.asked = append(c.asked, Query{For: purpose, Text: query, At: &at})
	form := url.Values{"query": {query}, "time": {seconds(at)}}
	return c.ask(ctx, purpose, "query", form, "vector", func(labels map[string]string, points []point) error {
		if len(points) != 1 {
			return errShape
		}
		return each(labels, points[0].value)
	})
}

// matrix asks for the values of a stretch of time, both ends included.
func (c *client) matrix(ctx context.Context, purpose, query string, from, to time.Time, step time.Duration, each func(map[string]string, []point) error) error {
	c.asked = append(c.asked, Query{For: purpose, Text: query, From: &from, To: &to})
	form := url.Values{"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.Itoa(int(step / time.Second))}}
	return c.ask(ctx, purpose, "query_range", form, "matrix", each)
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// attempts is how often a query is sent where the answer is that there is none
// just now.
const attempts = 3

// ask sends a query and decodes its answer as it comes. What an API that may
// lack a part of the data would answer is refused: partial_response is Thanos's
// word for that, deny_partial_response VictoriaMetrics's; others ignore both.
func (c *client) ask(ctx context.Context, purpose, endpoint string, form url.Values, want string, each func(map[string]string, []point) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	form.Set("timeout", strconv.Itoa(int(c.config.Timeout/time.Second))+"s")
	form.Set("partial_response", "false")
	form.Set("deny_partial_response", "1")
	address := strings.TrimSuffix(c.config.URL, "/") + "/api/v1/" + endpoint

	response, err := c.send(ctx, address, form)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return refusal(purpose, address, response)
	}
	a := answer{want: want, each: each, keep: c.keep, texts: c.texts}
	if err := a.decode(io.LimitReader(response.Body, maxAnswer)); err != nil {
		var ours *Error
		if errors.As(err, &ours) {
			return err
		}
		if ctx.Err() != nil {
			return c.unreachable(ctx, ctx.Err())
		}
		return &Error{Problem: fmt.Sprintf("the answer to the query for %s cannot be read: %v", purpose, err), Remedy: "check that url is that of a Prometheus-compatible API"}
	}
	return c.beside(purpose, a)
}

// send posts the query, and waits a little where the server is not ready.
func (c *client) send(ctx context.Context, address string, form url.Values) (*http.Response, error) {
	method := http.MethodPost
	for attempt := 1; ; attempt++ {
		r, err := c.request(ctx, method, address, form)
		if err != nil {
			return nil, err
		}
		response, err := c.http.Do(r)
		switch {
		case err != nil:
			return nil, err
		case method == http.MethodPost && (response.StatusCode == http.StatusMethodNotAllowed || response.StatusCode == http.StatusNotImplemented):
			method = http.MethodGet // a proxy that lets nobody write
		case attempt < attempts && (response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusBadGateway):
			select {
			case <-time.After(time.Duration(attempt) * time.Second):
			case <-ctx.Done():
			}
		default:
			return response, nil
		}
		response.Body.Close()
	}
}

func (c *client) request(ctx context.Context, method, address string, form url.Values) (*http.Request, error) {
	var body io.Reader
	if method == http.MethodGet {
		address += "?" + form.Encode()
	} else {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", "saturate")
	for name, value := range c.config.Headers {
		r.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			r.Host = value
		}
	}
	if c.config.BearerToken != "" {
		r.Header.Set("Authorization", "Bearer "+c.config.BearerToken)
	}
	if b := c.config.BasicAuth; b != nil {
		r.SetBasicAuth(b.Username, b.Password)
	}
	return r, nil
}

// unreachable makes an error of a request that got no answer. It names the
// server without what a person may have written into its address.
func (c *client) unreachable(ctx context.Context, err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == context.DeadlineExceeded {
		return &Error{Problem: fmt.Sprintf("no answer within %v", short(c.config.Timeout)), Remedy: tooMuchRemedy, tooMuch: true}
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	u, parseErr := url.Parse(c.config.URL)
	if parseErr != nil {
		return err
	}
	remedy := "check that the API listens there and can be reached from here"
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		remedy = "name the file of the certificate that signed the server's: ca"
	}
	return &Error{Problem: fmt.Sprintf("cannot ask %s: %v", u.Host, err), Remedy: remedy}
}

const tooMuchRemedy = "install the recording rules of deploy/prometheus and set recorded: true; of users and hosts, record the query and name its series"

// refusal makes an error of an answer that is one.
func refusal(purpose, address string, response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	var said struct{ Error, ErrorType string }
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		said.Error = strings.TrimSpace(printable(string(body[:min(len(body), 200)])))
	}
	e := &Error{Problem: fmt.Sprintf("the query for %s was refused (%d): %s", purpose, response.StatusCode,
		cmp.Or(printable(said.Error), http.StatusText(response.StatusCode)))}
	switch code := response.StatusCode; {
	case code/100 == 3:
		e.Problem = fmt.Sprintf("the query for %s was redirected (%d)", purpose, code)
		e.Remedy = "write the address that answers itself: credentials are not sent on"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		e.Remedy = "give bearer_token, basic_auth or headers that may read this API"
	case code == http.StatusNotFound:
		u, _ := url.Parse(address)
		e.Remedy = fmt.Sprintf("asked at %s: does the API have a path prefix, such as /prometheus, that url lacks?", u.Path)
	case isTooMuch(said.Error) || code == http.StatusGatewayTimeout:
		e.Remedy, e.tooMuch = tooMuchRemedy, true
	case said.ErrorType == "bad_data":
		e.Remedy = "check the query by hand; it is printed with -o json"
	}
	return e
}

// isTooMuch recognizes the limits of Prometheus, Thanos, Mimir and
// VictoriaMetrics on what one query touches.
func isTooMuch(said string) bool {
	said = strings.ToLower(said)
	for _, words := range []string{
		"too many samples", "timed out", "deadline exceeded", // Prometheus
		"samples limit", "chunks limit", "series limit", // Thanos
		"maximum number of", "max-chunks", "max-fetched", "max-estimated", // Mimir, Cortex
		"maxsamplesperquery", "maxseries", "maxuniquetimeseries", // VictoriaMetrics
	} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// beside notes what the API said beside its answer.
func (c *client) beside(purpose string, a answer) error {
	if a.partial {
		return &Error{Problem: fmt.Sprintf("the answer to the query for %s is partial: a part of the data could not be reached", purpose),
			Remedy: "ask again when all of the API's stores are there", refused: true}
	}
	for _, text := range a.warnings {
		c.doubts = append(c.doubts, Doubt{Kind: "api warning", Text: fmt.Sprintf("the API warns about the query for %s: %s", purpose, printable(text))})
		// PromQL's own warnings are about the query; others say that something
		// could not be read.
		c.partial = c.partial || !strings.HasPrefix(text, "PromQL ")
	}
	for _, text := range a.infos {
		c.doubts = append(c.doubts, Doubt{Kind: "api info", Text: fmt.Sprintf("the API remarks on the query for %s: %s", purpose, printable(text))})
	}
	return nil
}
