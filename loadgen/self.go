package loadgen

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// When the generator counts as its own limit.
const (
	lagLimit       = 20 * time.Millisecond // 99th percentile of the send lag
	unsentLimit    = .01                   // share of intended hits
	cpuLimit       = .85                   // share of the CPUs it may use
	throttledLimit = .02                   // share of the time
	filesLimit     = .80                   // share of RLIMIT_NOFILE
)

// A self watches the process that generates the load.
type self struct {
	root   string // of /proc and /sys, for tests
	groups []cgroup

	at        time.Time
	cpu       float64 // seconds used, since the process started
	throttled float64 // seconds throttled, since the cgroups were made
}

func newSelf(root string) *self {
	s := &self{root: root, groups: cgroups(root), at: time.Now(), cpu: cpuSeconds()}
	s.throttled = s.throttledSeconds()
	return s
}

// judge completes a with what the process used, and says in a.Limit why it was
// itself the limit, if it was. stall is how late the pacer woke at worst.
func (s *self) judge(a *Answers, stall time.Duration, conns int) {
	now, cpu, throttled := time.Now(), cpuSeconds(), s.throttledSeconds()
	seconds := now.Sub(s.at).Seconds()
	a.CPUSeconds = cpu - s.cpu
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }

	if all := a.Sent + a.Unsent; float64(a.Unsent) > unsentLimit*float64(all) {
		add("%d of %d hits were not sent, because it was more than %v late", a.Unsent, all, tooLate)
	}
	if lag := lag99(a.Lag); lag > lagLimit {
		add("send lag p99 %v", lag.Round(time.Millisecond))
	}
	if stall > tooLate {
		add("it stood still for %v", stall.Round(time.Millisecond))
	}
	if may := s.cpus(); seconds >= .1 && a.CPUSeconds > cpuLimit*may*seconds {
		add("it used %.2f of its %.2g CPUs", a.CPUSeconds/seconds, may)
	}
	if share := (throttled - s.throttled) / seconds; seconds >= .1 && share > throttledLimit {
		add("its cgroup was throttled %.0f %% of the time", 100*min(1, share))
	}
	if used, limit, ok := s.files(conns); ok && float64(used) > filesLimit*float64(limit) {
		add("%d of its %d file descriptors are open", used, limit)
	}
	for _, name := range []string{causePorts, causeFiles} {
		if n := a.Causes[name]; n > 0 {
			add("%s %d times", name, n)
		}
	}
	a.Limit = strings.Join(why, "; ")
	s.at, s.cpu, s.throttled = now, cpu, throttled
}

// lag99 is the 99th percentile, or the second largest where that is less: one
// late hit among a few says nothing.
func lag99(h *hdrhistogram.Histogram) time.Duration {
	n := float64(h.TotalCount())
	if n < 2 {
		return 0
	}
	const aBit = 1e-9 // ranks are rounded up
	return time.Duration(h.ValueAtQuantile(min(99, 100*(n-1)/n-aBit))) * time.Microsecond
}

// cpuSeconds is the CPU time of the process, user and kernel.
func cpuSeconds() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// added is what engines have added to GOMAXPROCS, which several may at once.
var added struct {
	sync.Mutex
	procs int
}

// addProcs changes GOMAXPROCS.
func addProcs(n int) {
	added.Lock()
	defer added.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	added.procs += n
}

// procs is GOMAXPROCS without what engines have added.
func procs() int {
	added.Lock()
	defer added.Unlock()
	return runtime.GOMAXPROCS(0) - added.procs
}

// cpus is how many CPUs the process may use.
func (s *self) cpus() float64 {
	n := float64(procs())
	for _, g := range s.groups {
		if quota, ok := g.quota(); ok {
			n = min(n, quota)
		}
	}
	return n
}

func (s *self) throttledSeconds() float64 {
	var sum float64
	for _, g := range s.groups {
		sum += g.throttledSeconds()
	}
	return sum
}

// files counts the open file descriptors where our own connections make it
// likely that they are many; reading them all is not free.
func (s *self) files(conns int) (used int, limit uint64, ok bool) {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil || float64(conns) < .5*float64(r.Cur) {
		return 0, 0, false
	}
	names, err := os.ReadDir(filepath.Join(s.root, "proc/self/fd"))
	return len(names), r.Cur, err == nil
}
