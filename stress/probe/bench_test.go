package probe

import (
	"net"
	"os/exec"
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
