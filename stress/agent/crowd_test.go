package agent

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/internal/door"
	"saturate/stress/probe"
)

// from dials out of one of loopback's many addresses.
func from(ip string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 3 * time.Second}
}

// secured is an agent by TLS, and a client's configuration for it.
func secured(t testing.TB) (*Agent, probe.Agent, *tls.Config) {
	ca := newAuthority(t, "ca")
	cert, key := ca.server()
	mine, mineKey := ca.client()
	a := serving(t, Config{WebConfig: webFile(t, "cert_file: "+cert, "key_file: "+key,
		"client_auth_type: VerifyClientCertIfGiven", "client_ca_file: "+ca.file)})
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return a, probe.Agent{URL: a.URL(), CA: ca.file, Cert: mine, Key: mineKey}, &tls.Config{RootCAs: pool}
}

func scrape(t testing.TB, a *Agent, c *tls.Config) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DialContext: from("127.0.0.9").DialContext}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(a.URL() + "/metrics")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", answer.Status, err)
	}
	return string(text)
}

// Ten thousand connections that say nothing, as fast as they can be made: a
// stream goes on, a scrape is answered, and few of them are let in.
func TestCrowd(t *testing.T) {
	crowd := 10_000
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) != nil || files.Cur < 25_000 {
		crowd = int(min(10_000, files.Cur/2-500))
		t.Logf("%d connections: the limit of open files is %d", crowd, files.Cur)
	}
	a, agent, config := secured(t)
	c := dial(t, agent)
	c.Start()
	before := heap()
	worst := time.Duration(0)
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	for i := range crowd {
		conn, err := from(fmt.Sprintf("127.0.1.%d", 1+i%250)).Dial("tcp", a.gate.Addr().String())
		if err != nil {
			continue // turned away while it knocked
		}
		conns = append(conns, conn)
		worst = max(worst, c.Fresh())
		if i%2000 == 0 {
			scrape(t, a, config)
		}
	}
	inside := a.gate.Inside()
	if inside > door.MostGuests {
		t.Errorf("%d are inside", inside)
	}
	t.Logf("%d knocked, %d are inside, %d were turned away; the stream's samples were %v apart at most; the heap grew by %d KiB",
		len(conns), inside, a.gate.TurnedAway(), worst, (int64(heap())-int64(before))>>10)
	if c.Err() != nil || c.Sources()[0].Err != nil {
		t.Errorf("the stream: %v %v", c.Err(), c.Sources()[0].Err)
	}
	text := scrape(t, a, config)
	if !strings.Contains(text, `saturate_agent_refused_total{reason="connection"}`) {
		t.Error("nothing tells of it")
	}
	await(t, "those inside to be shown out", func() bool { return a.gate.Inside() < 5 })
}

// What is no request, or too much of one, is answered with an error or not at
// all, soon; the agent stays.
func TestGarbage(t *testing.T) {
	plain := serving(t, Config{})
	secure, _, config := secured(t)
	for _, tt := range []struct {
		name  string
		agent *Agent
		say   string
		want  string // the beginning of the answer; "" is none
	}{
		{"a huge header", plain, "GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "HTTP/1.1 431"},
		{"a huge path", plain, "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 431"},
		{"many headers", plain, "GET /metrics HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 1<<16) + "\r\n", "HTTP/1.1 431"},
		{"a huge body", plain, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 1<<20), "HTTP/1.1 405"},
		{"a body without an end", plain, "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 405"},
		{"another method", plain, "DELETE /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405"},
		{"another page", plain, "GET /debug/pprof/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404"},
		{"a way out", plain, "GET /metrics/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 30"},
		{"a proxy's request", plain, "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", "HTTP/1.1 40"},
		{"no request", plain, "\x00\x01\x02\r\n\r\n", "HTTP/1.1 400"},
		{"half a request", plain, "GET /metr", ""},
		{"nothing", plain, "", ""},
		{"HTTP/2", plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 4"},
		{"plain HTTP to TLS", secure, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.0 400"},
		{"no handshake", secure, strings.Repeat("\xff", 1<<16), ""},
		{"a handshake that never ends", secure, "\x16\x03\x01", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := from("127.0.0.2").Dial("tcp", tt.agent.gate.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			go io.WriteString(conn, tt.say)
			answer, _ := bufio.NewReader(conn).ReadBytes('\n') // or the connection is closed
			if tt.want == "" && bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
				answer = nil // said or not, it is over
			}
			if !strings.HasPrefix(string(answer), tt.want) || tt.want == "" && bytes.Contains(answer, []byte("HTTP")) {
				t.Errorf("answered %q, want %q", answer, tt.want)
			}
		})
	}
	t.Cleanup(func() {
		scrape(t, plain, nil)
		scrape(t, secure, config)
	})
}
