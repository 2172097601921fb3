package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"saturate/stress"
	"saturate/stress/probe"
)

// serving starts an agent on a free port of loopback; it ends with the test.
func serving(t testing.TB, c Config) *Agent {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if m := c.Validate(); len(m) > 0 {
		t.Fatal(m)
	}
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- a.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return a
}

func dial(t testing.TB, a probe.Agent) *Client {
	t.Helper()
	c, err := Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// await polls until something is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within five seconds: %s", what)
}

// An authority signs certificates; a test has two, of which one is trusted.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t testing.TB, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.file, _ = a.issue(name, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue writes a certificate and its key; the first is the authority's own.
func (a *authority) issue(name string, change func(*x509.Certificate)) (cert, key string) {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	change(c)
	parent, signer := c, own
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.cert, _ = x509.ParseCertificate(der)
		a.key = own
	}
	secret, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	write(a.t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(a.t, key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
	return cert, key
}

func (a *authority) server() (cert, key string) {
	return a.issue("agent", func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

func (a *authority) client() (cert, key string) {
	return a.issue("controller", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// webFile writes a configuration for the agent's port.
func webFile(t testing.TB, lines ...string) string {
	file := filepath.Join(t.TempDir(), "web.yml")
	write(t, file, "tls_server_config:\n  "+strings.Join(lines, "\n  ")+"\n")
	return file
}

func TestStream(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("open", func(t *testing.T) {
		a := serving(t, Config{Version: "v1", Info: map[string]string{"generation": "g", "isa": runtime.GOARCH}})
		c := dial(t, probe.Agent{URL: a.URL()})
		c.Start()
		var all []stress.Sample
		await(t, "six samples", func() bool { all = append(all, c.Take()...); return len(all) >= 6 })
		for i, s := range all {
			if _, has := s.Counters[stress.CPUSeconds]; !has || s.Gauges[stress.CPULimit] < 1 {
				t.Errorf("sample %d: %v %v", i, s.Counters, s.Gauges)
			}
			if i > 0 && (s.Seq != all[i-1].Seq+1 || s.Boot != all[i-1].Boot || s.At <= all[i-1].At) {
				t.Errorf("sample %d, %d at %v, comes after %d at %v", i, s.Seq, s.At, all[i-1].Seq, all[i-1].At)
			}
		}
		if _, work := stress.Measure(all); work["cpu_seconds"] < 0 {
			t.Errorf("work %v", work)
		}
		if scope := c.Scopes()["cpu_seconds"]; scope != "host" {
			t.Errorf("scope %q", scope)
		}
		if c.Info()["generation"] != "g" || c.Err() != nil || c.Gone() != nil || c.Fresh() > 600*time.Millisecond {
			t.Errorf("info %v, err %v, gone %v, fresh %v", c.Info(), c.Err(), c.Gone(), c.Fresh())
		}
		sources := c.Sources()
		if len(sources) == 0 || sources[0].Name != "host" || !sources[0].Required || sources[0].Err != nil || sources[0].Age > 2*time.Second {
			t.Errorf("sources %+v", sources)
		}
		last := all[len(all)-1]
		c.Close()
		await(t, "the sampling to end", func() bool {
			a.streams.mu.Lock()
			defer a.streams.mu.Unlock()
			return !a.streams.running
		})

		// Between streams nothing is read, and who differences samples sees it.
		d := dial(t, probe.Agent{URL: a.URL()})
		next := d.Take()[0]
		if next.Boot != last.Boot || next.Seq <= last.Seq+1 {
			t.Errorf("sample %d %s after a pause comes after %d %s", next.Seq, next.Boot, last.Seq, last.Boot)
		}
		if signals, _ := stress.Measure([]stress.Sample{last, next}); len(signals) > 0 {
			if _, has := signals[stress.CPU]; has {
				t.Error("the gap was bridged")
			}
		}
	})
	await(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

// Two may read at once, and both get everything; the third is told why not.
func TestStreams(t *testing.T) {
	a := serving(t, Config{})
	one, two := dial(t, probe.Agent{URL: a.URL()}), dial(t, probe.Agent{URL: a.URL()})
	_, err := Dial(t.Context(), probe.Agent{URL: a.URL()})
	if err == nil || !strings.Contains(err.Error(), "2 streams are open already") || hintOf(err) == "" {
		t.Errorf("the third: %v", err)
	}
	if a.refused.streams.Load() != 1 {
		t.Errorf("%d refused", a.refused.streams.Load())
	}
	one.Start()
	two.Start()
	var first, second []stress.Sample
	await(t, "samples at both", func() bool {
		first, second = append(first, one.Take()...), append(second, two.Take()...)
		return len(first) > 3 && len(second) > 3
	})
	if a, b := first[len(first)-1], second[len(second)-1]; a.Boot != b.Boot {
		t.Errorf("the streams are of %s and %s", a.Boot, b.Boot)
	}
	one.Close()
	await(t, "room", func() bool { return a.streams.count() == 1 })
	dial(t, probe.Agent{URL: a.URL()})
}

// hintOf is the remedy of an error.
func hintOf(err error) string {
	var known *probe.Error
	if errors.As(err, &known) {
		return known.Hint()
	}
	return ""
}

// Two runs on one target would measure each other: each is told of the other.
func TestTwoFollowers(t *testing.T) {
	a := serving(t, Config{Instructions: []string{off}})
	told := func(c *Client) bool {
		for _, src := range c.Sources() {
			if src.Err != nil && strings.Contains(src.Err.Error(), "somebody else") {
				return !src.Required && strings.Contains(hintOf(src.Err), "another run")
			}
		}
		return false
	}
	first := dial(t, probe.Agent{URL: a.URL()})
	first.Start()
	if told(first) {
		t.Error("told of a second stream before there is one")
	}
	second := dial(t, probe.Agent{URL: a.URL()})
	await(t, "the first to be told", func() bool { return told(first) })
	if !told(second) {
		t.Error("the second is not told of the first")
	}
	for _, c := range []*Client{first, second} {
		c.Close()
	}
	await(t, "the streams to end", func() bool { return a.streams.count() == 0 })
	if told(dial(t, probe.Agent{URL: a.URL()})) {
		t.Error("told of streams that have ended")
	}
}

// A reader that does not read is dropped; the other is not held up by it.
func TestSlowReader(t *testing.T) {
	a := serving(t, Config{})
	if err := a.main.ready(); err != nil {
		t.Fatal(err)
	}
	slow, _ := a.streams.join()
	c := dial(t, probe.Agent{URL: a.URL()})
	c.Start()
	await(t, "the slow one to be dropped", func() bool { return a.streams.count() == 1 })
	n := 0
	for range slow { // closed
		n++
	}
	if n != behind {
		t.Errorf("%d lines had been kept for it", n)
	}
	if c.Fresh() > time.Second || c.Err() != nil {
		t.Errorf("the other's last sample is %v old, %v", c.Fresh(), c.Err())
	}
	a.streams.leave(slow) // again does nothing
}

func TestExposure(t *testing.T) {
	trusted := newAuthority(t, "ca")
	cert, key := trusted.server()
	secure := webFile(t, "cert_file: "+cert, "key_file: "+key)
	for _, tt := range []struct {
		name, listen, file string
		refused            string
	}{
		{"loopback", "127.0.0.1:0", "", ""},
		{"loopback, by TLS", "127.0.0.1:0", secure, ""},
		{"everywhere", "0.0.0.0:0", "", "can be reached from other machines"},
		{"everywhere, by nothing", ":0", "", "can be reached from other machines"},
		{"everywhere, by a file without TLS", ":0", webFile(t), "can be reached from other machines"},
		{"everywhere, by TLS", ":0", secure, ""},
		{"no such file", "127.0.0.1:0", "/no/such/file.yml", "no such file"},
		{"no such key", "127.0.0.1:0", webFile(t, "cert_file: "+cert, "key_file: /no/such.key"), "no such file"},
		{"a mistake in the file", "127.0.0.1:0", webFile(t, "certificate: x"), "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := Open(Config{Listen: tt.listen, WebConfig: tt.file})
			if err == nil {
				a.Close()
			}
			switch {
			case tt.refused == "" && err != nil:
				t.Error(err)
			case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused) || hintOf(err) == ""):
				t.Errorf("%v (hint %q)", err, hintOf(err))
			}
		})
	}
}

// What an agent with TLS shows to whom.
func TestCertificates(t *testing.T) {
	trusted, stranger := newAuthority(t, "ca"), newAuthority(t, "stranger")
	cert, key := trusted.server()
	mine, mineKey := trusted.client()
	theirs, theirsKey := stranger.client()
	pair := []string{"cert_file: " + cert, "key_file: " + key}
	given := serving(t, Config{WebConfig: webFile(t, append(pair, "client_auth_type: VerifyClientCertIfGiven", "client_ca_file: "+trusted.file)...)})
	required := serving(t, Config{WebConfig: webFile(t, append(pair, "client_auth_type: RequireAndVerifyClientCert", "client_ca_file: "+trusted.file)...)})
	anybody := serving(t, Config{WebConfig: webFile(t, append(pair, "client_auth_type: RequireAnyClientCert")...)})
	system := serving(t, Config{WebConfig: webFile(t, append(pair, "client_auth_type: VerifyClientCertIfGiven")...)})
	open := serving(t, Config{WebConfig: webFile(t, pair...)})
	plain := serving(t, Config{})
	https := func(a *Agent, cert, key string) probe.Agent {
		return probe.Agent{URL: a.URL(), CA: trusted.file, Cert: cert, Key: key}
	}
	for _, tt := range []struct {
		name  string
		agent probe.Agent
		want  string // part of the error
		hint  string
	}{
		{"a certificate", https(given, mine, mineKey), "", ""},
		{"a certificate where one must be", https(required, mine, mineKey), "", ""},
		{"none", https(given, "", ""), "show a client certificate", "cert and key"},
		{"none where one must be", https(required, "", ""), "certificate required", "client_ca_file"},
		{"a stranger's", https(given, theirs, theirsKey), "show a client certificate", "client_ca_file"},
		{"a stranger's where one must be", https(required, theirs, theirsKey), "certificate required", "client_ca_file"},
		{"nobody is trusted", https(open, mine, mineKey), "which client certificates to trust", "client_auth_type"},
		{"anybody's is taken", https(anybody, theirs, theirsKey), "which client certificates to trust", "client_auth_type"},
		{"the system's authorities are trusted", https(system, "", ""), "which client certificates to trust", "client_auth_type"},
		{"the agent's authority is unknown", probe.Agent{URL: given.URL(), Cert: mine, Key: mineKey}, "unknown authority", "probes.agent.ca"},
		{"another authority", probe.Agent{URL: given.URL(), CA: stranger.file, Cert: mine, Key: mineKey}, "unknown authority", "probes.agent.ca"},
		{"another name", probe.Agent{URL: strings.Replace(given.URL(), "127.0.0.1", "localhost", 1), CA: trusted.file, Cert: mine, Key: mineKey}, "localhost", "name or an address"},
		{"plain HTTP to TLS", probe.Agent{URL: strings.Replace(given.URL(), "https", "http", 1)}, "it speaks TLS", "https://"},
		{"TLS to plain HTTP", https(&Agent{gate: plain.gate, scheme: "https"}, mine, mineKey), "HTTP response to HTTPS", "http://"},
		{"a file that is no certificate", probe.Agent{URL: given.URL(), CA: mineKey}, "holds no certificate", "probes.agent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Dial(t.Context(), tt.agent)
			if err == nil {
				c.Close()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(hintOf(err), tt.hint)):
				t.Errorf("%v\nhint: %q", err, hintOf(err))
			}
		})
	}
	if n := given.refused.certificates.Load(); n != 2 {
		t.Errorf("%d streams were refused for want of a certificate", n)
	}
	// The page for Prometheus needs what the file says, and no more.
	pool := x509.NewCertPool()
	pool.AddCert(trusted.cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for _, a := range []*Agent{given, open} {
		answer, err := client.Get(a.URL() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "saturate_cpu_seconds_total") || answer.ProtoMajor != 1 {
			t.Errorf("%s %s: %.200s", answer.Proto, answer.Status, text)
		}
	}
	if _, err := client.Get(required.URL() + "/metrics"); err == nil {
		t.Error("a scrape without a certificate, where one must be, was answered")
	}
	var told bool
	for _, note := range open.Notes() {
		told = told || strings.Contains(note.Error(), "no stream will be served")
	}
	if !told {
		t.Errorf("notes: %v", open.Notes())
	}
}
