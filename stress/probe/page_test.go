package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
)

// serve answers every connection with text and closes it, as uWSGI does.
func serve(t *testing.T, network, address, text string) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte(text))
			conn.Close()
		}
	}()
	return ln.Addr().String()
}

func serveHTTP(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func TestUWSGI(t *testing.T) {
	text := sample(t, "uwsgi_io_overload.json")
	socket := filepath.Join(t.TempDir(), "stats")
	serve(t, "unix", socket, text)
	for _, address := range []string{
		serve(t, "tcp", "127.0.0.1:0", text), "unix:" + socket, serveHTTP(t, say(text)),
	} {
		u := newUWSGI(address)
		defer u.Close()
		s := blank()
		if err := u.read(t.Context(), s); err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		same(t, s.Counters, map[stress.Counter]float64{stress.WorkerBusySeconds: 0, stress.ServerRequests: 0, stress.WorkerDeaths: 0})
		same(t, s.Gauges, map[stress.Gauge]float64{
			stress.WorkersBusy: 8, stress.WorkersTotal: 8, stress.AcceptQueue: 129, stress.AcceptQueueLimit: 128,
		})
	}
}

func TestUWSGISlots(t *testing.T) {
	st, err := parseUWSGI([]byte(`{"workers":[
		{"id":1,"status":"busy","cores":[{"in_request":1},{"in_request":0},{"in_request":1}]},
		{"id":2,"status":"cheap","cores":[{"in_request":0}]},
		{"id":3,"status":"idle","cores":[{"in_request":0}]},
		{"id":4,"status":"busy"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if busy, total := st.slots(); busy != 3 || total != 5 {
		t.Errorf("%v of %v slots are busy, want 3 of 5", busy, total)
	}
	for _, text := range []string{"", "HTTP/1.1 400 Bad Request", "{}", `{"workers":[]}`, `{"workers":7}`} {
		if _, err := parseUWSGI([]byte(text)); hint(err) == "" {
			t.Errorf("%q: %v, want a hint", text, err)
		}
	}
}

// TestUWSGICounters follows two workers through their fates.
func TestUWSGICounters(t *testing.T) {
	u := newUWSGI("127.0.0.1:1")
	defer u.Close()
	type w = uwsgiWorker
	one := w{ID: 1, PID: -11, Requests: 100, RunningTime: 5e6}
	two := w{ID: 2, PID: -12, Requests: 90, RunningTime: 4e6}
	look := func(what string, busy, requests, deaths float64) {
		t.Helper()
		u.count(uwsgiStats{Workers: []w{one, two}})
		if u.busySeconds != busy || u.requests != requests || u.deaths != deaths {
			t.Errorf("%s: %v s, %v requests, %v deaths; want %v, %v, %v", what, u.busySeconds, u.requests, u.deaths, busy, requests, deaths)
		}
	}
	look("first", 0, 0, 0)
	one.Requests, one.RunningTime = 200, 7e6
	look("work", 2, 100, 0)
	one.Requests, one.PID = 205, -21 // its own counters go on
	look("max-requests", 2, 105, 0)
	two.Harakiris, two.PID = 1, -22
	look("harakiri", 2, 105, 1)
	one = w{ID: 1, PID: -31, Requests: 1, RunningTime: 1e6}
	two = w{ID: 2, PID: -32, Requests: 2, RunningTime: 2e6}
	look("the server starts anew", 5, 108, 1)
}

// TestUWSGIDeaths has a worker that was killed, one that left, and one that is
// of another machine.
func TestUWSGIDeaths(t *testing.T) {
	master := exec.Command("sh", "-c", "exec 3<&0; sleep 1000 & echo $!; cat <&3 & echo $!; wait")
	in, err := master.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := master.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	var killed, left int
	if _, err := fmt.Fscan(out, &killed, &left); err != nil {
		t.Fatal(err)
	}
	u := newUWSGI("127.0.0.1:1")
	defer u.Close()
	pids := []int{killed, left, os.Getpid()}
	look := func() {
		st := uwsgiStats{PID: master.Process.Pid}
		for id, pid := range pids {
			st.Workers = append(st.Workers, uwsgiWorker{ID: id, PID: pid})
		}
		u.count(st)
	}
	look()
	if n := len(u.exits.fds); n != 2 {
		t.Errorf("%d processes are watched, want the master's 2 children", n)
	}
	unix.Kill(killed, unix.SIGKILL)
	in.Close()
	master.Wait() // it has reaped both
	pids = []int{-1, -2, -3}
	look()
	if u.deaths != 1 {
		var uts unix.Utsname
		unix.Uname(&uts)
		if u.deaths == 0 && !sinceLinux(unix.ByteSliceToString(uts.Release[:]), 6, 15) {
			t.Skip("this kernel does not tell how a process ended")
		}
		t.Errorf("%v deaths, want 1", u.deaths)
	}
	if n := len(u.exits.fds); n != 0 {
		t.Errorf("%d processes are watched after their end", n)
	}
}

func sinceLinux(release string, major, minor int) bool {
	var a, b int
	fmt.Sscanf(release, "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

func TestFPM(t *testing.T) {
	var query string
	page := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		fmt.Fprint(w, sample(t, "fpm_overload.json"))
	})
	f := newFPM(page + "/status?full")
	defer f.Close()
	s := blank()
	if err := f.read(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(query, "json") || strings.Contains(query, "full") {
		t.Errorf("asked for %q", query)
	}
	same(t, s.Counters, map[stress.Counter]float64{stress.ServerRequests: 3193})
	same(t, s.Gauges, map[stress.Gauge]float64{
		stress.WorkersBusy: 8, stress.WorkersTotal: 8, stress.AcceptQueue: 128, stress.AcceptQueueLimit: 128,
	})

	grows := new(fpm)
	for i, tt := range []struct{ total, reached, want float64 }{{4, 0, 0}, {6, 0, 0}, {6, 1, 6}, {3, 1, 6}} {
		if got := grows.workers(fpmStatus{Manager: "dynamic", Total: tt.total, MaxReached: tt.reached}); got != tt.want {
			t.Errorf("%d: a dynamic pool has %v workers, want %v", i, got, tt.want)
		}
	}
	for _, text := range []string{"", "pool: www", "{}", "[]"} {
		if _, err := parseFPM([]byte(text)); hint(err) == "" {
			t.Errorf("%q: %v, want a hint", text, err)
		}
	}
}

func TestNginx(t *testing.T) {
	n := nginx{newFetcher(serveHTTP(t, say(sample(t, "nginx_stub_overload.txt"))), "text/plain")}
	defer n.Close()
	s := blank()
	if err := n.read(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	same(t, s.Counters, map[stress.Counter]float64{nginxRequests: 3873, nginxDropped: 0})
	same(t, s.Gauges, map[stress.Gauge]float64{nginxActive: 22, nginxReading: 0, nginxWriting: 21, nginxWaiting: 1})

	s = blank()
	if err := parseStubStatus(strings.Replace(sample(t, "nginx_stub_overload.txt"), "3609 3609", "3609 3600", 1), s); err != nil || s.Counters[nginxDropped] != 9 {
		t.Errorf("%v dropped (%v), want 9", s.Counters[nginxDropped], err)
	}
	if err := parseStubStatus("<html>404</html>", blank()); hint(err) == "" {
		t.Errorf("%v, want a hint", err)
	}
}

func TestGunicorn(t *testing.T) {
	g, err := listenGunicorn(Gunicorn{Statsd: "127.0.0.1:0", Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	go g.listen()
	contains(t, "hint", hint(g.read(t.Context(), blank())), "--statsd-host 127.0.0.1:")

	conn, err := net.Dial("udp", g.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, datagram := range []string{ // with prefix, sampled, tagged, several lines, and what is not ours
		"web.gunicorn.requests:1|c|@1.0", "web.gunicorn.request.status.200:1|c|@1.0", "web.gunicorn.request.duration:50.5|ms",
		"gunicorn.requests:1|c|@0.5|#env:prod\ngunicorn.request.duration:100|ms|#env:prod\n", "gunicorn.workers:8|g", "junk",
	} {
		fmt.Fprint(conn, datagram)
	}
	want := map[stress.Counter]float64{stress.WorkerBusySeconds: .1505, stress.ServerRequests: 3}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		s := blank()
		if err := g.read(t.Context(), s); (err == nil && s.Counters[stress.WorkerBusySeconds] > .15) || time.Now().After(deadline) {
			same(t, s.Counters, want)
			same(t, s.Gauges, map[stress.Gauge]float64{stress.WorkersTotal: 8})
			return
		}
	}
}

const aPage = `# HELP http_busy Busy threads.
# TYPE http_busy gauge
http_busy{pool="web",host="a"} 3
http_busy{pool="web",host="b"} 4
http_busy{pool="admin",host="a"} 100
http_busy_other 7
# TYPE latency histogram
latency_bucket{le="+Inf"} 9
latency_sum 4.5
latency_count 9
broken NaN
`

func TestMetrics(t *testing.T) {
	m, err := newMetrics(Page{
		URL:      serveHTTP(t, say(aPage)),
		Gauges:   map[string]string{"workers_busy": `http_busy{pool="web"}`, "everybody": "http_busy", "admin": `http_busy{host="a",pool="admin"}`},
		Counters: map[string]string{"worker_busy_seconds": "latency_sum", "server_requests": "latency_count"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := blank()
	if err := m.read(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	same(t, s.Gauges, map[stress.Gauge]float64{stress.WorkersBusy: 7, "everybody": 107, "admin": 100})
	same(t, s.Counters, map[stress.Counter]float64{stress.WorkerBusySeconds: 4.5, stress.ServerRequests: 9})

	for _, none := range []string{"http_busies", `http_busy{pool="none"}`, "broken"} {
		m, err := newMetrics(Page{URL: m.address, Gauges: map[string]string{"x": none, "there": "http_busy_other"}})
		if err != nil {
			t.Fatal(err)
		}
		s := blank()
		if err := m.read(t.Context(), s); err == nil || s.Gauges["there"] != 7 {
			t.Errorf("%s: %v, %v", none, err, s.Gauges)
		}
		m.Close()
	}
	for _, text := range []string{"", "a b", "a{", `a{b="c"} 1`, "a\nb", "a 1", "#a", `a{b=c}`, "1a"} {
		if sel, err := parseSelector(text); err == nil {
			t.Errorf("%q is %+v", text, sel)
		}
	}
}

// TestFetch has what a page may answer instead of itself.
func TestFetch(t *testing.T) {
	page := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case "/long":
			w.Write(make([]byte, mostBytes+1))
		case "/hang":
			<-r.Context().Done()
		}
	})
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	for address, want := range map[string]string{
		page + "/redirect": "302", page + "/forbidden": "403", page + "/long": "longer than 16 MiB",
		page + "/hang": "deadline", hanging.Addr().String(): "", "unix:/nowhere/s": "no such file", "127.0.0.1:1": "refused",
	} {
		ctx := t.Context()
		if strings.HasSuffix(address, "/hang") || address == hanging.Addr().String() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
		}
		f := newFetcher(address, "")
		defer f.Close()
		b, err := f.fetch(ctx)
		if err == nil {
			t.Errorf("%s: %d bytes", address, len(b))
			continue
		}
		contains(t, address, err.Error(), want)
	}
}

func FuzzPages(f *testing.F) {
	// Short ones: go test -fuzz spends its time on making long ones shorter.
	f.Add(`{"sockets":[{"queue":1,"max_queue":9}],"workers":[{"id":1,"pid":7,"status":"busy","requests":3,` +
		`"harakiri_count":0,"running_time":5,"cores":[{"in_request":1}]}]}`)
	f.Add(sample(f, "fpm_idle.json"))
	f.Add(sample(f, "nginx_stub_idle.txt"))
	f.Add(aPage)
	f.Add("web.gunicorn.request.duration:50.5|ms|@0.1|#a:b")
	sel, err := parseSelector(`http_busy{pool="web"}`)
	if err != nil {
		f.Fatal(err)
	}
	m := metrics{gauges: map[stress.Gauge]selector{"x": sel}}
	f.Fuzz(func(t *testing.T, text string) {
		if st, err := parseUWSGI([]byte(text)); err == nil {
			u := newUWSGI("")
			u.count(st)
			u.count(st)
			st.slots()
			u.Close()
			if u.deaths != 0 {
				t.Errorf("%q: the same twice has %v deaths", text, u.deaths)
			}
		}
		parseFPM([]byte(text))
		parseStubStatus(text, blank())
		if v, ok := parseStatsd(text); ok && !(v.rate > 0) {
			t.Errorf("%q: %+v", text, v)
		}
		parseSelector(text)
		if families, err := parseMetrics(m.wanted([]byte(text))); err == nil {
			sel.sum(families)
		}
	})
}
