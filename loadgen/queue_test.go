package loadgen

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

func evenQueue(rate float64, room int, patience time.Duration) *queue {
	q := newQueue(newSchedule("even", 1), room, patience)
	q.turn(0, rate, time.Hour)
	return q
}

// startAll starts what is due at now.
func startAll(q *queue, now time.Duration) (hits []hit) {
	for h, ok := q.start(now); ok; h, ok = q.start(now) {
		hits = append(hits, h)
	}
	return hits
}

// TestLateGeneratorDropsHits: a stall of a second at 1000/s is not caught up.
func TestLateGeneratorDropsHits(t *testing.T) {
	q := evenQueue(1000, 5000, 5*time.Second)
	if n := len(startAll(q, 10*ms)); n != 10 {
		t.Fatalf("%d hits in 10 ms", n)
	}
	burst := startAll(q, 1010*ms)
	if n := len(burst); n != 51 || burst[0].at != 960*ms {
		t.Errorf("after the stall %d hits at once from %v on, want the 51 of the last 50 ms", n, burst[0].at)
	}
	if q.unsent != 949 || q.dropped != 0 {
		t.Errorf("%d unsent and %d dropped, want 949 and 0", q.unsent, q.dropped)
	}
	if n := len(startAll(q, 1020*ms)); n != 10 {
		t.Errorf("%d hits in the 10 ms after, want 10", n)
	}
}

// TestNoRoomKeepsIntendedTime: hits without a connection wait, in order, with
// the time they were intended for; their wait is not the generator's.
func TestNoRoomKeepsIntendedTime(t *testing.T) {
	q := evenQueue(1000, 1, 5*time.Second)
	startAll(q, ms)
	if n := len(startAll(q, 500*ms)); n != 0 {
		t.Fatalf("%d hits started without room", n)
	}
	if !q.end(500 * ms) {
		t.Fatal("nobody took the free room")
	}
	h, ok := q.start(500*ms + 200*time.Microsecond)
	if !ok || h.at != 2*ms || h.ready != 500*ms {
		t.Errorf("started %+v, want the hit of 2 ms, ready at 500 ms", h)
	}
	if q.unsent != 0 {
		t.Errorf("%d unsent: waiting for a connection is not the generator's fault", q.unsent)
	}
}

// TestImpatience: the line is as long as rate times patience, and no longer.
func TestImpatience(t *testing.T) {
	q := evenQueue(1000, 1, 100*ms)
	startAll(q, ms)
	q.advance(time.Second)
	if q.dropped != 898 || q.line.len() != 101 {
		t.Errorf("%d dropped and %d in line, want 898 and 101", q.dropped, q.line.len())
	}
	if at, ok := q.wait(time.Second); !ok || at > ms {
		t.Errorf("next event in %v %v: the head of the line loses patience within a millisecond", at, ok)
	}
}

// TestSilenceGivesUp: neither a line nor due hits outlast level 0 or the lease.
func TestSilenceGivesUp(t *testing.T) {
	for name, silence := range map[string]func(*queue){
		"level 0": func(q *queue) { q.turn(200*ms, 0, time.Hour) },
		"lease":   func(q *queue) { q.advance(300 * ms) },
	} {
		q := newQueue(newSchedule("even", 1), 2, time.Minute)
		q.turn(0, 1000, 250*ms)
		startAll(q, 10*ms)
		q.advance(200 * ms)
		if q.outstanding() < 100 {
			t.Fatalf("%s: only %d outstanding before", name, q.outstanding())
		}
		silence(q)
		if n := q.outstanding(); n != 2 {
			t.Errorf("%s: %d outstanding, want the 2 under way", name, n)
		}
		q.end(310 * ms)
		q.end(310 * ms)
		if hits := startAll(q, time.Second); len(hits) != 0 || q.room != 2 {
			t.Errorf("%s: %d hits after silence, room %d", name, len(hits), q.room)
		}
		if wait, ok := q.wait(time.Second); ok {
			t.Errorf("%s: still waits %v for something", name, wait)
		}
	}
}

// TestStallOverTheLease: hits that were intended within the lease and missed
// are unsent; what lies beyond the lease was never intended.
func TestStallOverTheLease(t *testing.T) {
	q := newQueue(newSchedule("even", 1), 100, time.Second)
	q.turn(0, 100, 500*ms)
	startAll(q, 50*ms)
	startAll(q, 100*ms)
	q.turn(3*time.Second, 100, 500*ms)
	if q.unsent != 39 { // 110 ms, 120 ms, ..., 490 ms
		t.Errorf("%d unsent, want 39", q.unsent)
	}
	if hits := startAll(q, 3*time.Second+9*ms); len(hits) != 0 {
		t.Errorf("a burst of %d on the new lease", len(hits))
	}
}

// TestRoomForTheLine: a hit that is given room while nobody looks is to be
// started at once, and not when the next one is intended.
func TestRoomForTheLine(t *testing.T) {
	q := evenQueue(1, 1, time.Minute)
	startAll(q, time.Second)
	q.advance(2500 * ms)
	if wait, ok := q.wait(2500 * ms); !ok || wait != 500*ms {
		t.Errorf("waits %v %v without room, want 500 ms until the next hit", wait, ok)
	}
	q.end(2500 * ms)
	if wait, ok := q.wait(2500 * ms); !ok || wait != 0 {
		t.Errorf("waits %v %v with a hit due", wait, ok)
	}
	startAll(q, 2500*ms)
	if wait, ok := q.wait(2500 * ms); !ok || wait != 500*ms {
		t.Errorf("waits %v %v once it is started, want 500 ms", wait, ok)
	}
}

// TestLapse: a hit whose goroutine was late is unsent, and its room is free again.
func TestLapse(t *testing.T) {
	q := evenQueue(1000, 1, time.Second)
	startAll(q, ms)
	if !q.lapse(80*ms) || q.unsent != 1 || q.going != 0 {
		t.Errorf("unsent %d, going %d after a lapse", q.unsent, q.going)
	}
}

// TestNothingIsLost: whatever the timing, every intended hit is started,
// unsent, dropped, or waits; never more are under way than there is room for;
// and hits start in the order they were intended.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(1, 20).Draw(t, "room")
		q := newQueue(newSchedule("poisson", rapid.Uint64().Draw(t, "seed")), room, 300*ms)
		rate := rapid.Float64Range(1, 3000).Draw(t, "rate")
		q.turn(0, rate, time.Hour)
		intended := counting(q)
		now, started, last := time.Duration(0), 0, time.Duration(-1)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 120).Draw(t, "ms")) * ms
			switch {
			case q.going > 0 && rapid.Bool().Draw(t, "end"):
				q.end(now)
			default:
				h, ok := q.start(now)
				if !ok {
					continue
				}
				if started++; h.at <= last || h.ready < h.at || h.ready > now || now-h.ready > tooLate {
					t.Fatalf("at %v started %+v after the hit of %v", now, h, last)
				}
				last = h.at
			}
			if q.going+q.due.len()+q.room != room {
				t.Fatalf("going %d + due %d + room %d is not %d", q.going, q.due.len(), q.room, room)
			}
		}
		q.advance(now)
		if sum := uint64(started+q.line.len()+q.due.len()) + q.unsent + q.dropped; sum != uint64(*intended) {
			t.Fatalf("%d intended, %d accounted for", *intended, sum)
		}
	})
}

// counting counts the hits that a queue's schedule lets go.
func counting(q *queue) *int {
	n, gap := new(int), q.gap
	q.gap = func() float64 { *n++; return gap() }
	return n
}

func TestFIFO(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fifo[int]
		var model []int
		for i := range rapid.IntRange(0, 500).Draw(t, "n") {
			if rapid.Bool().Draw(t, "push") || len(model) == 0 {
				f.push(i)
				model = append(model, i)
			} else if got := f.pop(); got != model[0] {
				t.Fatalf("popped %d, want %d", got, model[0])
			} else {
				model = model[1:]
			}
			if f.len() != len(model) || len(model) > 0 && f.first() != model[0] {
				t.Fatalf("%d items, want %d", f.len(), len(model))
			}
		}
	})
}
