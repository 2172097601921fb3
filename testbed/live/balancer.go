package live

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"saturate/internal/supervise"
)

//go:embed haproxy.cfg
var haproxyConfig string

//go:embed nginx.conf
var nginxConfig string

func (b *Bed) startBalancer(ctx context.Context) error {
	if err := free(strings.TrimPrefix(b.URL(), "http://")); err != nil {
		return err
	}
	command, err := b.configure()
	if err != nil {
		return err
	}
	// Its log is a file, which somebody may follow; a shell opens it.
	args := append([]string{"sh", "-c", `exec "$@" >> "$0" 2>&1`, b.Log()}, command...)
	b.balancer, err = supervise.Start(supervise.Command{Args: args, Env: map[string]string{"PATH": path()}})
	if err != nil {
		return err
	}
	if err := await(ctx, b.balancer, b.URL()); err != nil {
		text, _ := os.ReadFile(b.Log())
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// path has the folders in which Debian keeps servers, which are not in every
// user's.
func path() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// configure writes the balancer's files and returns its command.
func (b *Bed) configure() ([]string, error) {
	if b.Balancer == "haproxy" {
		file := filepath.Join(b.Dir, "haproxy.cfg")
		return []string{"haproxy", "-W", "-f", file}, b.fill(haproxyConfig, file)
	}
	if err := os.MkdirAll(filepath.Join(b.Dir, "tmp"), 0o755); err != nil {
		return nil, err
	}
	var upstream strings.Builder
	upstream.WriteString("upstream web {\n")
	for _, s := range b.Servers {
		fmt.Fprintf(&upstream, "  server %s weight=%d max_fails=0;\n", s.Address, b.Weight)
	}
	upstream.WriteString("}\n")
	if err := os.WriteFile(b.Upstream(), []byte(upstream.String()), 0o644); err != nil {
		return nil, err
	}
	return []string{"nginx", "-e", "stderr", "-p", b.Dir, "-c", b.NginxConfig()}, b.fill(nginxConfig, b.NginxConfig())
}

func (b *Bed) fill(text, file string) error {
	t, err := template.New(filepath.Base(file)).Parse(text)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	return t.Execute(out, struct {
		*Bed
		Front int
		Root  bool
	}{b, Front, os.Geteuid() == 0})
}

// Socket is HAProxy's runtime API, for whom it is tested with.
func (b *Bed) Socket() string { return filepath.Join(b.Dir, "haproxy.sock") }

// Upstream is the file with nginx's weights.
func (b *Bed) Upstream() string { return filepath.Join(b.Dir, "upstream.conf") }

// NginxConfig is nginx's own file.
func (b *Bed) NginxConfig() string { return filepath.Join(b.Dir, "nginx.conf") }

// Log is what the balancer prints: HAProxy's log of requests, nginx's errors.
func (b *Bed) Log() string { return filepath.Join(b.Dir, b.Balancer+".log") }

// AccessLog is nginx's log of requests.
func (b *Bed) AccessLog() string { return filepath.Join(b.Dir, "saturate.log") }

// Reload has the balancer read its configuration again, as its unit's reload
// does. HAProxy's weights are the configured ones afterwards.
func (b *Bed) Reload() error {
	signal := syscall.SIGUSR2
	if b.Balancer == "nginx" {
		signal = syscall.SIGHUP
	}
	return syscall.Kill(b.balancer.PID(), signal)
}

// HAProxy asks HAProxy's runtime API, on a socket of the bed's own.
func (b *Bed) HAProxy(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(b.Dir, "bed.sock"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	return strings.TrimSpace(string(text)), err
}

// State is a server as the balancer has it now.
type State struct {
	Weight   int
	MaxConns int  // 0 where it has no bound
	Up       bool // not down, failing its check, in drain or in maintenance
}

// States reads what stands now, from the balancer itself.
func (b *Bed) States(ctx context.Context) (map[string]State, error) {
	if b.Balancer == "nginx" {
		return b.upstreamStates()
	}
	text, err := b.HAProxy(ctx, "show stat web 4 -1 typed")
	if err != nil {
		return nil, err
	}
	return parseTyped(text)
}

// typed is one field of HAProxy's typed output: S.2.3.0.18.weight.1:MGP:u32:10
var typed = regexp.MustCompile(`^S\.\d+\.(\d+)\.\d+\.([a-z_]+)\.\d+:[^:]*:[^:]*:(.*)$`)

func parseTyped(text string) (map[string]State, error) {
	fields := make(map[string]map[string]string)
	for line := range strings.Lines(text) {
		if m := typed.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			if fields[m[1]] == nil {
				fields[m[1]] = make(map[string]string)
			}
			fields[m[1]][m[2]] = m[3]
		}
	}
	all := make(map[string]State, len(fields))
	for _, f := range fields {
		weight, err := strconv.Atoi(f["uweight"])
		if err != nil {
			return nil, fmt.Errorf("HAProxy tells no weight of %q: %q", f["svname"], f["uweight"])
		}
		bound, _ := strconv.Atoi(f["slim"])
		all[f["svname"]] = State{Weight: weight, MaxConns: bound, Up: f["status"] == "UP"} // "UP 1/3" is failing, or not up for long
	}
	return all, nil
}

var upstreamLine = regexp.MustCompile(`(?m)^\s*server\s+(\S+)([^;]*);`)
var upstreamWeight = regexp.MustCompile(`\sweight=(\d+)`)

func (b *Bed) upstreamStates() (map[string]State, error) {
	text, err := os.ReadFile(b.Upstream())
	if err != nil {
		return nil, err
	}
	all := make(map[string]State)
	for _, m := range upstreamLine.FindAllStringSubmatch(string(text), -1) {
		s := State{Weight: 1, Up: !strings.Contains(m[2], " down")}
		if w := upstreamWeight.FindStringSubmatch(m[2]); w != nil {
			if s.Weight, err = strconv.Atoi(w[1]); err != nil {
				return nil, err
			}
		}
		all[m[1]] = s
	}
	return all, nil
}
