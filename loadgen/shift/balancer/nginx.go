package balancer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nginxDelay is what a weight takes to act once the new workers serve: the old
// ones end what they have begun, and close the connections that wait.
const nginxDelay = time.Second

// nginx is one upstream of open-source nginx.
type nginx struct {
	config Nginx
	name   string

	change change // of the file, and the reloads

	mu        sync.Mutex // guards what follows
	log       nginxLog
	addresses map[string][]string // of the servers that are written as a name
	// inForce is when the file was changed that nginx was seen to run.
	inForce time.Time
}

func openNginx(c Nginx) (*nginx, error) {
	c.PIDFile = cmp.Or(c.PIDFile, defaultPIDFile)
	c.Program = cmp.Or(c.Program, "nginx")
	c.Reloads = cmp.Or(c.Reloads, defaultReloads)
	var of []string
	if c.Config != "" {
		of = []string{"-c", c.Config}
	}
	if c.Test == nil {
		c.Test = slices.Concat([]string{c.Program, "-t", "-q"}, of)
	}
	if c.Reload == nil {
		c.Reload = slices.Concat([]string{c.Program, "-s", "reload"}, of)
	}
	c.UpstreamFile = canonical(c.UpstreamFile)
	t, err := openTail(c.AccessLog)
	if err != nil {
		return nil, &Mistake{Path: "nginx.access_log", Problem: err.Error(), Hint: "nginx makes it when it starts; docs/live.md has its format"}
	}
	return &nginx{
		config: c, name: "nginx " + c.UpstreamFile + " " + c.Upstream, change: change{config: c},
		log:       nginxLog{tail: t, upstream: c.Upstream, by: map[string]*counts{}},
		addresses: map[string][]string{},
	}, nil
}

// Name is of the file and the upstream.
func (n *nginx) Name() string { return n.name }

// Delay is a second.
func (n *nginx) Delay() time.Duration { return nginxDelay }

// Read takes weights from the file and counters from the log.
func (n *nginx) Read(ctx context.Context) (Backend, error) {
	p, err := master(n.config.PIDFile)
	if err != nil {
		return Backend{}, err
	}
	file, err := readUpstream(n.config)
	if err != nil {
		return Backend{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	of := map[string][]string{}
	var all, unknown []string
	for _, s := range file.servers {
		of[s.address], err = n.resolve(ctx, s.address)
		if err != nil {
			unknown = append(unknown, err.Error())
		}
		all = append(all, of[s.address]...)
	}
	logErr := n.log.read(all)
	b := Backend{
		At: time.Now(), Boot: fmt.Sprintf("%d@%d", p.pid, p.ticks), Failed: n.log.failed,
		MinWeight: 1, MaxWeight: math.MaxInt32, Algorithm: file.algorithm(), Doubts: file.doubts(),
	}
	if n.log.skips > 0 { // the counters lack something: they begin anew
		b.Boot += "+" + strconv.Itoa(n.log.skips)
	}
	stale := ""
	if changed := file.info.ModTime(); !changed.Equal(n.inForce) {
		if stale, err = file.stale(p.pid); err != nil {
			return Backend{}, err
		}
		if stale == "" {
			n.inForce = changed
		}
	}
	switch {
	case logErr != nil:
		return Backend{}, logErr
	case stale != "":
		b.Fixed = stale
	case unknown != nil:
		b.Fixed = strings.Join(unknown, "; ")
	case n.log.bad > 0 && n.log.good == 0:
		b.Fixed = "the access log " + n.config.AccessLog + " does not have the format of docs/live.md"
	}
	for _, s := range file.servers {
		b.Servers = append(b.Servers, s.server(n.log.of(of[s.address])))
	}
	return b, nil
}

// server is a line with its counters. Nginx tells nothing of health: what its
// file does not forbid is up.
func (s serverLine) server(c counts) Server {
	v := Server{
		Name: s.address, Address: s.address, Weight: s.weight, Backup: s.backup, Status: Up,
		Requests: c.requests, Failed: c.failed, Retried: c.retried, Times: c.times,
	}
	if s.down {
		v.Status, v.Detail = Maintenance, "down"
	}
	return v
}

// algorithm is the directive that chooses the server; round robin has none.
func (f upstreamFile) algorithm() string {
	for _, d := range f.others {
		switch d {
		case "ip_hash", "hash", "least_conn", "random", "least_time":
			return d
		}
	}
	return ""
}

func (f upstreamFile) doubts() []string {
	switch a := f.algorithm(); a {
	case "ip_hash", "hash":
		return []string{a + " ties users to servers: each change of a weight moves some of them"}
	case "least_conn", "least_time":
		return []string{a + " looks at more than the weight: the rate follows the weight less where a server is slower"}
	}
	return nil
}

// resolve returns the addresses that the access log has for a server.
func (n *nginx) resolve(ctx context.Context, server string) ([]string, error) {
	if strings.HasPrefix(server, "unix:") {
		return []string{server}, nil
	}
	host, port := server, "80"
	if h, p, err := net.SplitHostPort(server); err == nil {
		host, port = h, p
	}
	host = strings.Trim(host, "[]")
	if net.ParseIP(host) != nil {
		return []string{net.JoinHostPort(host, port)}, nil
	}
	if known := n.addresses[server]; known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	hosts, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("the address of server %s cannot be found, and the access log has addresses only (%w)", server, err)
	}
	var all []string
	for _, h := range hosts {
		all = append(all, net.JoinHostPort(h, port))
	}
	n.addresses[server] = all
	return all, nil
}

// SetWeights writes the file, has nginx test it, reloads and waits for the new
// workers.
func (n *nginx) SetWeights(ctx context.Context, weights map[string]int) error {
	if err := n.change.set(ctx, weights); err != nil {
		return fmt.Errorf("upstream %s of nginx: %w", n.config.Upstream, err)
	}
	return nil
}

// An upstreamFile is the file as it stands.
type upstreamFile struct {
	upstream
	text string
	info os.FileInfo
}

// readUpstream reads the file of an upstream, whole.
func readUpstream(c Nginx) (upstreamFile, error) {
	text, err := os.ReadFile(c.UpstreamFile)
	if err != nil {
		return upstreamFile{}, fmt.Errorf("the upstream's file cannot be read: %w", err)
	}
	info, err := os.Stat(c.UpstreamFile)
	if err != nil {
		return upstreamFile{}, fmt.Errorf("the upstream's file cannot be read: %w", err)
	}
	u, err := parseUpstream(string(text), c.Upstream)
	if err != nil {
		return upstreamFile{}, fmt.Errorf("%s: %w", c.UpstreamFile, err)
	}
	return upstreamFile{upstream: u, text: string(text), info: info}, nil
}

// stale says that nginx does not run what stands in the file, because its workers
// are older; "" where it does.
func (f upstreamFile) stale(master int) (string, error) {
	now, err := workers(master)
	if err != nil {
		return "", err
	}
	for _, p := range now {
		if !p.leaving() && f.info.ModTime().After(p.started.Add(2*tick)) {
			return fmt.Sprintf("%s was changed at %s, and nginx was not reloaded since: reload it, so that what stands there is what runs",
				f.info.Name(), f.info.ModTime().Format(time.TimeOnly)), nil
		}
	}
	return "", nil
}
