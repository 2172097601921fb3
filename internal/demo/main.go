package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"runtime"
	"syscall"
)

// Main runs the server that the flags in args describe, until it is told to
// end by SIGINT or SIGTERM, and returns the exit code: 2 where the flags are
// wrong, 1 where the server cannot start. It is meant to have the process to
// itself: what it counts is the process's.
func Main(args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	// With a processor for each worker the kernel shares the CPUs out, as it
	// does between the processes of a real server, and the metrics have one.
	runtime.GOMAXPROCS(min(c.Workers, 64) + 2)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := Open(c)
	if err != nil {
		fmt.Fprintf(stderr, "saturate demo: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "saturate demo: %d workers at http://%s, metrics at http://%s/metrics\n", c.Workers, s.Addr(), s.MetricsAddr())
	<-ctx.Done()
	s.Close()
	return 0
}
