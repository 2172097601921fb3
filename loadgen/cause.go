package loadgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"saturate/loadgen/internal/http1"
)

// The causes that other parts ask for by name.
const (
	causeTimeout = "timeout"
	causeConnect = "timeout while connecting"
	causeRoom    = "no connection free"
	causePorts   = "out of local ports"
	causeFiles   = "out of file descriptors"
)

// cause names the kind of a failure: few enough to count by.
func cause(err error) string {
	var cut *cutShort
	if errors.As(err, &cut) && !timedOut(err) {
		return "answer cut short"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{errTimeout, causeTimeout},
		{http1.ErrMalformed, "malformed answer"},
		{errConnectTimeout, causeConnect},
		{context.DeadlineExceeded, causeTimeout},
		{os.ErrDeadlineExceeded, causeTimeout},
		{syscall.ECONNREFUSED, "connection refused"},
		{syscall.ECONNRESET, "connection reset"},
		{syscall.EPIPE, "connection closed"},
		{io.EOF, "connection closed"},
		{io.ErrUnexpectedEOF, "connection closed"},
		{net.ErrClosed, "connection closed"},
		{syscall.EADDRNOTAVAIL, causePorts},
		{syscall.EMFILE, causeFiles},
		{syscall.ENFILE, causeFiles},
		{syscall.EHOSTUNREACH, "host unreachable"},
		{syscall.ENETUNREACH, "network unreachable"},
		{syscall.ETIMEDOUT, "connection lost"},
		{syscall.EAGAIN, "no room in the accept queue"}, // of a UNIX socket
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return causeByText(err)
}

// causeByText is for errors that have no value of their own in the standard library.
func causeByText(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch text := err.Error(); {
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return "certificate not accepted"
	case errors.As(err, &record):
		return "not a TLS server"
	case strings.Contains(text, "server closed idle connection"), strings.Contains(text, "connection is closed"):
		return "connection closed"
	case strings.Contains(text, "malformed"):
		return "malformed answer"
	case strings.Contains(text, "http2"), strings.Contains(text, "stream error"):
		return "HTTP/2 error"
	}
	return "other error"
}

func timedOut(err error) bool {
	return errors.Is(err, errTimeout) || errors.Is(err, errConnectTimeout)
}

// statusCause is the cause of an unexpected status.
func statusCause(status int) string { return fmt.Sprintf("status %d", status) }
