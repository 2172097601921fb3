package rivals

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A server is one under load: what it is asked at, and what it counted.
type server struct {
	url      string
	pid      int
	count    func() (requests, connections int64)
	arrivals func() []int64 // nil: it writes none down
}

// arrivals is the memory that a target shares; cmd/target/arrivals.go says what is in it.
type arrivals struct {
	file  *os.File
	words []int64
}

// room for more arrivals than any run makes: 40 s at 400,000/s.
const room = 16 << 20

func newArrivals(t *testing.T) *arrivals {
	fd, err := unix.MemfdCreate("arrivals", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "arrivals")
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(8 * (room + 2)); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(fd, 0, 8*(room+2), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return &arrivals{file, unsafe.Slice((*int64)(unsafe.Pointer(&b[0])), room+2)}
}

func (a *arrivals) count() (requests, connections int64) {
	return atomic.LoadInt64(&a.words[0]), atomic.LoadInt64(&a.words[1])
}

func (a *arrivals) copy() []int64 {
	n, _ := a.count()
	return slices.Clone(a.words[2 : 2+min(n, room)])
}

// target starts the server that writes arrivals down, fresh, and ends it with the test.
func (b *bed) target(t *testing.T, args ...string) server {
	t.Helper()
	return b.serve(t, listen(t, "127.0.0.1:0", nil), b.serverCPU, b.memory, args...)
}

// twoTargets starts two on one address; the kernel deals out connections to them.
func (b *bed) twoTargets(t *testing.T, first, second string) server {
	t.Helper()
	reuse := func(_, _ string, c syscall.RawConn) (err error) {
		if failed := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); failed != nil {
			return failed
		}
		return err
	}
	one := listen(t, "127.0.0.1:0", reuse)
	two := listen(t, one.Addr().String(), reuse)
	other := newArrivals(t)
	s, o := b.serve(t, one, first, b.memory), b.serve(t, two, second, other)
	count := func() (requests, connections int64) {
		r1, c1 := s.count()
		r2, c2 := o.count()
		return r1 + r2, c1 + c2
	}
	return server{s.url, s.pid, count, nil}
}

// listen returns a listening socket of this machine's own.
func listen(t *testing.T, address string, control func(network, address string, c syscall.RawConn) error) *net.TCPListener {
	t.Helper()
	l, err := (&net.ListenConfig{Control: control}).Listen(context.Background(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}

// serve starts a target on a socket, which becomes its own.
func (b *bed) serve(t *testing.T, l *net.TCPListener, cpu string, a *arrivals, args ...string) server {
	t.Helper()
	socket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	a.words[0], a.words[1] = 0, 0
	cmd := exec.Command("taskset", append([]string{"-c", cpu, b.program}, args...)...)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	cmd.ExtraFiles = []*os.File{socket, a.file}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket.Close()
	t.Cleanup(func() { // it ends with its standard input
		in.Close()
		cmd.Wait()
	})
	await(t, addr, func() bool { // the socket listened before it ran
		_, connections := a.count()
		return connections > 0
	})
	return server{"http://" + addr + "/", cmd.Process.Pid, a.count, a.copy}
}

const nginxConf = `daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off; keepalive_requests 1000000000; default_type text/plain;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server {
		listen %s backlog=4096;
		location / { return 200 "Hello, World\n"; }
		location = /status { stub_status; }
	}
}
`

// nginx starts one process of it that answers out of its configuration.
func (b *bed) nginx(t *testing.T) server {
	t.Helper()
	l := listen(t, "127.0.0.1:0", nil)
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, addr), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	cmd := exec.Command("taskset", "-c", b.serverCPU, "nginx", "-e", "stderr", "-p", dir, "-c", conf)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	})
	await(t, addr, func() bool { return true })
	url := "http://" + addr + "/"
	var asked int64 // of the status page, each on a connection of its own
	count := func() (requests, connections int64) {
		asked++
		requests, connections = nginxStatus(t, url+"status")
		return requests - asked, connections - asked
	}
	return server{url, cmd.Process.Pid, count, nil}
}

// The second line of nginx's status has the numbers: " accepted handled requests".
var statusLine = regexp.MustCompile(`requests\n (\d+) \d+ (\d+)`)

func nginxStatus(t *testing.T, url string) (requests, connections int64) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	m := statusLine.FindSubmatch(text)
	if m == nil {
		t.Fatalf("nginx's status: %s", text)
	}
	connections, _ = strconv.ParseInt(string(m[1]), 10, 64)
	requests, _ = strconv.ParseInt(string(m[2]), 10, 64)
	return requests, connections
}

// await waits until a server can be connected to and is up, and says nothing to it.
func await(t *testing.T, addr string, up func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for called := false; ; time.Sleep(10 * time.Millisecond) {
		if !called {
			c, err := net.Dial("tcp", addr)
			if called = err == nil; called {
				c.Close()
			}
		}
		if called && up() {
			time.Sleep(50 * time.Millisecond) // until it is idle
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: nobody is there", addr)
		}
	}
}
