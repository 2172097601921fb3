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

const tick = 200 * time.Millisecond

func mustOpen(t *testing.T, k *fakeKernel, c Config) *Meter {
	t.Helper()
	m, err := open(k.machine(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if n := k.descriptors(); n != 0 {
			t.Errorf("%d descriptors are left open", n)
		}
	})
	return m
}

func read(t *testing.T, m *Meter) Totals {
	t.Helper()
	now, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// cgroupDir is a directory to stand for a group: the fake kernel has no others.
func configs(t *testing.T) map[string]Config {
	return map[string]Config{
		"host": {}, "host/user": {User: true}, "cgroup": {Scope: Cgroup, Cgroup: t.TempDir()},
	}
}

func TestCounting(t *testing.T) {
	for name, c := range configs(t) {
		t.Run(name, func(t *testing.T) {
			k := newFake(t, 0, 1)
			m := mustOpen(t, k, c)
			k.run(0, tick, 100, 30, 1)
			k.run(1, tick, 1000, 0, 1)
			k.now += tick
			got := read(t, m)
			want := Totals{Instructions: 1130, UserInstructions: 1100, HasUser: true, Cycles: 2260, HasCycles: true, Running: 1, Counters: 2}
			if c.User {
				want.Instructions, want.Cycles = 1100, 2200
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestFewCounters has processors that cannot hold the whole group.
func TestFewCounters(t *testing.T) {
	for _, tt := range []struct {
		name         string
		fit          int
		refuse       map[uint64]unix.Errno
		user, cycles bool
	}{
		{"three", 3, nil, true, true},
		{"two", 2, nil, true, false},
		{"one", 1, nil, false, false},
		{"no cycles", 6, map[uint64]unix.Errno{unix.PERF_COUNT_HW_CPU_CYCLES: unix.ENOENT}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFake(t, 0, 1, 2)
			k.fit, k.refuse = tt.fit, tt.refuse
			m := mustOpen(t, k, Config{})
			k.run(1, tick, 70, 7, 1)
			k.now += tick
			got := read(t, m)
			if got.Instructions != 77 || got.HasUser != tt.user || got.HasCycles != tt.cycles {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestSharing has others use the counters too: every interval is scaled by its
// own share. Scaled as a whole, the total would fall in the third interval.
func TestSharing(t *testing.T) {
	k := newFake(t, 0)
	m := mustOpen(t, k, Config{})
	for i, tt := range []struct {
		work  uint64
		share float64
		want  float64
	}{
		{100e6, .5, 100e6}, {0, 1, 100e6}, {200e6, .25, 300e6}, {0, 1, 300e6}, {50e6, 1, 350e6},
	} {
		k.run(0, tick, tt.work, 0, tt.share)
		k.now += tick
		if got := read(t, m); got.Instructions != tt.want || got.Running != tt.share || got.Lost != 0 {
			t.Errorf("interval %d: %+v, want %v", i, got, tt.want)
		}
	}
}

// TestStarving has others hold the counters altogether: that is an error, the
// time is told, and a smaller group is tried.
func TestStarving(t *testing.T) {
	k := newFake(t, 0, 1)
	m := mustOpen(t, k, Config{})
	for round := range 4 {
		k.run(0, tick, 1000, 0, 0)
		k.run(1, tick, 1000, 0, 1)
		k.now += tick
		got, err := m.Read()
		var e *Error
		if !errors.As(err, &e) || e.Reason != Starved || e.Hint() == "" {
			t.Fatalf("error %v", err)
		}
		if got.Lost != time.Duration(round+1)*tick || got.Instructions != float64(round+1)*1000 || got.Running != 0 || got.Reopened != 0 {
			t.Errorf("%+v", got)
		}
		if got.HasCycles || got.HasUser != (round == 0) {
			t.Errorf("after %d intervals the group has cycles %v, user %v", round+1, got.HasCycles, got.HasUser)
		}
	}
	// A thread that only just missed its turn has lost nothing.
	k.run(0, 20*time.Millisecond, 500, 0, 0)
	k.now += 20 * time.Millisecond
	was := read(t, m)
	k.run(0, 20*time.Millisecond, 500, 0, 1)
	k.now += 20 * time.Millisecond
	if got := read(t, m); got.Instructions-was.Instructions != 1000 || got.Lost != was.Lost {
		t.Errorf("from %+v to %+v", was, got)
	}
}

// TestHotplug takes a CPU away and brings it back: what it counted stays, up to
// its last moment.
func TestHotplug(t *testing.T) {
	for name, c := range configs(t) {
		for _, fit := range []int{6, 1} {
			t.Run(name, func(t *testing.T) {
				k := newFake(t, 0, 1)
				k.fit = fit
				m := mustOpen(t, k, c)
				step := func(want float64, counters, reopened int) {
					t.Helper()
					k.run(0, tick, 1, 0, 1)
					k.now += tick
					if got := read(t, m); got.Instructions != want || got.Counters != counters || got.Reopened != reopened {
						t.Errorf("%+v, want %v by %d counters, %d reopened", got, want, counters, reopened)
					}
				}
				k.run(1, tick, 1000, 0, 1)
				step(1001, 2, 0)
				k.run(1, tick, 500, 0, 1)
				k.plug(0)
				step(1502, 1, 0)
				step(1503, 1, 0)
				k.plug(0, 1)
				k.run(1, tick, 70, 0, 1) // unseen: nobody counts there yet
				step(1504, 2, 0)
				k.run(1, tick, 90, 0, 1)
				step(1595, 2, 0)
				if name == "cgroup" && fit == 1 {
					return // a lone event of a sleeping group and one of a CPU that is gone look the same
				}
				// Off and on between two readings.
				k.run(1, tick, 20, 0, 1)
				k.plug(0)
				k.plug(0, 1)
				if fit == 1 && !c.User { // seen only once its clock stands still
					step(1616, 2, 0)
					step(1617, 2, 1)
					return
				}
				if fit == 1 {
					return
				}
				step(1616, 2, 1)
				k.run(1, tick, 7, 0, 1)
				step(1624, 2, 1)
			})
		}
	}
}

// TestLateRefusal has a CPU come online that cannot be opened: the totals go on,
// and the error says that they are short.
func TestLateRefusal(t *testing.T) {
	k := newFake(t, 0)
	m := mustOpen(t, k, Config{})
	k.plug(0, 3)
	k.refuse[unix.PERF_COUNT_HW_INSTRUCTIONS] = unix.EMFILE
	k.run(0, tick, 10, 0, 1)
	k.now += tick
	got, err := m.Read()
	var e *Error
	if !errors.As(err, &e) || e.Reason != TooManyFiles || e.Where != "CPU 3" || got.Instructions != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	clear(k.refuse)
	if got, err := m.Read(); err != nil || got.Counters != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestOpenFails has nothing left open where a part cannot be counted.
func TestOpenFails(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EACCES, unix.EPERM, unix.EMFILE, unix.ENOENT, unix.EINVAL} {
		k := newFake(t, 0, 1)
		opened := 0
		k.onOpen = func() {
			if opened++; opened > 3 { // the second CPU
				k.refuse[unix.PERF_COUNT_HW_INSTRUCTIONS] = errno
			}
		}
		_, err := open(k.machine(), Config{})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, errno) || e.Where != "CPU 1" {
			t.Errorf("%v: %v", errno, err)
		}
		if n := k.descriptors(); n != 0 {
			t.Errorf("%v: %d descriptors are left open", errno, n)
		}
	}
}

// TestTotals is the meter's promise: whatever CPUs come and go and whoever
// shares the counters, no total falls, and each equals the truth where the load
// is even within an interval.
func TestTotals(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := newFake(t, 0, 1, 2, 3)
		k.fit = rapid.IntRange(1, 3).Draw(r, "counters")
		m, err := open(k.machine(), Config{})
		if err != nil {
			r.Fatal(err)
		}
		defer m.Close()
		truth, lost := 0., time.Duration(0)
		var last Totals
		counted := []int{0, 1, 2, 3} // with an event that lives
		for range rapid.IntRange(1, 30).Draw(r, "readings") {
			share := rapid.SampledFrom([]float64{1, .5, .25, .125, 0}).Draw(r, "share")
			work := 16 * rapid.Uint64Range(0, 1e9).Draw(r, "work")
			for range rapid.IntRange(1, 3).Draw(r, "steps") {
				for _, cpu := range k.online {
					k.run(cpu, tick, work, 0, share)
					if !slices.Contains(counted, cpu) {
						continue
					}
					if share > 0 {
						truth += float64(work)
					} else {
						lost += tick
					}
				}
				k.now += tick
				if rapid.Bool().Draw(r, "plug") {
					online := rapid.SliceOfDistinct(rapid.IntRange(1, 5), func(i int) int { return i }).Draw(r, "online")
					k.plug(append([]int{0}, online...)...)
					counted = slices.DeleteFunc(counted, func(cpu int) bool { return !slices.Contains(k.online, cpu) })
				}
			}
			got, err := m.Read()
			if (err != nil) != (got.Lost > last.Lost) {
				r.Fatalf("%+v: %v", got, err)
			}
			if math.Abs(got.Instructions-truth) > 1e-9*truth || got.Lost != lost {
				r.Fatalf("counted %v and lost %v; in truth %v and %v", got.Instructions, got.Lost, truth, lost)
			}
			if got.HasUser && got.UserInstructions != got.Instructions || got.HasCycles && got.Cycles != 2*got.Instructions {
				r.Fatalf("%+v", got)
			}
			if got.Instructions < last.Instructions || got.Cycles < last.Cycles || got.UserInstructions < last.UserInstructions || got.Running < 0 || got.Running > 1 {
				r.Fatalf("from %+v to %+v", last, got)
			}
			last = got
			// A lone event off and on between readings is dead until its clock
			// has stood still for a whole interval.
			alive := func(cpu int) bool {
				return slices.ContainsFunc(k.events, func(e *fakeEvent) bool { return e.cpu == cpu && !e.dead && !e.closed })
			}
			counted = slices.DeleteFunc(slices.Clone(k.online), func(cpu int) bool { return !alive(cpu) })
		}
	})
}

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0-3,8\n": {0, 1, 2, 3, 8}, "": nil, "\n": nil} {
		if got, err := ParseCPUs(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %v (%v), want %v", list, got, err, want)
		}
	}
	for _, list := range []string{"a", "3-1", "-1", "0-99999999", "0,,1", "1-", "0-8192"} {
		if got, err := ParseCPUs(list); err == nil {
			t.Errorf("%q is %v, want an error", list, got)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	f.Add("0-3,8\n")
	f.Fuzz(func(t *testing.T, list string) {
		all, err := ParseCPUs(list)
		if err != nil {
			return
		}
		for _, cpu := range all {
			if cpu < 0 || cpu >= MostCPUs {
				t.Fatalf("%q holds CPU %d", list, cpu)
			}
		}
	})
}
