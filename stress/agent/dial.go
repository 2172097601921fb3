package agent

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"saturate/internal/door"
	"saturate/stress"
	"saturate/stress/probe"
)

const (
	// reachWithin is how long it may take to connect, and firstWithin until the
	// first sample is there.
	reachWithin, firstWithin = 3 * time.Second, 5 * time.Second
	// refusalMost is how much of an answer that is no stream is read, in bytes.
	refusalMost = 8 << 10
)

func newClient(a probe.Agent) (*Client, error) {
	c := &Client{name: "agent " + a.URL, http: &http.Client{
		// What an agent says leads nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	u, err := url.Parse(a.URL)
	if err != nil {
		return nil, &probe.Error{Source: "agent", Err: errors.New("its URL cannot be read"), Remedy: "write https://host:9321"}
	}
	c.name = "agent " + u.Redacted()
	c.url = u.JoinPath("stream").String()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: reachWithin}).DialContext,
		TLSHandshakeTimeout: reachWithin, ResponseHeaderTimeout: firstWithin,
		MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	if u.Scheme == "https" {
		if transport.TLSClientConfig, err = door.Trust(a.CA, a.Cert, a.Key); err != nil {
			return nil, c.broken("check probes.agent of the scenario", err)
		}
	}
	c.http.Transport = transport
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// connect opens a stream and reads its first line. ctx bounds that alone.
func (c *Client) connect(ctx context.Context) (*stream, error) {
	streamCtx, stop := context.WithCancel(c.ctx)
	unhook := context.AfterFunc(ctx, stop)
	late := time.AfterFunc(reachWithin+firstWithin, stop)
	s, err := c.open(streamCtx)
	if err == nil {
		s.stop = stop
		err = s.greet()
	}
	if unhook() && late.Stop() && err == nil {
		return s, nil
	}
	overdue := streamCtx.Err() != nil
	stop()
	if s != nil {
		s.body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case overdue && c.ctx.Err() == nil:
		return nil, c.broken("is it overloaded, or does something between you and it hold the answer back?", fmt.Errorf("no sample within %v", reachWithin+firstWithin))
	}
	return nil, c.explain(err)
}

// open asks for the stream.
func (c *Client) open(ctx context.Context) (*stream, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/x-ndjson") {
		defer answer.Body.Close()
		return nil, refused(answer)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, longestLine)
	return &stream{body: answer.Body, lines: lines}, nil
}

// greet reads the first line.
func (s *stream) greet() error {
	if !s.lines.Scan() {
		return errors.Join(errors.New("the stream ended before the first sample"), s.lines.Err())
	}
	s.at = time.Now()
	l, err := parseLine(s.lines.Bytes())
	switch {
	case err != nil:
		return err
	case l.Hello == nil || l.Hello.Protocol != protocol:
		return hinted("run the same saturate on both machines", errors.New("it speaks another version of the stream than this saturate"))
	}
	s.first = l
	return nil
}

func parseLine(text []byte) (line, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("a line of the stream is not a sample: %w", err)
	}
	if l.Counters == nil {
		l.Counters = make(map[stress.Counter]float64)
	}
	if l.Gauges == nil {
		l.Gauges = make(map[stress.Gauge]float64)
	}
	return l, nil
}

// refused is the error of an answer that is no stream.
func refused(answer *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, refusalMost))
	var r refusal
	if json.Unmarshal(text, &r) == nil && r.Error != "" {
		err := errors.New(r.Error)
		if r.Gone != "" {
			err = &probe.Error{Source: r.Gone, Err: probe.ErrGone}
		}
		return hinted(r.Hint, err)
	}
	said := strings.TrimSpace(string(text[:min(len(text), 200)]))
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return hinted("write its user into the url: https://user:${PASSWORD}@host:9321", errors.New("it asks for a password"))
	case http.StatusBadRequest:
		if strings.Contains(said, "HTTPS server") {
			return hinted("write https:// in probes.agent.url, and name ca, cert and key", errors.New("it speaks TLS"))
		}
	}
	return hinted("is that the port of saturate agent?", fmt.Errorf("no stream but %q: %q", answer.Status, said))
}

func hinted(remedy string, err error) error { return &probe.Error{Err: err, Remedy: remedy} }

// broken is an error of this agent.
func (c *Client) broken(remedy string, err error) error {
	return &probe.Error{Source: c.name, Err: err, Remedy: remedy}
}

// explain gives an error of a connection its remedy.
func (c *Client) explain(err error) error {
	var known *probe.Error
	if errors.As(err, &known) && known.Source == "" {
		return c.broken(known.Remedy, known.Err)
	}
	var visited *url.Error
	if errors.As(err, &visited) {
		err = visited.Err
	}
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	remedy := ""
	switch text := err.Error(); {
	case errors.As(err, &authority):
		remedy = "name the authority that signed the agent's certificate: probes.agent.ca"
	case errors.As(err, &name):
		remedy = "use a name or an address in url that the agent's certificate has"
	case strings.Contains(text, "remote error: tls:"):
		remedy = "the agent does not trust our certificate: its client_ca_file must hold the authority that signed probes.agent.cert"
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		remedy = "write http:// in probes.agent.url; that agent serves plain HTTP"
	case errors.Is(err, syscall.ECONNREFUSED):
		remedy = "is the agent running there? systemctl status saturate-agent; it listens on 127.0.0.1 unless told otherwise"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		remedy = "can this machine reach that port? check addresses and firewalls"
	}
	return c.broken(remedy, err)
}
