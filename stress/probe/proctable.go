package probe

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// procFS is the machine's table of processes.
type procFS struct{ rootFS }

func (fs procFS) list() ([]int, error) {
	dir, err := os.Open(fs.path("proc"))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

func (fs procFS) stat(pid int) (procStat, bool) {
	text, err := fs.read("proc", strconv.Itoa(pid), "stat")
	if err != nil {
		return procStat{}, false
	}
	p, err := parseStat(text)
	if err != nil {
		return procStat{}, false
	}
	if fs.real() {
		if own, err := processClock(pid); err == nil {
			p.own = own
		}
	}
	return p, true
}

// processClock is the CPU time of a process to the nanosecond, its ended
// threads included (clock_getcpuclockid(3)). The kernel asks for no permission.
func processClock(pid int) (seconds float64, err error) {
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedClock, &ts); err != nil {
		return 0, err
	}
	return float64(ts.Sec) + float64(ts.Nsec)/1e9, nil
}
