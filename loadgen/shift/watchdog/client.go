package watchdog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"saturate/internal/door"
)

// Remote is a watchdog on another machine: the watchdog section of a scenario's
// live section.
type Remote struct {
	// URL of the watchdog, https://host:9322.
	URL string `yaml:"url"`
	// CA is the file of the certificate that signed the watchdog's; Cert and Key
	// are the files with which saturate shows who it is. PEM.
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// A Mistake is one thing wrong with a Remote.
type Mistake struct {
	// Field is named as in the YAML: url, ca, cert, key.
	Field string
	// Problem says what is wrong, Hint what to write instead.
	Problem, Hint string
}

func (m *Mistake) Error() string { return m.Field + ": " + m.Problem }

// Validate lists everything that is wrong, joined, each a *Mistake; nil is fine.
func (r Remote) Validate() error {
	var all []error
	u, err := url.Parse(r.URL)
	switch {
	case r.URL == "":
		all = append(all, &Mistake{"url", "is missing", "write https://host:9322, or leave watchdog out: one is started on this machine then"})
	case err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		all = append(all, &Mistake{"url", "is not the URL of a watchdog", "write https://host:9322 and nothing behind it"}) // not echoed: it may hold a password
	}
	for _, f := range []struct{ name, file string }{{"cert", r.Cert}, {"key", r.Key}} {
		if f.file == "" {
			all = append(all, &Mistake{f.name, "is missing", "name the PEM file: a watchdog answers those who show a certificate"})
		}
	}
	return errors.Join(all...)
}

const (
	// reachWithin is how long it may take to connect to a watchdog.
	reachWithin = 3 * time.Second
	// unixHost stands in the URLs of a watchdog on a socket.
	unixHost = "http://watchdog"
)

// A Client speaks with a watchdog. Its methods may be called at the same time;
// their errors are *Refusal, which the watchdog has said, or *Unreachable.
type Client struct {
	name, base string
	http       *http.Client
	pushes     atomic.Uint64
}

// An Unreachable says that a watchdog gave no answer. What was asked for may have
// been done all the same.
type Unreachable struct {
	Watchdog string // its URL, or its socket
	Err      error
	hint     string
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("watchdog %s does not answer: %v", u.Watchdog, u.Err)
}
func (u *Unreachable) Unwrap() error { return u.Err }

// Hint says what to do about it.
func (u *Unreachable) Hint() string { return u.hint }

// Dial is a client of a watchdog on another machine. It does not connect yet.
func Dial(r Remote) (*Client, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	trust, err := door.Trust(r.CA, r.Cert, r.Key)
	if err != nil {
		return nil, fmt.Errorf("watchdog %s: %w", r.URL, err)
	}
	transport := newTransport((&net.Dialer{Timeout: reachWithin}).DialContext)
	transport.TLSClientConfig, transport.TLSHandshakeTimeout = trust, reachWithin
	return newClient(r.URL, strings.TrimRight(r.URL, "/"), transport), nil
}

// DialSocket is a client of a watchdog on this machine. It does not connect yet.
func DialSocket(path string) *Client {
	return newClient(path, unixHost, newTransport(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "unix", path)
	}))
}

func newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	t := &http.Transport{DialContext: dial, MaxResponseHeaderBytes: 16 << 10, DisableCompression: true, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(true)
	return t
}

func newClient(name, base string, t *http.Transport) *Client {
	return &Client{name: name, base: base + "/v1/", http: &http.Client{
		Transport: t, Timeout: answerBy,
		// What a watchdog says leads nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// State is what stands now.
func (c *Client) State(ctx context.Context) (s State, err error) {
	return s, c.ask(ctx, http.MethodGet, "state", nil, &s)
}

// Begin asks for the backend.
func (c *Client) Begin(ctx context.Context, b Begin) (g Begun, err error) {
	return g, c.ask(ctx, http.MethodPost, "begin", b, &g)
}

// Push sets weights for a lease.
func (c *Client) Push(ctx context.Context, p Push) (s State, err error) {
	if n := c.pushes.Add(1); p.Seq == 0 {
		p.Seq = n
	}
	return s, c.ask(ctx, http.MethodPost, "push", p, &s)
}

// End gives the backend back, and waits until it is as found, 10 s at most.
func (c *Client) End(ctx context.Context, e End) (d Ended, err error) {
	return d, c.ask(ctx, http.MethodPost, "end", e, &d)
}

// Close lets the connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) ask(ctx context.Context, method, path string, question, into any) error {
	var body io.Reader = http.NoBody
	if question != nil {
		text, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	a, err := c.http.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, largestAnswer))
	if err != nil {
		return c.explain(err)
	}
	if a.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, into)
	} else {
		refused := &Refusal{}
		if err = json.Unmarshal(text, refused); err == nil && refused.Code != "" {
			return refused
		}
	}
	if err != nil || a.StatusCode != http.StatusOK {
		return &Unreachable{c.name, fmt.Errorf("%s, and not in a watchdog's words: %.100q", a.Status, text), "is that the port of \"saturate watchdog\", and of this version?"}
	}
	return nil
}

// explain gives an error of a connection its remedy.
func (c *Client) explain(err error) error {
	var visited *url.Error
	if errors.As(err, &visited) {
		err = visited.Err
	}
	hint := ""
	switch text := err.Error(); {
	case strings.Contains(text, "certificate signed by unknown authority"):
		hint = "name the authority that signed the watchdog's certificate: live.watchdog.ca"
	case strings.Contains(text, "remote error: tls:"):
		hint = "the watchdog does not trust our certificate: its client_ca_file must hold the authority that signed live.watchdog.cert"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		hint = "does \"saturate watchdog\" run there?"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		hint = "can this machine reach it? check addresses and firewalls"
	}
	return &Unreachable{c.name, err, hint}
}
