package balancer

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// haproxyDelay is what a weight takes to act: HAProxy uses it for its next
	// request, and the requests under way go on.
	haproxyDelay = 100 * time.Millisecond
	// haproxyMaxWeight is HAProxy's own.
	haproxyMaxWeight = 256
	// perAsk keeps the commands of one connection below HAProxy's buffer.
	perAsk = 50
)

// haproxy is one backend of HAProxy. Its methods want no lock but for the log.
type haproxy struct {
	config HAProxy
	name   string

	mu  sync.Mutex
	log *haproxyLog // nil where none is read
}

func openHAProxy(c HAProxy) (*haproxy, error) {
	h := &haproxy{config: c, name: "haproxy " + canonical(c.Socket) + " " + c.Backend}
	if c.Log == "" {
		return h, nil
	}
	t, err := openTail(c.Log)
	if err != nil {
		return nil, &Mistake{Path: "haproxy.log", Problem: err.Error(), Hint: "leave haproxy.log out, and there are no answer times"}
	}
	h.log = &haproxyLog{tail: t, backend: c.Backend, times: map[string]map[int]uint64{}}
	return h, nil
}

// canonical is the one path of a file that may have several, and may not be
// there yet.
func canonical(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return filepath.Clean(path)
}

// Name is of the socket and the backend.
func (h *haproxy) Name() string { return h.name }

// Delay is a tenth of a second.
func (h *haproxy) Delay() time.Duration { return haproxyDelay }

// Read asks for everything in one connection, so that one process answers.
func (h *haproxy) Read(ctx context.Context) (Backend, error) {
	be := h.config.Backend
	answers, err := ask(ctx, h.config.Socket, "show info float", "show cli level", "show stat "+be+" 6 -1", "show servers state "+be)
	at := time.Now()
	if err != nil {
		return Backend{}, err
	}
	b, err := parseHAProxy(be, answers[0], answers[1], answers[2], answers[3])
	if err != nil {
		return Backend{}, fmt.Errorf("HAProxy at %s: %w", h.config.Socket, err)
	}
	b.At = at
	if h.log != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := h.log.read(); err != nil {
			b.Doubts = append(b.Doubts, "no new answer times: "+err.Error())
		}
		for i := range b.Servers {
			b.Servers[i].Times = h.log.of(b.Servers[i].Name)
		}
	}
	return b, nil
}

// SetWeights sets them in one connection; HAProxy acts on each at once.
func (h *haproxy) SetWeights(ctx context.Context, weights map[string]int) error {
	return h.set(ctx, weights, "the weight", 0, haproxyMaxWeight, "set weight %s %d")
}

// SetMaxConns sets the most requests that a server works on at once, 0 for any
// number; what is more waits at the balancer, or goes to another server.
func (h *haproxy) SetMaxConns(ctx context.Context, bounds map[string]int) error {
	return h.set(ctx, bounds, "maxconn", 0, 1<<31-1, "set maxconn server %s %d")
}

// set sends a command for every server; one that fails keeps none from being sent.
func (h *haproxy) set(ctx context.Context, values map[string]int, what string, least, most int, command string) error {
	var servers, commands []string
	for _, s := range slices.Sorted(maps.Keys(values)) {
		if !isName(s) {
			return fmt.Errorf("%w: %q is not a name that HAProxy has", ErrUnknownServer, s)
		}
		if v := values[s]; v < least || v > most {
			return fmt.Errorf("%s of %s/%s cannot be %d: HAProxy takes %d to %d", what, h.config.Backend, s, v, least, most)
		}
		servers = append(servers, s)
		commands = append(commands, fmt.Sprintf(command, h.config.Backend+"/"+s, values[s]))
	}
	var failed []string
	var first error
	for from := 0; from < len(commands); from += perAsk {
		to := min(from+perAsk, len(commands))
		answers, err := ask(ctx, h.config.Socket, commands[from:to]...)
		if err != nil {
			return fmt.Errorf("setting %s: %w", what, err)
		}
		for i := range commands[from:to] {
			if err := refusal(answers[i]); err != nil {
				failed = append(failed, h.config.Backend+"/"+servers[from+i])
				if first == nil {
					first = err
				}
			}
		}
	}
	if first != nil {
		return fmt.Errorf("%s of %s was not set: %w", what, strings.Join(failed, ", "), first)
	}
	return nil
}

// refusal turns HAProxy's answer to a change into an error; it has nothing to
// say where all is well.
func refusal(answer string) error {
	said := shorten(answer)
	switch {
	case said == "":
		return nil
	case strings.Contains(said, "No such server"), strings.Contains(said, "No such backend"):
		return fmt.Errorf("%w (HAProxy: %s)", ErrUnknownServer, said)
	case strings.Contains(said, "Permission denied"):
		return fmt.Errorf("%s (HAProxy: %s)", needsAdmin, said)
	case strings.Contains(said, "static LB algorithm"):
		return fmt.Errorf("its balance algorithm has fixed weights: use roundrobin, leastconn, random, or a hash with \"hash-type consistent\" (HAProxy: %s)", said)
	}
	return fmt.Errorf("HAProxy: %s", said)
}

const needsAdmin = `the socket may not change anything: it needs "level admin" in its "stats socket" line`

// whole reads a count of HAProxy's; empty is 0.
func whole(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
