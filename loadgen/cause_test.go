package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestCause(t *testing.T) {
	dial := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	for want, all := range map[string][]error{
		"timeout":                  {errTimeout, context.DeadlineExceeded, &cutShort{errTimeout}, os.ErrDeadlineExceeded},
		"timeout while connecting": {fmt.Errorf("x: %w", errConnectTimeout)},
		"connection refused":       {dial(syscall.ECONNREFUSED)},
		"connection reset":         {fmt.Errorf("net/http: broken: %w", os.NewSyscallError("read", syscall.ECONNRESET))},
		"connection closed":        {io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, errors.New("http: server closed idle connection")},
		"answer cut short":         {&cutShort{io.ErrUnexpectedEOF}},
		"out of local ports":       {dial(syscall.EADDRNOTAVAIL)},
		"out of file descriptors":  {dial(syscall.EMFILE), dial(syscall.ENFILE)},
		"host unreachable":         {dial(syscall.EHOSTUNREACH)},
		"malformed answer":         {errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "x"`)},
		"HTTP/2 error":             {errors.New("stream error: stream ID 7; INTERNAL_ERROR")},
		"other error":              {errors.New("something else")},
	} {
		for _, err := range all {
			if got := cause(err); got != want {
				t.Errorf("%v: %q, want %q", err, got, want)
			}
		}
	}
}
