package balancer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The placeholders of [Command.Set].
const (
	serverPlaceholder = "{server}"
	weightPlaceholder = "{weight}"
)

// command is a balancer that two programs speak with.
type command struct{ config Command }

func openCommand(c Command) *command {
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	return &command{c}
}

// Name is of the program that reads, with its arguments.
func (c *command) Name() string { return "command " + strings.Join(c.config.Get, " ") }

// Delay is as configured.
func (c *command) Delay() time.Duration { return c.config.Delay }

// Read runs the program that reads.
func (c *command) Read(ctx context.Context) (Backend, error) {
	ctx, cancel := timeout(ctx, c.config.Timeout)
	defer cancel()
	out, err := run(ctx, c.config.Get)
	if err != nil {
		return Backend{}, fmt.Errorf("reading the balancer: %w", err)
	}
	b, err := parseCommand(out)
	if err != nil {
		return Backend{}, fmt.Errorf("reading the balancer: what %s printed: %w", c.config.Get[0], err)
	}
	b.At, b.MaxWeight = time.Now(), c.config.MaxWeight
	return b, nil
}

// SetWeights runs the program that sets, once for each server, by their names'
// order. It stops at the first that fails.
func (c *command) SetWeights(ctx context.Context, weights map[string]int) error {
	for _, server := range slices.Sorted(maps.Keys(weights)) {
		weight := weights[server]
		if weight < 0 || weight > c.config.MaxWeight {
			return fmt.Errorf("the weight of %s cannot be %d: the balancer takes 0 to %d", server, weight, c.config.MaxWeight)
		}
		if err := c.set(ctx, server, weight); err != nil {
			return fmt.Errorf("setting the weight of %s to %d: %w", server, weight, err)
		}
	}
	return nil
}

func (c *command) set(ctx context.Context, server string, weight int) error {
	ctx, cancel := timeout(ctx, c.config.Timeout)
	defer cancel()
	fill := strings.NewReplacer(serverPlaceholder, server, weightPlaceholder, strconv.Itoa(weight))
	argv := []string{c.config.Set[0]}
	for _, a := range c.config.Set[1:] {
		argv = append(argv, fill.Replace(a))
	}
	_, err := run(ctx, argv)
	return err
}

func timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("did not end within %v", d))
}

// What the program prints, as docs/live.md has it. A pointer is what must be
// there: nothing is taken for 0.
type printed struct {
	Boot      string   `json:"boot"`
	Algorithm string   `json:"algorithm"`
	Fixed     string   `json:"fixed"`
	Doubts    []string `json:"doubts"`
	Queued    int      `json:"queued"`
	Failed    *uint64  `json:"failed"`
	Servers   []struct {
		Name     string  `json:"name"`
		Address  string  `json:"address"`
		Weight   *int    `json:"weight"`
		Initial  int     `json:"initial"`
		Status   *string `json:"status"`
		Detail   string  `json:"detail"`
		Backup   bool    `json:"backup"`
		Requests *uint64 `json:"requests"`
		Failed   *uint64 `json:"failed"`
		Retried  uint64  `json:"retried"`
		InFlight int     `json:"in_flight"`
		Queued   int     `json:"queued"`
	} `json:"servers"`
}

// parseCommand reads what the program prints, with every mistake at once.
func parseCommand(out []byte) (Backend, error) {
	var p printed
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Backend{}, fmt.Errorf("is not the JSON of docs/live.md: %w", err)
	}
	if d.More() {
		return Backend{}, errors.New("goes on after its JSON")
	}
	b := Backend{Boot: p.Boot, Algorithm: p.Algorithm, Fixed: p.Fixed, Doubts: p.Doubts, Queued: p.Queued}
	var wrong []error
	if len(p.Servers) == 0 {
		wrong = append(wrong, errors.New("has no servers"))
	}
	var failed uint64
	seen := map[string]bool{}
	for i, s := range p.Servers {
		at := fmt.Sprintf("servers[%d]", i)
		switch {
		case s.Name == "" || seen[s.Name]:
			wrong = append(wrong, fmt.Errorf("%s has no name of its own", at))
			continue
		case s.Weight == nil || s.Status == nil || s.Requests == nil || s.Failed == nil:
			wrong = append(wrong, fmt.Errorf("%s (%s) needs weight, status, requests and failed", at, s.Name))
			continue
		case *s.Weight < 0 || s.InFlight < 0 || s.Queued < 0:
			wrong = append(wrong, fmt.Errorf("%s (%s) has a number below 0", at, s.Name))
			continue
		}
		status := Status(*s.Status)
		switch status {
		case Up, Failing, Down, Drain, Maintenance, Unknown:
		default:
			wrong = append(wrong, fmt.Errorf("%s (%s): status %q is not up, failing, down, drain, maintenance or unknown", at, s.Name, status))
		}
		seen[s.Name] = true
		failed += *s.Failed
		b.Servers = append(b.Servers, Server{
			Name: s.Name, Address: s.Address, Weight: *s.Weight, Initial: s.Initial, Status: status, Detail: s.Detail, Backup: s.Backup,
			Requests: *s.Requests, Failed: *s.Failed, Retried: s.Retried, InFlight: s.InFlight, Queued: s.Queued,
		})
	}
	b.Failed = failed // where nobody counts what users got, the servers' failures are it
	if p.Failed != nil {
		b.Failed = *p.Failed
	}
	return b, errors.Join(wrong...)
}
