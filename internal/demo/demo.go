// Package demo is the little server that the quickstart measures.
//
// It has the limits of real ones: N synchronous workers in front of the
// kernel's own accept queue, CPU work, a backend to wait for, memory held per
// request, a lock. What each request costs is set by flags and counted inside,
// so that the truth about its capacity is known: limit / cost per request. It
// is a whole process's business; nothing else should run beside it.
package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// A Server answers requests until it is closed.
type Server struct {
	config   Config
	listener *net.TCPListener
	metrics  net.Listener // nil where none is asked for
	page     http.Server
	base     block
	serial   sync.Mutex
	count    counts
	closing  chan struct{}
	workers  sync.WaitGroup
}

// Open starts the server: its workers run when it returns.
func Open(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, closing: make(chan struct{})}
	s.count.start(time.Now())
	var err error
	if s.listener, err = listen(c.Listen, c.Backlog); err != nil {
		return nil, err
	}
	if c.Metrics != "" {
		if s.metrics, err = net.Listen("tcp", c.Metrics); err != nil {
			s.listener.Close()
			return nil, fmt.Errorf("metrics: %w", err)
		}
		s.page.Handler = s
		go s.page.Serve(s.metrics)
	}
	if s.base, err = touched(toBytes(c.BaseMemory)); err != nil {
		s.Close()
		return nil, err
	}
	for i := range c.Workers {
		random := rand.New(rand.NewPCG(c.Seed, uint64(i)))
		s.workers.Go(func() { s.work(random) })
	}
	return s, nil
}

// listen opens a listener whose accept queue holds backlog connections; the
// net package would make it as long as the system allows.
func listen(addr string, backlog int) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp := l.(*net.TCPListener)
	raw, err := tcp.SyscallConn()
	if err == nil {
		control := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), backlog) }) // again: it sets the new length
		err = errors.Join(err, control)
	}
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("set the backlog of %s: %w", addr, err)
	}
	return tcp, nil
}

// Addr is the address that requests are answered at.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// MetricsAddr is the address of the metrics; "" where there are none.
func (s *Server) MetricsAddr() string {
	if s.metrics == nil {
		return ""
	}
	return s.metrics.Addr().String()
}

// Close stops the server and returns when the requests under way are answered.
// It is called once.
func (s *Server) Close() {
	close(s.closing)
	s.listener.Close()
	s.workers.Wait()
	if s.metrics != nil {
		s.page.Close()
	}
	s.base.unmap()
}
