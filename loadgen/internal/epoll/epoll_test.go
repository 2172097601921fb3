package epoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kinds are the ways to wait: the kernel's newest call, and a timer for want of it.
func kinds(t *testing.T, test func(t *testing.T, p *Poller)) {
	for name, pwait2 := range map[string]bool{"epoll_pwait2": true, "timerfd": false} {
		t.Run(name, func(t *testing.T) {
			if pwait2 && !hasPwait2() {
				t.Skip("this kernel is older than 5.11, or forbids epoll_pwait2")
			}
			p, err := open(pwait2)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			test(t, p)
		})
	}
}

func TestWaitTakesItsTime(t *testing.T) {
	kinds(t, func(t *testing.T, p *Poller) {
		for _, d := range []time.Duration{0, 50 * time.Microsecond, 300 * time.Microsecond, 3 * time.Millisecond, 30 * time.Millisecond} {
			begin, waits := time.Now(), 0
			for ; time.Since(begin) < d; waits++ { // a signal may end a wait early
				if all := p.Wait(d - time.Since(begin)); len(all) != 0 {
					t.Fatalf("%v", all)
				}
			}
			if waits > 20 {
				t.Errorf("%d waits for %v: it spins", waits, d)
			}
			if d == 0 {
				p.Wait(0)
			}
			if took := time.Since(begin); took > d+5*time.Second {
				t.Errorf("%v instead of %v", took, d)
			}
		}
	})
}

func TestBell(t *testing.T) {
	kinds(t, func(t *testing.T, p *Poller) {
		for range 1000 { // each time anew
			p.Ring()
			p.Wait(0)
		}
		for range 3 {
			p.Ring() // before the wait
			p.Ring()
			done := make(chan bool)
			go func() {
				p.Wait(-1)
				close(done)
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("deaf before the wait")
			}
			done = make(chan bool)
			go func() {
				p.Wait(time.Hour)
				close(done)
			}()
			time.Sleep(5 * time.Millisecond)
			p.Ring()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("deaf within the wait")
			}
		}
	})
}

// TestEdges: what begins is told once, with the whole token.
func TestEdges(t *testing.T) {
	kinds(t, func(t *testing.T, p *Poller) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[1])
		const of = 0xfedc_ba98_7654_3210
		if err := p.Add(fds[0], of, Readable); err != nil {
			t.Fatal(err)
		}
		want := func(what uint32) {
			t.Helper()
			var all []Event
			for end := time.Now().Add(5 * time.Second); len(all) == 0 && time.Now().Before(end); {
				all = p.Wait(10 * time.Millisecond)
			}
			if len(all) != 1 || all[0].Of != of || all[0].What&what != what {
				t.Fatalf("%+v, want %#x of %#x", all, what, uint64(of))
			}
			for range 3 {
				if all := p.Wait(0); len(all) != 0 {
					t.Fatalf("%+v told twice", all)
				}
			}
		}
		unix.Write(fds[1], []byte("x"))
		want(Readable)
		unix.Write(fds[1], []byte("y"))
		want(Readable)
		if err := p.Change(fds[0], of, Readable|Writable); err != nil {
			t.Fatal(err)
		}
		want(Writable)
		unix.Shutdown(fds[1], unix.SHUT_WR)
		want(Ended & unix.EPOLLRDHUP)
		unix.Close(fds[0])
	})
}
