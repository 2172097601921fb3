package probe

import (
	"errors"
	"io"
	"maps"
	"math"
	"os/exec"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"saturate/stress"
)

// A world is a machine with processes that we make live and die. It accounts
// as the kernel does: by clock for who lives, in the parent's sum of children
// for who was waited for, and nowhere for who was not.
type world struct {
	procs map[int]*proc
	next  int
	now   uint64
	spent float64 // by the tree since its start
}

type proc struct {
	parent      int
	start       uint64
	own, reaped float64
	ours        bool
	zombie      bool
	careless    bool // ignores SIGCHLD: its children are reaped by the kernel
	looked      float64
	known       bool // was there at the last look
	// Since the last look it lost its parent, or a child that it did not wait
	// for. Who ends then, too, leaves sums that can be read in two ways.
	unclear bool
}

func newWorld() *world { return &world{procs: map[int]*proc{1: {}}, next: 100} }

func (w *world) fork(parent int) int {
	w.next++
	w.now++
	p := w.procs[parent]
	w.procs[w.next] = &proc{parent: parent, start: w.now, ours: p != nil && p.ours}
	return w.next
}

func (w *world) burn(pid int, seconds float64) {
	p := w.procs[pid]
	p.own += seconds
	if p.ours {
		w.spent += seconds
	}
}

// end makes a process a zombie and its children init's.
func (w *world) end(pid int) {
	w.procs[pid].zombie = true
	for _, p := range w.procs {
		if p.parent == pid {
			p.parent, p.unclear = 1, true
		}
	}
}

// reap takes a zombie away. Where nobody waits for it, what it did since the
// last look can be known to no one.
func (w *world) reap(pid int) {
	p := w.procs[pid]
	parent := w.procs[p.parent]
	if !parent.careless {
		parent.reaped += p.own + p.reaped
		parent.looked += p.looked
	}
	if p.ours && (parent.careless || !parent.ours) {
		w.spent -= p.own + p.reaped - p.looked
	}
	parent.unclear = parent.unclear || parent.careless
	delete(w.procs, pid)
}

// newborn reports whether a process has children that no look has seen.
func (w *world) newborn(pid int) bool {
	for _, p := range w.procs {
		if p.parent == pid && !p.known {
			return true
		}
	}
	return false
}

// list and stat are what a look sees: one's own time exactly, the sum of the
// children in ticks.
func (w *world) list() ([]int, error) {
	return slices.Collect(maps.Keys(w.procs)), nil
}

func (w *world) stat(pid int) (procStat, bool) {
	p := w.procs[pid]
	if p == nil {
		return procStat{}, false
	}
	p.known, p.unclear, p.looked = true, false, p.own+p.reaped
	state := byte('S')
	if p.zombie {
		state = 'Z'
	}
	return procStat{
		state: state, parent: p.parent, start: p.start,
		own: p.own, reaped: math.Floor(p.reaped*userHZ) / userHZ,
	}, true
}

// TestTreeModel makes a tree of processes live at random, and asks that its
// CPU time is that of all who ever were in it, at every look.
func TestTreeModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld()
		root := w.fork(1)
		w.procs[root].ours = true
		stranger := w.fork(1)
		tree := newTree(w, root)
		if err := tree.update(); err != nil {
			r.Fatal(err)
		}
		last := tree.cpu
		for range rapid.IntRange(1, 25).Draw(r, "looks") {
			for range rapid.IntRange(0, 4).Draw(r, "deeds") {
				w.act(r, root)
			}
			w.burn(stranger, 5)
			if err := tree.update(); err != nil {
				r.Fatal(err)
			}
			// Every sum of children is cut to ticks, and so what it owes.
			slack := rounding * float64(len(w.procs))
			if got := tree.cpu; got < last || math.Abs(got-w.spent) > slack {
				r.Fatalf("the tree has spent %.4f, is told %.4f (before: %.4f)", w.spent, got, last)
			}
			last = tree.cpu
		}
	})
}

// act does one thing to one process of the tree.
func (w *world) act(r *rapid.T, root int) {
	var ours []int
	for pid := 100; pid <= w.next; pid++ {
		if p := w.procs[pid]; p != nil && p.ours {
			ours = append(ours, pid)
		}
	}
	pid := rapid.SampledFrom(ours).Draw(r, "pid")
	p := w.procs[pid]
	if p.zombie {
		if !p.unclear {
			w.reap(pid)
		}
		return
	}
	switch rapid.SampledFrom([]string{"burn", "burn", "fork", "fork careless", "end", "daemon"}).Draw(r, "deed") {
	case "burn":
		w.burn(pid, rapid.Float64Range(0, 10).Draw(r, "seconds"))
	case "fork":
		w.fork(pid)
	case "fork careless":
		w.procs[w.fork(pid)].careless = true
	case "end":
		if pid != root && !w.newborn(pid) && !p.unclear {
			w.end(pid)
			if rapid.Bool().Draw(r, "at once") {
				w.reap(pid)
			}
		}
	case "daemon":
		if pid != root && p.known {
			p.parent = 1 // as when its parent ends
		}
	}
}

// TestTreeGone has the root end, be a zombie, and have its number reused.
func TestTreeGone(t *testing.T) {
	for name, change := range map[string]func(w *world, root int){
		"gone":   func(w *world, root int) { w.end(root); w.reap(root) },
		"zombie": func(w *world, root int) { w.end(root) },
		"reused": func(w *world, root int) { w.procs[root] = &proc{parent: 1, start: 99999} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			root := w.fork(1)
			w.fork(root)
			tree := newTree(w, root)
			if err := tree.update(); err != nil || len(tree.pids()) != 2 {
				t.Fatalf("%v (%v)", tree.pids(), err)
			}
			change(w, root)
			for range 2 {
				if err := tree.update(); err == nil {
					t.Error("the tree's root is still there")
				}
			}
		})
	}
}

// burner is a shell that has children use the CPU, waits for them, and stays.
const burner = `for i in 1 2 3; do sh -c 'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done' ; done; echo done; read line`

// TestProcesses follows a real tree whose children come and go.
func TestProcesses(t *testing.T) {
	cmd := exec.Command("sh", "-c", burner)
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	p := openProcesses("/", Config{}, cmd.Process.Pid)

	done := make(chan struct{})
	go func() {
		defer close(done)
		out.Read(make([]byte, 8))
	}()
	var last float64
	look := func() *stress.Sample {
		s := blank()
		if err := p.read(s); err != nil {
			t.Fatal(err)
		}
		if s.Counters[stress.CPUSeconds] < last {
			t.Errorf("CPU seconds fell from %v to %v", last, s.Counters[stress.CPUSeconds])
		}
		last = s.Counters[stress.CPUSeconds]
		return s
	}
	for running := true; running; {
		look()
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	s := look()
	self, _ := processClock(cmd.Process.Pid)
	stat, ok := procFS{"/"}.stat(cmd.Process.Pid)
	if !ok {
		t.Fatal("the shell is gone")
	}
	truth := self + stat.reaped // the shell has waited for all of them
	if diff := s.Counters[stress.CPUSeconds] - truth; diff < -1e-3 || diff > .1 {
		t.Errorf("the tree has spent %v s, the kernel says %v", s.Counters[stress.CPUSeconds], truth)
	}
	if s.Gauges[stress.Processes] != 1 || s.Gauges[stress.MemoryBytes] <= 0 || s.Gauges[stress.CPULimit] < .01 || s.Gauges[stress.MemoryLimit] <= 0 {
		t.Errorf("gauges %v", s.Gauges)
	}
	in.Close()
	cmd.Wait()
	if err := p.read(blank()); !errors.Is(err, ErrGone) {
		t.Errorf("reading a process that has ended: %v", err)
	}
}

func TestPidfile(t *testing.T) {
	root := plant(t, map[string]string{"good.pid": "4711\n", "bad.pid": "soon\n"})
	if pid, err := readPidfile(root.path("good.pid")); err != nil || pid != 4711 {
		t.Errorf("%d (%v)", pid, err)
	}
	for _, name := range []string{"bad.pid", "none.pid"} {
		if pid, err := readPidfile(root.path(name)); err == nil {
			t.Errorf("%s is %d", name, pid)
		}
	}
}

// pipes are the ends of a command's standard input and output.
func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, io.ReadCloser) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}
