package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"sync"
	"time"

	"saturate/stress"
	"saturate/stress/probe"
)

const (
	// keep is how many samples wait for a Take: five minutes.
	keep = 1500
	// silence is how long the stream may say nothing before it is given up.
	silence = 2 * time.Second
	// soonest and latest are how long a client waits before it tries to connect
	// again.
	soonest, latest = 200 * time.Millisecond, 2 * time.Second
	// longestLine bounds what an agent may say at once, in bytes.
	longestLine = 1 << 20
)

// A Client reads a target through the agent on its machine. It has the methods of
// a probe.Sampler, and means the same by them.
//
// A stream that breaks is taken up again. Nothing is bridged by that: the
// samples' Seq or Boot tell of the gap, and Fresh grows meanwhile.
type Client struct {
	name   string // "agent https://..."
	url    string
	http   *http.Client
	pace   pace
	cancel context.CancelFunc
	ctx    context.Context
	done   sync.WaitGroup

	starting, closing sync.Once
	begun             *stream // by Dial, until Start

	mu      sync.Mutex
	samples []stress.Sample
	scopes  map[string]string
	info    map[string]string
	streams int // of the agent's, when one was opened last
	states  []state
	told    time.Time // when the states came
	fresh   time.Time // when the last complete sample came
	gone    error
	err     error
	lost    error // why there is no stream now
}

// A stream is one connection to the agent.
type stream struct {
	body  io.ReadCloser
	lines *bufio.Scanner
	stop  context.CancelFunc
	first line
	at    time.Time // when it came
}

// Dial connects to an agent and reads the beginning of its stream, so that what
// is wrong comes out here. Its errors are *probe.Error, with a remedy.
func Dial(ctx context.Context, a probe.Agent) (*Client, error) {
	c, err := newClient(a)
	if err != nil {
		return nil, err
	}
	if c.begun, err = c.connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	c.note(c.begun.first, c.begun.at)
	return c, nil
}

// Start begins to follow the stream; it is called once.
func (c *Client) Start() {
	c.starting.Do(func() { c.done.Go(c.run) })
}

// run follows one stream after another.
func (c *Client) run() {
	wait := soonest
	s := c.begun
	for {
		if s != nil {
			err := c.follow(s)
			if c.Err() != nil || c.ctx.Err() != nil {
				return
			}
			c.lose(err)
			wait = soonest
		}
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return
		}
		wait = min(2*wait, latest)
		var err error
		if s, err = c.connect(c.ctx); err != nil {
			c.lose(err)
			continue
		}
		c.note(s.first, s.at)
	}
}

// follow reads a stream to its end, and says why it ended.
func (c *Client) follow(s *stream) error {
	defer s.close()
	late := time.AfterFunc(silence, s.stop)
	defer late.Stop()
	for s.lines.Scan() {
		at := time.Now()
		late.Reset(silence)
		l, err := parseLine(s.lines.Bytes())
		if err != nil {
			return c.broken("", err)
		}
		c.note(l, at)
		if c.Err() != nil {
			return nil
		}
	}
	if !late.Stop() {
		return c.broken("", fmt.Errorf("no sample for %v", silence))
	}
	if err := s.lines.Err(); err != nil {
		return c.broken("", fmt.Errorf("the stream broke off: %w", err))
	}
	return c.broken("", fmt.Errorf("the stream ended"))
}

func (s *stream) close() {
	s.stop()
	s.body.Close()
}

// note takes in a line that came at that time.
func (c *Client) note(l line, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = nil
	if l.Hello != nil {
		c.scopes, c.info, c.streams = l.Hello.Scopes, l.Hello.Info, l.Hello.Streams
	}
	if l.Sources != nil {
		c.states, c.told = l.Sources, at
	}
	if l.Gone != "" && c.gone == nil {
		c.gone = &probe.Error{Source: l.Gone, Err: probe.ErrGone}
	}
	if l.Panic != nil {
		c.err = l.Panic.err()
		return
	}
	if l.Complete {
		c.fresh = at
	}
	if rate, ok := c.pace.observe(l.Boot, l.At, at); ok {
		l.Gauges[stress.ClockRate] = rate
	}
	if c.samples = append(c.samples, l.Sample); len(c.samples) > keep {
		c.samples = c.samples[1:]
	}
}

// lose notes why there is no stream.
func (c *Client) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
	if name := goneOf(err); name != "" && c.gone == nil {
		c.gone = &probe.Error{Source: name, Err: probe.ErrGone}
	}
}

// Take returns the samples since the last Take, the oldest first. Where nobody
// takes them, those of the last five minutes are kept.
func (c *Client) Take() []stress.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.samples
	c.samples = nil
	return taken
}

// Fresh is the time since the last sample came that every required source of the
// target's kernel is in; the largest duration before the first.
func (c *Client) Fresh() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh.IsZero() {
		return math.MaxInt64
	}
	return time.Since(c.fresh)
}

// Err is why no sample will come any more, a *probe.Panic of the agent's. It is
// nil while they come, and while the client tries to connect again.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Gone is why the target is no more, as the agent saw it, though it may be there
// again. It is nil while it lives or is not known.
func (c *Client) Gone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// Sources tells how each source of the agent is doing. While there is no stream,
// the agent itself comes first, and says why; and where others follow it too.
func (c *Client) Sources() []probe.Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []probe.Source
	since := time.Since(c.told)
	if c.lost != nil {
		all = append(all, probe.Source{Name: c.name, Required: true, Err: c.lost, Age: since})
	}
	if c.streams > 1 {
		all = append(all, probe.Source{Name: c.name, Age: since, Err: c.broken(
			"if that is another run, wait for its end and run again: each of two would take the other's load for what the target does",
			errors.New("somebody else follows this target too"))})
	}
	for _, s := range c.states {
		all = append(all, s.source(since))
	}
	return all
}

// Scopes are whose work the samples tell, by its unit.
func (c *Client) Scopes() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.scopes)
}

// Info is what the agent tells of its machine: generation, region, isa,
// cpu_model, kernel and what else its command line has. A label that it does not
// know is empty.
func (c *Client) Info() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.info)
}

// Close ends the stream and waits for it to end. To close again does nothing.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.starting.Do(func() { // never started: nobody else closes it
			if c.begun != nil {
				c.begun.close()
			}
		})
		c.cancel()
		c.done.Wait()
		c.http.CloseIdleConnections()
	})
	return nil
}
