// Package supervise runs a command so that its whole process tree ends with us,
// whatever happens to us, SIGKILL included.
//
// This executable starts itself once more as a supervisor, which holds the read
// end of a pipe. When the pipe closes, because Stop was called or because the
// kernel closed it for a process that is no more, the supervisor ends every
// descendant. It is a child subreaper: what daemonises (double fork, setsid)
// becomes its child and cannot get away. The package supervises trees on the
// machine it runs on; it never looks at what they do.
package supervise

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Command is what to run, and how.
type Command struct {
	// Args are run without a shell. A program with a slash is relative to Dir,
	// one without is looked up in PATH, and [Self] is this very executable.
	Args []string
	// Dir is the working directory; empty is our own.
	Dir string
	// Env is added to our own environment.
	Env map[string]string
	// CPUs are those that the tree may run on; empty leaves it our own.
	CPUs []int
	// Grace is the time between TERM and KILL; zero is [DefaultGrace].
	Grace time.Duration
	// Output receives a copy of what the tree prints; nil keeps the last lines only.
	Output io.Writer
}

// Self is the program word that stands for this very executable.
const Self = "saturate"

// DefaultGrace is how long a tree has between TERM and KILL.
const DefaultGrace = 2 * time.Second

// marker in the environment makes this executable a supervisor.
const marker = "SATURATE_SUPERVISOR"

// The supervisor's ends of the pipes, in the order of exec.Cmd.ExtraFiles.
const (
	orderFD  = 3 // an order, then nothing until the end: the lifeline
	reportFD = 4
	outputFD = 5 // becomes the command's standard output and error
)

// An order is what the supervisor is told to run.
type order struct {
	Path  string
	Args  []string
	Dir   string
	Env   []string
	CPUs  []int
	Grace time.Duration
}

// A report is what the supervisor tells: first PID or Failed, later Exited.
type report struct {
	PID    int
	Failed string
	Errno  syscall.Errno // the kernel's reason of Failed; 0 where there is none
	Exited string        // exit status, in words
	Left   int           // processes that the command left behind when it ended
}

// Start runs the command under a supervisor of its own. The error says why the
// program cannot be run.
func Start(c Command) (*Child, error) {
	if os.Getenv(marker) != "" {
		return nil, errors.New("supervise.Main was not called first in main")
	}
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := pipes()
	if err != nil {
		return nil, err
	}
	supervisor := &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{"saturate-supervisor"},
		Env:        append(os.Environ(), marker+"=1"),
		ExtraFiles: []*os.File{theirs.orders, theirs.reports, theirs.output},
		// A session of its own: Ctrl-C in the terminal reaches us and not the
		// target, so that the load goes before the server does.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = supervisor.Start()
	theirs.close() // so that each pipe ends with the process at its other end
	if err != nil {
		ours.close()
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	reports := gob.NewDecoder(ours.reports)
	first, err := introduce(ours.orders, reports, o)
	child := &Child{
		pid: first.PID, grace: o.Grace, lifeline: ours.orders, output: newTail(ours.output, c.Output),
		done: make(chan struct{}), gone: make(chan struct{}),
	}
	go child.follow(supervisor, ours.reports, reports)
	if err != nil {
		return nil, errors.Join(err, child.Stop())
	}
	return child, nil
}

// order resolves the program and completes the environment.
func (c Command) order() (order, error) {
	if len(c.Args) == 0 {
		return order{}, errors.New("the command is empty")
	}
	o := order{Path: c.Args[0], Args: c.Args, Dir: c.Dir, CPUs: c.CPUs, Grace: c.Grace}
	switch {
	case o.Path == Self:
		o.Path = "/proc/self/exe" // the supervisor's, which is ours even when the file was replaced
	case !strings.Contains(o.Path, "/"):
		path, err := exec.LookPath(o.Path)
		if err != nil {
			return order{}, err
		}
		o.Path = path
	}
	env := exec.Cmd{Dir: c.Dir, Env: os.Environ()}
	for name, value := range c.Env {
		env.Env = append(env.Env, name+"="+value)
	}
	o.Env = env.Environ() // each name once: of two, programs differ in which they take
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	return o, nil
}

// introduce gives the supervisor its order and hears whether the program runs.
func introduce(orders io.Writer, reports *gob.Decoder, o order) (report, error) {
	var first report
	if err := gob.NewEncoder(orders).Encode(o); err != nil {
		return first, fmt.Errorf("tell the supervisor what to run: %w", err)
	}
	if err := reports.Decode(&first); err != nil {
		return first, fmt.Errorf("the supervisor ended without a word: %w", err)
	}
	switch {
	case first.Errno != 0:
		return first, fmt.Errorf("%s: %w", first.Failed, first.Errno)
	case first.Failed != "":
		return first, errors.New(first.Failed)
	}
	return first, nil
}

// ends are one side's ends of the three pipes between us and a supervisor.
type ends struct{ orders, reports, output *os.File }

func pipes() (ours, theirs ends, err error) {
	theirs.orders, ours.orders, err = os.Pipe()
	if err == nil {
		ours.reports, theirs.reports, err = os.Pipe()
	}
	if err == nil {
		ours.output, theirs.output, err = os.Pipe()
	}
	if err != nil {
		ours.close()
		theirs.close()
	}
	return ours, theirs, err
}

// close closes those that are open; a nil file refuses.
func (e ends) close() {
	e.orders.Close()
	e.reports.Close()
	e.output.Close()
}
