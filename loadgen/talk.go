package loadgen

import (
	"fmt"

	"golang.org/x/sys/unix"

	"saturate/loadgen/internal/epoll"
	"saturate/loadgen/internal/http1"
	"saturate/loadgen/internal/socket"
)

// skipped is how much of a large body is thrown away at once.
const skipped = 1 << 20

var errStray = fmt.Errorf("%w: bytes after its end", http1.ErrMalformed)

// handle deals with what has happened to a connection.
func (s *shard) handle(e epoll.Event) {
	l := s.links[uint32(e.Of)]
	if l.token() != e.Of || l.fd < 0 {
		return // it was closed since
	}
	if l.state == connecting {
		s.connecting(l) // and what the target has said already is told only now
	}
	if e.What&epoll.Writable != 0 && len(l.rest) > 0 {
		s.write(l)
	}
	if e.What&(epoll.Readable|epoll.Ended) != 0 {
		s.receive(l, e.What&epoll.Ended != 0)
	}
}

// send begins the request of l's hit on its open connection.
func (s *shard) send(l *link) {
	r := &s.requests[l.kind]
	l.state, l.began, l.rest = busy, s.at, r.bytes
	l.answer.Begin(r.isHead)
	s.flying.push(l)
	s.write(l)
}

// write goes on writing. Where that fails there may still be an answer: servers
// refuse large bodies before they have read them.
func (s *shard) write(l *link) {
	for len(l.rest) > 0 {
		n, errno := socket.Send(l.fd, l.rest)
		if errno == unix.EAGAIN {
			s.await(l)
			return
		}
		if errno != 0 {
			if s.receive(l, true); l.fd >= 0 && l.state == busy {
				s.broken(l, errno)
			}
			return
		}
		l.rest = l.rest[n:]
	}
}

// await has the poller tell when there is room to write.
func (s *shard) await(l *link) {
	if l.alert {
		return
	}
	l.alert = true
	if err := s.poll.Change(l.fd, l.token(), epoll.Readable|epoll.Writable); err != nil {
		s.broken(l, err)
	}
}

// receive reads what there is. A short read has emptied the socket, unless it
// has ended: that is told only once.
func (s *shard) receive(l *link, ended bool) {
	for l.fd >= 0 {
		n, more, errno := s.read(l)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno != 0:
			s.broken(l, errno)
			return
		case n == 0:
			s.ended(l)
			return
		case !more && !ended:
			return
		}
	}
}

// read reads once, and tells whether there may be more.
func (s *shard) read(l *link) (n int, more bool, errno unix.Errno) {
	if body := l.answer.Skip(); s.tcp && l.state == busy && body >= int64(len(s.buf)) {
		size := int(min(body, skipped))
		n, errno = socket.Discard(l.fd, size)
		s.at = s.now()
		if errno == 0 {
			if l.answer.Skipped(int64(n)); l.answer.Done() {
				s.answered(l)
			}
		}
		return n, n == size, errno
	}
	n, errno = socket.Receive(l.fd, s.buf)
	s.at = s.now()
	if errno == 0 && n > 0 {
		s.parse(l, s.buf[:n])
	}
	return n, n == len(s.buf), errno
}

func (s *shard) parse(l *link, b []byte) {
	if l.state != busy { // a server's good-bye, or nonsense: no hit has asked for it
		s.discard(l)
		return
	}
	n, err := l.answer.Parse(b)
	switch {
	case err != nil:
		s.fail(l, err)
	case n < len(b):
		s.fail(l, errStray)
	case l.answer.Done():
		s.answered(l)
	}
}

// ended deals with a connection that the target has closed.
func (s *shard) ended(l *link) {
	if l.state != busy {
		s.discard(l)
		return
	}
	if err := l.answer.End(); err != nil {
		s.broken(l, err)
		return
	}
	s.answered(l)
}

// broken deals with a connection that died. One that had been used before, and
// died before a byte of the answer, was dead already: servers may close what is
// idle, and browsers and balancers send again.
func (s *shard) broken(l *link, why error) {
	switch {
	case l.state != busy:
		s.discard(l)
	case l.answer.Started():
		s.fail(l, &cutShort{why})
	case l.used:
		s.retry(l)
	default:
		s.fail(l, why)
	}
}

// answered ends a hit that has its answer.
func (s *shard) answered(l *link) {
	o := outcome{kind: l.kind, reconnected: l.again, lag: l.lag, latency: s.at - l.hit.at, service: s.at - l.began}
	if status := l.answer.Status(); !s.mix.kinds[l.kind].expects(status) {
		o.status = status
	}
	s.tally.ended(o)
	if s.keepAlive && !l.answer.Close() && len(l.rest) == 0 {
		l.leave()
		l.state, l.used = idling, true
		s.idle.push(l)
	} else {
		s.discard(l)
	}
	s.queue.end(s.at)
}

// fail ends a hit that has none.
func (s *shard) fail(l *link, why error) {
	again := l.again && l.state == busy // not where nothing could be sent again
	s.tally.ended(outcome{kind: l.kind, reconnected: again, lag: l.lag, cause: cause(why)})
	s.discard(l)
	s.queue.end(s.at)
}

// discard frees a link.
func (s *shard) discard(l *link) {
	s.hangUp(l)
	l.rest = nil
	s.free = append(s.free, l)
}
