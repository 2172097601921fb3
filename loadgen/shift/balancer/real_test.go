package balancer

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// realBalancer skips a test that needs a program which is not asked for, or not
// there.
func realBalancer(t *testing.T, program string) {
	t.Helper()
	if os.Getenv("SATURATE_STACKS") == "" {
		t.Skip("needs SATURATE_STACKS=1: it starts a real " + program)
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: testbed/install installs it", program)
	}
}

// A farm is servers that tell who they are, and count.
type farm struct {
	servers []*httptest.Server
	mu      sync.Mutex
	asked   map[string]int
}

func startFarm(t *testing.T, n int) *farm {
	t.Helper()
	f := &farm{asked: map[string]int{}}
	for i := range n {
		name := fmt.Sprint("s", i+1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/health" {
				return
			}
			f.mu.Lock()
			f.asked[name]++
			f.mu.Unlock()
			switch r.URL.Path {
			case "/slow":
				time.Sleep(300 * time.Millisecond)
			case "/bad":
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprint(w, name)
		}))
		t.Cleanup(s.Close)
		f.servers = append(f.servers, s)
	}
	return f
}

func (f *farm) address(i int) string { return f.servers[i].Listener.Addr().String() }

func (f *farm) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.asked)
}

// freePort is one that nobody has just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// get asks n times over kept-alive connections, and counts what was not 200.
func get(t *testing.T, url string, n int) (failed int) {
	t.Helper()
	for range n {
		r, err := http.Get(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			failed++
			continue
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if r.StatusCode != 200 {
			failed++
		}
	}
	return failed
}

// await tries until it is so; a server that starts needs a moment.
func await(t *testing.T, what string, so func() error) {
	t.Helper()
	var err error
	for range 100 {
		if err = so(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: %v", what, err)
}

func reading(t *testing.T, b Balancer) map[string]Server {
	t.Helper()
	got, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Server{}
	for _, s := range got.Servers {
		by[s.Name] = s
	}
	return by
}

// start runs a program until the test ends; its output goes to a file.
func start(t *testing.T, log string, argv ...string) *exec.Cmd {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", argv[0], shorten(string(text[max(0, len(text)-1000):])))
		}
	})
	return cmd
}

func wantCounts(t *testing.T, what string, before, after map[string]Server, asked map[string]int, names map[string]string) {
	t.Helper()
	for name, who := range names {
		if got := after[name].Requests - before[name].Requests; got != uint64(asked[who]) {
			t.Errorf("%s: %s got %d requests, the balancer counts %d", what, name, asked[who], got)
		}
	}
}

func TestRealHAProxy(t *testing.T) {
	realBalancer(t, "haproxy")
	dir, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	farm, port := startFarm(t, 2), freePort(t)
	socket, log, config := filepath.Join(dir, "s"), filepath.Join(dir, "log"), filepath.Join(dir, "haproxy.cfg")
	appendTo(t, config, fmt.Sprintf(`
global
  stats socket %s mode 600 level admin expose-fd listeners
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend fe
  bind 127.0.0.1:%d
  default_backend be
backend be
  balance roundrobin
  option redispatch 1
  option httpchk GET /health
  server s1 %s weight 100 maxconn 20 check inter 200ms
  server s2 %s weight 100 check inter 200ms
`, socket, port, farm.address(0), farm.address(1)))
	old := start(t, log, "haproxy", "-db", "-f", config)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	b, err := Open(Config{HAProxy: &HAProxy{Socket: socket, Backend: "be", Log: log}})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "HAProxy is up", func() error {
		got, err := b.Read(t.Context())
		if err == nil && (len(got.Servers) != 2 || got.Servers[0].Status != Up || got.Servers[1].Status != Up) {
			err = fmt.Errorf("%+v", got.Servers)
		}
		return err
	})
	first, err := b.Read(t.Context())
	if err != nil || first.Fixed != "" || len(first.Doubts) != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	names := map[string]string{"s1": "s1", "s2": "s2"}

	t.Run("counts every request once", func(t *testing.T) {
		before, asked := reading(t, b), farm.counts()
		if failed := get(t, url, 200) + get(t, url+"/bad", 10); failed != 10 {
			t.Errorf("%d failed", failed)
		}
		after, now := reading(t, b), farm.counts()
		for who := range now {
			now[who] -= asked[who]
		}
		wantCounts(t, "over kept-alive connections", before, after, now, names)
		if got := after["s1"].Failed + after["s2"].Failed; got != 10 {
			t.Errorf("%d failed", got)
		}
		total := uint64(0)
		for _, n := range after["s1"].Times {
			total += n
		}
		if total != after["s1"].Requests {
			t.Errorf("%d answer times of %d requests", total, after["s1"].Requests)
		}
	})

	t.Run("weights share the traffic", func(t *testing.T) {
		for _, weight := range []int{50, 256, 0, 100} {
			if err := b.SetWeights(t.Context(), map[string]int{"s1": weight}); err != nil {
				t.Fatal(err)
			}
			before := reading(t, b)
			get(t, url, 300)
			after := reading(t, b)
			share := float64(after["s1"].Requests-before["s1"].Requests) / 300
			if want := float64(weight) / float64(weight+100); math.Abs(share-want) > .02 || after["s1"].Weight != weight || after["s1"].Initial != 100 {
				t.Errorf("weight %d: %.3f of the traffic, want %.3f; reads back %+v", weight, share, want, after["s1"])
			}
			if after["s1"].Status != Up {
				t.Errorf("weight %d: status %s", weight, after["s1"].Status)
			}
		}
	})

	t.Run("the valve", func(t *testing.T) {
		valve := b.(Valve)
		for _, bound := range []int{7, 0, 20} {
			if err := valve.SetMaxConns(t.Context(), map[string]int{"s1": bound}); err != nil {
				t.Fatal(err)
			}
			if got := reading(t, b)["s1"].MaxConns; got != bound {
				t.Errorf("set %d, reads back %d", bound, got)
			}
		}
	})

	t.Run("what is in flight", func(t *testing.T) {
		var all sync.WaitGroup
		before := reading(t, b)
		for range 8 {
			all.Go(func() { get(t, url+"/slow", 1) })
		}
		await(t, "8 are in flight", func() error {
			now := reading(t, b)
			if n := now["s1"].InFlight + now["s2"].InFlight; n != 8 {
				return fmt.Errorf("%d", n)
			}
			if n := now["s1"].Requests + now["s2"].Requests - before["s1"].Requests - before["s2"].Requests; n != 8 {
				return fmt.Errorf("%d given", n)
			}
			return nil
		})
		all.Wait()
		if now := reading(t, b); now["s1"].InFlight+now["s2"].InFlight != 0 {
			t.Errorf("and then %d", now["s1"].InFlight+now["s2"].InFlight)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		if err := b.SetWeights(t.Context(), map[string]int{"s9": 5}); err == nil || !strings.Contains(err.Error(), "be/s9") {
			t.Error(err)
		}
	})

	t.Run("a reading is quick", func(t *testing.T) {
		times := make([]time.Duration, 50)
		for i := range times {
			begun := time.Now()
			if _, err := b.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			times[i] = time.Since(begun)
		}
		t.Logf("a reading takes %v to %v", slices.Min(times), slices.Max(times))
	})

	t.Run("a server that dies is redispatched", func(t *testing.T) {
		farm.servers[1].Listener.Close()
		farm.servers[1].CloseClientConnections()
		if failed := get(t, url, 30); failed > 1 { // one may have been at the server
			t.Errorf("%d failed", failed)
		}
		await(t, "s2 is down", func() error {
			if s := reading(t, b)["s2"]; s.Status != Down {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	})

	t.Run("a reload is another process", func(t *testing.T) {
		if err := b.SetWeights(t.Context(), map[string]int{"s1": 30}); err != nil {
			t.Fatal(err)
		}
		start(t, filepath.Join(dir, "log2"), "haproxy", "-db", "-f", config, "-x", socket, "-sf", fmt.Sprint(old.Process.Pid))
		await(t, "the new process answers", func() error {
			got, err := b.Read(t.Context())
			if err == nil && got.Boot == first.Boot {
				err = fmt.Errorf("still %s", got.Boot)
			}
			return err
		})
		if got := reading(t, b)["s1"]; got.Weight != 100 || got.Requests != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestRealNginx(t *testing.T) {
	realBalancer(t, "nginx")
	dir := t.TempDir()
	farm, port := startFarm(t, 2), freePort(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	original := fmt.Sprintf("# as found\nserver %s weight=10   max_fails=0;  # one\nserver %s weight=10 max_fails=0;\n", farm.address(0), farm.address(1))
	appendTo(t, in("web.conf"), original)
	appendTo(t, in("nginx.conf"), fmt.Sprintf(`
worker_processes 2;
pid %[1]s/pid;
error_log %[1]s/error.log notice;
events { worker_connections 256; }
http {
  client_body_temp_path %[1]s/t; fastcgi_temp_path %[1]s/t; proxy_temp_path %[1]s/t; uwsgi_temp_path %[1]s/t; scgi_temp_path %[1]s/t;
  log_format saturate escape=json '{"proxy_host":"$proxy_host","upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",'
    '"upstream_response_time":"$upstream_response_time","status":"$status"}';
  access_log %[1]s/access.log saturate;
  upstream web { include %[1]s/web.conf; keepalive 8; }
  server { listen 127.0.0.1:%[2]d; location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, dir, port))
	cmd := start(t, in("stderr"), "nginx", "-c", in("nginx.conf"), "-g", "daemon off;")
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }) // its workers end with it
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	await(t, "nginx is up", func() error {
		r, err := http.Get(url)
		if err == nil {
			r.Body.Close()
		}
		return err
	})
	b, err := Open(Config{Nginx: &Nginx{
		UpstreamFile: in("web.conf"), Upstream: "web", AccessLog: in("access.log"), PIDFile: in("pid"), Config: in("nginx.conf"),
		Reload: []string{"nginx", "-s", "reload", "-c", in("nginx.conf")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	n := b.(*nginx)
	one, two := farm.address(0), farm.address(1)
	names := map[string]string{one: "s1", two: "s2"}
	if got, err := b.Read(t.Context()); err != nil || got.Fixed != "" || len(got.Servers) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}

	t.Run("counts every request once, and weights share the traffic", func(t *testing.T) {
		for _, weight := range []int{10, 30, 10} {
			if err := n.calm().SetWeights(t.Context(), map[string]int{one: weight}); err != nil {
				t.Fatal(err)
			}
			http.DefaultClient.CloseIdleConnections()
			before, asked := reading(t, b), farm.counts()
			get(t, url, 200)
			var after map[string]Server
			await(t, "the log has all", func() error {
				after = reading(t, b)
				if got := after[one].Requests + after[two].Requests - before[one].Requests - before[two].Requests; got != 200 {
					return fmt.Errorf("%d", got)
				}
				return nil
			})
			now := farm.counts()
			for who := range now {
				now[who] -= asked[who]
			}
			wantCounts(t, fmt.Sprintf("weight %d", weight), before, after, now, names)
			share := float64(now["s1"]) / 200
			if want := float64(weight) / float64(weight+10); math.Abs(share-want) > .03 || after[one].Weight != weight {
				t.Errorf("weight %d: %.3f of the traffic, want %.3f; reads back %d", weight, share, want, after[one].Weight)
			}
		}
		if text, err := os.ReadFile(in("web.conf")); err != nil || string(text) != original {
			t.Errorf("put back as\n%s", text)
		}
	})

	t.Run("reloads lose no request", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var users sync.WaitGroup
		var mu sync.Mutex
		asked, failed := 0, 0
		for range 4 {
			users.Go(func() {
				for ctx.Err() == nil {
					f := get(t, url, 1)
					mu.Lock()
					asked++
					failed += f
					mu.Unlock()
				}
			})
		}
		var took []time.Duration
		for weight := 11; weight < 17; weight++ {
			begun := time.Now()
			if err := n.calm().SetWeights(t.Context(), map[string]int{one: weight}); err != nil {
				t.Error(err)
			}
			took = append(took, time.Since(begun))
		}
		if err := n.SetWeights(t.Context(), map[string]int{one: 10}); err != nil {
			t.Error(err)
		}
		cancel()
		users.Wait()
		if failed > 0 {
			t.Errorf("%d of %d requests failed", failed, asked)
		}
		t.Logf("a change takes %v to %v; %d requests meanwhile", slices.Min(took), slices.Max(took), asked)
	})

	t.Run("what nginx refuses is taken back", func(t *testing.T) {
		appendTo(t, in("nginx.conf"), "nonsense;\n")
		err := n.calm().SetWeights(t.Context(), map[string]int{one: 20})
		if err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("error = %v", err)
		}
		if got, err := b.Read(t.Context()); err != nil || got.Fixed != "" || got.Servers[0].Weight != 10 {
			t.Errorf("%+v, %v", got, err)
		}
	})

	t.Run("an edit that nginx was not told of is seen", func(t *testing.T) {
		appendTo(t, in("web.conf"), "# edited\n")
		if got, err := b.Read(t.Context()); err != nil || !strings.Contains(got.Fixed, "not reloaded since") {
			t.Errorf("%+v, %v", got, err)
		}
	})

	t.Run("nginx ends", func(t *testing.T) {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		if _, err := b.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "nginx") {
			t.Errorf("error = %v", err)
		}
	})
}
