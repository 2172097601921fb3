package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"saturate/stress/probe"
)

// writeWithin is how long a line may take to be handed to the kernel.
const writeWithin = time.Second

// Refusals count what was not served, by the reason.
type refusals struct {
	streams, certificates atomic.Uint64
}

func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics())
	mux.HandleFunc("GET /stream", a.stream)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "saturate agent: /metrics for Prometheus, /stream for saturate run")
	})
	return mux
}

// stream sends a line five times a second until the reader leaves.
func (a *Agent) stream(w http.ResponseWriter, r *http.Request) {
	trust, err := readWeb(a.config.WebConfig)
	if err == nil {
		err = trust.admits(r)
	}
	if err != nil {
		a.refused.certificates.Add(1)
		refuse(w, http.StatusForbidden, err)
		return
	}
	if err := a.main.ready(); err != nil {
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	lines, ok := a.streams.join()
	if !ok {
		a.refused.streams.Add(1)
		refuse(w, http.StatusServiceUnavailable, broken("end one of the runs that read it, or wait", fmt.Errorf("%d streams are open already", mostStreams)))
		return
	}
	defer a.streams.leave(lines)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // that of the request; the reader says no more
	for {
		select {
		case text, more := <-lines:
			if !more {
				return
			}
			out.SetWriteDeadline(time.Now().Add(writeWithin))
			if _, err := w.Write(text); err != nil || out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// refuse says no, and why.
func refuse(w http.ResponseWriter, status int, err error) {
	body := refusal{Error: err.Error(), Gone: goneOf(err)}
	var known *probe.Error
	if errors.As(err, &known) {
		body.Hint = known.Remedy
		if known.Source == "agent" {
			body.Error = known.Err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
