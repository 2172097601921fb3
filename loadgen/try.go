package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Trial is what a few requests, one after another, found out about a target.
type Trial struct {
	// Addr is the ip:port that the target's host resolved to, or the path of its
	// UNIX socket.
	Addr string
	// Protocol is HTTP/1.1 or HTTP/2.0.
	Protocol string
	// KeepAlive is false where the server closes after every answer.
	KeepAlive bool
	// Note is what a person should know; "" for nothing.
	Note string
	// Quiet is the latency of each request's first answer, by name, with nothing
	// else under way.
	Quiet map[string]time.Duration
}

// ErrDown says that nothing answers at the target's address.
var ErrDown = errors.New("the target is down")

// Unexpected says that a request was not answered as the scenario expects.
type Unexpected struct {
	Name, Method, URL string
	Status            int    // 0 where there was no answer
	Body              string // its first bytes
	Expect            []int  // empty is 200 to 399
	Err               error  // where there was no answer
}

func (e *Unexpected) Error() string {
	what := fmt.Sprintf("request %q (%s %s)", e.Name, e.Method, e.URL)
	if e.Err != nil {
		return fmt.Sprintf("%s was not answered: %v", what, e.Err)
	}
	expect := "200 to 399"
	if len(e.Expect) > 0 {
		expect = strings.Trim(fmt.Sprint(e.Expect), "[]")
	}
	text := fmt.Sprintf("%s was answered with status %d %s, expected %s", what, e.Status, http.StatusText(e.Status), expect)
	if e.Body != "" {
		text += fmt.Sprintf(": %q", e.Body)
	}
	return text
}

func (e *Unexpected) Unwrap() error { return e.Err }

// Hint is the remedy.
func (e *Unexpected) Hint() string {
	switch {
	case timedOut(e.Err):
		return "look into the target's log; if it may take so long, raise `traffic: {timeout: ...}`"
	case e.Err != nil:
		return "look into the target's log"
	}
	return fmt.Sprintf("saturate measures only what answers as expected: mend the request; if that is how it should answer, add `expect: [%d]` to it", e.Status)
}

const (
	// linger is how long a connection is watched after an answer, to see
	// whether the server closes it.
	linger = 80 * time.Millisecond
	// watched is after how many answers that is done.
	watched = 3
	// glimpse is how much of an unexpected answer's body is shown.
	glimpse = 120
)

// Try sends each named request once over one connection. The error joins every
// [*Unexpected] answer, or is an [ErrDown]; the Trial is filled as far as it went.
func Try(ctx context.Context, c Config, target string) (Trial, error) {
	c = c.withDefaults()
	t := Trial{Quiet: map[string]time.Duration{}}
	w, err := newWire(ctx, c, target, "")
	if err != nil {
		return t, err
	}
	t.Addr = w.addr
	m, err := newMix(c, w.base(), 0)
	if err != nil {
		return t, err
	}
	r := &trial{Trial: &t, pool: &pool{wire: w, limit: 1, share: 1}}
	defer r.pool.close()
	err = r.run(ctx, m)
	r.conclude()
	if err == nil && c.HTTP2 && t.Protocol != "HTTP/2.0" {
		err = fmt.Errorf("the target answers in %s, and http2 is asked for", t.Protocol)
	}
	return t, err
}

// trial is a Trial under way.
type trial struct {
	*Trial
	pool               *pool
	seen, closed, said int // answers after which the connection was watched, and found closed, and closed with notice
}

func (t *trial) run(ctx context.Context, m *mix) error {
	var wrong []error
	for i := range m.kinds {
		if err := t.try(ctx, &m.kinds[i]); err != nil {
			wrong = append(wrong, err)
			if !errors.As(err, new(*Unexpected)) { // no connection: the others would fare the same
				break
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errors.Join(wrong...)
}

func (t *trial) try(ctx context.Context, k *kind) error {
	req, err := k.request()
	if err != nil {
		return err
	}
	got, c := t.pool.send(ctx, req, make([]byte, glimpse))
	if c == nil {
		return t.unreachable(got.err)
	}
	defer t.pool.put(c)
	if got.err != nil || !k.expects(got.status) {
		return &Unexpected{Name: k.name, Method: req.Method, URL: k.target.URL, Expect: k.expect,
			Status: got.status, Body: string(got.head), Err: got.err}
	}
	t.Protocol = got.proto
	t.Quiet[k.name] = got.ended.Sub(got.sent)
	t.watch(ctx, c, got)
	return nil
}

// unreachable tells a target that is down from one that we cannot agree with.
func (t *trial) unreachable(err error) error {
	var dial *net.OpError
	if timedOut(err) || errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: %s: %s", ErrDown, t.Addr, cause(err))
	}
	return fmt.Errorf("connect to %s: %w", t.Addr, err)
}

// watch waits a little to see whether the server closes the connection.
func (t *trial) watch(ctx context.Context, c *conn, got answer) {
	if t.seen == watched {
		return
	}
	t.seen++
	if got.said {
		t.said++
	}
	for end := time.Now().Add(linger); ; {
		if got.close || c.cc.Err() != nil {
			t.closed++
			return
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (t *trial) conclude() {
	t.KeepAlive = t.seen > 0 && t.closed < t.seen
	switch {
	case t.closed == 0:
	case t.KeepAlive:
		t.Note = "the target closes the connection after some of its answers: expect reconnects"
	case t.said == t.closed:
		t.Note = "the target closes the connection after every answer (Connection: close); it is driven without keep-alive"
	default:
		t.Note = "the target closes the connection after every answer without saying so (uWSGI's http-socket does); it is driven without keep-alive"
	}
}
