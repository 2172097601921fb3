package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeSocket answers like HAProxy's runtime API.
type fakeSocket struct {
	path string
	mu   sync.Mutex
	// asked are the lines that came.
	asked []string
	// answer makes the whole answer to a line.
	answer func(line string) string
}

func listen(t testing.TB, answer func(line string) string) *fakeSocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fakeSocket{path: filepath.Join(dir, "s"), answer: answer}
	l, err := net.Listen("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

func (f *fakeSocket) serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 64<<10)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.asked = append(f.asked, strings.TrimSuffix(string(buf[:n]), "\n"))
	f.mu.Unlock()
	fmt.Fprint(conn, f.answer(string(buf[:n])))
}

func (f *fakeSocket) open(t testing.TB, backend string) Balancer {
	t.Helper()
	b, err := Open(Config{HAProxy: &HAProxy{Socket: f.path, Backend: backend}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// played reads a backend from what a real HAProxy 2.6.12 once answered.
func played(t *testing.T, recording, backend string) (Backend, error) {
	t.Helper()
	f := listen(t, func(string) string { return recorded(t, recording) })
	b, err := f.open(t, backend).Read(t.Context())
	want := []string{fmt.Sprintf("show info float;show cli level;show stat %s 6 -1;show servers state %[1]s", backend)}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	return b, err
}

func TestReadHAProxy(t *testing.T) {
	got, err := played(t, "haproxy-mixed.txt", "be")
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(got.At); age < 0 || age > time.Minute {
		t.Errorf("read at %v", got.At)
	}
	got.At = time.Time{}
	want := Backend{
		Boot: "14052@1795275762.128533", MaxWeight: 256, Algorithm: "roundrobin", Failed: 4,
		Doubts: []string{"no health check: s4, s6"},
		Servers: []Server{
			{Name: "s1", Address: "127.0.0.1:21001", Weight: 100, Initial: 100, MaxConns: 16, Status: Up, Detail: "UP",
				Requests: 50, Failed: 4, InFlight: 6, Response: time.Millisecond},
			{Name: "s2", Address: "127.0.0.1:21002", Weight: 100, Initial: 100, Status: Drain, Detail: "DRAIN"},
			{Name: "s3", Address: "127.0.0.1:21003", Weight: 50, Initial: 50, Status: Down, Detail: "DOWN"},
			{Name: "s4", Address: "127.0.0.1:21002", Status: Up, Detail: "no check"},
			{Name: "s5", Address: "127.0.0.1:21002", Weight: 10, Initial: 10, Status: Maintenance, Detail: "MAINT"},
			{Name: "s6", Address: "127.0.0.1:21002", Weight: 10, Initial: 10, Status: Up, Detail: "no check", Backup: true},
			{Name: "s7", Address: "127.0.0.1:21002", Weight: 1, Initial: 1, Status: Down, Detail: "DOWN"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadHAProxySlowStart has a server in slow start, whose weight in force is
// not the one set, and places of a server-template that have no server.
func TestReadHAProxySlowStart(t *testing.T) {
	b, err := played(t, "haproxy-slowstart.txt", "be")
	if err != nil {
		t.Fatal(err)
	}
	want := []Server{{Name: "s1", Address: "127.0.0.1:21001", Weight: 60, Initial: 100, Status: Unknown, Detail: "UP, slow start at 12%"}}
	if diff := cmp.Diff(want, b.Servers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, doubt := range []string{"leastconn", "cookie SRV", "agent may set the weight too: s1"} {
		if !strings.Contains(strings.Join(b.Doubts, "\n"), doubt) {
			t.Errorf("nothing said of %s: %q", doubt, b.Doubts)
		}
	}
}

func TestReadHAProxyRetries(t *testing.T) {
	b, err := played(t, "haproxy-retry.txt", "retry")
	if err != nil {
		t.Fatal(err)
	}
	if dead := b.Servers[1]; dead.Name != "dead" || dead.Requests != dead.Retried {
		t.Errorf("the server that refused every connection: %+v", dead)
	}
}

func TestHAProxyStatus(t *testing.T) {
	for text, want := range map[string]Status{
		"UP": Up, "UP 1/3": Failing, "no check": Up, "DOWN": Down, "DOWN 1/2": Down, "DOWN (agent)": Down,
		"NOLB": Drain, "NOLB 1/2": Drain, "DRAIN": Drain, "DRAIN (agent)": Drain, "DRAIN 2/3": Drain,
		"MAINT": Maintenance, "MAINT (via be/s3)": Maintenance, "MAINT (resolution)": Maintenance, "": Unknown, "NEW": Unknown,
	} {
		if got := haproxyStatus(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestStatusText(t *testing.T) {
	for want, s := range map[string]Server{
		"up": {Status: Up, Detail: "UP"}, "down": {Status: Down}, "down (DOWN 1/2)": {Status: Down, Detail: "DOWN 1/2"}, "up (no check)": {Status: Up, Detail: "no check"},
	} {
		if got := s.StatusText(); got != want {
			t.Errorf("%s %q is %q, want %q", s.Status, s.Detail, got, want)
		}
	}
}

func TestHAProxyFixed(t *testing.T) {
	for _, c := range []struct{ recording, backend, want string }{
		{"haproxy-mixed.txt", "be", ""},
		{"haproxy-random.txt", "rnd", ""},
		{"haproxy-static.txt", "static", "balance static-rr has fixed weights"},
		{"haproxy-first.txt", "first", "balance first does not look at weights"},
		{"haproxy-tcp.txt", "tcp", "mode tcp"},
		{"haproxy-operator.txt", "be", "has level operator"},
	} {
		b, err := played(t, c.recording, c.backend)
		if err != nil {
			t.Errorf("%s: %v", c.recording, err)
		} else if (c.want == "") != (b.Fixed == "") || !strings.Contains(b.Fixed, c.want) {
			t.Errorf("%s: fixed = %q, want %q", c.recording, b.Fixed, c.want)
		}
	}
	if got := fixed("roundrobin", "http", "4", "admin"); !strings.Contains(got, "4 processes") {
		t.Errorf("with nbproc 4: %q", got)
	}
}

func TestHAProxyHasNoSuchBackend(t *testing.T) {
	if _, err := played(t, "haproxy-nobackend.txt", "nope"); err == nil || !strings.Contains(err.Error(), `it has no backend "nope"`) {
		t.Errorf("error = %v", err)
	}
}

func TestSetWeightsOfHAProxy(t *testing.T) {
	f := listen(t, func(string) string { return "\n\n" })
	b := f.open(t, "be")
	if err := b.SetWeights(t.Context(), map[string]int{"s2": 20, "s1": 0}); err != nil {
		t.Error(err)
	}
	if err := b.(Valve).SetMaxConns(t.Context(), map[string]int{"s1": 16, "s2": 0}); err != nil {
		t.Error(err)
	}
	if err := b.SetWeights(t.Context(), nil); err != nil {
		t.Error(err)
	}
	want := []string{"set weight be/s1 0;set weight be/s2 20", "set maxconn server be/s1 16;set maxconn server be/s2 0"}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestSetManyWeights(t *testing.T) {
	f := listen(t, func(line string) string { return strings.Repeat("\n", 1+strings.Count(line, ";")) })
	many := map[string]int{}
	for i := range 120 {
		many[fmt.Sprint("s", i)] = i
	}
	if err := f.open(t, "be").SetWeights(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if len(f.asked) != 3 || strings.Count(strings.Join(f.asked, ";"), "set weight") != 120 {
		t.Errorf("asked %q", f.asked)
	}
}

// TestHAProxyRefuses has what HAProxy 2.6.12 answers to what it does not do.
func TestHAProxyRefuses(t *testing.T) {
	answers := splitAnswers(recorded(t, "haproxy-errors.txt"))
	// set weight of be/s1 50, be/nope 3, nobe/s1 3, static/s1 50, be/s1 500; bogus
	for i, want := range []string{"", "no such server", "no such server", "fixed weights", "between 0 and 256", "Unknown command"} {
		err := refusal(answers[i])
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("answer %d, %q: error = %v, want %q", i, answers[i], err, want)
		}
	}
	if err := refusal("Permission denied\n"); err == nil || !strings.Contains(err.Error(), `"level admin"`) {
		t.Errorf("permission denied: %v", err)
	}

	f := listen(t, func(string) string { return "\nNo such server.\n\n" })
	err := f.open(t, "be").SetWeights(t.Context(), map[string]int{"s1": 5, "s2": 5})
	if !errors.Is(err, ErrUnknownServer) || !strings.Contains(err.Error(), "be/s2") || strings.Contains(err.Error(), "be/s1") {
		t.Errorf("error = %v", err)
	}
}

func TestHAProxyIsNotAskedFor(t *testing.T) {
	f := listen(t, func(string) string { return "\n" })
	b := f.open(t, "be")
	for name, weight := range map[string]int{"s1;shutdown sessions server be/s2": 1, "s1\n": 1, "s 1": 1, "": 1, "../x": 1, "s1": 257, "s2": -1} {
		if err := b.SetWeights(t.Context(), map[string]int{name: weight}); err == nil {
			t.Errorf("%q at %d was let through", name, weight)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("asked %q", f.asked)
	}
}

func TestHAProxySocketFails(t *testing.T) {
	read := func(b Balancer) error { _, err := b.Read(t.Context()); return err }
	gone, err := Open(Config{HAProxy: &HAProxy{Socket: filepath.Join(t.TempDir(), "none"), Backend: "be"}})
	if err != nil {
		t.Fatal(err) // it need not be there when it is opened
	}
	if err := read(gone); err == nil || !strings.Contains(err.Error(), "does HAProxy run") {
		t.Errorf("no socket: %v", err)
	}
	for _, c := range []struct{ said, want string }{
		{"", "broke off"},
		{"Name: HAProxy\nPid: 1\n\nadmin\n\n# pxname,svname\nbe,s1", "broke off"},
		{"Unknown command.\n\n\n\n\n", "what process it is"},
		{"Pid: 1\nStopping: 1\n\nadmin\n\n\n\n", "is ending"},
		{"Pid: 1\n\nadmin\n\nnonsense\n\n1\n\n", "names of columns"},
		{"Pid: 1\n\nadmin\n\n# pxname,svname,\nbe,s1,\n\n1\n# srv_name\n\n", "no weight of be/s1"},
		{"Pid: 1\n\nadmin\n\n# pxname,svname,\nbe,s1,\n\n1\n# srv_name srv_uweight\ns1 x\n\n", `weight is "x"`},
		{"Pid: 1\n\nadmin\n\n# pxname,svname,\nother,BACKEND,\n\n1\n\n", `no backend "be"`},
		{strings.Repeat("x", maxAnswer+1), "longer than"},
	} {
		if err := read(listen(t, func(string) string { return c.said }).open(t, "be")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error = %v, want %q", c.said, err, c.want)
		}
	}
	release := make(chan struct{})
	defer close(release)
	dumb := listen(t, func(string) string { <-release; return "" })
	if err := read(dumb.open(t, "be")); err == nil || !strings.Contains(err.Error(), "does not answer within 1s") {
		t.Errorf("no answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dumb.open(t, "be").Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestParseHTTPLog(t *testing.T) {
	type times map[string][]time.Duration
	got := times{}
	for line := range strings.Lines(recorded(t, "haproxy-http.log")) {
		if a, ok := parseHTTPLog(strings.TrimSuffix(line, "\n")); ok {
			at := a.backend + "/" + a.server
			got[at] = append(got[at], a.took)
		}
	}
	const ms = time.Millisecond
	want := times{
		"be/s1":    {2001 * ms, 0, 2 * ms, 0, 1503 * ms, 1503 * ms, 1505 * ms, 1502 * ms, 1502 * ms},
		"be/s2":    {0, 0, 0, 3001 * ms},
		"retry/s1": {0, 0, 55 * ms}, // 12 in the queue, 3 connecting, 40 at the server
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadHAProxyLog(t *testing.T) {
	f := listen(t, func(string) string { return recorded(t, "haproxy-mixed.txt") })
	log := filepath.Join(t.TempDir(), "log")
	appendTo(t, log, recorded(t, "haproxy-http.log")) // before it is opened: not counted
	b, err := Open(Config{HAProxy: &HAProxy{Socket: f.path, Backend: "be", Log: log}})
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, recorded(t, "haproxy-http.log"))
	for range 2 { // cumulative
		got, err := b.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]uint64{0: 2, bucketOf(2 * time.Millisecond): 1, bucketOf(1502 * time.Millisecond): 5, bucketOf(2001 * time.Millisecond): 1}
		if diff := cmp.Diff(want, got.Servers[0].Times); diff != "" {
			t.Errorf("s1 (-want +got):\n%s", diff)
		}
		if got.Servers[4].Times == nil || len(got.Servers[4].Times) != 0 {
			t.Errorf("a server that answered nothing: %v, want none of it", got.Servers[4].Times)
		}
	}
	if _, err := Open(Config{HAProxy: &HAProxy{Socket: f.path, Backend: "be", Log: log + "x"}}); err == nil {
		t.Error("a log that is not there was opened")
	}
}

func FuzzHAProxy(f *testing.F) {
	names, err := filepath.Glob("testdata/haproxy-*.txt")
	if err != nil || len(names) == 0 {
		f.Fatal("no recordings", err)
	}
	for _, name := range names {
		f.Add(recorded(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, said string) {
		answers := splitAnswers(said)
		for len(answers) < 4 {
			answers = append(answers, "")
		}
		b, err := parseHAProxy("be", answers[0], answers[1], answers[2], answers[3])
		if err == nil && b.Boot == "" {
			t.Error("a backend of no process")
		}
		for _, s := range b.Servers {
			if s.Status == "" {
				t.Errorf("%+v has no status", s)
			}
		}
	})
}

func FuzzHTTPLog(f *testing.F) {
	for line := range strings.Lines(recorded(f, "haproxy-http.log")) {
		f.Add(strings.TrimSuffix(line, "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		if a, ok := parseHTTPLog(line); ok && (a.server == "" || a.took < 0) {
			t.Errorf("%q: %+v", line, a)
		}
	})
}
