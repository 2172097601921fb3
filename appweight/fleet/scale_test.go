package fleet

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the fake API itself where it is called for: its time and memory
// must not count as ours.
func TestMain(m *testing.M) {
	if os.Getenv("SATURATE_FAKE_API") == "" {
		os.Exit(m.Run())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // until who started us has ended
		os.Exit(0)
	}()
	_ = http.Serve(listener, fake{servers: 100_000, missing: 100})
}

// bigFleet starts an API of 100,000 servers in a process of its own.
func bigFleet(b *testing.B) string {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "SATURATE_FAKE_API=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = c.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address)
}

// BenchmarkRead reads a fleet of 100,000 servers of 64 CPUs in five
// generations, and reports our own CPU seconds and the most memory resident.
func BenchmarkRead(b *testing.B) {
	address := bigFleet(b)
	for _, c := range []struct {
		name   string
		config Config
	}{
		{"agent", Config{}},
		{"agent recorded", Config{Recorded: true}},
		{"node_exporter recorded", Config{Source: NodeExporter, Recorded: true, Info: "saturate_host_info"}},
		{"node_exporter", Config{Source: NodeExporter, Info: "saturate_host_info"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.config.URL, c.config.Users, c.config.Timezone = address, "max(active_users)", "UTC"
			queries := 0
			debug.FreeOSMemory()
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // begin the peak anew
			before := cpuSeconds(b)
			for b.Loop() {
				report, err := Read(context.Background(), c.config, time.Now())
				if err != nil {
					b.Fatal(err)
				}
				queries = len(report.Queries)
				if u := report.Units[0]; u.Refused != "" || math.Abs(u.PerSecond/(100_000*fakePerSecond)-1) > 1e-6 || len(u.Parts) != 15 {
					b.Fatalf("%+v", u)
				}
			}
			b.ReportMetric((cpuSeconds(b)-before)/float64(b.N), "own-s/op")
			b.ReportMetric(peakMiB(b), "peak-MiB")
			b.ReportMetric(float64(queries), "queries/op")
		})
	}
}

func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakMiB is the most memory that we had resident.
func peakMiB(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}
