package loadgen

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func try(t *testing.T, c Config, target string) (Trial, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if len(c.Requests) == 0 {
		c.Requests = []Request{{Path: "/"}, {Path: "/2"}, {Name: "post", Path: "/3", Body: "x"}}
	}
	return Try(ctx, c, target)
}

func TestTryFine(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/2" {
			time.Sleep(30 * time.Millisecond)
		}
		w.Write([]byte("hello"))
	})
	got, err := try(t, Config{}, s.URL)
	if err != nil || !got.KeepAlive || got.Note != "" || got.Protocol != "HTTP/1.1" || got.Addr != s.Listener.Addr().String() {
		t.Errorf("%+v, %v", got, err)
	}
	if len(got.Quiet) != 3 || got.Quiet["/2"] < 30*time.Millisecond || got.Quiet["post"] <= 0 {
		t.Errorf("quiet latencies %v", got.Quiet)
	}
}

// TestTryKeepAlive: servers that close after every answer, with and without
// saying so, at once and after a moment.
func TestTryKeepAlive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		after        time.Duration
		keep         bool
		note         string
	}{
		{"says so", "Connection: close\r\n", 0, false, "(Connection: close)"},
		{"silent", "", 0, false, "without saying so"},
		{"silent, later", "", 30 * time.Millisecond, false, "without saying so"},
		{"keeps", "", time.Minute, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go answerOnce(l, test.header, test.after)
			got, err := try(t, Config{}, "http://"+l.Addr().String())
			if err != nil || got.KeepAlive != test.keep || !strings.Contains(got.Note, test.note) || (test.note == "") != (got.Note == "") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// answerOnce answers requests, and closes each connection that much after its
// first answer.
func answerOnce(l net.Listener, header string, after time.Duration) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				c.Write([]byte("HTTP/1.1 200 OK\r\n" + header + "Content-Length: 2\r\n\r\nok"))
				if after < time.Second {
					time.Sleep(after)
					return
				}
			}
		}()
	}
}

// TestSilentCloserUnderLoad drives a server that closes after every answer
// without saying so, as preflight says: no failures.
func TestSilentCloserUnderLoad(t *testing.T) { engines(t, testSilentCloserUnderLoad) }

func testSilentCloserUnderLoad(t *testing.T, engine string) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go answerOnce(l, "", 0)
	for _, off := range []bool{true, false} {
		a := attack(t, Config{Engine: engine, Requests: []Request{{Path: "/", Body: "id=1"}}}, "http://"+l.Addr().String(), Options{NoKeepAlive: off})
		if got := fire(t, a, 300, 500*time.Millisecond); got.Done == 0 || got.Failed != 0 {
			t.Errorf("without keep-alive %v: %d of %d failed, %d reconnects: %v", off, got.Failed, got.Done, got.Reconnects, got.Causes)
		}
		a.Close()
	}
}

func TestTryUnexpected(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.Error(w, "no such thing here", 404)
		}
	})
	got, err := try(t, Config{}, s.URL)
	var wrong *Unexpected
	if !errors.As(err, &wrong) || wrong.Status != 404 || wrong.Name != "/2" || !strings.Contains(wrong.Hint(), "404") {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{`"/2"`, `"post"`, "no such thing here", "404 Not Found", "200 to 399"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if len(got.Quiet) != 1 || got.Addr == "" {
		t.Errorf("what was found out is lost: %+v", got)
	}
}

func TestTryDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = try(t, Config{}, "http://"+l.Addr().String())
	if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
	if _, err = try(t, Config{}, "http://name.invalid:80"); err == nil {
		t.Error("a name that does not exist was found")
	}
	for _, odd := range []string{"ftp://127.0.0.1/", "127.0.0.1:80", "http://me:secret@127.0.0.1/"} {
		if _, err = try(t, Config{}, odd); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", odd, err)
		}
	}
}

func TestTryHang(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := try(t, Config{Timeout: 50 * time.Millisecond, Requests: []Request{{Path: "/"}}}, s.URL)
	var wrong *Unexpected
	if !errors.As(err, &wrong) || !errors.Is(err, errTimeout) || wrong.Status != 0 {
		t.Errorf("%v", err)
	}
}

// h2 starts a server that speaks HTTP/2, in clear or over TLS.
func h2(t testing.TB, secure bool, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	if secure {
		s.EnableHTTP2 = true
		s.Config.Protocols.SetHTTP2(true)
		s.StartTLS()
	} else {
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}
