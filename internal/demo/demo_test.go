package demo

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"saturate/internal/supervise"
)

// beDemo makes the test binary the demo, with the flags that follow it.
const beDemo = "SATURATE_TEST_DEMO"

func TestMain(m *testing.M) {
	supervise.Main()
	if os.Getenv(beDemo) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of what the tests run: a second each
	os.Exit(m.Run())
}

// quick is a server that costs next to nothing.
func quick() Config {
	return Config{Listen: "127.0.0.1:0", Metrics: "127.0.0.1:0", Workers: 4, Backlog: 16, Seed: 1}
}

func open(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// get asks once on a connection of its own.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestProtocol(t *testing.T) {
	const plain, closing = "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 3||ok", "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 3|Connection: close||ok"
	for _, c := range []struct {
		name      string
		keepAlive time.Duration
		packets   []string
		want      string // all that is answered, lines separated by |
		requests  uint64
	}{
		{"get", 0, []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, closing, 1},
		{"health costs nothing", 0, []string{"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"}, closing, 0},
		{"in pieces", 0, []string{"GET / HT", "TP/1.1\r\nHost: a\r", "\n\r", "\n"}, closing, 1},
		{"body at once", 0, []string{"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"}, closing, 1},
		{"body apart", 0, []string{"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\na", "bcd"}, closing, 1},
		{"kept", time.Minute, []string{"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"}, plain + "|" + closing, 2},
		{"body too long", 0, []string{"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabcd"}, "", 0},
		{"no length", 0, []string{"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}, "", 0},
		{"endless header", 0, []string{"GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 20<<10)}, "", 0},
		{"hung up", 0, []string{"GET / HTTP/1.1\r\n"}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := quick()
			config.KeepAlive = c.keepAlive
			s := open(t, config)
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var got []string
			answers := bufio.NewScanner(conn)
			for i, packet := range c.packets {
				if i > 0 && c.keepAlive > 0 { // the next request follows the answer
					for answers.Scan() && answers.Text() != "ok" {
						got = append(got, answers.Text())
					}
					got = append(got, answers.Text())
				} else if i > 0 {
					time.Sleep(5 * time.Millisecond) // likely a packet of its own
				}
				io.WriteString(conn, packet) // the server may have hung up on us
			}
			conn.(*net.TCPConn).CloseWrite()
			for answers.Scan() {
				got = append(got, answers.Text())
			}
			if joined := strings.Join(got, "|"); joined != c.want {
				t.Errorf("answered %q, want %q", joined, c.want)
			}
			eventually(t, "the worker is free", func() bool { return s.Figures().WorkersBusy == 0 })
			if n := s.Figures().Requests; n != c.requests {
				t.Errorf("%d requests counted, want %d", n, c.requests)
			}
		})
	}
}

// The accept queue in front of busy workers is the kernel's, and as long as asked.
func TestWorkersAreSynchronous(t *testing.T) {
	c := quick()
	c.Workers, c.Backlog = 2, 7
	s := open(t, c)
	var idle []net.Conn // connections that send nothing keep a worker each
	defer func() {
		for _, conn := range idle {
			conn.Close()
		}
	}()
	for range 5 {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	queue := func() (now, most uint32) {
		raw, err := s.listener.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			// Of a listener these two are the accept queue and its bound (tcp(7)).
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Error(err)
				return
			}
			now, most = info.Unacked, info.Sacked
		})
		return now, most
	}
	eventually(t, "two connections are served and three wait", func() bool {
		now, most := queue()
		if most != 7 {
			t.Fatalf("the accept queue holds %d, want 7", most)
		}
		return now == 3 && s.Figures().WorkersBusy == 2
	})
}

func TestLoadIsCounted(t *testing.T) {
	c := quick()
	c.CPU, c.Serial, c.CPUCV = 2*time.Millisecond, time.Millisecond, .5
	c.Wait, c.Memory, c.BaseMemory = time.Millisecond, 1, 2
	s := open(t, c)
	before := s.Figures()
	const n = 40
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if status, body := get(t, "http://"+s.Addr()); status != 200 || body != "ok\n" {
				t.Errorf("answered %d %q", status, body)
			}
		})
	}
	all.Wait()
	eventually(t, "all workers are free", func() bool { return s.Figures().WorkersBusy == 0 })
	f := s.Figures()
	if f.Requests != n {
		t.Errorf("%d requests, want %d", f.Requests, n)
	}
	// At the least what was asked for: .5 of variation on 40 draws is 8 % at one sigma.
	if cpu := f.CPUSeconds - before.CPUSeconds; cpu < .6*n*.002 {
		t.Errorf("%.4f CPU seconds for %d requests of 2 ms", cpu, n)
	}
	if f.BusySeconds < .6*n*.003 {
		t.Errorf("%.4f busy seconds for %d requests of 3 ms", f.BusySeconds, n)
	}
	if f.ByteSeconds < .6*n*.003*(1<<20) {
		t.Errorf("%g byte seconds for %d requests of 1 MiB and 3 ms", f.ByteSeconds, n)
	}
}

func TestMetricsPage(t *testing.T) {
	s := open(t, quick())
	for range 3 {
		get(t, "http://"+s.Addr())
	}
	eventually(t, "all workers are free", func() bool { return s.Figures().WorkersBusy == 0 })
	_, body := get(t, "http://"+s.MetricsAddr()+"/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	for name, want := range map[string]float64{"demo_workers": 4, "demo_workers_busy": 0, "demo_memory_held_bytes": 0, "demo_requests_total": 3} {
		f := families[name]
		if f == nil {
			t.Errorf("no %s in\n%s", name, body)
			continue
		}
		if got := f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue(); got != want {
			t.Errorf("%s = %g, want %g", name, got, want)
		}
	}
	for _, name := range []string{"demo_worker_busy_seconds_total", "process_cpu_seconds_total"} {
		if f := families[name]; f == nil || f.Metric[0].GetCounter().GetValue() <= 0 {
			t.Errorf("%s is not a counter above 0", name)
		}
	}
}

func TestNoMetrics(t *testing.T) {
	c := quick()
	c.Metrics = ""
	if got := open(t, c).MetricsAddr(); got != "" {
		t.Errorf("metrics at %q", got)
	}
}

func TestOpenFails(t *testing.T) {
	s := open(t, quick())
	for name, change := range map[string]func(*Config){
		"port taken":         func(c *Config) { c.Listen = s.Addr() },
		"metrics port taken": func(c *Config) { c.Metrics = s.MetricsAddr() },
		"mistaken":           func(c *Config) { c.Workers = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := quick()
			change(&c)
			if s, err := Open(c); err == nil {
				s.Close()
				t.Error("it opened")
			}
		})
	}
}

// The memory limit is a cliff, as the kernel's is.
func TestMemoryLimitKills(t *testing.T) {
	child, addr := startDemo(t, "--workers", "8", "--cpu", "0", "--wait", "10s", "--wait-cv", "0",
		"--memory", "4", "--memory-base", "8", "--memory-limit", "15")
	for range 2 { // the second is one too many
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
	}
	<-child.Done()
	if err := child.Err(); !strings.Contains(err.Error(), "SIGKILL") || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("it ended with %v, want a kill, out of memory", err)
	}
}

func TestMainEndsOnRequest(t *testing.T) {
	child, addr := startDemo(t, "--cpu", "0", "--wait", "0")
	if status, _ := get(t, "http://"+addr); status != 200 {
		t.Errorf("status %d", status)
	}
	if err := unix.Kill(child.PID(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	if err := child.Err(); !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("it ended with %v", err)
	}
}

// startDemo runs the demo as a process of its own, and waits until it listens.
func startDemo(t *testing.T, flags ...string) (child *supervise.Child, addr string) {
	t.Helper()
	child, err := supervise.Start(supervise.Command{
		Args: append([]string{supervise.Self, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"}, flags...),
		Env:  map[string]string{beDemo: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Stop() })
	eventually(t, "the demo says where it listens", func() bool {
		if err := child.Err(); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(child.Output(), "http://")
		first, _, found := strings.Cut(rest, ",")
		addr = first
		return found
	})
	return child, addr
}
