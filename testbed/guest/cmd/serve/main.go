// Command serve boots an emulated server with the demo and the agent on it, tells
// with what environment testbed/guest/server.yaml measures it, and ends it with
// ^C:
//
//	testbed/guest/install
//	go run ./testbed/guest/cmd/serve --shift 4
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"saturate/testbed/guest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir := flag.String("dir", ".cache/guest", "what testbed/guest/install fetched")
	shift := flag.Int("shift", 4, "its speed: 1e9 / 2^shift instructions a second")
	steps := flag.Int64("steps", 60_000, "what a request costs, in steps of 13 instructions")
	flag.Parse()
	programs, err := guest.BuildPrograms()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "keys")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := guest.BootServer(*dir, folder, programs, *shift, *steps, "host")
	if err != nil {
		return err
	}
	defer s.Stop()
	fmt.Println("export", strings.Join(s.Env(), " "))
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return fmt.Errorf("the guest has ended: %w; it printed\n%s", s.Err(), s.Output())
	}
}
