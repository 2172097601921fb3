// Package live is "production", for tests and for trying it by hand: a real
// HAProxy or nginx, before six real uWSGI servers, with a crowd of users that
// counts what they suffer.
//
// The servers are Django waiting for a backend, so that six of them run out of
// workers on one core. The package knows nothing of what is measured on it; it
// reads weights by itself, so that nobody's own word is taken for what stands.
package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"saturate/internal/supervise"
)

// Config says what production is like.
type Config struct {
	// Balancer is haproxy or nginx.
	Balancer string
	// Dir is where sockets, logs and pid files go: a folder with a short path,
	// for a socket's has at most 107 characters.
	Dir string
	// Testbed is the path of the folder testbed, where the site is.
	Testbed string
	// Weight that each server has; 0 is 10.
	Weight int
	// Redispatch sends a request to another server where one refuses the
	// connection, as most do in production. Without, every failure is a user's.
	Redispatch bool
}

// The ports of 127.0.0.1: of the balancer, the first server and the first stats server.
const (
	Front      = 19070
	firstPort  = 19080
	firstStats = 19090
)

// Count is how many servers there are.
const Count = 6

// A Server is one of the six.
type Server struct {
	Name    string // as the balancer has it: s1, or with nginx its address
	Address string // host:port
	Stats   string // host:port of uWSGI's stats
	Pidfile string
	child   *supervise.Child
}

// A Bed runs until it is stopped; it ends with this process. The program that
// starts one calls supervise.Main first.
type Bed struct {
	Config
	Servers  []*Server
	balancer *supervise.Child
}

// Start starts the servers and the balancer before them, and returns when all of
// it answers.
func Start(ctx context.Context, c Config) (*Bed, error) {
	if c.Weight == 0 {
		c.Weight = 10
	}
	b := &Bed{Config: c}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("testbed/live: %w", err), b.Stop())
	}
	return b, nil
}

func (b *Bed) start(ctx context.Context) error {
	for i := range Count {
		s := &Server{
			Name:    fmt.Sprintf("s%d", i+1),
			Address: fmt.Sprintf("127.0.0.1:%d", firstPort+i),
			Stats:   fmt.Sprintf("127.0.0.1:%d", firstStats+i),
		}
		s.Pidfile = filepath.Join(b.Dir, s.Name+".pid")
		if b.Balancer == "nginx" {
			s.Name = s.Address
		}
		b.Servers = append(b.Servers, s)
		if err := b.StartServer(s); err != nil {
			return err
		}
	}
	for _, s := range b.Servers {
		if err := s.await(ctx, "http://"+s.Address); err != nil {
			return err
		}
	}
	return b.startBalancer(ctx)
}

// StartServer starts one of the servers, or starts it again; it answers some
// moments later.
func (b *Bed) StartServer(s *Server) error {
	if err := free(s.Address); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	_, stats, err := net.SplitHostPort(s.Stats)
	if err != nil {
		return err
	}
	s.child, err = supervise.Start(supervise.Command{
		Args: []string{"uwsgi", "--ini", "uwsgi.ini", "--processes", "8", "--safe-pidfile", s.Pidfile},
		Dir:  filepath.Join(b.Testbed, "django"),
		Env: map[string]string{
			"SATURATE_POSTS": "4", "SATURATE_BACKEND_MS": "40", // as testbed/run's django-workers
			"SATURATE_PORT": port, "SATURATE_STATS_PORT": stats,
			"PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "2",
		},
	})
	return err
}

// free wants nobody to listen at an address.
func free(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil
	}
	conn.Close()
	return fmt.Errorf("something listens at %s already", address)
}

// await returns once the server, or what is before it, answers at url.
func (s *Server) await(ctx context.Context, url string) error {
	return await(ctx, s.child, url)
}

func await(ctx context.Context, child *supervise.Child, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if err := child.Err(); err != nil {
			return err
		}
		if answer, err := http.Get(url + "/health"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing healthy at %s: %w; it printed\n%s", url, ctx.Err(), child.Output())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// URL is where users go.
func (b *Bed) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", Front) }

// Server finds one by its name.
func (b *Bed) Server(name string) (*Server, error) {
	i := slices.IndexFunc(b.Servers, func(s *Server) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("testbed/live: no server %s", name)
	}
	return b.Servers[i], nil
}

// Stop ends all of it.
func (b *Bed) Stop() error {
	children := []*supervise.Child{b.balancer}
	for _, s := range b.Servers {
		children = append(children, s.child)
	}
	ended := make(chan error)
	for _, c := range children {
		go func() {
			if c == nil {
				ended <- nil
				return
			}
			ended <- c.Stop()
		}()
	}
	var errs []error
	for range children {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
