package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// mostBytes bounds a status page: a thousand uWSGI workers need 2 MiB.
const mostBytes = 16 << 20

// A fetcher gets a page: over HTTP, or by connecting and reading to the end.
type fetcher struct {
	address string
	accept  string // HTTP: the media type wanted
	dialer  *dialer
	client  *http.Client // nil: not HTTP
}

// newFetcher takes "http://...", "https://...", "unix:/path" or "host:port".
func newFetcher(address, accept string) *fetcher {
	f := &fetcher{address: address, accept: accept, dialer: new(dialer)}
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		f.client = &http.Client{
			// Neither a proxy from the environment nor a redirect: a probe goes
			// where the scenario says.
			Transport:     &http.Transport{DialContext: f.dialer.dial, MaxIdleConnsPerHost: 1, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return f
}

func (f *fetcher) fetch(ctx context.Context) ([]byte, error) {
	if f.client != nil {
		return f.get(ctx)
	}
	network, address := "tcp", f.address
	if path, found := strings.CutPrefix(address, "unix:"); found {
		network, address = "unix", path
	}
	conn, err := f.dialer.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	return readAll(conn)
}

func (f *fetcher) get(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", f.accept)
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, which the source's name has
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, hinted("open the page with curl: is the path right, and may this address see it?", "answered %s", resp.Status)
	}
	return body, nil
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err == nil && len(b) > mostBytes {
		err = fmt.Errorf("the page is longer than %d MiB", mostBytes>>20)
	}
	return b, err
}

// Close lets go of the connections.
func (f *fetcher) Close() error {
	if f.client != nil {
		f.client.CloseIdleConnections()
	}
	return nil
}

// A dialer resolves a name once: what is watched does not change under way.
type dialer struct {
	mu       sync.Mutex
	resolved string // host and port of the last connection
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	if d.resolved != "" {
		address = d.resolved
	}
	d.mu.Unlock()
	var nd net.Dialer
	conn, err := nd.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		d.mu.Lock()
		d.resolved = conn.RemoteAddr().String()
		d.mu.Unlock()
	}
	return conn, nil
}
