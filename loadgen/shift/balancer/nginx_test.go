package balancer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The test binary is a little nginx where its environment says so: a master with
// one worker, which SIGHUP replaces. It serves nobody.
const fakeNginx = "SATURATE_TEST_NGINX"

func TestMain(m *testing.M) {
	switch os.Getenv(fakeNginx) {
	case "":
		os.Exit(m.Run())
	case "worker":
		time.Sleep(time.Hour) // select{} alone would be a deadlock
	default:
		if err := beMaster(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// beMaster runs until its standard input ends. A file "stuck" keeps it from
// reloading, as a file that only the master refuses does.
func beMaster() error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(ended)
	}()
	for {
		worker := exec.Command("/proc/self/exe")
		worker.Args = []string{"nginx: worker process"}
		worker.Env = []string{fakeNginx + "=worker"}
		worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
		if err := worker.Start(); err != nil {
			return err
		}
		fmt.Println("a worker runs")
		for reloaded := false; !reloaded; {
			select {
			case <-ended:
				worker.Process.Kill()
				worker.Wait()
				return nil
			case <-hup:
				_, err := os.Stat("stuck")
				reloaded = err != nil
			}
		}
		time.AfterFunc(50*time.Millisecond, func() { worker.Process.Kill(); worker.Wait() })
	}
}

const webConf = `# the web servers
server 127.0.0.1:18080 weight=10 max_conns=50;	# first
server 127.0.0.1:18081 max_fails=2;
server 127.0.0.1:18082   weight=10;
`

// A fakeMaster is such an nginx and its files.
type fakeMaster struct {
	dir    string
	config Nginx
	pid    int
}

func startMaster(t *testing.T) *fakeMaster {
	t.Helper()
	f := &fakeMaster{dir: t.TempDir()}
	in := func(name string) string { return filepath.Join(f.dir, name) }
	appendTo(t, in("web.conf"), webConf)
	appendTo(t, in("access.log"), "")
	appendTo(t, in("reloads"), "")
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"nginx: master process"}
	cmd.Env, cmd.Dir, cmd.Stderr = []string{fakeNginx + "=master"}, f.dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	f.pid = cmd.Process.Pid
	appendTo(t, in("pid"), fmt.Sprintln(f.pid))
	long := time.Now().Add(-time.Hour) // nginx has what stands there
	if err := os.Chtimes(in("web.conf"), long, long); err != nil {
		t.Fatal(err)
	}
	f.config = Nginx{
		UpstreamFile: in("web.conf"), Upstream: "web", AccessLog: in("access.log"), PIDFile: in("pid"),
		Test:   []string{"sh", "-c", "! grep -q wrong " + in("web.conf")},
		Reload: []string{"sh", "-c", fmt.Sprintf("echo >> %s; kill -HUP %d", in("reloads"), f.pid)},
	}
	return f
}

func (f *fakeMaster) open(t *testing.T) *nginx {
	t.Helper()
	b, err := Open(Config{Nginx: &f.config})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*nginx)
}

func (f *fakeMaster) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.config.UpstreamFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (f *fakeMaster) reloads(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "reloads"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// calm makes the next reload need no waiting.
func (n *nginx) calm() *nginx { n.change.last = time.Time{}; return n }

func TestReadNginx(t *testing.T) {
	f := startMaster(t)
	n := f.open(t)
	appendTo(t, f.config.AccessLog, strings.NewReplacer("127.0.0.1:2100", "127.0.0.1:1808").Replace(recorded(t, "nginx-json.log")))
	got, err := n.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Boot == "" || got.At.IsZero() {
		t.Errorf("boot %q at %v", got.Boot, got.At)
	}
	got.At, got.Boot = time.Time{}, ""
	times := got.Servers[0].Times
	for i := range got.Servers {
		got.Servers[i].Times = nil
	}
	want := Backend{MinWeight: 1, MaxWeight: 1<<31 - 1, Failed: 5, Servers: []Server{
		{Name: "127.0.0.1:18080", Address: "127.0.0.1:18080", Weight: 10, Status: Up},
		{Name: "127.0.0.1:18081", Address: "127.0.0.1:18081", Weight: 1, Status: Up, Requests: 6, Failed: 2, Retried: 1},
		{Name: "127.0.0.1:18082", Address: "127.0.0.1:18082", Weight: 10, Status: Up, Requests: 7, Failed: 3, Retried: 2},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if times == nil || len(times) != 0 {
		t.Errorf("times of a server without answers: %v", times)
	}
}

func TestNginxLogIsOfAnotherFormat(t *testing.T) {
	f := startMaster(t)
	n := f.open(t)
	appendTo(t, f.config.AccessLog, `127.0.0.1 - - [21/Nov/2026:16:07:01 +0000] "GET / HTTP/1.1" 200 16 "-" "curl/7.88.1"`+"\n")
	b, err := n.Read(t.Context())
	if err != nil || !strings.Contains(b.Fixed, "does not have the format") {
		t.Errorf("fixed = %q, error = %v", b.Fixed, err)
	}
}

func TestSetWeightsOfNginx(t *testing.T) {
	f := startMaster(t)
	n := f.open(t)
	if err := os.Chmod(f.config.UpstreamFile, 0o640); err != nil {
		t.Fatal(err)
	}
	set := func(a, b int) error {
		return n.calm().SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": a, "127.0.0.1:18081": b})
	}
	if err := set(10, 1); err != nil || f.reloads(t) != 0 {
		t.Errorf("the same weights: %v, %d reloads", err, f.reloads(t))
	}
	if err := set(30, 2); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(":18080 weight=10", ":18080 weight=30", ":18081 ", ":18081 weight=2 ").Replace(webConf)
	if got := f.text(t); got != want {
		t.Errorf("the file is now\n%s", got)
	}
	if info, err := os.Stat(f.config.UpstreamFile); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	b, err := n.Read(t.Context())
	if err != nil || b.Fixed != "" || b.Servers[0].Weight != 30 || b.Servers[1].Weight != 2 {
		t.Errorf("reads back %+v, %v", b, err)
	}
	if err := set(30, 2); err != nil || f.reloads(t) != 1 {
		t.Errorf("the same weights: %v, %d reloads", err, f.reloads(t))
	}
	// A server with a weight of 1 has none written, and neither after it is put back.
	if err := set(10, 1); err != nil || f.text(t) != webConf || f.reloads(t) != 2 {
		t.Errorf("put back: %v, %d reloads, the file is now\n%s", err, f.reloads(t), f.text(t))
	}
	left, err := filepath.Glob(filepath.Join(f.dir, ".web*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %q", left)
	}
	for name, weight := range map[string]int{"127.0.0.1:9": 5, "127.0.0.1:18080": 0} {
		if err := n.SetWeights(t.Context(), map[string]int{name: weight}); err == nil {
			t.Errorf("%s could be set to %d", name, weight)
		}
	}
}

func TestNginxRefusesTheFile(t *testing.T) {
	f := startMaster(t)
	f.config.Test = []string{"sh", "-c", "echo [emerg] no good >&2; exit 1"}
	n := f.open(t)
	before, err := os.Stat(f.config.UpstreamFile)
	if err != nil {
		t.Fatal(err)
	}
	err = n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 30})
	if err == nil || !strings.Contains(err.Error(), "no good") || f.text(t) != webConf || f.reloads(t) != 0 {
		t.Errorf("error = %v, %d reloads, the file is now\n%s", err, f.reloads(t), f.text(t))
	}
	after, err := os.Stat(f.config.UpstreamFile)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the file was changed at %v, %v", after.ModTime(), err)
	}
	if b, err := n.Read(t.Context()); err != nil || b.Fixed != "" {
		t.Errorf("fixed = %q, error = %v", b.Fixed, err)
	}
}

// TestNginxDoesNotReload has a master that keeps its workers.
func TestNginxDoesNotReload(t *testing.T) {
	f := startMaster(t)
	n := f.open(t)
	appendTo(t, filepath.Join(f.dir, "stuck"), "")
	time.Sleep(4 * tick) // the grain of the workers' start, which the file's time is held against
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := n.SetWeights(ctx, map[string]int{"127.0.0.1:18080": 30}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	if b, err := n.Read(t.Context()); err != nil || !strings.Contains(b.Fixed, "was not reloaded since") {
		t.Errorf("fixed = %q, error = %v", b.Fixed, err)
	}
	// The file has them already, and still they are not in force: that is seen.
	if err := os.Remove(filepath.Join(f.dir, "stuck")); err != nil {
		t.Fatal(err)
	}
	if err := n.calm().SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 30}); err != nil {
		t.Error(err)
	}
	if b, err := n.Read(t.Context()); err != nil || b.Fixed != "" || b.Servers[0].Weight != 30 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestReloadFails(t *testing.T) {
	f := startMaster(t)
	f.config.Reload = []string{"false"}
	n := f.open(t)
	err := n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 30})
	if err == nil || !strings.Contains(err.Error(), "was not reloaded") || f.text(t) != webConf {
		t.Errorf("error = %v, the file is now\n%s", err, f.text(t))
	}
}

func TestBudgetOfReloads(t *testing.T) {
	f := startMaster(t)
	f.config.Reloads = 2
	n := f.open(t)
	set := func(weight int) error {
		return n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": weight})
	}
	for weight := 11; weight <= 12; weight++ {
		n.calm()
		if err := set(weight); err != nil {
			t.Fatal(err)
		}
	}
	if err := set(13); !errors.Is(err, ErrBudget) {
		t.Errorf("the third change: %v", err)
	}
	if err := set(10); err != nil || f.text(t) != webConf { // at once, whatever the budget
		t.Errorf("putting back: %v, the file is now\n%s", err, f.text(t))
	}
	n.calm()
	if err := set(11); err != nil { // the budget is whole again
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := n.SetWeights(ctx, map[string]int{"127.0.0.1:18080": 12}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(f.text(t), "weight=11") {
		t.Errorf("too soon: %v, the file is now\n%s", err, f.text(t))
	}
}

// TestSomebodyElseEdits has an operator who writes to the file in the middle of
// a squeeze: what was done to it stays.
func TestSomebodyElseEdits(t *testing.T) {
	f := startMaster(t)
	f.config.Reloads = 1
	n := f.open(t)
	if err := n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 30}); err != nil {
		t.Fatal(err)
	}
	appendTo(t, f.config.UpstreamFile, "# somebody was here\nserver 127.0.0.1:18083;\n")
	if err := n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 10}); err != nil {
		t.Fatal(err)
	}
	if want := webConf + "# somebody was here\nserver 127.0.0.1:18083;\n"; f.text(t) != want {
		t.Errorf("the file is now\n%s", f.text(t))
	}
}

func TestNginxIsNotThere(t *testing.T) {
	f := startMaster(t)
	n := f.open(t)
	for text, want := range map[string]string{
		"999999999\n": "is gone", "x": "no number", fmt.Sprint(os.Getpid()): "not nginx's master",
	} {
		if err := os.WriteFile(f.config.PIDFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pid file %q: %v, want %q", text, err, want)
		}
		if err := n.SetWeights(t.Context(), map[string]int{"127.0.0.1:18080": 30}); err == nil || f.text(t) != webConf {
			t.Errorf("pid file %q: the weight could be set (%v)", text, err)
		}
	}
	os.Remove(f.config.PIDFile)
	if _, err := n.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "does nginx run") {
		t.Errorf("no pid file: %v", err)
	}
}

func TestRenewed(t *testing.T) {
	old, leaving, fresh := process{pid: 1, title: "nginx: worker process"}, process{pid: 1, title: "nginx: worker process is shutting down"}, process{pid: 2, title: "nginx: worker process"}
	for _, c := range []struct {
		what string
		now  []process
		want bool
	}{
		{"nobody", nil, false}, {"as before", []process{old}, false}, {"both", []process{old, fresh}, false},
		{"the old one ends its requests", []process{leaving, fresh}, true}, {"the new one alone", []process{fresh}, true}, {"the old one ends", []process{leaving}, false},
	} {
		if got := renewed([]process{old}, c.now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestResolve(t *testing.T) {
	n := &nginx{addresses: map[string][]string{}}
	for server, want := range map[string]string{
		"10.0.0.1:8080": "[10.0.0.1:8080]", "10.0.0.1": "[10.0.0.1:80]", "[::1]:8080": "[[::1]:8080]", "[::1]": "[[::1]:80]", "unix:/run/web.sock": "[unix:/run/web.sock]",
	} {
		if got, err := n.resolve(t.Context(), server); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", server, got, err, want)
		}
	}
	if got, err := n.resolve(t.Context(), "localhost:8080"); err != nil || len(got) == 0 {
		t.Errorf("localhost: %v, %v", got, err)
	}
	if _, err := n.resolve(t.Context(), "nothing.invalid:80"); err == nil {
		t.Error("a name that nobody has was found")
	}
}
