package loadgen

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// An answer is what one request brought.
type answer struct {
	status  int
	proto   string
	close   bool          // it is the last one on its connection
	said    bool          // and the server said so
	head    []byte        // the body's first bytes, as many as were asked for
	sent    time.Time     // when the first byte was written, or was about to be
	ended   time.Time     // when the last byte of the answer was read, or hope was lost
	started bool          // a byte of the answer was seen
	again   bool          // it was sent twice: the first time on a connection that was dead already
	late    time.Duration // from having a connection to writing to it, where only we can be the cause
	err     error
}

// exchange sends req and drains its answer, of which it keeps the body's first
// bytes in head. It is bounded by the timeout.
func (w *wire) exchange(ctx context.Context, cc *http.ClientConn, req *http.Request, head []byte) answer {
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout, errTimeout)
	defer cancel()
	var wrote, first atomic.Int64
	begin := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders:         func() { wrote.Store(int64(time.Since(begin))) },
		GotFirstResponseByte: func() { first.Store(1) },
	})
	a := w.drain(cc, req.WithContext(ctx), head)
	a.ended = time.Now()
	a.sent = begin.Add(time.Duration(wrote.Load()))
	a.started = a.started || first.Load() != 0
	if a.err != nil && ctx.Err() != nil {
		a.err = context.Cause(ctx)
	}
	return a
}

func (w *wire) drain(cc *http.ClientConn, req *http.Request, head []byte) (a answer) {
	resp, err := cc.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, proto: resp.Proto, close: resp.Close, started: true}
	// An answer without a length says so only by its end; net/http keeps no other trace of the header.
	a.said = a.close && (resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0)
	if len(head) > 0 {
		n, _ := io.ReadFull(resp.Body, head)
		a.head = head[:n]
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		a.err = &cutShort{err}
	}
	return a
}

// cutShort says that an answer began and did not come to its end.
type cutShort struct{ err error }

func (e *cutShort) Error() string { return "answer cut short: " + e.err.Error() }
func (e *cutShort) Unwrap() error { return e.err }

// send carries a request over a connection of the pool, which the caller puts
// back; it is nil where none could be opened. A request that dies on a reused
// connection before a byte of the answer is sent again on a fresh one, as
// browsers and balancers do: the server had closed the connection, and may. A
// second death is a failure.
func (p *pool) send(ctx context.Context, req *http.Request, head []byte) (answer, *conn) {
	c, reused, err := p.get(ctx)
	for again := false; ; again, reused = true, false {
		if err != nil {
			now := time.Now()
			return answer{err: err, sent: now, ended: now}, nil
		}
		had := time.Now()
		got := p.wire.exchange(ctx, c.cc, req, head)
		got.again = again
		if p.share == 1 { // a stream may have to wait for its turn
			got.late = got.sent.Sub(had)
		}
		if !reused || got.err == nil || got.started || timedOut(got.err) || ctx.Err() != nil {
			return got, c
		}
		if req.GetBody != nil { // bodies are in memory: this cannot fail
			req.Body, _ = req.GetBody()
		}
		c, err = p.replace(ctx, c)
	}
}
