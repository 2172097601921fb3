package probe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
)

// BenchmarkSampling is what sampling costs: every kernel source, a tree of nine
// processes and a uWSGI stats server of eight busy workers. It reports the share of a core that five
// samples a second take, the stats server's own part included, which runs in
// this process.
func BenchmarkSampling(b *testing.B) {
	text := []byte(sample(b, "uwsgi_cpu_overload.json"))
	stats, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	go func() {
		for {
			conn, err := stats.Accept()
			if err != nil {
				return
			}
			conn.Write(text)
			conn.Close()
		}
	}()
	tree := exec.Command("sh", "-c", "exec 3<&0; for i in 1 2 3 4 5 6 7 8; do sh -c 'read line' <&3 & done; wait")
	in, err := tree.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := tree.Start(); err != nil {
		b.Fatal(err)
	}
	defer tree.Wait()
	defer in.Close()
	s, err := Open(Config{PID: tree.Process.Pid, UWSGI: stats.Addr().String()}, Target{URL: "http://" + stats.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for range 100 { // until all have started
		s.tick()
		if all := s.Take(); all[0].Gauges[stress.Processes] == 9 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	runtime.GC()
	before := cpuTimeSelf(b)
	for b.Loop() {
		s.tick()
		for _, p := range s.pages {
			p.readOnce(s.ctx)
		}
		s.Take()
	}
	spent := cpuTimeSelf(b) - before
	perSample := spent / time.Duration(b.N)
	b.ReportMetric(float64(perSample.Microseconds()), "cpu-µs/sample")
	b.ReportMetric(100*perSample.Seconds()*float64(time.Second/Interval), "%core-at-5Hz")
	for _, src := range s.Sources() {
		if src.Err != nil {
			b.Logf("not read: %v", src.Err)
		}
	}
}

func cpuTimeSelf(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCPUs is how the cost of reading a machine grows with its CPUs.
func BenchmarkCPUs(b *testing.B) {
	for _, n := range []int{2, 16, 64, 256} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			root := b.TempDir()
			put := func(file, text string) {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o700); err != nil {
					b.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			stat, packets := "cpu  1 2 3 4 5 6 7 8 0 0\n", ""
			for cpu := range n {
				stat += fmt.Sprintf("cpu%d 21450383 109873 3920184 981263374 120398 0 120938 3874 0 0\n", cpu)
				packets += "000015c7 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"
			}
			put("proc/stat", stat+"procs_running 3\n")
			put("proc/net/softnet_stat", packets)
			put("proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 1 kB\nAnonPages: 1 kB\n")
			put("sys/devices/system/cpu/online", fmt.Sprintf("0-%d\n", n-1))
			host, queues, sample := openWholeHost(rootFS(root), rootFS(root), Config{Host: true}), softnet{rootFS(root)}, newSample(0)
			b.ReportAllocs()
			before := cpuTimeSelf(b)
			for b.Loop() {
				if err := errors.Join(host.read(&sample), queues.read(&sample)); err != nil {
					b.Fatal(err)
				}
			}
			each := (cpuTimeSelf(b) - before).Seconds() / float64(b.N)
			b.ReportMetric(1e6*each, "cpu-µs/sample")
			b.ReportMetric(100*each*float64(time.Second/Interval), "%core-at-5Hz")
		})
	}
}
