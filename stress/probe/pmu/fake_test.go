package pmu

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A fakeKernel has CPUs that count and go offline, and threads whose events
// are inherited, as the real one does.
type fakeKernel struct {
	t       *testing.T
	root    string
	now     time.Duration
	fit     int // events that a group may have
	refuse  map[uint64]unix.Errno
	devices map[uint32][]int // extended types, and their CPUs; nil: of one kind
	online  []int
	events  []*fakeEvent
	tasks   map[int]*fakeTask
	next    int    // thread id
	onOpen  func() // is called before each event is opened
}

type fakeEvent struct {
	k            *fakeKernel
	config, bits uint64
	kind         uint32
	pid, cpu     int
	on           bool
	dead, closed bool
	leader       *fakeEvent
	siblings     []*fakeEvent
	enabled      uint64
	running      uint64
	value        uint64
}

type fakeTask struct {
	tid, pid, parent int
	start            uint64
	events           []*fakeEvent // that count it: its own, and inherited ones
}

func newFake(t *testing.T, online ...int) *fakeKernel {
	k := &fakeKernel{t: t, root: t.TempDir(), now: time.Hour, fit: 6, tasks: make(map[int]*fakeTask), next: 1000, refuse: make(map[uint64]unix.Errno)}
	k.plug(online...)
	return k
}

func (k *fakeKernel) machine() *machine {
	return &machine{kernel: k, root: k.root, table: k, clock: func() time.Duration { return k.now }}
}

func (k *fakeKernel) write(name, text string) {
	name = filepath.Join(k.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

// plug sets which CPUs are online. The events of those that are not lose each
// other and stand still for good.
func (k *fakeKernel) plug(online ...int) {
	k.online = online
	k.write("sys/devices/system/cpu/online", strings.Trim(strings.ReplaceAll(fmt.Sprint(online), " ", ","), "[]")+"\n")
	for _, e := range k.events {
		if e.cpu >= 0 && !slices.Contains(online, e.cpu) {
			e.dead, e.siblings = true, nil
		}
	}
}

func (k *fakeKernel) open(attr *unix.PerfEventAttr, pid, cpu int, leader event, _ int) (event, error) {
	if k.onOpen != nil {
		k.onOpen()
	}
	e := &fakeEvent{k: k, config: attr.Config & unix.PERF_HW_EVENT_MASK, bits: attr.Bits, kind: uint32(attr.Config >> unix.PERF_PMU_TYPE_SHIFT), pid: pid, cpu: cpu}
	switch {
	case k.refuse[attr.Config] != 0:
		return nil, k.refuse[attr.Config]
	case cpu >= 0 && !slices.Contains(k.online, cpu):
		return nil, unix.ENODEV
	case cpu < 0 && k.tasks[pid] == nil:
		return nil, unix.ESRCH
	case k.devices[e.kind] == nil && e.kind != 0:
		return nil, unix.ENOENT
	}
	if leader != nil {
		e.leader = leader.(*fakeEvent)
		if len(e.leader.siblings)+2 > k.fit {
			return nil, unix.EINVAL
		}
		e.leader.siblings = append(e.leader.siblings, e)
	}
	if cpu < 0 {
		k.tasks[pid].events = append(k.tasks[pid].events, e)
	}
	k.events = append(k.events, e)
	return e, nil
}

func (e *fakeEvent) read(b []byte) (int, error) {
	if e.closed {
		e.k.t.Error("a closed event is read")
	}
	if e.leader != nil && !e.dead { // the kernel reads the leader's group
		return e.leader.read(b)
	}
	words := []uint64{uint64(1 + len(e.siblings)), e.enabled, e.running, e.value}
	for _, s := range e.siblings {
		words = append(words, s.value)
	}
	for i, w := range words {
		binary.NativeEndian.PutUint64(b[8*i:], w)
	}
	return 8 * len(words), nil
}

func (e *fakeEvent) enable() error {
	e.on = true
	for _, s := range e.siblings {
		s.on = true
	}
	return nil
}

func (e *fakeEvent) close() error {
	if e.closed {
		e.k.t.Error("an event is closed twice")
	}
	e.closed = true
	for _, task := range e.k.tasks {
		task.events = slices.DeleteFunc(task.events, func(o *fakeEvent) bool { return o == e })
	}
	return nil
}

// open counts the descriptors that are open.
func (k *fakeKernel) descriptors() (n int) {
	for _, e := range k.events {
		if !e.closed {
			n++
		}
	}
	return n
}

// count adds work to an event that gets the counter for a share of the time.
func (e *fakeEvent) count(d time.Duration, user, kernel uint64, share float64, kind uint32) {
	if !e.on || e.dead || e.closed {
		return
	}
	e.enabled += uint64(d)
	if e.kind != 0 && e.kind != kind {
		return // it is of the other kind of core
	}
	e.running += uint64(float64(d) * share)
	work := user
	if e.bits&unix.PerfBitExcludeKernel == 0 {
		work += kernel
	}
	if e.config == unix.PERF_COUNT_HW_CPU_CYCLES {
		work *= 2
	}
	e.value += uint64(float64(work) * share)
}

// run has a CPU work for a while.
func (k *fakeKernel) run(cpu int, d time.Duration, user, kernel uint64, share float64) {
	for _, e := range k.events {
		if e.cpu == cpu {
			e.count(d, user, kernel, share, 0)
		}
	}
}

// fork creates a process of the given parent by one of its threads; thread
// creates a thread of its own process.
func (k *fakeKernel) fork(creator int) int   { return k.create(creator, false) }
func (k *fakeKernel) thread(creator int) int { return k.create(creator, true) }

func (k *fakeKernel) create(creator int, thread bool) int {
	k.next++
	task := &fakeTask{tid: k.next, pid: k.next, start: ticks(k.now)}
	if c := k.tasks[creator]; c != nil {
		task.parent = c.pid
		if thread {
			task.pid, task.parent = c.pid, c.parent
		}
		for _, e := range c.events {
			if e.bits&unix.PerfBitInherit != 0 && !e.closed {
				task.events = append(task.events, e)
			}
		}
	}
	k.tasks[task.tid] = task
	return task.tid
}

func (k *fakeKernel) exit(tid int) {
	gone := k.tasks[tid]
	delete(k.tasks, tid)
	for _, task := range k.tasks { // a reaper takes over the children
		if gone != nil && task.parent == gone.pid && gone.tid == gone.pid {
			task.parent = 1
		}
	}
}

// work has a thread work for a while on a kind of core.
func (k *fakeKernel) work(tid int, d time.Duration, user uint64, share float64, kind uint32) {
	for _, e := range k.tasks[tid].events {
		e.count(d, user, 0, share, kind)
	}
}

// times is how often a thread's instructions are counted.
func (k *fakeKernel) times(tid int) (n int) {
	for _, e := range k.tasks[tid].events {
		if e.on && !e.closed && e.leader == nil {
			n++
		}
	}
	return n
}

func (k *fakeKernel) processes() []int {
	var all []int
	for _, task := range k.tasks {
		if !slices.Contains(all, task.pid) {
			all = append(all, task.pid)
		}
	}
	return all
}

func (k *fakeKernel) threads(pid int) []int {
	var all []int
	for _, task := range k.tasks {
		if task.pid == pid {
			all = append(all, task.tid)
		}
	}
	return all
}

func (k *fakeKernel) stat(pid int) (procStat, bool) {
	task := k.tasks[pid]
	if task == nil {
		return procStat{}, false
	}
	return procStat{task.parent, task.start}, true
}
