package watchdog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served is a watchdog that answers on its socket, and a client of it.
func served(t *testing.T, f *fake, change func(*Config)) (*life, *Client) {
	t.Helper()
	dir, err := os.MkdirTemp("", "wd") // short: a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := alive(t, f, dir, change)
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	c := DialSocket(w.Socket())
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.close()
	})
	return w, c
}

func TestServed(t *testing.T) {
	f := six()
	w, c := served(t, f, nil)
	info, err := os.Stat(w.Socket())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	ctx := t.Context()
	s, err := c.State(ctx)
	if err != nil || s.Epoch != 0 || len(s.Backend.Servers) != 6 || s.Name != w.Name() {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = c.Begin(ctx, Begin{Holder: "test", Servers: []string{"s9"}})
	if r := code(t, err, BadRequest); r.Remedy != "it has s1, s2, s3, s4, s5, s6" {
		t.Errorf("%+v", r)
	}
	g, err := c.Begin(ctx, Begin{Holder: "test", Servers: []string{"s1"}})
	if err != nil || g.Delay != f.delay {
		t.Fatal(g, err)
	}
	if s, err = c.Push(ctx, Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}}); err != nil || s.Pushed["s1"] != 150 || f.weight("s1") != 150 {
		t.Errorf("%+v, %v", s, err)
	}
	e, err := Restore(ctx, c, "by hand")
	if err != nil || !e.Restored || e.Why != "by hand" || f.weight("s1") != 100 {
		t.Errorf("%+v, %v", e, err)
	}
	_, err = c.Push(ctx, Push{Epoch: g.Epoch, Lease: time.Second})
	if r := code(t, err, DeadEpoch); r.Ended == nil || r.Ended.Why != "by hand" {
		t.Errorf("%+v", r)
	}
	if d, err := c.End(ctx, End{Epoch: g.Epoch}); err != nil || !d.Restored {
		t.Errorf("%+v, %v", d, err)
	}
}

// What is no request is refused, and the next one is answered.
func TestBadRequests(t *testing.T) {
	f := six()
	w, c := served(t, f, nil)
	send := func(method, path, body string) (int, Refusal) {
		t.Helper()
		r, _ := http.NewRequest(method, "http://watchdog"+path, strings.NewReader(body))
		a, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var said Refusal
		text, _ := io.ReadAll(a.Body)
		json.Unmarshal(text, &said)
		return a.StatusCode, said
	}
	for _, x := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/begin", ``, 400},
		{"POST", "/v1/begin", `{`, 400},
		{"POST", "/v1/begin", `null`, 400},
		{"POST", "/v1/begin", `{"holder":"x","servers":["s1"],"weight":3}`, 400},
		{"POST", "/v1/begin", `{"holder":"x","servers":["s1"]}{}`, 400},
		{"POST", "/v1/begin", `{"holder":"x","servers":["s1"],"caps":{"times":1e999}}`, 400},
		{"POST", "/v1/begin", `{"holder":"` + strings.Repeat("x", 200_000) + `"}`, 400},
		{"POST", "/v1/push", `{"epoch":-1}`, 400},
		{"POST", "/v1/push", `{"epoch":1,"lease":1e30}`, 400},
		{"POST", "/v1/push", `{"epoch":1,"lease":1}`, 410},
		{"POST", "/v1/end", `{"epoch":1}`, 410},
		{"GET", "/v1/push", ``, 405},
		{"GET", "/", ``, 404},
		{"GET", "/v1/state", ``, 200},
	} {
		if got, said := send(x.method, x.path, x.body); got != x.want || x.want == 400 && said.Why == "" {
			t.Errorf("%s %s %.40q: %d, %+v; want %d", x.method, x.path, x.body, got, said, x.want)
		}
	}
	if len(f.sets) != 0 {
		t.Errorf("set: %v", f.sets)
	}

	// Slow ones are let go, and nobody waits for them.
	conn, err := net.Dial("unix", w.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/begin HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"holder\":")
	if _, err := c.State(t.Context()); err != nil {
		t.Error(err)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(answer, "400") {
		t.Errorf("%q, %v", answer, err)
	}
}

// The controller is gone in the middle of its push.
func TestClientGone(t *testing.T) {
	f := six()
	w, c := served(t, f, nil)
	g, err := c.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal(Push{Epoch: g.Epoch, Lease: 300 * time.Millisecond, Weights: map[string]int{"s1": 150}})
	conn, err := net.Dial("unix", w.Socket())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	conn.Close()
	if e := w.idle(); e.Why != "the lease ended" || f.weight("s1") != 100 {
		t.Errorf("%+v, %v", e, f.weights())
	}
}

func TestNobodyThere(t *testing.T) {
	c := DialSocket(filepath.Join(t.TempDir(), "none.sock"))
	_, err := c.State(t.Context())
	var u *Unreachable
	if !errors.As(err, &u) || !strings.Contains(u.Hint(), "saturate watchdog") {
		t.Errorf("%v", err)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "other.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.NotFoundHandler())
	_, err = DialSocket(l.Addr().String()).State(t.Context())
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
}

func TestLongSocket(t *testing.T) {
	_, err := listenSocket("/tmp/" + strings.Repeat("x", 110))
	if r := code(t, err, BadRequest); !strings.Contains(r.Remedy, "--socket") {
		t.Errorf("%+v", r)
	}
	// A run has no such flag, and starts its watchdog in the usual folder.
	c, _ := filesBalancer(t)
	c.Dir = "/tmp/" + strings.Repeat("x", 90)
	_, err = Start(t.Context(), c)
	if r := code(t, err, BadRequest); !strings.Contains(r.Remedy, "XDG_STATE_HOME") || strings.Contains(r.Remedy, "--socket") {
		t.Errorf("%+v", r)
	}
}

func TestRemoteValidate(t *testing.T) {
	good := Remote{URL: "https://lb:9322", CA: "a", Cert: "b", Key: "c"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for url, want := range map[string]int{"": 1, "http://lb:9322": 1, "https://u:p@lb": 1, "https://lb/x": 1, "lb:9322": 1, "https://": 1} {
		err := Remote{URL: url, Cert: "b", Key: "c"}.Validate()
		var all interface{ Unwrap() []error }
		if !errors.As(err, &all) || len(all.Unwrap()) != want {
			t.Errorf("%q: %v", url, err)
		}
	}
	var all interface{ Unwrap() []error }
	if err := (Remote{}).Validate(); !errors.As(err, &all) || len(all.Unwrap()) != 3 {
		t.Errorf("%v", err)
	}
}

// An issuer makes certificates for tests.
type issuer struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, dir: t.TempDir()}
	i.file, _ = i.issue("ca", nil)
	return i
}

func (i *issuer) issue(name string, use []x509.ExtKeyUsage) (cert, key string) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: use,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := i.cert, i.key
	if use == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = c, own
		i.key = own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, signer)
	if err != nil {
		i.t.Fatal(err)
	}
	if use == nil {
		i.cert, _ = x509.ParseCertificate(der)
	}
	secret, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		i.t.Fatal(err)
	}
	write := func(ext, kind string, der []byte) string {
		path := filepath.Join(i.dir, name+ext)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			i.t.Fatal(err)
		}
		return path
	}
	return write(".pem", "CERTIFICATE", der), write(".key", "EC PRIVATE KEY", secret)
}

// From other machines it answers by mutual TLS alone, and not at all where it is
// not told whom to trust.
func TestMutualTLS(t *testing.T) {
	ca, other := newIssuer(t), newIssuer(t)
	cert, key := ca.issue("watchdog", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth})
	mine, mineKey := ca.issue("controller", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})
	theirs, theirsKey := other.issue("stranger", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})
	web := func(more string) string {
		path := filepath.Join(ca.dir, "web.yml")
		text := fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s%s}\n", cert, key, more)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []Config{
		{Listen: "127.0.0.1:0"},
		{Listen: "127.0.0.1:0", WebConfig: "/nowhere"},
		{Listen: "127.0.0.1:0", WebConfig: web("")},
		{Listen: "127.0.0.1:0", WebConfig: web(", client_auth_type: RequireAnyClientCert")},
	} {
		_, err := listenTLS(c)
		if r := code(t, err, BadRequest); r.Remedy == "" {
			t.Errorf("%+v", r)
		}
	}
	for _, auth := range []string{"RequireAndVerifyClientCert", "VerifyClientCertIfGiven"} {
		t.Run(auth, func(t *testing.T) {
			f := six()
			w, _ := served(t, f, func(c *Config) {
				c.Listen, c.WebConfig = "127.0.0.1:0", web(", client_auth_type: "+auth+", client_ca_file: "+ca.file)
			})
			url := "https://" + w.listeners[1].Addr().String()
			c, err := Dial(Remote{URL: url, CA: ca.file, Cert: mine, Key: mineKey})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			g, err := c.Begin(t.Context(), Begin{Holder: "test", Servers: []string{"s1"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Push(t.Context(), Push{Epoch: g.Epoch, Lease: time.Second, Weights: map[string]int{"s1": 150}}); err != nil || f.weight("s1") != 150 {
				t.Error(err)
			}
			stranger, err := Dial(Remote{URL: url, CA: ca.file, Cert: theirs, Key: theirsKey})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stranger.State(t.Context()); err == nil {
				t.Error("a stranger is answered")
			}
			naked := newClient(url, url, newTransport(nil))
			naked.http.Transport.(*http.Transport).TLSClientConfig = c.http.Transport.(*http.Transport).TLSClientConfig.Clone()
			naked.http.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
			if _, err := naked.State(t.Context()); err == nil {
				t.Error("one without a certificate is answered")
			}
			plain, err := http.Post("http://"+w.listeners[1].Addr().String()+"/v1/begin", "", bytes.NewReader([]byte("{}")))
			if err != nil || plain.StatusCode != http.StatusBadRequest {
				t.Errorf("plain HTTP: %v, %v", plain, err)
			}
		})
	}
}
