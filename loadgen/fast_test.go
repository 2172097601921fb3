package loadgen

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/loadgen/internal/epoll"
	"saturate/loadgen/internal/socket"
)

// speak starts a server that talks for itself: say is given each connection.
func speak(t testing.TB, network, address string, say func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("cannot listen on %s: %v", address, err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				say(c)
			}()
		}
	}()
	if network == "unix" {
		return "unix://" + address
	}
	return "http://" + l.Addr().String()
}

// answers says the same to every request, in parts.
func answers(parts ...string) func(c net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			for i, part := range parts {
				if i > 0 {
					time.Sleep(time.Millisecond)
				}
				if _, err := io.WriteString(c, part); err != nil {
					return
				}
			}
		}
	}
}

func letters(s string) (parts []string) {
	for _, c := range s {
		parts = append(parts, string(c))
	}
	return parts
}

// TestAnswers puts both engines before servers that answer in all ways that
// there are, good and bad, and wants the same opinion of them.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const ok, get, chunked = "HTTP/1.1 200 OK\r\n", "GET", "Transfer-Encoding: chunked\r\n\r\n"
	once := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := c.Read(make([]byte, 4096)); err == nil {
				io.WriteString(c, text)
			}
		}
	}
	big := strings.Repeat("x", 300_000)
	for _, test := range []struct {
		name, method string
		say          func(net.Conn)
		cause        string // "" for none; the fast engine's after a |, where vegeta's is another
	}{
		{"length", get, answers(ok + "Content-Length: 2\r\n\r\nok"), ""},
		{"letter by letter", get, answers(letters(ok + "Content-Length: 2\r\n\r\nok")...), ""},
		{"chunks", get, answers(ok+chunked+"3;x=y\r\nabc\r\n", "2\r", "\nde\r\n0", "\r\nA: b\r\n\r\n"), ""},
		{"interim", get, answers("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"+ok+"Content-Length: 0\r\n\r\n"), ""},
		{"large", get, answers(ok+"Content-Length: 300000\r\n\r\n", big), ""},
		{"large chunk", get, answers(ok+chunked+"493e0\r\n", big, "\r\n0\r\n\r\n"), ""},
		{"HEAD", "HEAD", answers(ok + "Content-Length: 99\r\n\r\n"), ""},
		{"204", get, answers("HTTP/1.1 204 No Content\r\n\r\n"), ""},
		{"304", get, answers("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), ""},
		{"closes", get, once(ok + "Connection: close\r\nContent-Length: 2\r\n\r\nok"), ""},
		{"closes silently", get, once(ok + "Content-Length: 2\r\n\r\nok"), ""},
		{"until the end", get, once(ok + "\r\nhello"), ""},
		{"1.0", get, once("HTTP/1.0 200 OK\r\n\r\nhello"), ""},
		{"404", get, answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "status 404"},
		{"no answer", get, once(""), "connection closed"},
		{"half a head", get, once(ok + "A: b"), "connection closed|answer cut short"},
		{"half a body", get, once(ok + "Content-Length: 5\r\n\r\nabc"), "answer cut short"},
		{"half a chunk", get, once(ok + chunked + "5\r\nabc"), "answer cut short"},
		{"no HTTP", get, answers("220 mail.example.org ESMTP\r\n"), "malformed answer"},
		{"two lengths", get, answers(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "other error|malformed answer"},
		{"bad chunk", get, answers(ok + chunked + "xyz\r\n"), "answer cut short|malformed answer"},
		{"stray bytes", get, answers(ok + "Content-Length: 1\r\n\r\nabc"), "|malformed answer"},
		{"two answers", get, answers(ok + "Content-Length: 0\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"), "|malformed answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := speak(t, "tcp", "127.0.0.1:0", test.say)
			engines(t, func(t *testing.T, engine string) {
				got := fire(t, attack(t, Config{Engine: engine, Requests: []Request{{Method: test.method, Path: "/"}}}, url, Options{Connections: 4}), 100, 200*time.Millisecond)
				want, fast, two := strings.Cut(test.cause, "|")
				if two && engine == "fast" {
					want = fast
				}
				var causes map[string]uint64
				if want != "" {
					causes = map[string]uint64{want: got.Done}
				}
				if got.Done == 0 || fmt.Sprint(got.Causes) != fmt.Sprint(causes) {
					t.Errorf("%d done, %d failed: %v, want %v", got.Done, got.Failed, got.Causes, causes)
				}
			})
		})
	}
}

// TestPlaces: UNIX sockets and IPv6.
func TestPlaces(t *testing.T) {
	t.Parallel()
	say := answers("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300_000))
	for _, where := range []struct{ network, address string }{
		{"unix", filepath.Join(t.TempDir(), "s")}, {"tcp", "[::1]:0"},
	} {
		t.Run(where.network, func(t *testing.T) {
			url := speak(t, where.network, where.address, say)
			engines(t, func(t *testing.T, engine string) {
				c := Config{Engine: engine, Requests: []Request{{Path: "/"}}}
				if trial, err := try(t, c, url); err != nil || !trial.KeepAlive {
					t.Errorf("%+v, %v", trial, err)
				}
				got := fire(t, attack(t, c, url, Options{DialAhead: 2}), 100, 300*time.Millisecond)
				if got.Done == 0 || got.Failed != 0 {
					t.Errorf("%d done, %d failed: %v", got.Done, got.Failed, got.Causes)
				}
			})
		})
	}
}

// TestSlowReader: a target that reads a large body slowly has it whole.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			var wrong atomic.Int64
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			l, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				buf, n := make([]byte, 256<<10), 0
				for {
					m, err := r.Body.Read(buf)
					if n += m; err != nil {
						break
					}
					time.Sleep(time.Millisecond)
				}
				if n != size {
					wrong.Add(1)
				}
			})}}
			s.Start()
			defer s.Close()
			url := s.URL
			if network == "unix" {
				url = "unix://" + address
			}
			a := attack(t, Config{Engine: "fast", Requests: []Request{{Path: "/", Body: strings.Repeat("x", size)}}}, url, Options{})
			if got := fire(t, a, 20, 500*time.Millisecond); got.Done == 0 || got.Failed != 0 || wrong.Load() != 0 {
				t.Errorf("%d done, %d failed, %d not whole: %v", got.Done, got.Failed, wrong.Load(), got.Causes)
			}
		})
	}
}

// TestEarlyAnswer: a body that is refused before it is read whole is answered all the same.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	url := speak(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		c.Read(make([]byte, 1024))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(20 * time.Millisecond)
	})
	a := attack(t, Config{Engine: "fast", Requests: []Request{{Path: "/", Body: strings.Repeat("x", 8<<20)}}}, url, Options{})
	if got := fire(t, a, 20, 500*time.Millisecond); got.Done == 0 || got.Causes["status 413"] != got.Done {
		t.Errorf("%d done: %v", got.Done, got.Causes)
	}
}

// TestRefusedRests: a target that refuses is not asked for every hit, and found
// again once it is up.
func TestRefusedRests(t *testing.T) {
	fairly(t, func(wrong func(string, ...any)) Answers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		a := attack(t, Config{Engine: "fast"}, "http://"+addr, Options{})
		got := fire(t, a, 2000, 300*time.Millisecond)
		if got.Done < 300 || got.Causes["connection refused"] != got.Done {
			wrong("%d done: %v", got.Done, got.Causes)
		}
		speak(t, "tcp", addr, answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		time.Sleep(2 * longestPause)
		up := fire(t, a, 200, 300*time.Millisecond)
		if up.Done < 20 || up.Failed != 0 {
			wrong("once it is up: %d done, %v", up.Done, up.Causes)
		}
		add(&got, up)
		return got
	})
}

func TestPause(t *testing.T) {
	var p pause
	now := time.Duration(0)
	for range 20 {
		p.begin(now, io.EOF)
		if p.until <= now || p.until-now > longestPause {
			t.Fatalf("at %v a pause until %v", now, p.until)
		}
		now = p.until
	}
	if p.length != longestPause {
		t.Errorf("%v after twenty failures", p.length)
	}
	p.end()
	for range orders { // refused together
		p.begin(now, io.EOF)
	}
	if p.length != shortestPause {
		t.Errorf("%v after one failure of several", p.length)
	}
	if p.end(); p.until != 0 || p.length != 0 {
		t.Errorf("%+v after a success", p)
	}
}

// TestShards: hits of all shards are as even as one's.
func TestShards(t *testing.T) {
	const n, rate = 3, 3000.0
	var parts []schedule
	for i := range n {
		parts = append(parts, part("even", 1, i, n))
	}
	now := time.Duration(0)
	seen := map[time.Duration]int{}
	for _, r := range []float64{rate, 500, 4000} {
		for i := range parts {
			parts[i].turn(now, r/n, time.Hour)
			for _, at := range drain(&parts[i], now, now+time.Second-1, time.Millisecond) {
				seen[at]++
			}
		}
		now += time.Second
	}
	if len(seen) < int(rate+500+4000)-5 || len(seen) > int(rate+500+4000)+5 {
		t.Fatalf("%d hits at times of their own in three seconds", len(seen))
	}
	for i := range int(rate) - 1 {
		want := float64(i+1) / rate * 1e9
		if seen[time.Duration(math.Round(want))]+seen[time.Duration(want)]+seen[time.Duration(want)+1] == 0 {
			t.Fatalf("no hit at %v", time.Duration(want))
		}
	}
}

func TestShardsBound(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) })
	for limit := range 5 * connectionsPerShard {
		if limit%23 != 1 {
			continue
		}
		a := attack(t, Config{Engine: "fast", Connections: Connections(limit)}, s.URL, Options{DialAhead: 3}).(*fastEngine)
		rooms := 0
		for _, s := range a.shards {
			s.mu.Lock()
			rooms += s.queue.room + s.queue.going
			s.mu.Unlock()
		}
		if rooms != limit || len(a.shards) > runtime.GOMAXPROCS(0) || len(a.shards) > 1 && len(a.shards) > limit/connectionsPerShard {
			t.Errorf("%d connections in %d shards, want %d", rooms, len(a.shards), limit)
		}
		a.Close()
	}
}

// TestNoAllocations counts the allocations of the whole process.
func TestNoAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 3 s")
	}
	fairly(t, func(wrong func(string, ...any)) Answers {
		a := attack(t, Config{Engine: "fast", Connections: 20}, child(t, "fast"), Options{})
		defer a.Close()
		hold(t, a, 2000, time.Second)
		var before, after runtime.MemStats
		a.Turn(2000, 2*time.Second)
		time.Sleep(100 * time.Millisecond)
		a.Take()
		runtime.ReadMemStats(&before)
		time.Sleep(1500 * time.Millisecond)
		runtime.ReadMemStats(&after)
		got := a.Take()
		if n := after.Mallocs - before.Mallocs; got.Done < 1000 || n > got.Done/20 {
			wrong("%d allocations in %d hits", n, got.Done)
		}
		return got
	})
}

// still is a shard whose thread does not run, with one hit that has a socket on
// its way to the target.
func still(t *testing.T, c Config, url string) (*shard, dialled) {
	t.Helper()
	c.Requests = []Request{{Path: "/"}}
	c = c.withDefaults()
	w, err := newWire(t.Context(), c, url, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(c, w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newShard(p, newQueue(newSchedule("even", 0), 1, c.Timeout), chooser(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	l := s.spare()
	s.bind(l, hit{})
	s.ordered++
	fd, err := socket.Dial(p.addr)
	return s, dialled{link: l, fd: fd, err: err}
}

// TestTalksFirst: what the target said before it was asked anything is heard.
func TestTalksFirst(t *testing.T) {
	t.Parallel()
	said := make(chan bool)
	url := speak(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		io.WriteString(c, "220 mail.example.org ESMTP\r\n")
		close(said)
		io.Copy(io.Discard, c)
	})
	s, d := still(t, Config{}, url)
	<-said
	time.Sleep(20 * time.Millisecond) // until it has come
	s.dialled(d)
	for _, e := range s.poll.Wait(5 * time.Second) {
		s.handle(e)
	}
	if got := s.tally.take(); got.Causes["malformed answer"] != 1 {
		t.Errorf("%d done: %v", got.Done, got.Causes)
	}
}

// TestLateForConnection: a thread that comes late to its new connection does not
// take the target for one that does not accept.
func TestLateForConnection(t *testing.T) {
	t.Parallel()
	url := speak(t, "tcp", "127.0.0.1:0", answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	s, d := still(t, Config{Timeout: 20 * time.Millisecond}, url)
	time.Sleep(40 * time.Millisecond)
	s.at = s.now()
	s.dialled(d)
	s.expire()
	if got := s.tally.take(); got.Failed != 0 {
		t.Errorf("%v", got.Causes)
	}
}

// TestRests: as long as a pause lasts no connection is asked for.
func TestRests(t *testing.T) {
	t.Parallel()
	s, d := still(t, Config{}, speak(t, "tcp", "127.0.0.1:0", answers("")))
	defer socket.Close(d.fd)
	s.at = s.now()
	s.refused(d.link, unix.ECONNREFUSED)
	for _, test := range []struct {
		at      time.Duration
		ordered int
		refused uint64
	}{{s.at, 0, 2}, {s.pause.until - 1, 0, 1}, {s.pause.until, 1, 0}} {
		s.at = test.at
		l := s.spare()
		s.bind(l, hit{})
		s.dial(l)
		if got := s.tally.take(); len(s.dialler.orders) != test.ordered || got.Causes["connection refused"] != test.refused {
			t.Errorf("%v before the pause ends: %d orders, %v", s.pause.until-s.at, len(s.dialler.orders), got.Causes)
		}
	}
}

// TestSilent: a hit that waits for a connection is not sent once the load is
// gone, although one has become free.
func TestSilent(t *testing.T) {
	t.Parallel()
	s, d := still(t, Config{}, speak(t, "tcp", "127.0.0.1:0", answers("")))
	if err := s.adopt(d.fd); err != nil {
		t.Fatal(err)
	}
	s.tally.take()
	s.at = s.now()
	s.waiting.push(hit{at: s.at, ready: s.at})
	s.launch()
	if got := s.tally.take(); got.Sent != 0 || s.waiting.len() != 0 {
		t.Errorf("%d sent in silence, %d wait", got.Sent, s.waiting.len())
	}
}

// TestStandsStill: a thread that was stopped is noticed, also where answers came
// meanwhile.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	s, d := still(t, Config{}, speak(t, "tcp", "127.0.0.1:0", answers("")))
	defer socket.Close(d.fd)
	s.at, s.nap = s.now()-time.Second, time.Millisecond
	s.round([]epoll.Event{{Of: d.link.token(), What: epoll.Readable}})
	if _, _, stall := s.take(); stall < time.Second-time.Millisecond {
		t.Errorf("stood still for %v, want a second", stall)
	}
	if _, _, stall := s.take(); stall != 0 {
		t.Errorf("%v again", stall)
	}
}

// TestGOMAXPROCS: it is as it was when the engine is gone.
func TestGOMAXPROCS(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	before := runtime.GOMAXPROCS(0)
	a := attack(t, Config{Engine: "fast"}, s.URL, Options{})
	a.Close()
	a.Close()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d, was %d", n, before)
	}
	if _, err := New(Config{Engine: "fast", Requests: []Request{{Path: "/"}}}, "http://127.0.0.1:1", Options{DialAhead: 1}); err == nil {
		t.Error("dialled ahead where nothing listens")
	}
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d after a failure, was %d", n, before)
	}
}

// TestGOMAXPROCSOfMany: nor do engines that come and go at once leave it changed,
// or take each other's addition for CPUs.
func TestGOMAXPROCSOfMany(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	before := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 5 {
				a, err := New(Config{Engine: "fast", Requests: []Request{{Path: "/"}}}, s.URL, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if n := len(a.(*fastEngine).shards); n > before {
					t.Errorf("%d shards on %d CPUs", n, before)
				}
				a.Close()
			}
		})
	}
	all.Wait()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d, was %d", n, before)
	}
}
