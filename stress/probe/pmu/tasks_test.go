package pmu

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A family is a set of processes of a fake kernel, as one lists them that
// follows a tree.
type family struct {
	k    *fakeKernel
	pids []int
}

func (f *family) list() []int { return slices.Clone(f.pids) }

func openFamily(t *testing.T, k *fakeKernel) (*family, *Meter, int) {
	root := k.fork(0)
	f := &family{k, []int{root}}
	k.now += time.Second
	return f, mustOpen(t, k, Config{Scope: Processes, PIDs: f.list}), root
}

func TestProcesses(t *testing.T) {
	k := newFake(t, 0)
	root := k.fork(0)
	thread, worker := k.thread(root), k.fork(root)
	f := &family{k, []int{root, worker}}
	k.now += time.Second
	m := mustOpen(t, k, Config{Scope: Processes, PIDs: f.list})
	total := 0.
	work := func(tid int, n uint64, counts bool) {
		t.Helper()
		k.work(tid, tick, n, 1, 0)
		k.now += tick
		if counts {
			total += float64(n)
		}
		if got := read(t, m); got.Instructions != total || got.UserInstructions != total || got.Cycles != 2*total {
			t.Errorf("%+v, want %v", got, total)
		}
	}
	work(root, 1, true)
	work(thread, 10, true)
	work(worker, 100, true)

	// What threads of the set create is counted without being listed.
	work(k.thread(worker), 1000, true)
	child := k.fork(thread)
	work(child, 2000, true)
	f.pids = append(f.pids, child)
	work(child, 4000, true)
	opened := k.descriptors()

	// A process that joins from elsewhere counts from then on.
	stranger := k.fork(0)
	k.now += time.Second
	work(stranger, 8000, false)
	f.pids = append(f.pids, stranger)
	work(stranger, 16000, false)
	work(stranger, 32000, true)
	if k.descriptors() != opened+3 {
		t.Errorf("%d descriptors, want three more than %d", k.descriptors(), opened)
	}

	// Its child counts on when it ends, and so do children of ended threads.
	heir := k.fork(stranger)
	f.pids = append(f.pids, heir)
	work(heir, 64000, true)
	k.exit(stranger)
	f.pids = slices.DeleteFunc(f.pids, func(pid int) bool { return pid == stranger })
	work(heir, 128000, true)
	k.work(heir, tick, 5, 1, 0) // its last
	total += 5
	k.exit(heir)
	f.pids = f.pids[:len(f.pids)-1]
	work(root, 7, true)
	if k.descriptors() != opened {
		t.Errorf("%d descriptors after the stranger's end, want %d", k.descriptors(), opened)
	}
}

// TestJoinedProcessWithChild has a process join whose child is listed with it
// or later, when it was there before.
func TestJoinedProcessWithChild(t *testing.T) {
	for _, later := range []bool{false, true} {
		k := newFake(t, 0)
		f, m, _ := openFamily(t, k)
		stranger := k.fork(0)
		child := k.fork(stranger)
		k.now += time.Second
		if f.pids = append(f.pids, stranger); later {
			read(t, m)
		}
		f.pids = append(f.pids, child)
		read(t, m)
		for _, tid := range []int{stranger, child} {
			if n := k.times(tid); n != 1 {
				t.Errorf("later %v: %d is counted %d times", later, tid, n)
			}
		}
	}
}

func TestNoProcess(t *testing.T) {
	k := newFake(t, 0)
	for _, pids := range [][]int{nil, {4711}} {
		_, err := open(k.machine(), Config{Scope: Processes, PIDs: func() []int { return pids }})
		var e *Error
		if !errors.As(err, &e) || e.Reason != Gone {
			t.Errorf("%v: %v", pids, err)
		}
	}
}

// TestForbiddenProcess has a process join that may not be counted.
func TestForbiddenProcess(t *testing.T) {
	k := newFake(t, 0)
	f, m, root := openFamily(t, k)
	f.pids = append(f.pids, k.fork(0))
	k.refuse[unix.PERF_COUNT_HW_INSTRUCTIONS] = unix.EACCES
	k.work(root, tick, 9, 1, 0)
	got, err := m.Read()
	var e *Error
	if !errors.As(err, &e) || e.Where == "" || !errors.Is(err, unix.EACCES) || got.Instructions != 9 || got.Counters != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestBrokenThreadEvent has an event that can no longer be read (ECHILD: a
// child was created while its group was half open).
func TestBrokenThreadEvent(t *testing.T) {
	k := newFake(t, 0)
	_, m, root := openFamily(t, k)
	k.work(root, tick, 9, 1, 0)
	for _, e := range k.events {
		e.dead, e.siblings = true, nil
	}
	if got := read(t, m); got.Instructions != 9 || got.Reopened != 1 {
		t.Errorf("%+v", got)
	}
	k.work(root, tick, 9, 1, 0)
	if got := read(t, m); got.Instructions != 18 || k.times(root) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestKindsOfCore has threads run on performance and efficiency cores in turn:
// their shares are of one time, and nothing is scaled up.
func TestKindsOfCore(t *testing.T) {
	k := newFake(t, 0, 1)
	k.devices = map[uint32][]int{4: {0}, 10: {1}}
	k.write("sys/bus/event_source/devices/cpu_core/cpus", "0\n")
	k.write("sys/bus/event_source/devices/cpu_core/type", "4\n")
	k.write("sys/bus/event_source/devices/cpu_atom/cpus", "1\n")
	k.write("sys/bus/event_source/devices/cpu_atom/type", "10\n")
	_, m, root := openFamily(t, k)
	k.work(root, tick, 300, 1, 4)
	k.work(root, 3*tick, 500, 1, 10)
	if got := read(t, m); got.Instructions != 800 || got.Running != 1 {
		t.Errorf("%+v, want 800", got)
	}
	k.work(root, tick, 300, .5, 4)
	k.work(root, tick, 500, .5, 10)
	if got := read(t, m); got.Instructions != 1600 || got.Running != .5 {
		t.Errorf("%+v, want 1600 at a share of .5", got)
	}
}

// TestOnceEach is the promise of Processes: whatever is created at whatever
// moment, also while the set is being opened, every thread of the set is counted
// once after a reading, and what is counted is what was done.
func TestOnceEach(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := newFake(t, 0)
		f := &family{k: k}
		pick := func() int { // a thread of the set
			var all []int
			for _, pid := range f.pids {
				all = append(all, k.threads(pid)...)
			}
			slices.Sort(all)
			if len(all) == 0 {
				return 0
			}
			return rapid.SampledFrom(all).Draw(r, "thread")
		}
		born := func(at int) {
			switch tid := k.create(at, rapid.Bool().Draw(r, "thread?")); {
			case k.tasks[tid].pid == tid:
				f.pids = append(f.pids, tid)
			}
		}
		births := 0
		bear := func() {
			if at := pick(); births > 0 && at != 0 && rapid.Bool().Draw(r, "now?") {
				births--
				born(at)
			}
			k.now += time.Duration(rapid.IntRange(0, 15).Draw(r, "ms")) * time.Millisecond
		}
		k.onOpen = bear
		list := func() []int {
			all := slices.Clone(f.pids) // as it was a moment ago
			bear()
			return all
		}
		join := func() {
			pid := k.fork(0)
			if rapid.Bool().Draw(r, "with child") {
				f.pids = append(f.pids, k.fork(pid))
			}
			f.pids = append(f.pids, pid)
		}
		for range rapid.IntRange(1, 3).Draw(r, "at first") {
			join()
			for range rapid.IntRange(0, 3).Draw(r, "more") {
				born(pick())
			}
		}
		births = rapid.IntRange(0, rounds-1).Draw(r, "births")
		m, err := open(k.machine(), Config{Scope: Processes, PIDs: list})
		if err != nil {
			r.Fatal(err)
		}
		defer m.Close()
		// What the births of a reading left unlisted is found by the next one.
		var was, truth float64
		work := func() {
			for _, pid := range f.pids {
				for _, tid := range k.threads(pid) {
					k.work(tid, tick, 64, 1, 0)
					truth += 64 * float64(k.times(tid))
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(r, "readings") {
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				born(pick())
			case 1:
				join()
			case 2:
				if at := pick(); at != 0 && len(f.pids) > 1 && at != k.tasks[at].pid {
					k.exit(at)
				}
			case 3:
				if len(f.pids) > 1 {
					i := rapid.IntRange(0, len(f.pids)-1).Draw(r, "ends")
					for _, tid := range k.threads(f.pids[i]) {
						if tid != f.pids[i] {
							k.exit(tid)
						}
					}
					k.exit(f.pids[i])
					f.pids = slices.Delete(slices.Clone(f.pids), i, i+1)
				}
			}
			k.now += tick
			work()
			births = rapid.IntRange(0, rounds-1).Draw(r, "births")
			got, err := m.Read()
			if err != nil {
				r.Fatal(err)
			}
			if got.Instructions < was || math.Abs(got.Instructions-truth) > 1e-9*truth {
				r.Fatalf("%v after %v, in truth %v", got.Instructions, was, truth)
			}
			was = got.Instructions
			births = 0
			k.now += tick
			if _, err := m.Read(); err != nil {
				r.Fatal(err)
			}
			for _, pid := range f.pids {
				for _, tid := range k.threads(pid) {
					if n := k.times(tid); n != 1 {
						r.Fatalf("thread %d of process %d is counted %d times", tid, pid, n)
					}
				}
			}
		}
	})
}

// TestNeverStill has threads created without end while the set is opened: what
// is missing is missing, and nothing is counted twice.
func TestNeverStill(t *testing.T) {
	k := newFake(t, 0)
	root := k.fork(0)
	k.now += time.Second
	opened := 0
	k.onOpen = func() {
		if opened++; opened%6 == 0 {
			k.thread(root)
		}
	}
	m, err := open(k.machine(), Config{Scope: Processes, PIDs: func() []int { return []int{root} }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for tid := range k.tasks {
		if n := k.times(tid); n > 1 {
			t.Errorf("thread %d is counted %d times", tid, n)
		}
	}
	if k.times(root) != 1 {
		t.Error("the first thread is not counted")
	}
}
