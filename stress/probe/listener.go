package probe

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"saturate/stress"
)

// A listener is where the target accepts connections on this machine: the
// addresses of its name and a port, or a UNIX socket's path.
type listener struct {
	name  string
	addrs []netip.Addr
	port  uint16
	path  string // UNIX; starts with @ where abstract
	netns string // the file of the network namespace; "" is our own
	diag  *diag
}

// findListener tells which listener c and t name; nil where it is not on this
// machine.
func findListener(c Config, t Target) (*listener, error) {
	if path, found := strings.CutPrefix(c.Listen, "unix:"); found {
		return &listener{name: c.Listen, path: path}, nil
	}
	if path, found := strings.CutPrefix(t.URL, "unix://"); found && c.Listen == "" {
		return &listener{name: "unix:" + path, path: path}, nil
	}
	address := c.Listen
	if address == "" {
		address = addressOf(t.URL)
	}
	if address == "" {
		return nil, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	l := &listener{name: address, port: uint16(port)}
	if host == "" {
		host = "localhost"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		l.addrs = append(l.addrs, a.Unmap().WithZone(""))
	}
	if c.Listen == "" && !slices.ContainsFunc(l.addrs, isLocal) {
		return nil, nil
	}
	return l, nil
}

// addressOf is the host and port of a URL; "" where it has none.
func addressOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// isLocal reports whether an address is this machine's.
func isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == addr
	})
}

// Close closes the monitor.
func (l *listener) Close() error {
	if l.diag == nil {
		return nil
	}
	return l.diag.Close()
}

func (l *listener) read(s *stress.Sample) error {
	if l.diag == nil {
		d, err := openDiag(l.netns)
		if err != nil {
			return err
		}
		l.diag = d
	}
	found, err := l.list()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return hinted("name the listener behind it with probes.listen (a proxy, a container or NAT may stand between)",
			"nothing listens there in this network namespace")
	}
	var queue, limit float64
	for _, one := range found {
		queue += one.queue
		limit += one.max
	}
	s.Gauges[stress.AcceptQueue] = queue
	s.Gauges[stress.AcceptQueueLimit] = limit
	return nil
}

// list is every listener that shares the address (SO_REUSEPORT).
func (l *listener) list() ([]listening, error) {
	if l.path != "" {
		all, err := l.diag.unix()
		return l.pickUnix(all), err
	}
	v4, err := l.diag.tcp(unix.AF_INET, l.port)
	if err != nil {
		return nil, err
	}
	v6, err := l.diag.tcp(unix.AF_INET6, l.port)
	return pickTCP(l.addrs, v4, v6), err
}

// pickTCP chooses as the kernel does for a new connection: who is bound to the
// very address comes before who is bound to all, and IPv4 before a socket of
// both families. The first of the target's addresses that has one counts.
func pickTCP(addrs []netip.Addr, v4, v6 []listening) []listening {
	bound := func(all []listening, addr netip.Addr) (found []listening) {
		for _, l := range all {
			if l.addr.Addr() == addr {
				found = append(found, l)
			}
		}
		return found
	}
	for _, addr := range addrs {
		candidates := [][]listening{bound(v6, addr), bound(v6, netip.IPv6Unspecified())}
		if addr.Is4() {
			candidates = [][]listening{
				bound(v4, addr), bound(v6, addr), bound(v4, netip.IPv4Unspecified()), bound(v6, netip.IPv6Unspecified()),
			}
		}
		for _, found := range candidates {
			if len(found) > 0 {
				return found
			}
		}
	}
	return nil
}

// pickUnix finds a socket by its file, whatever path it was bound by; where
// none has that file (abstract names, some overlays), by its name.
func (l *listener) pickUnix(all []listening) []listening {
	var byFile, byName []listening
	var st unix.Stat_t
	isFile := unix.Stat(l.path, &st) == nil
	for _, one := range all {
		switch {
		case isFile && one.inode == uint32(st.Ino) && one.device == uint64(st.Dev):
			byFile = append(byFile, one)
		case one.name == l.path:
			byName = append(byName, one)
		}
	}
	if len(byFile) > 0 {
		return byFile
	}
	return byName
}
