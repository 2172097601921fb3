package main

import (
	"cmp"
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
	within, cancel := context.WithTimeout(ctx, t.Ready.Within)
	defer cancel()
	var gone <-chan struct{}
	if child != nil {
		gone = child.Done()
	}
	for {
		if ask(within) {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("target %s ended before it was ready: %w", t.Name, child.Err())
		case <-within.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return notReady(t, child)
		case <-time.After(poll):
		}
	}
}

// notReady tells what a target that takes too long has printed.
func notReady(t scenarios.Target, child *supervise.Child) error {
	err := fmt.Errorf("target %s was not ready within %v", t.Name, t.Ready.Within)
	if child == nil {
		return hint(err, "raise `ready: {within: ...}`, or see whether the server is up")
	}
	if said := child.Output(); said != "" {
		err = fmt.Errorf("%w; its last lines:\n%s", err, said)
	} else {
		err = fmt.Errorf("%w; it printed nothing", err)
	}
	return hint(err, "raise `ready: {within: ...}`; if the server listens elsewhere, mend `url` or `ready: {path: ...}`")
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
	if base.Scheme == "unix" {
		at = "http://localhost" + t.Ready.Path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, base) }
	}
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
	c, err := dial(ctx, at)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func dial(ctx context.Context, at *url.URL) (net.Conn, error) {
	d := net.Dialer{Timeout: glance}
	if at.Scheme == "unix" {
		return d.DialContext(ctx, "unix", at.Path)
	}
	port := at.Port()
	if port == "" {
		port = at.Scheme // a service name, which the dialler knows
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
}

// where tells a place to listen at: host and port, or a path.
func where(at *url.URL) string { return cmp.Or(at.Host, at.Path) }
