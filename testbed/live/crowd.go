package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Crowd is production's users: an open loop of requests to the balancer, as a
// Poisson process whose rate goes up and down as over a day, in fast motion.
// What one of them suffers is counted.
type Crowd struct {
	config CrowdConfig
	client *http.Client
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	phase *Figures
}

// CrowdConfig says who comes.
type CrowdConfig struct {
	URL string
	// Rate is the mean, in requests per second; Swing is how much more and less
	// of it comes at the day's peak and trough, as a share; Day is how long a day is.
	Rate, Swing float64
	Day         time.Duration
}

// ThirtyPercent is the rate that takes 30 % of what the six can sustain.
func ThirtyPercent(sustained float64) float64 { return .3 * Count * sustained }

// pages are what users ask for, with their parts of the whole.
var pages = []struct {
	part       float64
	path, body string
}{
	{.80, "/inbox", ""},
	{.15, "/feed", ""},
	{.05, "/seen", `{"id": 1}`},
}

// Traffic is the same mix as lines of a scenario, for generated load.
func Traffic() string {
	var b strings.Builder
	b.WriteString("traffic:\n  requests:\n")
	for _, p := range pages {
		fmt.Fprintf(&b, "    - {name: %s, weight: %g, path: %s", p.path[1:], 100*p.part, p.path)
		if p.body != "" {
			fmt.Fprintf(&b, ", method: POST, body: '%s'", p.body)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// StartCrowd lets them come, until Stop.
func StartCrowd(c CrowdConfig) *Crowd {
	ctx, cancel := context.WithCancel(context.Background())
	crowd := &Crowd{
		config: c, cancel: cancel, done: make(chan struct{}), phase: newFigures(),
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 20 * time.Second},
		},
	}
	go crowd.run(ctx)
	return crowd
}

// run sends each when its time has come. After a stall of this machine all that
// are late come at once: as a crowd's would.
func (c *Crowd) run(ctx context.Context) {
	defer close(c.done)
	var underway sync.WaitGroup
	defer underway.Wait()
	began := time.Now()
	for at := time.Duration(0); ; {
		rate := c.config.Rate
		if c.config.Day > 0 {
			rate *= 1 + c.config.Swing*math.Sin(2*math.Pi*at.Seconds()/c.config.Day.Seconds())
		}
		at += time.Duration(rand.ExpFloat64() / rate * float64(time.Second))
		select {
		case <-ctx.Done():
			return
		case <-time.After(at - time.Since(began)):
		}
		underway.Go(func() { c.visit(began.Add(at)) })
	}
}

// visit is one user's request, meant for a moment that has just come.
func (c *Crowd) visit(meant time.Time) {
	page := pages[0]
	part := rand.Float64()
	for _, p := range pages {
		page = p
		if part -= p.part; part < 0 {
			break
		}
	}
	late := time.Since(meant)
	server, err := c.ask(page.path, page.body)
	took := time.Since(meant)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase.add(server, took, late, err)
}

func (c *Crowd) ask(path, body string) (server string, err error) {
	method, send := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, send = http.MethodPost, strings.NewReader(body)
	}
	request, err := http.NewRequest(method, c.config.URL+path, send)
	if err != nil {
		return "", err
	}
	if send != nil {
		// May be sent again where a kept connection turns out to be closed, as browsers do.
		request.Header.Set("Idempotency-Key", "1")
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	server = answer.Header.Get("X-Server")
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return server, err
	}
	if answer.StatusCode != http.StatusOK {
		return server, errors.New(path + ": " + answer.Status)
	}
	return server, nil
}

// Turn begins a new phase and returns what was seen in the one before. A request
// counts in the phase in which it ends.
func (c *Crowd) Turn() *Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.phase
	old.Ended = time.Now()
	c.phase = newFigures()
	return old
}

// Stop has no more come, and returns the last phase once all have gone.
func (c *Crowd) Stop() *Figures {
	c.cancel()
	<-c.done
	c.client.CloseIdleConnections()
	return c.Turn()
}
