package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/internal/door"
	"saturate/stress/probe"
)

// TestServeAlone is the agent of TestShowsCost, in a process of its own; it ends
// with its standard input.
func TestServeAlone(t *testing.T) {
	files := os.Getenv("SATURATE_TEST_AGENT")
	if files == "" {
		t.Skip("is started by TestShowsCost")
	}
	runtime.GOMAXPROCS(1) // as saturate agent does
	c := Config{Listen: "127.0.0.1:0"}
	if files != "plain" {
		c.WebConfig = files
	}
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(a.URL())
	if err := a.Serve(ctx); err != nil {
		t.Fatal(err)
	}
}

// alone starts an agent and returns its address and its process.
func alone(t *testing.T, web string) (url string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeAlone$", "-test.v")
	cmd.Env = append(os.Environ(), "SATURATE_TEST_AGENT="+web)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http") {
			return lines.Text(), cmd.Process.Pid
		}
	}
	t.Fatal("the agent does not start")
	return "", 0
}

// spent is the CPU time of a process, from the scheduler's own count of each
// thread: the clock ticks of /proc/PID/stat are too coarse.
func spent(t *testing.T, pid int) time.Duration {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum, ns int64
	for _, file := range tasks {
		text, err := os.ReadFile(file)
		if _, scan := fmt.Sscan(string(text), &ns); err == nil && scan == nil {
			sum += ns
		}
	}
	if sum == 0 {
		t.Skip("the kernel does not count the CPU time of threads (CONFIG_SCHED_INFO)")
	}
	return time.Duration(sum)
}

// crowd opens as many connections as the limit of open files has room for, ten
// thousand at most, says nothing on them, and waits until all are shown out.
func crowd(t *testing.T, address string) (knocked int) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for i := range min(10_000, files.Cur-500) {
		if conn, err := from(fmt.Sprintf("127.0.1.%d", 1+i%250)).Dial("tcp", address); err == nil {
			conns = append(conns, conn)
		}
	}
	time.Sleep(2 * door.Slowest)
	for _, conn := range conns {
		conn.Close()
	}
	return len(conns)
}

// TestShowsCost measures what an agent costs its server, at its real pace.
func TestShowsCost(t *testing.T) {
	if os.Getenv("SATURATE_SHOWS") == "" {
		t.Skip("set SATURATE_SHOWS=1 to measure the agent's cost; it takes two minutes")
	}
	const span = 30 * time.Second
	ca := newAuthority(t, "ca")
	cert, key := ca.server()
	mine, mineKey := ca.client()
	web := webFile(t, "cert_file: "+cert, "key_file: "+key, "client_auth_type: VerifyClientCertIfGiven", "client_ca_file: "+ca.file)
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("%d CPUs, load %s", runtime.NumCPU(), strings.TrimSpace(string(load)))
	t.Logf("%-28s %10s %12s %10s", "", "% of core", "µs each", "RSS KiB")
	show := func(name string, pid int, share, each float64) {
		var rss int
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(status), "VmRSS:"); ok {
			fmt.Sscan(after, &rss)
		}
		t.Logf("%-28s %10.3f %12.0f %10d", name, 100*share, 1e6*each, rss)
	}
	for _, tt := range []struct {
		name, web string
		agent     probe.Agent
	}{
		{"plain", "plain", probe.Agent{}},
		{"TLS", web, probe.Agent{CA: ca.file, Cert: mine, Key: mineKey}},
	} {
		url, pid := alone(t, tt.web)
		tt.agent.URL = url
		c := dial(t, tt.agent)
		c.Start()
		time.Sleep(2 * time.Second)
		before := spent(t, pid)
		c.Take()
		time.Sleep(span)
		streaming := (spent(t, pid) - before).Seconds()
		show("a stream by "+tt.name, pid, streaming/span.Seconds(), streaming/float64(len(c.Take())))
		if tt.web != "plain" {
			before, start := spent(t, pid), time.Now()
			knocked := crowd(t, strings.TrimPrefix(url, "https://"))
			took := time.Since(start)
			crowding := (spent(t, pid) - before).Seconds()
			t.Logf("%d silent connections within %v, and a stream:", knocked, took.Round(time.Millisecond))
			show("", pid, crowding/took.Seconds(), crowding/float64(knocked))
			if c.Fresh() > time.Second {
				t.Errorf("the stream's last sample is %v old", c.Fresh())
			}
			c.Close()
			continue
		}
		c.Close()
		time.Sleep(time.Second)
		const scrapes = 20
		before = spent(t, pid)
		for range scrapes {
			answer, err := http.Get(url + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			time.Sleep(current + 50*time.Millisecond)
		}
		each := (spent(t, pid) - before).Seconds() / scrapes
		show("a scrape every 15 s", pid, each/15, each)
	}
}
