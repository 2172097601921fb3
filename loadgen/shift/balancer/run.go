package balancer

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// run runs a program without a shell and returns what it printed, which is
// bounded. The program ends with the context, and with this process: what it was
// told to set must not come into force later, when somebody else has the word.
func run(ctx context.Context, argv []string) ([]byte, error) {
	runtime.LockOSThread() // Pdeathsig is about the thread that starts it
	defer runtime.UnlockOSThread()
	var out, errs bounded
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // and what it started
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", argv[0], context.Cause(ctx))
	case err != nil && errs.kept.Len() > 0:
		return nil, fmt.Errorf("%s: %w: %s", argv[0], err, shorten(errs.kept.String()))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	case out.over:
		return nil, fmt.Errorf("%s printed more than %d MiB", argv[0], maxOutput>>20)
	}
	return out.kept.Bytes(), nil
}

// maxOutput is the most that is kept of what a program prints.
const maxOutput = 4 << 20

// bounded keeps the first maxOutput bytes. It has a buffer and is none, for a
// buffer would be filled behind its back.
type bounded struct {
	kept bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.kept.Len()
	b.over = b.over || len(p) > room
	b.kept.Write(p[:min(room, len(p))])
	return len(p), nil
}
