package supervise

import (
	"encoding/gob"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// A Child is a command that was started, with all that descends from it.
type Child struct {
	pid      int
	grace    time.Duration
	lifeline io.Closer
	output   *tail
	stop     sync.Once
	done     chan struct{} // the command has ended
	exit     *ExitError    // how; written before done closes
	gone     chan struct{} // the supervisor has ended: nothing is left
	last     error         // how it ended; written before gone closes
}

// follow hears the supervisor out.
func (c *Child) follow(supervisor *exec.Cmd, pipe io.Closer, reports *gob.Decoder) {
	defer pipe.Close()
	var r report
	if reports.Decode(&r) != nil {
		r.Exited = "its supervisor was killed"
	}
	// What the command printed last is in the pipe, which ends now, unless a
	// process that was left behind keeps it open.
	c.output.settle(100 * time.Millisecond)
	c.exit = &ExitError{Status: r.Exited, Left: r.Left, Output: c.output.String()}
	close(c.done)
	c.last = supervisor.Wait()
	close(c.gone)
}

// PID is the process number of the command itself: the root of its tree.
func (c *Child) PID() int { return c.pid }

// Done is closed when the command itself has ended, by itself or by Stop. What
// it started may live on, until Stop.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is nil while the command runs, and an [*ExitError] afterwards.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.exit
	default:
		return nil
	}
}

// Output is what the tree has printed so far: the last lines.
func (c *Child) Output() string { return c.output.String() }

// Stop ends the whole tree: TERM, after the grace KILL, until nothing is left.
// It can be called more than once and at the same time. The error is that
// something survived; the supervisor, if it lives, keeps on trying.
func (c *Child) Stop() error {
	c.stop.Do(func() { c.lifeline.Close() })
	select {
	case <-c.gone:
		if c.last != nil {
			return fmt.Errorf("the supervisor of process %d ended with %w: the target may still run", c.pid, c.last)
		}
		return nil
	case <-time.After(c.grace + 5*time.Second):
		return fmt.Errorf("process %d, or one that descends from it, does not end", c.pid)
	}
}

// An ExitError says how a command ended.
type ExitError struct {
	// Status is the exit status or the signal, in words.
	Status string
	// Left is how many processes it left behind.
	Left int
	// Output is what it printed last.
	Output string
}

func (e *ExitError) Error() string {
	text := e.Status
	if e.Left > 0 {
		text += fmt.Sprintf(", leaving %d of its processes behind", e.Left)
	}
	if e.Output == "" {
		return text + "; it printed nothing"
	}
	return text + "; its last lines:\n" + e.Output
}

// Hint says what to do about a server that put itself into the background.
func (e *ExitError) Hint() string {
	if e.Left == 0 || e.Status != inWords(0) {
		return ""
	}
	return "keep the server in the foreground: uWSGI without daemonize, nginx with `daemon off;`, php-fpm with -F"
}
