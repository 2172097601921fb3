// Package door is where a server of saturate's is reached from other machines:
// connections are let in few at a time, and by TLS as a file in the format of
// Prometheus' exporter-toolkit says. Who may do what once inside is the server's
// to decide.
package door

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"gopkg.in/yaml.v3"
)

const (
	// Slowest is how long a client may take for a request, its TLS handshake
	// included.
	Slowest = 3 * time.Second
	// idleFor is how long a connection is kept for the next request: longer than
	// between two scrapes.
	idleFor = 75 * time.Second
	// largest is the size of a request's header, about.
	largest = 4 << 10
	// farewell is how long requests have that are being answered at the end.
	farewell = time.Second
)

// Serve answers until ctx ends, which ends the requests' contexts too. An answer
// takes at most the time given, unless its handler says otherwise. The file says
// how TLS is spoken; an empty one is plain HTTP.
func Serve(ctx context.Context, l net.Listener, h http.Handler, answerWithin time.Duration, file string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:           serve(h),
		ReadHeaderTimeout: Slowest,
		ReadTimeout:       Slowest,
		WriteTimeout:      answerWithin,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    largest,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       enter,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(io.Discard, "", 0), // a crowd at the door must not fill a disk
	}
	server.Protocols.SetHTTP1(true)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		late, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		if server.Shutdown(late) != nil {
			server.Close()
		}
	})
	err := web.Serve(l, server, &web.FlagConfig{WebConfigFile: &file}, slog.New(slog.DiscardHandler))
	cancel()
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// A Web is what matters here of exporter-toolkit's file.
type Web struct {
	// TLS is spoken.
	TLS bool
	// Mutual: client certificates are verified, and by an authority that the
	// file names; the system's own would let anybody in.
	Mutual bool
}

// ReadWeb reads the file, and checks all of it; no file is plain HTTP.
func ReadWeb(file string) (Web, error) {
	var c struct {
		TLS struct {
			Cert       string `yaml:"cert"`
			CertFile   string `yaml:"cert_file"`
			CA         string `yaml:"client_ca"`
			CAFile     string `yaml:"client_ca_file"`
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if file == "" {
		return Web{}, nil
	}
	if err := web.Validate(file); err != nil {
		return Web{}, err
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, &c)
	}
	if err != nil {
		return Web{}, err
	}
	verified := c.TLS.ClientAuth == "VerifyClientCertIfGiven" || c.TLS.ClientAuth == "RequireAndVerifyClientCert"
	return Web{
		TLS:    c.TLS.Cert+c.TLS.CertFile != "",
		Mutual: verified && c.TLS.CA+c.TLS.CAFile != "",
	}, nil
}
