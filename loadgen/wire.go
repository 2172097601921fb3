package loadgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// A wire makes connections to one address, and to no other: names are resolved
// once, proxies of the environment and redirects are not followed.
type wire struct {
	network   string // tcp or unix
	addr      string // ip:port, or a path
	url       *url.URL
	timeout   time.Duration
	transport *http.Transport
}

func newWire(ctx context.Context, c Config, target, addr string) (*wire, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	network := "tcp"
	if u.Scheme == "unix" {
		if u.Host != "" || len(u.Path) < 2 || u.RawQuery != "" {
			return nil, fmt.Errorf("target: %s is not of the form unix:///path/of/socket", target)
		}
		network, addr = "unix", u.Path
		u = &url.URL{Scheme: "http", Host: "localhost"}
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("target: %s is not an http or https URL with a host and without a login", u.Redacted())
	}
	if addr == "" {
		if addr, err = resolve(ctx, u, c.Timeout); err != nil {
			return nil, err
		}
	}
	security, err := security(c)
	if err != nil {
		return nil, err
	}
	w := &wire{network: network, addr: addr, url: u, timeout: c.Timeout}
	w.transport = &http.Transport{
		DialContext:        w.dial,
		TLSClientConfig:    security,
		DisableCompression: true, // what the scenario's headers do not ask for is not asked for
		Protocols:          protocols(u.Scheme, c.HTTP2),
	}
	return w, nil
}

func protocols(scheme string, http2 bool) *http.Protocols {
	p := new(http.Protocols)
	switch {
	case http2 && scheme == "http":
		p.SetUnencryptedHTTP2(true)
	case http2:
		p.SetHTTP2(true)
		p.SetHTTP1(true)
	default:
		p.SetHTTP1(true)
	}
	return p
}

func security(c Config) (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: c.Insecure}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate in PEM", c.CA)
		}
	}
	return t, nil
}

// resolve looks the host up and takes its first address that accepts a
// connection, or the first at all where none does.
func resolve(ctx context.Context, u *url.URL, timeout time.Duration) (string, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, u.Hostname())
	if err != nil {
		return "", fmt.Errorf("target: %w", err)
	}
	if len(ips) == 1 {
		return net.JoinHostPort(ips[0].String(), port), nil
	}
	d := net.Dialer{Timeout: timeout}
	for _, ip := range ips {
		addr := net.JoinHostPort(ip.String(), port)
		if c, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return addr, c.Close()
		}
	}
	return net.JoinHostPort(ips[0].String(), port), nil
}

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, w.network, w.addr)
}

// open makes one connection, within the timeout.
func (w *wire) open(ctx context.Context) (*http.ClientConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout, errConnectTimeout)
	defer cancel()
	cc, err := w.transport.NewClientConn(ctx, w.url.Scheme, w.address())
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return cc, err
}

// address is the URL's host with its port; certificates are checked against it.
func (w *wire) address() string {
	port := w.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[w.url.Scheme]
	}
	return net.JoinHostPort(w.url.Hostname(), port)
}

// base is the URL that requests are made for.
func (w *wire) base() string { return w.url.String() }

// keepAlive says whether connections carry more than one request. Where they
// do not, the server is told so.
func (w *wire) keepAlive(on bool) { w.transport.DisableKeepAlives = !on }

var (
	errConnectTimeout = errors.New("timeout while connecting")
	errTimeout        = errors.New("timeout")
)
