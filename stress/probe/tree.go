package probe

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A tree follows a process and all that descends from it. A descendant stays
// one when its parent dies and another process adopts it.
//
// Its CPU time must not lose what a worker used before it died, nor count it
// twice when the parent's sum of reaped children takes it over. So every parent
// has a ledger: the last known time of a child that ended is owed by the parent
// until its own sum of reaped children has grown by as much. A parent that
// lets the kernel reap (SIGCHLD ignored) owes for ever, which is what is lost.
type tree struct {
	fs        rootFS
	pid       int
	members   map[int]*member
	strangers map[int]bool // processes known to be none of ours
	clock     func(pid int) (seconds float64, err error)

	lost   float64 // CPU seconds of members that ended without an ancestor in the tree
	cpu    float64 // CPU seconds of the tree; never falls
	faults float64 // major faults; never falls
}

// A member is a process of the tree as last read.
type member struct {
	procStat
	pid    int
	seen   bool    // by the last refresh
	growth float64 // of reaped at the last refresh
	owed   float64 // what children that ended had spent and this one has not reaped
}

// newTree follows the process pid.
func newTree(fs rootFS, pid int) *tree {
	t := &tree{fs: fs, pid: pid, members: make(map[int]*member)}
	if fs.real() {
		t.clock = processClock
	}
	return t
}

// processClock is the CPU time of a process to the nanosecond, its ended
// threads included (clock_getcpuclockid(3)). The kernel asks for no permission.
func processClock(pid int) (float64, error) {
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedClock, &ts); err != nil {
		return 0, err
	}
	return float64(ts.Sec) + float64(ts.Nsec)/1e9, nil
}

// stat reads a process; false where there is none any more.
func (t *tree) stat(pid int) (procStat, bool) {
	text, err := t.fs.read("proc", strconv.Itoa(pid), "stat")
	if err != nil {
		return procStat{}, false
	}
	p, err := parseStat(text)
	if err != nil {
		return procStat{}, false
	}
	if t.clock != nil {
		if own, err := t.clock(pid); err == nil {
			p.own = own
		}
	}
	return p, true
}

// update reads the tree anew. The error is that its root has ended.
func (t *tree) update() error {
	pids, err := t.refresh()
	if err != nil {
		return err
	}
	t.bury()
	t.adopt(pids)
	t.sum()
	root := t.members[t.pid]
	if root == nil {
		return hinted("name the server's first process, or its pidfile", "there is no process %d", t.pid)
	}
	if root.dead() {
		return fmt.Errorf("process %d has ended", t.pid)
	}
	return nil
}

// refresh reads the members again, parents before their children: a child that
// is reaped meanwhile is then missing for a moment instead of counted twice.
// It returns the processes of the machine, as listed after that.
func (t *tree) refresh() ([]int, error) {
	for _, m := range t.byAge() {
		p, ok := t.stat(m.pid)
		if m.seen = ok && p.start == m.start; m.seen {
			p.own, p.reaped = max(p.own, m.own), max(p.reaped, m.reaped)
			m.growth = p.reaped - m.reaped
			m.procStat = p
		}
	}
	return listPIDs(t.fs)
}

// byAge are the members, the oldest first: no child is older than its parent.
func (t *tree) byAge() []*member {
	return slices.SortedFunc(maps.Values(t.members), func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid))
	})
}

// bury removes the members that have ended: what they spent and were owed is
// owed by the nearest ancestor alive, and paid as far as that has reaped.
func (t *tree) bury() {
	for _, m := range t.byAge() {
		if m.seen {
			continue
		}
		debt := m.owed + m.own + m.reaped
		if heir := t.heir(m); heir != nil {
			heir.owed += debt
		} else {
			t.lost += debt
		}
	}
	maps.DeleteFunc(t.members, func(_ int, m *member) bool {
		m.owed = max(0, m.owed-m.growth)
		return !m.seen
	})
}

// heir is the nearest ancestor of m that was seen; nil where there is none.
func (t *tree) heir(m *member) *member {
	for range t.members { // no path is longer, whatever reused numbers say
		if m = t.members[m.parent]; m == nil || m.seen {
			return m
		}
	}
	return nil
}

// adopt finds the new processes of the tree among those of the machine.
func (t *tree) adopt(pids []int) {
	strangers := make(map[int]bool, len(pids))
	fresh := make(map[int]*member)
	for _, pid := range pids {
		switch {
		case t.members[pid] != nil:
		case t.strangers[pid]:
			strangers[pid] = true
		default:
			if p, ok := t.stat(pid); ok {
				fresh[pid] = &member{procStat: p, pid: pid}
			}
		}
	}
	if m := fresh[t.pid]; m != nil && t.strangers == nil {
		t.members[t.pid] = m // only once: another process may get its number
	}
	for found := true; found; {
		found = false
		for pid, m := range fresh {
			if t.members[pid] == nil && t.members[m.parent] != nil {
				t.members[pid], found = m, true
			}
		}
	}
	for pid := range fresh {
		if t.members[pid] == nil {
			strangers[pid] = true
		}
	}
	t.strangers = strangers
}

// sum brings the totals up to date.
func (t *tree) sum() {
	cpu, faults := t.lost, 0.0
	for _, m := range t.members {
		cpu += m.own + m.reaped + m.owed
		faults += m.majflt
	}
	t.cpu, t.faults = max(t.cpu, cpu), max(t.faults, faults)
}

// pids are the tree's processes that live.
func (t *tree) pids() []int {
	pids := make([]int, 0, len(t.members))
	for pid, m := range t.members {
		if !m.dead() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// listPIDs lists the processes of the machine.
func listPIDs(fs rootFS) ([]int, error) {
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
