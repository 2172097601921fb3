package loadgen

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"saturate/loadgen/internal/epoll"
)

// A shard is one thread of the fast engine: it waits for its sockets and for
// its schedule, and does nothing else. What may take long, which is opening
// connections, its dialler does.
type shard struct {
	*plan
	poll    *epoll.Poller
	dialler *dialler
	rng     *rand.Rand
	tally   *tally
	buf     []byte // what is being read, by whatever connection
	running bool
	done    chan struct{} // closed when the thread has ended

	mu     sync.Mutex // held by the thread but while it waits
	closed bool
	at     time.Duration // the time, when last looked at
	nap    time.Duration // how long the thread meant to wait from then on
	stall  time.Duration // the longest that a wait was late since the last take
	queue  *queue
	links  []*link // by place
	free   []*link // without a connection
	idle   links   // the one used last is used next: few are open where few are needed
	flying links   // connecting or with a request under way, the longest first
	// waiting hits were started, and there is neither a connection for them nor
	// one being opened.
	waiting fifo[hit]
	ordered int // connections that the dialler is to open
	opened  int
	pause   pause
}

func newShard(p *plan, q *queue, rng *rand.Rand) (*shard, error) {
	poll, err := epoll.Open()
	if err != nil {
		return nil, err
	}
	return &shard{plan: p, poll: poll, dialler: newDialler(p, q.room, poll.Ring), rng: rng,
		tally: newTally(p.mix, p.timeout), buf: make([]byte, 64<<10), queue: q, done: make(chan struct{})}, nil
}

func (s *shard) start() {
	s.running = true
	go s.dialler.run()
	go s.run()
}

// run is the thread.
func (s *shard) run() {
	defer close(s.done)
	runtime.LockOSThread() // for ever: the thread ends here, and its timer slack with it
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	var events []epoll.Event
	for {
		wait, more := s.round(events)
		if !more {
			return
		}
		events = s.poll.Wait(wait)
	}
}

// round does all that there is to do, and returns how long there will be
// nothing unless something happens; less than 0 is for ever.
func (s *shard) round(events []epoll.Event) (wait time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, false
	}
	now := s.now()
	if s.nap > 0 {
		s.stall = max(s.stall, now-s.at-s.nap)
	}
	s.at = now
	for _, d := range s.dialler.take() {
		s.dialled(d)
		s.launch()
	}
	for _, e := range events {
		s.handle(e)
		s.launch() // now, and not when a burst of answers has been dealt with
	}
	s.expire()
	s.launch()
	s.nap = s.wait()
	return s.nap, true
}

// launch sends what is due: on connections that are free, those that wait for
// one first, and has connections opened for the others.
func (s *shard) launch() {
	for s.waiting.len() > 0 && s.idle.last != nil {
		s.begin(s.waiting.pop())
	}
	for {
		h, ok := s.queue.start(s.at)
		if !ok {
			break
		}
		if s.idle.last == nil {
			s.waiting.push(h)
		} else {
			s.begin(h)
		}
	}
	for s.waiting.len() > 0 && (s.ordered < orders || s.queue.silent(s.at)) {
		s.reach(s.waiting.pop())
	}
}

func (s *shard) wait() time.Duration {
	d, timed := s.queue.wait(s.at)
	if l := s.flying.first; l != nil {
		if end := l.began + s.timeout - s.at; !timed || end < d {
			d, timed = max(0, end), true
		}
	}
	if !timed {
		return -1
	}
	return max(d, s.quantum)
}

// expire ends what has lasted too long.
func (s *shard) expire() {
	for l := s.flying.first; l != nil && s.at-l.began >= s.timeout; l = s.flying.first {
		err := errTimeout
		if l.state == connecting {
			err = errConnectTimeout
		}
		s.fail(l, err)
	}
}

func (s *shard) turn(now time.Duration, rate float64, lease time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // and with it the bell: its number may be another file's
		return
	}
	s.queue.turn(now, rate, lease)
	s.poll.Ring()
}

// take returns what has happened since the last take, how many connections are
// open, and how late the thread woke at worst.
func (s *shard) take() (Answers, int, time.Duration) {
	s.mu.Lock()
	unsent, dropped, outstanding := s.queue.reckon(s.now())
	open, stall := s.opened, s.stall
	s.stall = 0
	s.mu.Unlock()

	got := s.tally.take()
	got.Unsent, got.InFlight = unsent, int64(outstanding)
	got.drop(dropped)
	return got, open, stall
}

// stop ends the thread and closes all connections.
func (s *shard) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if s.running {
		s.poll.Ring()
		<-s.done
	}
	s.dialler.stop(s.running)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		s.hangUp(l)
	}
	s.queue.abandon()
	s.poll.Close()
}
