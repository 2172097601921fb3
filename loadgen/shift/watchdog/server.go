package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"saturate/internal/door"
)

const (
	// largestRequest and largestAnswer are in bytes.
	largestRequest, largestAnswer = 64 << 10, 16 << 20
	// endWithin is how long an End waits for everything to be as found.
	endWithin = 10 * time.Second
	// answerBy is how long an answer may take, that of an End included.
	answerBy = endWithin + 5*time.Second
	// longestSocket is the length of a socket's path, at most, in bytes: the
	// kernel's sockaddr_un has no room for more.
	longestSocket = 107
)

// Listen opens the socket, and the address of Config.Listen where there is one.
// Errors are *Refusal.
func (w *Watchdog) Listen() error {
	socket, err := listenSocket(w.config.Socket)
	if err != nil {
		return err
	}
	w.listeners = []net.Listener{socket}
	w.logf("listening on %s", w.config.Socket)
	if w.config.Listen == "" {
		return nil
	}
	others, err := listenTLS(w.config)
	if err != nil {
		socket.Close()
		return err
	}
	w.listeners = append(w.listeners, others)
	w.logf("listening on https://%v", others.Addr())
	return nil
}

// Serve answers where Listen has opened, until ctx ends. It closes its listeners
// and nothing else.
func (w *Watchdog) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error)
	for i, l := range w.listeners {
		h, file := w.handler(), ""
		if i > 0 {
			h, file = w.certified(h), w.config.WebConfig
		}
		go func() { results <- door.Serve(ctx, l, h, answerBy, file) }()
	}
	var err error
	for range w.listeners {
		err = errors.Join(err, <-results)
		cancel() // one alone would leave half of those who ask without an answer
	}
	return err
}

// listenSocket listens on a path in a folder of ours alone.
func listenSocket(path string) (net.Listener, error) {
	if bad := tooLong(path); bad != nil {
		return nil, bad.hinted("name another with --socket")
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	os.Remove(path) // of one that was killed: who has the lock owns the path
	l, err := net.Listen("unix", path)
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			l.Close()
		}
	}
	if err != nil {
		return nil, refuse(NoJournal, "listen on %s: %v", path, err)
	}
	return l, nil
}

// tooLong refuses a path that no socket can have.
func tooLong(path string) *Refusal {
	if len(path) <= longestSocket {
		return nil
	}
	return refuse(BadRequest, "the path of a socket has at most %d bytes: %s", longestSocket, path)
}

// listenTLS listens for other machines, if the file says whom to trust.
func listenTLS(c Config) (net.Listener, error) {
	const remedy = "its tls_server_config has to name cert_file, key_file, client_auth_type: RequireAndVerifyClientCert and client_ca_file; docs/agent.md shows how to make them"
	switch web, err := door.ReadWeb(c.WebConfig); {
	case c.WebConfig == "":
		return nil, refuse(BadRequest, "a watchdog can move production's traffic: on %s it answers by mutual TLS alone", c.Listen).
			hinted("name a file with --web.config.file, in the format of Prometheus' exporter-toolkit; " + remedy)
	case err != nil:
		return nil, refuse(BadRequest, "%s: %v", c.WebConfig, err).hinted(remedy)
	case !web.TLS || !web.Mutual:
		return nil, refuse(BadRequest, "%s: it does not say which client certificates to trust", c.WebConfig).hinted(remedy)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, refuse(BadRequest, "%v", err).hinted("take another port: --listen")
	}
	return door.NewGate(l), nil
}

// certified lets in those whose certificate was verified. The file is read again,
// because TLS reads it again for each connection.
func (w *Watchdog) certified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		web, err := door.ReadWeb(w.config.WebConfig)
		if err != nil || !web.Mutual || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			answer(out, nil, refuse(Forbidden, "a watchdog answers those who show a certificate that it trusts").
				hinted("name cert and key of live.watchdog; an authority of its client_ca_file must have signed them"))
			return
		}
		h.ServeHTTP(out, r)
	})
}

func (w *Watchdog) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(out http.ResponseWriter, r *http.Request) {
		s, err := w.State(r.Context())
		answer(out, s, err)
	})
	mux.HandleFunc("GET /v1/alive", func(out http.ResponseWriter, _ *http.Request) {
		w.Alive()
		answer(out, struct{}{}, nil)
	})
	mux.HandleFunc("POST /v1/begin", func(out http.ResponseWriter, r *http.Request) { carryOut(out, r, w.Begin) })
	mux.HandleFunc("POST /v1/push", func(out http.ResponseWriter, r *http.Request) { carryOut(out, r, w.Push) })
	mux.HandleFunc("POST /v1/end", func(out http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), endWithin)
		defer cancel()
		carryOut(out, r.WithContext(ctx), w.End)
	})
	return mux
}

// carryOut reads a request, does what it asks for and answers.
func carryOut[Q, A any](out http.ResponseWriter, r *http.Request, do func(context.Context, Q) (A, error)) {
	var q Q
	in := json.NewDecoder(http.MaxBytesReader(out, r.Body, largestRequest))
	in.DisallowUnknownFields()
	err := in.Decode(&q)
	if err == nil {
		if _, more := in.Token(); more != io.EOF {
			err = errors.New("something follows the request")
		}
	}
	if err != nil {
		answer(out, nil, refuse(BadRequest, "the request cannot be read: %v", err).hinted("run the same saturate on both sides"))
		return
	}
	a, err := do(r.Context(), q)
	answer(out, a, err)
}

// answer says what came of it.
func answer(out http.ResponseWriter, a any, err error) {
	status := http.StatusOK
	if err != nil {
		var r *Refusal
		if !errors.As(err, &r) {
			r = refuse(NoBalancer, "%v", err)
		}
		a, status = r, r.Code.status()
	}
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(status)
	json.NewEncoder(out).Encode(a)
}
