package pmu

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A table lists the machine's processes.
type table interface {
	processes() []int
	// stat reads one; false where there is none of that id.
	stat(pid int) (procStat, bool)
	threads(pid int) []int
}

// A procStat is what we read of /proc/PID/stat.
type procStat struct {
	parent int
	start  uint64 // ticks since boot
}

// procTable is /proc below a root.
type procTable string

func (r procTable) processes() []int { return numbers(filepath.Join(string(r), "proc")) }

func (r procTable) threads(pid int) []int {
	return numbers(filepath.Join(string(r), "proc", strconv.Itoa(pid), "task"))
}

func (r procTable) stat(pid int) (procStat, bool) {
	b, err := os.ReadFile(filepath.Join(string(r), "proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, false
	}
	return parseStat(string(b))
}

// parseStat reads /proc/PID/stat (proc(5)). The command's name is in brackets
// and may itself have brackets and spaces.
func parseStat(text string) (procStat, bool) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const parent, start = 1, 19
	if len(f) <= start {
		return procStat{}, false
	}
	p, err1 := strconv.Atoi(f[parent])
	ticks, err2 := strconv.ParseUint(f[start], 10, 64)
	return procStat{p, ticks}, err1 == nil && err2 == nil
}

// numbers are the names in a directory that are numbers.
func numbers(dir string) []int {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	all := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			all = append(all, n)
		}
	}
	return all
}

func threadName(pid, tid int) string {
	if pid == tid {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("thread %d of process %d", tid, pid)
}
