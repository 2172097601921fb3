package watchdog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"saturate/loadgen/shift/balancer"
)

const (
	// comesUp is how long a watchdog's process may take until it answers.
	comesUp = 10 * time.Second
	// againAfter is the pause before one that died is started again.
	againAfter = 200 * time.Millisecond
	// beat is how often a watchdog of ours is asked whether it lives, and beats how
	// many answers in a row it may owe before it is killed, to be started again.
	beat, beats = 500 * time.Millisecond, 4
)

// A Local is a watchdog in a process that we started. The process is in a session
// of its own and outlives us: when we are no more, it puts back what is not as
// found, and ends. When it dies itself, it is started again, and does the same;
// the epoch is dead then.
type Local struct {
	*Client
	config  Config
	command []string
	log     string // the file with what the process says on its standard error

	closing chan struct{}
	once    sync.Once
	done    chan struct{} // nothing of it runs any more
	last    error         // how it ended; written before done closes
}

// Greeting is what a watchdog's process says on its standard output, one line of
// JSON, when it serves or cannot.
type Greeting struct {
	Socket  string   `json:"socket,omitempty"`
	Refusal *Refusal `json:"refusal,omitempty"`
}

// Start starts "saturate watchdog --lifeline" of this very executable. The config
// goes by standard input, which stays open as long as we live. Errors are
// *Refusal where the watchdog tells why it does not serve.
func Start(ctx context.Context, c Config) (*Local, error) {
	return start(ctx, c, []string{"/proc/self/exe", "watchdog", "--lifeline"})
}

func start(ctx context.Context, c Config, command []string) (*Local, error) {
	b, err := balancer.Open(c.Balancer) // for its name, and its mistakes; nothing is connected
	if err != nil {
		return nil, err
	}
	files := filesOf(c.Dir, b.Name())
	if bad := tooLong(files.socket); bad != nil {
		return nil, bad.hinted("set XDG_STATE_HOME to a shorter path: the socket is below it")
	}
	if err := makeFolder(c.Dir); err != nil {
		return nil, err
	}
	l := &Local{
		config: c, command: command, log: files.log,
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	p, err := l.spawn(ctx)
	if err != nil {
		return nil, err
	}
	l.Client = DialSocket(p.greeting.Socket)
	go l.keep(p)
	return l, nil
}

// A process is one life of a Local.
type process struct {
	cmd      *exec.Cmd
	lifeline io.Closer
	greeting Greeting
	ended    chan struct{}
	err      error // of its end; written before ended closes
}

// spawn starts the process and waits until it serves.
func (l *Local) spawn(ctx context.Context) (*process, error) {
	config, err := json.Marshal(l.config)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(l.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(l.command[0], l.command[1:]...)
	cmd.Args[0] = "saturate"
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	p := &process{cmd: cmd, lifeline: in, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, comesUp)
	defer cancel()
	late := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
	_, err = in.Write(append(config, '\n'))
	var line []byte
	if err == nil {
		line, err = bufio.NewReader(out).ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, &p.greeting)
	}
	late()
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	switch {
	case err != nil:
		in.Close()
		return nil, fmt.Errorf("the watchdog does not come up (%w): %s tells more", err, log.Name())
	case p.greeting.Refusal != nil:
		in.Close()
		<-p.ended
		return nil, p.greeting.Refusal
	}
	return p, nil
}

// keep starts the process again when it dies, and when it does not answer.
func (l *Local) keep(p *process) {
	defer close(l.done)
	for {
		watched, stop := context.WithCancel(context.Background())
		go l.listen(watched, p)
		select {
		case <-p.ended:
			stop()
		case <-l.closing:
			stop()
			p.lifeline.Close()
			<-p.ended
			l.last = p.err
			return
		}
		p.lifeline.Close()
		if p = l.again(); p == nil {
			return
		}
	}
}

// again starts the process anew, until it serves. Where another watchdog has
// taken the backend meanwhile, that one puts back what was left: nil.
func (l *Local) again() *process {
	for {
		time.Sleep(againAfter)
		p, err := l.spawn(context.Background())
		if err == nil {
			return p
		}
		var taken *Refusal
		if errors.As(err, &taken) && taken.Code == Busy {
			l.last = err
			return nil
		}
	}
}

// listen kills a process that lives and does not answer: a watchdog that is
// stopped, or hangs, holds weights that nobody puts back.
func (l *Local) listen(ctx context.Context, p *process) {
	owed := 0
	for {
		select {
		case <-time.After(beat):
		case <-ctx.Done():
			return
		}
		asking, cancel := context.WithTimeout(ctx, beat)
		err := l.ask(asking, http.MethodGet, "alive", nil, &struct{}{})
		cancel()
		if err == nil {
			owed = 0
		} else if owed++; owed >= beats && ctx.Err() == nil {
			p.cmd.Process.Kill()
			return
		}
	}
}

// Close lets the watchdog go: it puts back what is not as found, and ends. The
// error says that it did not end while ctx lasted, or could not put back
// everything; it goes on trying then, by itself.
func (l *Local) Close(ctx context.Context) error {
	l.once.Do(func() { close(l.closing) })
	select {
	case <-l.done:
		l.Client.Close()
		return l.last
	case <-ctx.Done():
		return fmt.Errorf("the watchdog goes on putting back what is not as found: %s tells more", l.log)
	}
}
