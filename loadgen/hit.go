package loadgen

import (
	"errors"
	"net/http"
	"time"
)

var errLate = errors.New("generator too late")

// RoundTrip is the way of one hit: it is the http.RoundTripper below vegeta's
// client. It counts what became of the hit by itself, and hands vegeta an
// answer whose body has been read.
func (a *vegetaEngine) RoundTrip(req *http.Request) (*http.Response, error) {
	h := <-a.started
	began := a.now()
	if began-h.ready > tooLate {
		a.release((*queue).lapse)
		return nil, errLate
	}
	defer a.release((*queue).end)
	kind := a.mix.kind(req.Header)
	unmark(req.Header)

	a.tally.sent()
	got, c := a.pool.send(a.ctx, req, nil)
	if c != nil {
		a.pool.put(c)
	}
	if errors.Is(got.err, errClosed) {
		return nil, got.err
	}
	o := outcome{kind: kind, reconnected: got.again, lag: began - h.ready + got.late}
	switch {
	case got.err != nil:
		o.cause = cause(got.err)
	case !a.mix.kinds[kind].expects(got.status):
		o.status = got.status
	}
	o.latency = got.ended.Sub(a.start) - h.at
	o.service = got.ended.Sub(got.sent)
	a.tally.ended(o)
	if got.err != nil {
		return nil, got.err
	}
	return &http.Response{StatusCode: got.status, Status: http.StatusText(got.status),
		Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// release gives a hit's room back and wakes the pacer where somebody waits for it.
func (a *vegetaEngine) release(end func(*queue, time.Duration) bool) {
	a.mu.Lock()
	more := end(a.queue, a.now())
	a.mu.Unlock()
	if more {
		a.nudge()
	}
}
