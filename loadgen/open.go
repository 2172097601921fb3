package loadgen

import (
	"saturate/loadgen/internal/epoll"
	"saturate/loadgen/internal/socket"
)

// orders is how many connections a dialler is asked for at once. The hits that
// come meanwhile wait, and take what becomes free first: were there an order
// for each, a moment's delay at 40,000 hits a second would end with a thousand
// connections, most of them idle for the rest of the run.
const orders = 8

// begin sends a hit's request on a free connection.
func (s *shard) begin(h hit) {
	if s.givenUp(h) {
		return
	}
	l := s.idle.last
	l.leave()
	s.bind(l, h)
	s.send(l)
	s.at = s.now()
}

// reach has a connection opened for a hit.
func (s *shard) reach(h hit) {
	if s.givenUp(h) {
		return
	}
	l := s.spare()
	s.bind(l, h)
	s.dial(l)
}

// givenUp ends a started hit that is not to be sent any more: in silence, or
// because it waited too long for us.
func (s *shard) givenUp(h hit) bool {
	switch {
	case s.queue.silent(s.at):
		s.queue.end(s.at)
	case s.at-h.ready > tooLate:
		s.queue.lapse(s.at)
	default:
		return false
	}
	return true
}

func (s *shard) bind(l *link, h hit) {
	s.tally.sent()
	l.hit, l.kind, l.again, l.lag = h, s.mix.pick(s.rng), false, s.at-h.ready
}

// spare is a link without a connection. There are never more links in use than
// the queue has room for hits.
func (s *shard) spare() *link {
	if n := len(s.free); n > 0 {
		l := s.free[n-1]
		s.free = s.free[:n-1]
		return l
	}
	l := &link{place: len(s.links), fd: -1}
	s.links = append(s.links, l)
	return l
}

// dial has a connection opened, unless the last one could not be: then this one
// shares its fate for a while.
func (s *shard) dial(l *link) {
	if s.at < s.pause.until {
		s.fail(l, s.pause.why)
		return
	}
	l.began = s.at
	s.ordered++
	s.dialler.orders <- l // has room for all links
}

// dialled goes on once the dialler has done what it can.
func (s *shard) dialled(d dialled) {
	l := d.link
	s.ordered--
	l.lag += d.began - l.began // so long the dialler took to come to it
	l.began = s.at             // how long we took to hear of it is no fault of the target's
	if d.err == nil {
		d.err = s.open(l, d.fd)
	}
	switch {
	case d.err != nil:
		s.refused(l, d.err)
	case s.tcp:
		l.state = connecting
		s.flying.push(l)
	default: // UNIX sockets are accepted at once or not at all
		s.connected(l)
	}
}

// open has the poller watch a link's new connection.
func (s *shard) open(l *link, fd int) error {
	what := uint32(epoll.Readable)
	if s.tcp { // others would tell that there is room each time the target reads
		what |= epoll.Writable
	}
	l.fd, l.used, l.alert = fd, false, s.tcp
	l.turn++
	s.opened++
	return s.poll.Add(fd, l.token(), what)
}

// adopt takes a connection that was opened ahead. It counts as used, because
// the target may be tired of it before it is.
func (s *shard) adopt(fd int) error {
	l := s.spare()
	err := s.open(l, fd)
	l.state, l.used = idling, true
	s.idle.push(l)
	return err
}

// connecting goes on once the target has accepted or refused.
func (s *shard) connecting(l *link) {
	s.at = s.now()
	if err := socket.Failed(l.fd); err != nil {
		s.refused(l, err)
		return
	}
	l.leave()
	s.connected(l)
}

func (s *shard) connected(l *link) {
	s.pause.end()
	s.send(l)
}

// refused fails a hit whose connection could not be opened.
func (s *shard) refused(l *link, why error) {
	s.pause.begin(s.at, why)
	s.fail(l, why)
}

// retry sends a hit's request again on a fresh connection.
func (s *shard) retry(l *link) {
	s.hangUp(l)
	l.again, l.rest = true, nil
	s.dial(l)
}

// hangUp closes a link's connection, if it has one.
func (s *shard) hangUp(l *link) {
	l.leave()
	l.state = unopened
	if l.fd >= 0 {
		socket.Close(l.fd)
		l.fd = -1
		s.opened--
	}
}
