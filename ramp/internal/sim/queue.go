package sim

// A timer is something that is due for a request.
type timer struct {
	at float64
	id int32
}

// timers is a heap of four children a node, the earliest first.
type timers []timer

func (h *timers) push(t timer) {
	a := append(*h, t)
	i := len(a) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if a[parent].at <= t.at {
			break
		}
		a[i] = a[parent]
		i = parent
	}
	a[i] = t
	*h = a
}

// pop takes the earliest; there must be one.
func (h *timers) pop() timer {
	a := *h
	first, n := a[0], len(a)-1
	last := a[n]
	a = a[:n]
	*h = a
	for i := 0; n > 0; {
		child, end := 4*i+1, min(4*i+5, n)
		if child >= n {
			a[i] = last
			break
		}
		least := child
		for c := child + 1; c < end; c++ {
			if a[c].at < a[least].at {
				least = c
			}
		}
		if a[least].at >= last.at {
			a[i] = last
			break
		}
		a[i] = a[least]
		i = least
	}
	return first
}

// A fifo is a queue in a ring that grows by doubling.
type fifo[T any] struct {
	ring    []T
	head, n int
}

func (q *fifo[T]) push(v T) {
	if q.n == len(q.ring) {
		grown := make([]T, max(16, 2*q.n))
		k := copy(grown, q.ring[q.head:])
		copy(grown[k:], q.ring[:q.head])
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// first is the oldest; there must be one.
func (q *fifo[T]) first() *T { return &q.ring[q.head] }

func (q *fifo[T]) pop() T {
	v := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}
