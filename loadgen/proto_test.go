package loadgen

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestProtocols(t *testing.T) {
	t.Parallel()
	ca := func(s *httptest.Server) string {
		name := filepath.Join(t.TempDir(), "ca.pem")
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	tests := []struct {
		name   string
		secure bool
		config Config
		want   string
	}{
		{"http/1.1", false, Config{}, "HTTP/1.1"},
		{"h2c", false, Config{HTTP2: true}, "HTTP/2.0"},
		{"https, any certificate", true, Config{Insecure: true}, "HTTP/1.1"},
		{"h2, any certificate", true, Config{Insecure: true, HTTP2: true}, "HTTP/2.0"},
		{"h2, ca", true, Config{CA: "ca", HTTP2: true}, "HTTP/2.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var last atomic.Value
			s := h2(t, test.secure, func(_ http.ResponseWriter, r *http.Request) {
				last.Store(r.Proto)
				time.Sleep(2 * time.Millisecond)
			})
			c := test.config
			if c.CA != "" {
				c.CA = ca(s)
			}
			c.Requests = []Request{{Path: "/"}, {Name: "post", Path: "/", Body: "x"}}
			trial, err := try(t, c, s.URL)
			if err != nil || trial.Protocol != test.want || !trial.KeepAlive {
				t.Fatalf("%+v, %v", trial, err)
			}
			got := fire(t, attack(t, c, s.URL, Options{}), 300, 500*time.Millisecond)
			if got.Done == 0 || got.Failed != 0 || last.Load() != test.want {
				t.Errorf("%d done over %v, %d failed: %v", got.Done, last.Load(), got.Failed, got.Causes)
			}
		})
	}
}

func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	s := h2(t, true, func(http.ResponseWriter, *http.Request) {})
	if _, err := try(t, Config{}, s.URL); err == nil || cause(err) != "certificate not accepted" {
		t.Errorf("%v", err)
	}
	got := fire(t, attack(t, Config{}, s.URL, Options{}), 100, 100*time.Millisecond)
	if got.Done == 0 || got.Causes["certificate not accepted"] != got.Done {
		t.Errorf("%d done: %v", got.Done, got.Causes)
	}
}

func TestHTTP2NotSpoken(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	if _, err := try(t, Config{HTTP2: true, Insecure: true}, s.URL); err == nil || !strings.Contains(err.Error(), "HTTP/1.1") {
		t.Errorf("%v", err)
	}
}

// TestHTTP2Shares: as many connections as allowed, and many requests on each.
func TestHTTP2Shares(t *testing.T) {
	t.Parallel()
	fairly(t, func(wrong func(string, ...any)) Answers {
		var conns atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(100 * time.Millisecond) }))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
			if st == http.StateNew {
				conns.Add(1)
			}
		}
		s.Start()
		defer s.Close()
		a := attack(t, Config{HTTP2: true, Connections: 3}, s.URL, Options{})
		defer a.Close()
		got := fire(t, a, 500, time.Second)
		if n := conns.Load(); n > 3 {
			t.Errorf("%d connections, want 3", n)
		} else if n < 3 {
			wrong("%d connections, want 3", n)
		}
		if got.Failed != 0 || got.Dropped != 0 || got.Latency.ValueAtQuantile(50) > 600_000 {
			wrong("%d done, %d failed, %d dropped, p50 %d us: %v", got.Done, got.Failed, got.Dropped, got.Latency.ValueAtQuantile(50), got.Causes)
		}
		return got
	})
}

// TestSharedConnectionDies: all the requests that shared it share the one that
// comes in its place.
func TestSharedConnectionDies(t *testing.T) {
	t.Parallel()
	s := h2(t, false, func(http.ResponseWriter, *http.Request) {})
	w, err := newWire(t.Context(), Config{HTTP2: true}.withDefaults(), s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{wire: w, limit: 1, share: streams}
	defer p.close()
	var dead *conn
	for range 20 {
		if dead, _, err = p.get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	dead.cc.Close()
	var fresh sync.Map
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c, err := p.replace(t.Context(), dead)
			if err != nil {
				t.Error(err)
				return
			}
			fresh.Store(c, true)
			if n := p.size(); n != 1 {
				t.Errorf("%d connections open, 1 is allowed", n)
			}
		})
	}
	all.Wait()
	n := 0
	fresh.Range(func(c, _ any) bool { n++; return c.(*conn) != dead })
	if n != 1 {
		t.Errorf("%d connections in its place", n)
	}
}

// TestHTTP2GoAway: a server that takes its connections away makes reconnects, not
// failures. A try in which the generator says that it was itself the limit, and
// requests met two such ends, is made again.
func TestHTTP2GoAway(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := h2(t, false, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%20 == 0 {
			w.Header().Set("Connection", "close") // sent as GOAWAY
		}
		time.Sleep(10 * time.Millisecond)
	})
	var got Answers
	for range 3 {
		a := attack(t, Config{HTTP2: true, Connections: 2, Requests: []Request{{Path: "/", Body: "x"}}}, s.URL, Options{})
		got = fire(t, a, 500, time.Second)
		t.Logf("%d done, %d reconnects, %d failed, limit %q", got.Done, got.Reconnects, got.Failed, got.Limit)
		if got.Failed == 0 || got.Limit == "" {
			break
		}
	}
	if got.Done == 0 || got.Failed != 0 {
		t.Errorf("%d of %d failed: %v", got.Failed, got.Done, got.Causes)
	}
}
