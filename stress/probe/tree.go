package probe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// A tree follows a process and all that descends from it. A descendant stays
// one when its parent dies and another process adopts it.
//
// Its CPU time must not lose what a worker used before it died, nor count it
// twice when the parent's sum of reaped children takes it over. So every parent
// has a ledger: the last known time of a child that ended is owed by the parent
// until its sum of reaped children has grown by as much. Where that does not
// come to pass (the parent ignores SIGCHLD, or another process reaped), the time
// is in nobody's sum and is kept here.
type tree struct {
	table     processTable
	pid       int
	members   map[int]*member
	strangers map[int]bool // processes known to be none of ours
	lived     bool         // the root was seen alive

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
	due    float64 // what children had spent that have ended since the refresh before
	owed   float64 // what of that it has not yet reaped
}

// A processTable is where processes are listed.
type processTable interface {
	// list is the ids of all.
	list() ([]int, error)
	// stat reads one; false where there is none of that id.
	stat(pid int) (procStat, bool)
}

// newTree follows the process pid.
func newTree(table processTable, pid int) *tree {
	return &tree{table: table, pid: pid, members: make(map[int]*member)}
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
	switch {
	case root == nil && !t.lived:
		return hinted("name the server's first process, or its pidfile", "there is no process %d", t.pid)
	case root == nil || root.dead():
		return fmt.Errorf("process %d %w", t.pid, ErrGone)
	}
	t.lived = true
	return nil
}

// refresh reads the members again, parents before their children: a child that
// is reaped meanwhile is then missing for a moment instead of counted twice.
// It returns the processes of the machine, as listed after that.
func (t *tree) refresh() ([]int, error) {
	for _, m := range t.byAge() {
		p, ok := t.table.stat(m.pid)
		if m.seen = ok && p.start == m.start; m.seen {
			p.own, p.reaped = max(p.own, m.own), max(p.reaped, m.reaped)
			m.growth = p.reaped - m.reaped
			m.procStat = p
		}
	}
	return t.table.list()
}

// byAge are the members, the oldest first: no child is older than its parent.
func (t *tree) byAge() []*member {
	return slices.SortedFunc(maps.Values(t.members), func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid))
	})
}

// bury removes the members that have ended. What they spent is owed by the
// nearest ancestor alive.
func (t *tree) bury() {
	for _, m := range t.byAge() {
		if m.seen {
			continue
		}
		t.lost += max(0, m.owed-rounding)
		if heir := t.heir(m); heir != nil {
			heir.due += m.own + m.reaped
		} else {
			t.lost += m.own + m.reaped
		}
	}
	maps.DeleteFunc(t.members, func(_ int, m *member) bool { return !m.seen })
	for _, m := range t.members {
		t.lost += m.settle()
	}
}

// rounding is how much a sum of reaped children may be short of the truth:
// user and system time are each cut to a tick.
const rounding = 2. / userHZ

// settle pays what is owed from what the member has reaped since, the older
// debt first. That should have been paid by now: what is not, but for the
// kernel's rounding, is returned and will never be.
func (m *member) settle() (lost float64) {
	old := max(0, m.owed-m.growth)
	due := max(0, m.due-max(0, m.growth-m.owed))
	lost = max(0, old-rounding)
	m.owed, m.due, m.growth = old-lost+due, 0, 0
	return lost
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
			if p, ok := t.table.stat(pid); ok {
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
