package probe

import (
	"slices"
	"testing"
)

// TestAffinity has a master that may run anywhere, and pinned workers.
func TestAffinity(t *testing.T) {
	a := newAffinity(plant(t, map[string]string{
		"proc/101/status": "Cpus_allowed_list:\t0-3\n", "proc/102/status": "Cpus_allowed_list:\t1\n", "proc/103/status": "Cpus_allowed_list:\t2\n",
	}))
	w := newWorld()
	a.table = w
	master := w.fork(1)
	one, two := w.fork(master), w.fork(master)
	pids := []int{master, one, two}
	w.burn(master, 5) // to load the application, long ago
	look := func(what string, want ...int) {
		t.Helper()
		if got := a.cpus(pids); !slices.Equal(got, want) {
			t.Errorf("%s: CPUs %v, want %v", what, got, want)
		}
	}
	look("idle", 0, 1, 2, 3)
	w.burn(one, .05)
	look("hardly at work", 0, 1, 2, 3)
	w.burn(one, 1)
	w.burn(two, 1)
	w.burn(master, .001)
	look("at work", 1, 2)
	w.burn(master, 1)
	look("the master, too", 0, 1, 2, 3)
}
