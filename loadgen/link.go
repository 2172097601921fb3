package loadgen

import (
	"time"

	"saturate/loadgen/internal/http1"
)

// A link is a place for one connection, and the way of the hit that has it.
type link struct {
	place int    // in shard.links
	turn  uint32 // counts its connections: what is told of an earlier one is stale
	fd    int    // -1 where it has none

	state state
	used  bool          // the connection has carried a request before
	began time.Duration // when the dialling or the sending began
	alert bool          // the poller tells when there is room to write

	hit    hit
	kind   int
	again  bool          // the request is being sent a second time
	lag    time.Duration // the part of it that came before the connection was open
	rest   []byte        // of the request, not yet written
	answer http1.Parser

	in         *links // the list it is in, if any
	prev, next *link
}

type state uint8

const (
	unopened   state = iota // or with the dialler
	connecting              // the target has not accepted yet
	idling
	busy
)

func (l *link) token() uint64 { return uint64(l.turn)<<32 | uint64(uint32(l.place)) }

// A links is a list of links, each of which is in one list at most.
type links struct{ first, last *link }

// push puts l, which is in no list, at the end.
func (all *links) push(l *link) {
	l.in, l.prev, l.next = all, all.last, nil
	if all.last != nil {
		all.last.next = l
	} else {
		all.first = l
	}
	all.last = l
}

// leave takes l out of the list that it is in, if any.
func (l *link) leave() {
	if l.in == nil {
		return
	}
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		l.in.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		l.in.last = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
}
