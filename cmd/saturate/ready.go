package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"saturate/internal/supervise"
	"saturate/scenarios"
)

const (
	// poll is how often a server that starts is asked, glance how long it has to
	// answer; one that accepts and does not answer yet is not waited for.
	poll, glance = 50 * time.Millisecond, 2 * time.Second
)

// awaitReady polls the target's ready path, or its port where it has none,
// until it answers. A target that saturate did not start, and that has no ready
// path, is left to the trial.
func (s *session) awaitReady(ctx context.Context, child *supervise.Child) error {
	t := s.target
	if child == nil && t.Ready.Path == "" {
		return nil
	}
	ask, err := readiness(t, s.scenario.Traffic.HTTP2)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.Ready.Within,
		hint(fmt.Errorf("target %s was not ready within %v", t.Name, t.Ready.Within),
			"raise `ready: {within: ...}`, or see what the command prints when it is run by hand"))
	defer cancel()
	var gone <-chan struct{}
	if child != nil {
		gone = child.Done()
	}
	for {
		if ask(ctx) {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("target %s ended before it was ready: %w", t.Name, child.Err())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}

// readiness is the question that a ready target answers. Certificates are not
// checked here: the trial that follows does.
func readiness(t scenarios.Target, http2 bool) (func(context.Context) bool, error) {
	base, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	if t.Ready.Path == "" {
		return func(ctx context.Context) bool { return listens(ctx, base) }, nil
	}
	at := strings.TrimSuffix(t.URL, "/") + t.Ready.Path
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	client := &http.Client{Timeout: glance, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return false
		}
		answer, err := client.Do(req)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode < 400
	}, nil
}

// listens reports whether something accepts connections at the address.
func listens(ctx context.Context, at *url.URL) bool {
	port := at.Port()
	if port == "" {
		port = at.Scheme // a service name, which the dialler knows
	}
	c, err := (&net.Dialer{Timeout: glance}).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
