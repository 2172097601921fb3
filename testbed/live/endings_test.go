package live

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"saturate/ramp"
)

// TestShowsRefusals has a backend as a squeeze must not find it: nothing is
// changed, and the reason is told.
func TestShowsRefusals(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "backends that must be left alone")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	for _, c := range []struct {
		name     string
		commands []string // another operator's, before
		squeeze  squeeze
		said     string
	}{
		{"the server has weight 0", []string{"set server web/s1 weight 0"}, squeeze{}, "s1.*weight.*0|weight.*s1.*0"},
		{"a sibling has weight 0", []string{"set server web/s6 weight 0"}, squeeze{}, "s6.*weight.*0|weight.*s6.*0"},
		{"the server is in drain", []string{"set server web/s1 state drain"}, squeeze{}, "s1.*drain"},
		{"a sibling is in drain", []string{"set server web/s3 state drain"}, squeeze{}, "s3.*drain"},
		{"the server is in maintenance", []string{"set server web/s1 state maint"}, squeeze{}, "s1.*maint"},
		{"a sibling is down", []string{"set server web/s2 health down"}, squeeze{}, "s2.*down"},
		{"no such backend", nil, squeeze{balancer: fmt.Sprintf("haproxy: {socket: %s, backend: wep}\n", p.Socket())}, "wep"},
		{"the siblings could not carry it", nil, squeeze{servers: []string{"s1", "s2", "s3"}}, "sibling"},
		{"it may have less than it has", nil, squeeze{caps: "max_share: 10%\n"}, "10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.calm(t)
			for _, command := range c.commands {
				p.set(t, command)
			}
			time.Sleep(200 * time.Millisecond)
			before := p.watch.now().states
			run := p.squeeze(t, c.squeeze).start(t)
			t.Cleanup(killWatchdogs)
			run.wantExit(t, 30*time.Second, 1, 2, 4)
			run.wantSaid(t, c.said)
			if now := p.watch.now().states; !sameWeights(now, before) {
				t.Errorf("the weights are %s, and were %s", weights(now), weights(before))
			}
		})
	}
}

// TestShowsLittleTraffic squeezes with less traffic than a server can carry: it
// ends with what was carried, and says that there was no more.
func TestShowsLittleTraffic(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "too little traffic to squeeze with")
	p := produce(t, Config{}, .6*sustained)
	run := p.squeeze(t, squeeze{}).start(t)
	run.wantExit(t, 3*time.Minute, 4)
	p.wantAsFound(t, time.Now())
	t.Logf("%s\n%s", &run.out, p.wantWell(t, 0))
	r := run.record(t)
	if r == nil {
		t.Fatal("no record")
	}
	if repeat := r.Targets[0].Repeats[0]; repeat.Ending != ramp.AtLeast {
		t.Errorf("it ended %s (%s), want %s", repeat.Ending, repeat.Why, ramp.AtLeast)
	}
	run.wantSaid(t, "all of the traffic|% of the traffic|of the traffic")
}

// TestShowsTwoSqueezes has a second controller come while one squeezes: it is
// sent away, and the first goes on.
func TestShowsTwoSqueezes(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "two squeezes of one backend at once")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	state := shortDir(t)
	first := p.begin(t, squeeze{state: state}, nil)
	for _, c := range []struct{ name, state string }{{"same user", state}, {"another's state folder", shortDir(t)}} {
		t.Run(c.name, func(t *testing.T) {
			second := p.squeeze(t, squeeze{servers: []string{"s2"}, state: c.state}).start(t)
			second.wantExit(t, 20*time.Second, 1, 4)
			second.wantSaid(t, "already|holds|squeez|another|process")
			if now := p.watch.now().states; now["s2"].Weight != p.found["s2"].Weight || now["s1"].Weight == p.found["s1"].Weight {
				t.Errorf("the weights are %s", weights(now))
			}
		})
	}
	time.Sleep(3 * time.Second)
	first.stillRuns(t)
	p.wantAsFound(t, first.signal(t, syscall.SIGINT))
	first.wantExit(t, 20*time.Second, 130)
	p.wantWell(t, fewFail)
}

// TestShowsFullDisk has no room for the journal: before the first change, and in
// mid-run.
func TestShowsFullDisk(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "a full disk below the journal")
	root(t, "a small file system")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	disk := shortDir(t)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no tmpfs here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	fill := func() {
		file, err := os.Create(filepath.Join(disk, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := io.Copy(file, zeros{}); err == nil {
			t.Fatal("the disk is not full")
		}
	}
	t.Run("before", func(t *testing.T) {
		fill()
		from := time.Now()
		run := p.squeeze(t, squeeze{state: disk}).start(t)
		run.wantExit(t, 30*time.Second, 1, 4)
		run.wantSaid(t, "no space left|written down|journal")
		p.wantStood(t, from, p.found)
		os.Remove(filepath.Join(disk, "filler"))
	})
	t.Run("in mid-run", func(t *testing.T) {
		p.calm(t)
		run := p.begin(t, squeeze{state: disk}, nil)
		fill()
		time.Sleep(10 * time.Second) // it may go on, or end by itself
		p.wantAsFound(t, run.kill(t))
		os.Remove(filepath.Join(disk, "filler"))
		eventually(t, 10*time.Second, "its watchdog ends", func() bool { return len(watchdogs()) == 0 })
		saturate(t, disk, "restore").start(t).wantExit(t, 10*time.Second, 0)
		p.wantAsFound(t, time.Now())
		p.wantWell(t, fewFail)
	})
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
