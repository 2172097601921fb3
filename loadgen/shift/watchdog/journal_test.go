package watchdog

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/loadgen/shift/balancer"
)

func someHead() head {
	return head{
		Epoch: 7, Name: "fake web", Holder: "test", PID: 1, Began: time.Now(), Servers: []string{"s1"}, MaxConns: map[string]int{"s1": 9},
		Balancer: balancer.Config{HAProxy: &balancer.HAProxy{Socket: "/run/h.sock", Backend: "web"}},
		Found:    backendOf(256, 0, 100, 100), Caps: DefaultCaps(),
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.journal")
	if p, err := readJournal(path); p != nil || err != nil {
		t.Errorf("none: %v, %v", p, err)
	}
	j, err := createJournal(path, someHead())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []note{{Set: map[string]int{"s1": 120}}, {Set: map[string]int{"s1": 150}}, {Why: "the lease ended"}, {Left: map[string]string{"s1": "theirs"}}} {
		if err := j.add(n); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != j.size {
		t.Errorf("%v, %v, want %d bytes", info, err, j.size)
	}
	p, err := readJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Epoch != 7 || p.why != "the lease ended" || p.left["s1"] != "theirs" || p.ended != nil || len(p.ours["s1"]) != 2 || p.Balancer.HAProxy.Backend != "web" || !maps.Equal(p.MaxConns, map[string]int{"s1": 9}) {
		t.Errorf("%+v", p)
	}

	// Killed in the middle of a line.
	j.file.WriteString(`{"set":{"s1":16`)
	j.close()
	if p, err := readJournal(path); err != nil || len(p.ours["s1"]) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if j, err = openJournal(path); err != nil {
		t.Fatal(err)
	}
	if err := j.add(note{Ended: &Ended{Epoch: 7, Why: "the lease ended", Restored: true}}); err != nil {
		t.Fatal(err)
	}
	j.close()
	if p, err := readJournal(path); err != nil || p.ended == nil || !p.ended.Restored {
		t.Errorf("%+v, %v", p, err)
	}
}

// A journal that cannot be written leaves the one before in its place.
func TestJournalInTheWay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.journal")
	j, err := createJournal(path, someHead())
	if err != nil {
		t.Fatal(err)
	}
	j.close()
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".new", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := someHead()
	next.Epoch = 8
	if _, err := createJournal(path, next); err == nil {
		t.Error("written where it cannot be")
	}
	if p, err := readJournal(path); err != nil || p.Epoch != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}

// A disk that fills up: the begin is refused, or in the middle the pushes are,
// and the end can still be written down.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("saturate", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("a small disk of its own needs root: ", err)
	}
	defer unix.Unmount(dir, 0)
	path := filepath.Join(dir, "a.journal")
	j, err := createJournal(path, someHead())
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	n := 0
	for err = nil; err == nil && n < 10_000; n++ {
		err = j.add(note{Set: map[string]int{"s1": n}})
	}
	if n < 100 || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%d pushes, then %v", n, err)
	}
	t.Logf("%d pushes were written on a full disk", n-1)
	for _, last := range []note{{Why: strings.Repeat("x", 1000)}, {Ended: &Ended{Epoch: 7, Restored: true}}} {
		if err := j.add(last); err != nil {
			t.Error(err)
		}
	}
	if p, err := readJournal(path); err != nil || p.ended == nil || len(p.ours["s1"]) != n-1 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := createJournal(filepath.Join(dir, "b.journal"), someHead()); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a begin on a full disk: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "b*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.lock")
	l, err := acquire(path, "fake "+dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.sign(owner{PID: os.Getpid(), Socket: "/x"}); err != nil {
		t.Fatal(err)
	}
	if o, held := lockOwner(path); !held || o.PID != os.Getpid() || o.Socket != "/x" {
		t.Errorf("%+v, %v", o, held)
	}
	for _, other := range []string{path, filepath.Join(dir, "b.lock")} {
		_, err := acquire(other, "fake "+dir)
		if r := code(t, err, Busy); !strings.Contains(r.Why, "process ") {
			t.Error(r.Why)
		}
	}
	l.release()
	if _, held := lockOwner(path); held {
		t.Error("it is held after its release")
	}
	l, err = acquire(path, "fake "+dir)
	if err != nil {
		t.Fatal(err)
	}
	l.release()
}

func FuzzJournal(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.journal")
	j, err := createJournal(path, someHead())
	if err != nil {
		f.Fatal(err)
	}
	j.add(note{Set: map[string]int{"s1": 120}})
	j.add(note{Left: map[string]string{"s1": "theirs"}})
	j.close()
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-5])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseJournal("x", text)
		if err != nil {
			return
		}
		h := newHold(p.head, 0)
		h.ours, h.left, h.leftV, h.doubtful = p.ours, p.left, p.leftV, true
		weights, _ := h.owed(p.Found)
		for name := range weights {
			if !h.squeezed(name) {
				t.Errorf("%s is set and was not squeezed", name)
			}
		}
	})
}
