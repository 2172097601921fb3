package loadgen

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExhausted runs out of local ports and of file descriptors, in a process
// of its own, and wants it said.
func TestExhausted(t *testing.T) {
	for what, cause := range map[string]string{"ports": causePorts, "files": causeFiles} {
		t.Run(what, func(t *testing.T) {
			engines(t, func(t *testing.T, engine string) {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childServer+"=exhaust "+what+" "+engine)
				if what == "ports" { // a network of its own, with few ports
					if os.Getuid() != 0 {
						t.Skip("needs root for a network namespace")
					}
					cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
				}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if text := string(out); !strings.Contains(text, "limit: ") || strings.Count(text, cause) != 2 {
					t.Errorf("%s", text)
				}
			})
		})
	}
}

// exhaust attacks itself with more connections than it can have.
func exhaust(what, engine string) error {
	if what == "ports" {
		if err := fewPorts(); err != nil {
			return err
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(300 * time.Millisecond) }))
	defer s.Close()
	if what == "files" {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 40, Max: 40}); err != nil {
			return err
		}
	}
	a, err := New(Config{Engine: engine, Connections: 100, Requests: []Request{{Path: "/"}}}.withDefaults(), s.URL, Options{})
	if err != nil {
		return err
	}
	defer a.Close()
	a.Turn(300, time.Minute)
	time.Sleep(700 * time.Millisecond)
	got := a.Take()
	fmt.Printf("limit: %s\ncauses: %v\n", got.Limit, got.Causes)
	return nil
}

// fewPorts brings up the loopback of a fresh network namespace, with ten ports.
func fewPorts() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40009"), 0)
}
