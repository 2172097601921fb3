package loadgen

import "time"

// tooLate is how late the generator may be for a hit. Beyond it the hit is
// dropped: sent all the same, the hits of a stall would be a burst that nobody
// asked for, and a burst of a second's hits throws a healthy server over.
const tooLate = 50 * time.Millisecond

// A hit is due to be sent.
type hit struct {
	at    time.Duration // intended
	ready time.Duration // when it was due and had room: what passes from here on is the generator's lag
}

// A queue decides what becomes of intended hits: room for as many as may be
// under way at once, a line before it, and the loss of those for which the
// generator was late (unsent) or which waited too long for room (dropped). It
// is pure, like the schedule it drains, and time never runs backwards in it.
//
// A hit keeps its intended time while it stands in line, and the line is made
// of nothing but those times: that is what keeps coordinated omission out and
// the memory small, however many wait.
type queue struct {
	schedule
	room     int           // hits that may start now
	patience time.Duration // how long a hit stands in line

	line  fifo[time.Duration] // intended, no room yet
	due   fifo[hit]           // have room, not yet started
	going int                 // started, not ended

	unsent, dropped uint64 // since the last reading
}

func newQueue(s schedule, room int, patience time.Duration) *queue {
	return &queue{schedule: s, room: room, patience: patience}
}

// turn changes the rate from now on; silence gives up what has not started.
func (q *queue) turn(now time.Duration, rate float64, lease time.Duration) {
	q.advance(now)
	q.schedule.turn(now, rate, lease)
	q.hush(now)
}

// advance puts the hits intended until now where they belong.
func (q *queue) advance(now time.Duration) {
	for {
		at, ok := q.take(now)
		if !ok {
			break
		}
		switch {
		case q.room == 0:
			q.line.push(at)
		case now-at > tooLate:
			q.unsent++
		default:
			q.room--
			q.due.push(hit{at: at, ready: at})
		}
	}
	for q.line.len() > 0 && now-q.line.first() > q.patience {
		q.line.pop()
		q.dropped++
	}
	q.hush(now)
}

// hush gives up what has not started once the schedule is silent: no load may
// outlast its lease, not even a line of hits that were intended within it.
func (q *queue) hush(now time.Duration) {
	if !q.silent(now) {
		return
	}
	q.rate = 0
	q.line.clear()
	q.room += q.due.len()
	q.due.clear()
}

// abandon gives up all hits, also those that were started.
func (q *queue) abandon() {
	q.rate, q.going = 0, 0
	q.line.clear()
	q.due.clear()
}

// start returns the next hit to send now.
func (q *queue) start(now time.Duration) (hit, bool) {
	q.advance(now)
	for q.due.len() > 0 {
		h := q.due.pop()
		if now-h.ready <= tooLate {
			q.going++
			return h, true
		}
		q.unsent++
		q.admit(now)
	}
	return hit{}, false
}

// end returns the room of a started hit; whether one from the line now has it.
func (q *queue) end(now time.Duration) bool {
	q.advance(now)
	q.going--
	return q.admit(now)
}

// lapse is end for a hit that was started too late to be sent.
func (q *queue) lapse(now time.Duration) bool {
	q.unsent++
	return q.end(now)
}

// admit gives room to the head of the line, which is ready only now.
func (q *queue) admit(now time.Duration) bool {
	if q.line.len() == 0 {
		q.room++
		return false
	}
	q.due.push(hit{at: q.line.pop(), ready: now})
	return true
}

// wait is how long nothing will happen by itself; false where nothing will at all.
func (q *queue) wait(now time.Duration) (time.Duration, bool) {
	if q.due.len() > 0 {
		return 0, true
	}
	at, ok := q.event()
	if q.line.len() > 0 {
		if end := q.line.first() + q.patience + 1; !ok || end < at {
			at, ok = end, true
		}
	}
	return max(0, at-now), ok
}

// reckon returns the hits lost since the last reckoning, and those outstanding.
func (q *queue) reckon(now time.Duration) (unsent, dropped uint64, outstanding int) {
	q.advance(now)
	unsent, dropped = q.unsent, q.dropped
	q.unsent, q.dropped = 0, 0
	return unsent, dropped, q.outstanding()
}

// outstanding hits are in line, due, or going.
func (q *queue) outstanding() int { return q.line.len() + q.due.len() + q.going }

// A fifo is a first-in, first-out buffer that keeps its memory.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }
func (f *fifo[T]) first() T { return f.items[f.head] }
func (f *fifo[T]) clear()   { f.items, f.head = f.items[:0], 0 }

func (f *fifo[T]) push(v T) {
	if f.head > 64 && f.head > len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, v)
}

func (f *fifo[T]) pop() T {
	v := f.items[f.head]
	if f.head++; f.head == len(f.items) {
		f.clear()
	}
	return v
}
