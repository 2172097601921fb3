package guest

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A reading is what an agent's page says at a moment.
type reading struct {
	at         time.Time // ours
	clock      float64   // the guest's: seconds
	cpuSeconds float64   // of all
	// instructions of all but the agent, of all in user space, and of the demo's
	// group, where they are counted
	instructions, user, web float64
}

// look reads the agent's page. The guest's counter of cycles is its clock.
func (s *Server) look(t *testing.T, client *http.Client) reading {
	t.Helper()
	answer, err := client.Get(s.AgentURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	r := reading{at: time.Now()}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch name {
		case `saturate_cycles_total{scope="host"}`:
			r.clock = value / 1e9
		case `saturate_cpu_seconds_total{scope="host"}`:
			r.cpuSeconds = value
		case `saturate_instructions_total{scope="host"}`:
			r.instructions += value
		case `saturate_user_instructions_total{scope="host"}`:
			r.user = value
		case `saturate_agent_instructions_total`:
			r.instructions -= value
		case `saturate_instructions_total{scope="cgroup"}`:
			r.web = value
		}
	}
	return r
}

// A spell is what a server did in a time of steady load.
type spell struct {
	rate, busy float64
	perSecond  float64 // instructions
	web        float64 // those of the demo's group in a second
	cost, user float64 // instructions of a request; those in user space
	pace       float64 // of the guest's clock
}

func (s spell) String() string {
	return fmt.Sprintf("%.2f req/s, %.0f %% busy, %.2f M instructions/s (%.2f M of the demo's group), %.3f M a request, %.3f M of it in user space (its clock at %.3f)",
		s.rate, 100*s.busy, s.perSecond/1e6, s.web/1e6, s.cost/1e6, s.user/1e6, s.pace)
}

// drive offers even arrivals for a while. It is read before and after, when
// there is nothing to do, so that a reading does not wait.
func (s *Server) drive(t *testing.T, path string, rate float64, length time.Duration) spell {
	t.Helper()
	client := s.Client()
	defer client.CloseIdleConnections()
	s.look(t, client) // has it connect
	before := s.look(t, client)
	n := int(rate * length.Seconds())
	if failed := offer(s.URL()+path, rate, n); failed > 0 {
		t.Fatalf("%d of %d requests failed at %.2f req/s", failed, n, rate)
	}
	after := s.look(t, client)
	did := after.instructions - before.instructions
	return spell{
		rate: rate, busy: (after.cpuSeconds - before.cpuSeconds) / length.Seconds(),
		perSecond: did / length.Seconds(), web: (after.web - before.web) / length.Seconds(), cost: did / float64(n), user: (after.user - before.user) / float64(n),
		pace: (after.clock - before.clock) / after.at.Sub(before.at).Seconds(),
	}
}

// offer sends n requests at a rate, whatever becomes of them, and returns when
// all are answered.
func offer(url string, rate float64, n int) (failed int) {
	const connections = 24
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		all.Go(func() {
			answer, err := client.Get(url)
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			if err != nil || answer.StatusCode != http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	all.Wait()
	return failed
}

// inFleet is a server of a production fleet: nothing but scrapes watch it, and it
// is busy for so much of the time. Spells in which its clock went wrong are void.
func (s *Server) inFleet(t *testing.T, rate, least, most float64) spell {
	t.Helper()
	aim, length := (least+most)/2, 8*time.Second
	for range 8 {
		did := s.drive(t, "/", rate, length)
		t.Logf("fleet: %v", did)
		inPace, inRange := math.Abs(did.pace-1) <= .02, did.busy >= least && did.busy <= most
		if inPace && inRange && length > 8*time.Second {
			return did
		}
		if inRange {
			length = 30 * time.Second
			continue
		}
		rate *= min(1.3, aim/did.busy)
	}
	t.Skipf("needs a quieter machine: the guest was not %.0f to %.0f %% busy in pace with our clock", 100*least, 100*most)
	return spell{}
}
