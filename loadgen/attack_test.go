package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attack starts an engine on a server and ends it with the test.
func attack(t testing.TB, c Config, target string, o Options) Loader {
	t.Helper()
	if len(c.Requests) == 0 {
		c.Requests = []Request{{Path: "/"}}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	a, err := New(c, target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// engines runs a test on both engines, where it tests what a Loader promises.
func engines(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range []string{"vegeta", "fast"} {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// serve starts a server and ends it with the test, cutting what hangs.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// sum takes until nothing is outstanding, and adds up.
func sum(t testing.TB, a Loader, patience time.Duration) Answers {
	t.Helper()
	total := a.Take()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		more := a.Take()
		add(&total, more)
		if more.InFlight == 0 {
			add(&total, a.Take())
			return total
		}
		if time.Now().After(end) {
			t.Fatalf("%d hits outstanding after %v", more.InFlight, patience)
		}
	}
}

func add(total *Answers, more Answers) {
	total.include(more)
	total.InFlight = more.InFlight
	total.CPUSeconds += more.CPUSeconds
	if total.Limit == "" {
		total.Limit = more.Limit
	}
}

// fire offers rate for a while, and reads until all has ended.
func fire(t testing.TB, a Loader, rate float64, d time.Duration) Answers {
	t.Helper()
	a.Turn(rate, d)
	time.Sleep(d)
	return sum(t, a, 10*time.Second)
}

// upTo offers rate until so many hits have ended, and reads until all have.
func upTo(t testing.TB, a Loader, rate float64, done uint64) Answers {
	t.Helper()
	a.Turn(rate, time.Minute)
	total := a.Take()
	for end := time.Now().Add(30 * time.Second); total.Done < done && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		add(&total, a.Take())
	}
	a.Turn(0, 0)
	add(&total, sum(t, a, 10*time.Second))
	return total
}

// fairly makes a test's try, and up to two more where one went wrong while the
// generator says that it was itself the limit: then the machine was too busy.
// wrong is for what that can be the cause of, and t.Errorf for all else.
func fairly(t *testing.T, try func(wrong func(format string, args ...any)) Answers) {
	t.Helper()
	for range 3 {
		var all []string
		limit := try(func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }).Limit
		switch {
		case len(all) == 0:
			return
		case limit == "":
			t.Fatal(strings.Join(all, "\n"))
		}
		t.Logf("%s\nbut the generator was the limit: %s", strings.Join(all, "\n"), limit)
	}
	t.Skip("needs a quieter machine")
}

func TestNothingBeforeTurn(t *testing.T) { engines(t, testNothingBeforeTurn) }

func testNothingBeforeTurn(t *testing.T, engine string) {
	var conns atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) { conns.Add(1) }
	a := attack(t, Config{Engine: engine}, s.URL, Options{})
	time.Sleep(50 * time.Millisecond)
	if n := conns.Load(); n != 0 {
		t.Errorf("%d connections without load", n)
	}
	if got := a.Take(); got.Sent != 0 || got.InFlight != 0 {
		t.Errorf("%+v before the first Turn", got)
	}
}

func TestNamesHeadersBodies(t *testing.T) { engines(t, testNamesHeadersBodies) }

func testNamesHeadersBodies(t *testing.T, engine string) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 64)
		n, _ := r.Body.Read(b)
		mu.Lock()
		defer mu.Unlock()
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Vegeta") || strings.HasPrefix(name, "X-Saturate") {
				t.Errorf("the target was sent %s", name)
			}
		}
		seen[strings.Join([]string{r.Method, r.URL.RequestURI(), string(b[:n]), r.Header.Get("A"), r.Header.Get("B"), r.Host}, " ")]++
	})
	a := attack(t, Config{
		Engine:  engine,
		Headers: map[string]string{"A": "1", "Host": "example.org"},
		Requests: []Request{
			{Name: "feed", Weight: 3, Path: "/feed?page=2"},
			{Name: "seen", Weight: 1, Path: "/seen", Body: "id=1", Headers: map[string]string{"B": "2", "A": "3"}},
		}}, s.URL, Options{})
	got := fire(t, a, 400, time.Second)
	mu.Lock()
	defer mu.Unlock()
	feed, post := seen["GET /feed?page=2  1  example.org"], seen["POST /seen id=1 3 2 example.org"]
	if len(seen) != 2 || uint64(feed) != got.ByName["feed"].Done || uint64(post) != got.ByName["seen"].Done {
		t.Errorf("the target saw %v, counted were %d and %d", seen, got.ByName["feed"].Done, got.ByName["seen"].Done)
	}
	if share := float64(feed) / float64(feed+post); share < .65 || share > .85 {
		t.Errorf("feed is %.2f of the mix, want .75", share)
	}
	if got.Failed != 0 || got.Done != uint64(feed+post) || uint64(got.Latency.TotalCount()) != got.Done {
		t.Errorf("%d done, %d failed, %d latencies", got.Done, got.Failed, got.Latency.TotalCount())
	}
}

func TestUnexpectedStatus(t *testing.T) { engines(t, testUnexpectedStatus) }

func testUnexpectedStatus(t *testing.T, engine string) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(410)
		case "/broken":
			w.WriteHeader(500)
		}
	})
	a := attack(t, Config{Engine: engine, Requests: []Request{
		{Path: "/"}, {Path: "/broken"}, {Path: "/gone", Expect: []int{404, 410}}, {Name: "strict", Path: "/?", Expect: []int{201}},
	}}, s.URL, Options{})
	got := fire(t, a, 200, time.Second)
	for name, fails := range map[string]bool{"/": false, "/broken": true, "/gone": false, "strict": true} {
		n := got.ByName[name]
		if n.Done == 0 || fails && n.Failed != n.Done || !fails && n.Failed != 0 {
			t.Errorf("%s: %d of %d failed", name, n.Failed, n.Done)
		}
	}
	if got.Causes["status 500"] != got.ByName["/broken"].Done || got.Causes["status 200"] != got.ByName["strict"].Done || got.Timeouts != 0 {
		t.Errorf("causes %v", got.Causes)
	}
	if n := uint64(got.Latency.TotalCount()); n != got.Done-got.Failed {
		t.Errorf("%d latencies of %d expected answers", n, got.Done-got.Failed)
	}
}

func TestNoRedirects(t *testing.T) { engines(t, testNoRedirects) }

func testNoRedirects(t *testing.T, engine string) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			elsewhere.Add(1)
		}
		http.Redirect(w, r, other.URL+"/x", http.StatusFound)
	})
	got := fire(t, attack(t, Config{Engine: engine}, s.URL, Options{}), 100, 300*time.Millisecond)
	if got.Done == 0 || got.Failed != 0 || elsewhere.Load() != 0 {
		t.Errorf("%d done, %d failed, %d followed", got.Done, got.Failed, elsewhere.Load())
	}
}

// TestOneAddress: proxies of the environment and further addresses of the name are ignored.
func TestOneAddress(t *testing.T) { engines(t, testOneAddress) }

func testOneAddress(t *testing.T, engine string) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	a := attack(t, Config{Engine: engine}, "http://name.invalid:"+port, Options{Addr: s.Listener.Addr().String()})
	if got := fire(t, a, 100, 200*time.Millisecond); got.Done == 0 || got.Failed != 0 {
		t.Errorf("%d done, %d failed: %v", got.Done, got.Failed, got.Causes)
	}
	// localhost may be ::1 too, where nobody listens.
	a = attack(t, Config{Engine: engine}, "http://localhost:"+port, Options{})
	if got := fire(t, a, 100, 200*time.Millisecond); got.Done == 0 || got.Failed != 0 {
		t.Errorf("localhost: %d done, %d failed: %v", got.Done, got.Failed, got.Causes)
	}
}

func TestTimeouts(t *testing.T) { engines(t, testTimeouts) }

func testTimeouts(t *testing.T, engine string) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	fairly(t, func(wrong func(string, ...any)) Answers {
		a := attack(t, Config{Engine: engine, Timeout: 100 * time.Millisecond}, s.URL, Options{})
		got := fire(t, a, 100, 300*time.Millisecond)
		if got.Timeouts != got.Done || got.Failed != got.Done {
			t.Errorf("%d done, %d failed, %d timeouts: %v", got.Done, got.Failed, got.Timeouts, got.Causes)
		}
		if got.Done == 0 || got.Causes[causeTimeout] != got.Done {
			wrong("%d done: %v", got.Done, got.Causes)
		}
		if got.Reconnects != 0 {
			t.Errorf("%d timeouts were tried again", got.Reconnects)
		}
		return got
	})
}

func TestRefused(t *testing.T) { engines(t, testRefused) }

func testRefused(t *testing.T, engine string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	got := fire(t, attack(t, Config{Engine: engine}, "http://"+l.Addr().String(), Options{}), 100, 200*time.Millisecond)
	if got.Done == 0 || got.Causes["connection refused"] != got.Done || got.Timeouts != 0 {
		t.Errorf("%d done: %v", got.Done, got.Causes)
	}
}

// TestConnectionBound: no more connections than allowed, whatever waits.
func TestConnectionBound(t *testing.T) { engines(t, testConnectionBound) }

func testConnectionBound(t *testing.T, engine string) {
	t.Parallel()
	fairly(t, func(wrong func(string, ...any)) Answers {
		var now, most atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }))
		s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
			switch st {
			case http.StateNew:
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
			case http.StateClosed:
				now.Add(-1)
			}
		}
		s.Start()
		defer s.Close()
		a := attack(t, Config{Engine: engine, Connections: 5, Timeout: 400 * time.Millisecond}, s.URL, Options{})
		defer a.Close()
		got := fire(t, a, 1000, time.Second)
		if n := most.Load(); n != 5 {
			wrong("%d connections, want 5", n)
		}
		if got.Dropped == 0 || got.Unsent > got.Dropped/10 {
			wrong("%d dropped, %d unsent: %v", got.Dropped, got.Unsent, got.Causes)
		}
		if got.Done != got.Sent+got.Dropped || got.Causes[causeRoom] != got.Dropped {
			t.Errorf("%d done, but %d sent and %d dropped: %v", got.Done, got.Sent, got.Dropped, got.Causes)
		}
		// Those that were sent had waited for a connection, nearly until the timeout.
		if late, service := got.Latency.ValueAtQuantile(90), got.Service.ValueAtQuantile(50); late < 300_000 || service > 200_000 {
			wrong("p90 from the intended time %d us, service %d us", late, service)
		}
		return got
	})
}

// TestClosedSilently: a server that closes idle connections without a word
// makes reconnects, not failures; also for requests that have a body.
func TestClosedSilently(t *testing.T) { engines(t, testClosedSilently) }

func testClosedSilently(t *testing.T, engine string) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n, err := r.Body.Read(make([]byte, 8)); n != 4 {
			t.Errorf("a body of %d bytes: %v", n, err)
		}
	}))
	var mu sync.Mutex
	idle := map[net.Conn]bool{}
	s.Config.ConnState = func(c net.Conn, st http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		idle[c] = st == http.StateIdle
		if st == http.StateIdle && len(idle)%2 == 0 {
			go func() { // about when the next request comes
				time.Sleep(5 * time.Millisecond)
				c.Close()
			}()
		}
	}
	s.Start()
	defer s.Close()
	a := attack(t, Config{Engine: engine, Arrivals: "even", Requests: []Request{{Path: "/", Body: "id=1"}}}, s.URL, Options{})
	got := fire(t, a, 200, 700*time.Millisecond)
	if got.Done == 0 || got.Failed != 0 {
		t.Errorf("%d of %d failed: %v", got.Failed, got.Done, got.Causes)
	}
	t.Logf("%d done, %d reconnects", got.Done, got.Reconnects)
}

// deadOnReuse answers the first request of each connection and closes on the
// second, without an answer, once it has read it.
func deadOnReuse(t *testing.T, answers int) (url string) {
	return speak(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		buf := make([]byte, 1<<20)
		for range answers {
			if _, err := c.Read(buf); err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		}
		c.Read(buf)
	})
}

func TestDeadOnReuse(t *testing.T) { engines(t, testDeadOnReuse) }

func testDeadOnReuse(t *testing.T, engine string) {
	t.Parallel()
	url := deadOnReuse(t, 1)
	body := strings.Repeat("x", 100)
	a := attack(t, Config{Engine: engine, Arrivals: "even", Connections: 1, Requests: []Request{{Path: "/", Body: body}}}, url, Options{})
	got := upTo(t, a, 100, 20)
	if got.Failed != 0 || got.Done < 20 || got.Reconnects != got.Done-1 {
		t.Errorf("%d done, %d failed, %d reconnects: want all but the first reconnected: %v", got.Done, got.Failed, got.Reconnects, got.Causes)
	}
}

// TestDeadFresh: a connection that dies at its first request is a failure, and
// not tried a third time.
func TestDeadFresh(t *testing.T) { engines(t, testDeadFresh) }

func testDeadFresh(t *testing.T, engine string) {
	t.Parallel()
	got := fire(t, attack(t, Config{Engine: engine}, deadOnReuse(t, 0), Options{}), 100, 300*time.Millisecond)
	if got.Done == 0 || got.Failed != got.Done || got.Reconnects != 0 || got.Causes["connection closed"]+got.Causes["connection reset"] != got.Done {
		t.Errorf("%d done, %d failed, %d reconnects: %v", got.Done, got.Failed, got.Reconnects, got.Causes)
	}
}

// TestGoneOnReuse: a request that could not be sent again is a failure, and no
// reconnect.
func TestGoneOnReuse(t *testing.T) { engines(t, testGoneOnReuse) }

func testGoneOnReuse(t *testing.T, engine string) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		c.Read(buf)
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		c.Read(buf)
		l.Close()
	}()
	got := upTo(t, attack(t, Config{Engine: engine, Connections: 1}, "http://"+l.Addr().String(), Options{}), 100, 5)
	if got.Done < 5 || got.Reconnects != 0 || got.Causes["connection refused"] != got.Done-1 {
		t.Errorf("%d done, %d reconnects: %v", got.Done, got.Reconnects, got.Causes)
	}
}

// TestDeadMidBody: a reused connection that dies while a large body is being
// written is no failure either.
func TestDeadMidBody(t *testing.T) { engines(t, testDeadMidBody) }

func testDeadMidBody(t *testing.T, engine string) {
	t.Parallel()
	type key struct{}
	var died atomic.Uint64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(key{}).(*atomic.Int64).Add(1) == 1 {
			io.Copy(io.Discard, r.Body)
			return
		}
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			died.Add(1)
			c.Close() // with most of the body unread: a reset
		}
	}))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key{}, new(atomic.Int64))
	}
	s.Start()
	defer s.Close()
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	fairly(t, func(wrong func(string, ...any)) Answers {
		died.Store(0)
		a := attack(t, Config{Engine: engine, Connections: 1, Requests: []Request{{Path: "/", BodyFile: body}}}, s.URL, Options{})
		defer a.Close()
		got := upTo(t, a, 20, 5)
		if got.Done < 5 || got.Failed != 0 || got.Reconnects < got.Done/2 || got.Reconnects != died.Load() {
			wrong("%d done, %d failed, %d reconnects of %d that died: %v", got.Done, got.Failed, got.Reconnects, died.Load(), got.Causes)
		}
		return got
	})
}

func TestNoKeepAlive(t *testing.T) { engines(t, testNoKeepAlive) }

func testNoKeepAlive(t *testing.T, engine string) {
	t.Parallel()
	var conns, said atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Close {
			said.Add(1)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	got := fire(t, attack(t, Config{Engine: engine}, s.URL, Options{NoKeepAlive: true}), 200, 500*time.Millisecond)
	if got.Failed != 0 || uint64(conns.Load()) != got.Done || uint64(said.Load()) != got.Done {
		t.Errorf("%d done, %d failed, over %d connections, %d with Connection: close", got.Done, got.Failed, conns.Load(), said.Load())
	}
}

func TestDialAhead(t *testing.T) { engines(t, testDialAhead) }

func testDialAhead(t *testing.T, engine string) {
	t.Parallel()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	a := attack(t, Config{Engine: engine}, s.URL, Options{DialAhead: 4})
	for end := time.Now().Add(5 * time.Second); conns.Load() < 4 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := conns.Load(); n != 4 {
		t.Fatalf("%d connections ahead, want 4", n)
	}
	if got := fire(t, a, 100, 300*time.Millisecond); got.Failed != 0 || got.Reconnects != 0 || conns.Load() > 4+int64(got.Done)/2 {
		t.Errorf("%d connections for %d hits, %d reconnects", conns.Load(), got.Done, got.Reconnects)
	}
}

// TestTurnTakesEffect: a turn from one hit in a hundred seconds, and to silence.
func TestTurnTakesEffect(t *testing.T) { engines(t, testTurnTakesEffect) }

func testTurnTakesEffect(t *testing.T, engine string) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	a := attack(t, Config{Engine: engine}, s.URL, Options{})
	a.Turn(.01, time.Hour)
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	a.Turn(500, time.Hour)
	time.Sleep(500 * time.Millisecond)
	a.Turn(0, time.Hour)
	halves := time.Since(begin).Seconds() / .5 // a busy machine sleeps longer
	if got := sum(t, a, 5*time.Second); float64(got.Sent+got.Unsent) < 150*halves || float64(got.Sent+got.Unsent) > 350*halves {
		t.Errorf("%d hits in %.2f s at 500/s", got.Sent+got.Unsent, halves/2)
	}
	time.Sleep(100 * time.Millisecond)
	if got := a.Take(); got.Sent+got.Unsent != 0 {
		t.Errorf("%d hits in silence", got.Sent)
	}
}

func TestLeaseExpires(t *testing.T) { engines(t, testLeaseExpires) }

func testLeaseExpires(t *testing.T, engine string) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	fairly(t, func(wrong func(string, ...any)) Answers {
		a := attack(t, Config{Engine: engine, Arrivals: "even"}, s.URL, Options{})
		a.Turn(20, 545*time.Millisecond)
		time.Sleep(900 * time.Millisecond)
		got := sum(t, a, 5*time.Second)
		if n := got.Sent + got.Unsent; n > 10 {
			t.Errorf("%d hits in a lease of 545 ms at 20/s, want 10", n)
		} else if n < 10 { // the last is given up where the lease has ended first
			wrong("%d hits in a lease of 545 ms at 20/s, want 10", n)
		}
		begin := time.Now()
		a.Turn(200, 200*time.Millisecond)
		time.Sleep(20 * time.Millisecond)
		if more := a.Take(); float64(more.Sent) > 20*max(1, time.Since(begin).Seconds()/.02) {
			t.Errorf("a burst of %d on the new lease", more.Sent)
		}
		return got
	})
}

// TestCloseUnderHang: the load is gone within a second, whatever is under way.
func TestCloseUnderHang(t *testing.T) { engines(t, testCloseUnderHang) }

func testCloseUnderHang(t *testing.T, engine string) {
	before := runtime.NumGoroutine()
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" { // hangs in the body
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("half"))
			w.(http.Flusher).Flush()
		}
		<-hang
	}))
	a, err := New(Config{Engine: engine, Timeout: time.Minute, Requests: []Request{{Path: "/"}, {Path: "/half"}}}, s.URL, Options{Connections: 20})
	if err != nil {
		t.Fatal(err)
	}
	a.Turn(500, time.Hour)
	time.Sleep(300 * time.Millisecond)
	if n := a.Take().InFlight; n < 50 {
		t.Errorf("only %d outstanding before the end", n)
	}
	closed := make(chan error, 1)
	go func() { closed <- a.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Second):
		t.Fatal("not closed within a second")
	}
	if err := a.Close(); err != nil {
		t.Error("second Close:", err)
	}
	a.Turn(100, time.Hour) // must do nothing
	close(hang)
	s.CloseClientConnections()
	s.Close()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
	if got := a.Take(); got.Sent != 0 || got.InFlight != 0 {
		t.Errorf("%d sent, %d outstanding after Close", got.Sent, got.InFlight)
	}
}

func TestOddTurns(t *testing.T) { engines(t, testOddTurns) }

func testOddTurns(t *testing.T, engine string) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	a := attack(t, Config{Engine: engine, Connections: 4}, s.URL, Options{})
	for _, rate := range []float64{-1, 1e6, 1e9, .01, 1e-300, 0} {
		a.Turn(rate, 20*time.Millisecond)
		time.Sleep(20 * time.Millisecond)
	}
	sum(t, a, 10*time.Second)
}
