package loadgen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// childServer names the little server that the test binary is, instead of
// tests, when it starts itself: one whose CPU time and memory are not ours.
const childServer = "SATURATE_TEST_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(childServer); kind != "" {
		if err := beServer(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child starts a server of its own process and returns its URL.
func child(t testing.TB, kind string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childServer+"="+kind)
	cmd.Stderr = os.Stderr
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
	t.Cleanup(func() { // it ends with its standard input
		in.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

// beServer answers requests of one packet until standard input ends: at once
// (fast), one after another in 1 ms each (slow), or not at all in the third
// second of every five (stall): well inside a load that begins a little later.
func beServer(kind string) error {
	if how := strings.Fields(kind); how[0] == "exhaust" {
		return exhaust(how[1], how[2])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	before := func() {}
	var free atomic.Int64
	start := time.Now()
	switch kind {
	case "slow":
		before = func() {
			now := int64(time.Since(start))
			for {
				from := free.Load()
				to := max(from, now) + int64(time.Millisecond)
				if free.CompareAndSwap(from, to) {
					time.Sleep(time.Duration(to - now))
					return
				}
			}
		}
	case "stall":
		before = func() {
			if phase := time.Since(start)%(5*time.Second) - 2*time.Second; phase >= 0 && phase < time.Second {
				time.Sleep(time.Second - phase)
			}
		}
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer1(c, before)
	}
}

func answer1(c net.Conn, before func()) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		before()
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
			return
		}
	}
}
