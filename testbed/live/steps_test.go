package live

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A wire is between a controller and its watchdog: it knows every step of a
// squeeze by what goes over it, and can have the controller die there.
type wire struct {
	*httptest.Server
	mu     sync.Mutex
	seen   map[string]int // steps that came by, by kind
	steps  []string
	turned map[string]float64 // weights of the last turn
	fatal  string             // the step at which it dies
	die    func()
	died   time.Time
}

// newWire goes to a guard; the controller talks with the wire as with it.
func newWire(t *testing.T, g *guard) *wire {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(g.keys+"/client.pem", g.keys+"/client.key")
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.LoadX509KeyPair(g.keys+"/server.pem", g.keys+"/server.key")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(g.keys, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: g.listen})
	to.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	w := &wire{seen: make(map[string]int)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		step := w.step(in)
		w.pass("before " + step)
		to.ServeHTTP(out, in)
		w.pass("after " + step)
	}))
	w.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// step names what is asked: the first look, the begin, the first push, the first
// that renews, every turn of the weights, and the end.
func (w *wire) step(in *http.Request) string {
	kind := filepath.Base(in.URL.Path)
	w.mu.Lock()
	defer w.mu.Unlock()
	if kind == "push" {
		body, err := io.ReadAll(in.Body)
		in.Body = io.NopCloser(bytes.NewReader(body))
		var push struct{ Weights map[string]float64 }
		if err == nil {
			err = json.Unmarshal(body, &push)
		}
		switch {
		case err != nil:
			kind = "broken push"
		case w.seen["push"] == 0:
		case turned(w.turned, push.Weights):
			kind = "turn"
		default:
			kind = "renewal"
		}
		if kind != "renewal" {
			w.turned = push.Weights
		}
	}
	w.seen[kind]++
	return fmt.Sprintf("%s %d", kind, w.seen[kind])
}

// turned tells a turn of the level, or the way back, from a weight that follows
// the traffic.
func turned(a, b map[string]float64) bool {
	return !maps.EqualFunc(a, b, func(a, b float64) bool { return math.Abs(a-b) <= .1*math.Max(a, b) })
}

func (w *wire) pass(step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, step)
	if step == w.fatal && w.die != nil {
		w.died = time.Now()
		w.die()
	}
}

// arm has the controller die at a step, and forgets what came by before.
func (w *wire) arm(fatal string, die func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.steps, w.turned = make(map[string]int), nil, nil
	w.fatal, w.die, w.died = fatal, die, time.Time{}
}

// passed are the steps that came by; renewals but the first two are one like another.
func (w *wire) passed() (steps []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.steps {
		var when, kind string
		var n int
		if _, err := fmt.Sscanf(s, "%s %s %d", &when, &kind, &n); err == nil && (kind != "renewal" || n <= 2) && (kind != "state" || n <= 2) {
			steps = append(steps, s)
		}
	}
	return steps
}

// TestShowsSteps kills the controller at every step of a squeeze: before and after
// each word that it says to its watchdog.
func TestShowsSteps(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "a controller killed at every step of a squeeze")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	g := p.guard(t, "127.0.0.1:19071")
	g.await(t)
	w := newWire(t, g)
	whole := p.squeeze(t, squeeze{watchdog: g.lines(w.URL)}).start(t)
	whole.wantExit(t, 5*time.Minute, 0, 4)
	steps := w.passed()
	t.Logf("%d steps of a whole squeeze: %q", len(steps), steps)
	if len(steps) < 12 {
		t.Fatal("that is no squeeze")
	}
	a := &tally{what: "controller killed at a step"}
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			a.try(t)
			p.calm(t)
			run := p.squeeze(t, squeeze{watchdog: g.lines(w.URL)})
			w.arm(step, func() { run.Process.Kill() })
			run.start(t)
			select {
			case <-run.ended:
			case <-time.After(5 * time.Minute):
				t.Fatal("it still runs")
			}
			w.mu.Lock()
			died := w.died
			w.mu.Unlock()
			if died.IsZero() {
				t.Skip("this squeeze ended without that step")
			}
			took := p.wantAsFound(t, died)
			a.add(took, p.wantWell(t, fewFail))
		})
	}
	tellTallies(t, a)
}

// TestShowsMoments kills the controller, with a watchdog of its own, at random
// moments of a squeeze.
func TestShowsMoments(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "a controller killed at 50 random moments")
	p := produce(t, Config{}, ThirtyPercent(sustained))
	a := &tally{what: "controller killed at a random moment"}
	for round := range rounds(50) {
		moment := time.Duration(rand.Float64() * float64(100*time.Second))
		t.Run(fmt.Sprintf("%d after %.1f s", round+1, moment.Seconds()), func(t *testing.T) {
			a.try(t)
			p.calm(t)
			run := p.squeeze(t, squeeze{}).start(t)
			t.Cleanup(killWatchdogs)
			select {
			case <-run.ended:
			case <-time.After(moment):
			}
			took := p.wantAsFound(t, run.kill(t))
			eventually(t, 5*time.Second, "its watchdog ends", func() bool { return len(watchdogs()) == 0 })
			a.add(took, p.wantWell(t, fewFail))
		})
	}
	tellTallies(t, a)
}
