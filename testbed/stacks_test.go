package testbed

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"saturate/internal/supervise"
)

func TestMain(m *testing.M) {
	supervise.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of the supervisors: a second each
	os.Setenv("SATURATE_HISTORY", "off")     // what a test found is nobody's past
	os.Exit(m.Run())
}

// TestQuickStarts starts every stack once, asks it for each of its pages, reads its
// status, and stops it: nothing may stay behind.
func TestQuickStarts(t *testing.T) {
	tell(t, "SATURATE_STACKS", "starts and stops of the real servers")
	for _, s := range []struct {
		stack, url string
		workers    int
		pages      []string // a body after a space makes it a POST
		status     func(t *testing.T) (workers int)
	}{
		{"django-cpu", "http://127.0.0.1:18080", 24, []string{"/feed"}, uwsgiWorkers},
		{"django-workers", "http://127.0.0.1:18080", 8, []string{"/inbox"}, uwsgiWorkers},
		{"django-memory", "http://127.0.0.1:18080", 4 * 64, []string{"/photo"}, uwsgiWorkers},
		{"django-mixed", "http://127.0.0.1:18080", 32, []string{"/feed", "/inbox", `/seen {"id": 7}`}, uwsgiWorkers},
		{"gunicorn", "http://127.0.0.1:18180", 0, []string{"/inbox"}, nil}, // it has no status page
		{"php-fpm", "http://127.0.0.1:18280", 8, []string{"/inbox", "/stub_status"}, fpmWorkers},
	} {
		t.Run(s.stack, func(t *testing.T) {
			addr := strings.TrimPrefix(s.url, "http://")
			wantFree(t, addr)
			child := startStack(t, s.stack, nil, nil)
			awaitHealth(t, child, s.url)
			for _, page := range s.pages {
				path, body, _ := strings.Cut(page, " ")
				if status, text := ask(t, s.url+path, body); status != 200 || text == "" {
					t.Errorf("%s answered %d %.60q", path, status, text)
				}
			}
			if s.status != nil {
				if got := s.status(t); got != s.workers {
					t.Errorf("its status tells of %d workers, want %d", got, s.workers)
				}
			}
			if err := child.Stop(); err != nil {
				t.Error(err)
			}
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("it still listens after it was stopped")
			}
		})
	}
}

// A misspelt stack is refused before anything starts.
func TestStackUnknown(t *testing.T) {
	child, err := supervise.Start(supervise.Command{Args: []string{"./run", "djangocpu"}})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop()
	<-child.Done()
	if err := child.Err(); !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(err.Error(), "django-cpu") {
		t.Errorf("it ended with %v, want status 2 and the names there are", err)
	}
}

// Every scenario of a stack starts one that testbed/run knows, and reads what
// the scenario says it does.
func TestStackIsNamedForItsScenario(t *testing.T) {
	for _, b := range bottlenecks[1:] {
		text, err := os.ReadFile(filepath.Join(root(t), "scenarios", b.scenario+".yaml"))
		if err != nil {
			t.Error(err)
			continue
		}
		if want := fmt.Sprintf("command: [testbed/run, %s]", b.scenario); !strings.Contains(string(text), want) {
			t.Errorf("%s.yaml has no %q", b.scenario, want)
		}
	}
}

// wantFree wants nobody to listen at an address.
func wantFree(t *testing.T, addr string) {
	t.Helper()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Fatalf("something listens at %s already", addr)
	}
}

// startStack runs a stack until the test ends: on some CPUs, or any, and with
// more in its environment.
func startStack(t *testing.T, stack string, cpus []int, env map[string]string) *supervise.Child {
	t.Helper()
	c := supervise.Command{Args: []string{"./run", stack}, CPUs: cpus, Env: map[string]string{"SATURATE_RUN": t.TempDir()}, Grace: 10 * time.Second}
	maps.Copy(c.Env, env)
	child, err := supervise.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Stop() })
	return child
}

func awaitHealth(t *testing.T, child *supervise.Child, url string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := child.Err(); err != nil {
			t.Fatal(err)
		}
		if answer, err := http.Get(url + "/health"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == 200 {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("not healthy within a minute; it printed\n%s", child.Output())
		}
	}
}

// ask sends a GET, or a POST where there is a body.
func ask(t *testing.T, url, body string) (status int, text string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var answer *http.Response
	var err error
	if body == "" {
		answer, err = client.Get(url)
	} else {
		answer, err = client.Post(url, "application/json", strings.NewReader(body))
	}
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(all)
}

// uwsgiWorkers counts the requests that uWSGI says it can carry out at a time.
func uwsgiWorkers(t *testing.T) int {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:18081")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	var stats struct {
		Workers []struct{ Cores []struct{ ID int } }
	}
	if err := json.NewDecoder(conn).Decode(&stats); err != nil {
		t.Error(err)
	}
	n := 0
	for _, w := range stats.Workers {
		n += len(w.Cores)
	}
	return n
}

func fpmWorkers(t *testing.T) int {
	t.Helper()
	status, text := ask(t, "http://127.0.0.1:18280/status?json", "")
	var pool struct {
		Total int `json:"total processes"`
	}
	if err := json.Unmarshal([]byte(text), &pool); status != 200 || err != nil {
		t.Errorf("status %d: %v in %.80q", status, err, text)
	}
	return pool.Total
}
