package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"saturate/loadgen/shift/balancer"
)

// haproxies are the plants that scripts have started, by their script's folder.
type haproxies struct{ all sync.Map }

// start serves a plant as HAProxy's runtime API does, and its first server as an
// agent would tell of it, at ${AGENT}; journals have a folder of a path short
// enough for a socket: haproxy SOCKET.
func (h *haproxies) start(ts *testscript.TestScript, _ bool, args []string) {
	p := newPlant("script")
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	h.all.Store(ts.Getenv("WORK"), p)
	agent := httptest.NewServer(http.HandlerFunc(p.stream))
	ts.Defer(agent.CloseClientConnections)
	ts.Setenv("AGENT", agent.URL)
	state, err := os.MkdirTemp("", "live")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(state) })
	ts.Setenv("XDG_STATE_HOME", state)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
}

// weights waits until the weight of s1 is as found, or is not: [!] asfound.
func (h *haproxies) asFound(ts *testscript.TestScript, not bool, _ []string) {
	p, ok := h.all.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("no haproxy runs")
	}
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		as := p.(*plant).weights()["s1"] == 100
		if as != not {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("s1 as found: %v", as)
		}
	}
}

// change does something to the plant: change drain SERVER.
func (h *haproxies) change(ts *testscript.TestScript, _ bool, args []string) {
	p, _ := h.all.Load(ts.Getenv("WORK"))
	p.(*plant).do(0, func(p *plant) {
		for _, s := range p.servers {
			if s.name == args[1] {
				s.status = map[string]balancer.Status{"drain": balancer.Drain, "ready": balancer.Up}[args[0]]
			}
		}
	})
	time.Sleep(50 * time.Millisecond)
}

// stream is what an agent on s1 tells: a sample a line, five a second.
func (p *plant) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	probe := &plantProbe{plant: p, start: time.Now()}
	for first := true; r.Context().Err() == nil; first = false {
		for _, sample := range probe.Take() {
			line := map[string]any{"at": sample.At, "seq": sample.Seq, "boot": sample.Boot, "counters": sample.Counters, "gauges": sample.Gauges, "complete": true}
			if first {
				line["hello"] = map[string]any{"protocol": 1, "interval": .2, "scopes": probe.Scopes()}
				line["sources"] = []map[string]any{{"name": "host", "required": true}}
			}
			if lines.Encode(line) != nil {
				return
			}
		}
		http.NewResponseController(w).Flush()
		time.Sleep(200 * time.Millisecond)
	}
}

// serve answers the commands of one connection.
func (p *plant) serve(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	for _, command := range strings.Split(strings.TrimSpace(line), ";") {
		answer, err := p.answer(command)
		if err != nil {
			answer = err.Error() + "\n"
		}
		fmt.Fprintf(conn, "%s\n", answer)
	}
}

func (p *plant) answer(command string) (string, error) {
	var name string
	var weight int
	switch {
	case command == "show info float":
		return "Name: HAProxy\nPid: 7\nStart_time_sec: 1\nNbproc: 1\n", nil
	case command == "show cli level":
		return "admin\n", nil
	case strings.HasPrefix(command, "show stat "):
		return p.statistics(), nil
	case strings.HasPrefix(command, "show servers state "):
		var b strings.Builder
		b.WriteString("1\n# be_id be_name srv_id srv_name srv_addr srv_uweight srv_iweight\n")
		for i, name := range p.names() {
			fmt.Fprintf(&b, "3 web %d %s 10.0.0.%d %d 100\n", i+1, name, i+1, p.weights()[name])
		}
		return b.String(), nil
	}
	if _, err := fmt.Sscanf(command, "set weight web/%s %d", &name, &weight); err != nil {
		return "", errors.New("unknown command")
	}
	return "", p.SetWeights(context.Background(), map[string]int{name: weight})
}

func (p *plant) names() []string {
	var all []string
	for _, s := range p.servers { // never changes
		all = append(all, s.name)
	}
	return all
}

func (p *plant) statistics() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	var b strings.Builder
	b.WriteString("# pxname,svname,qcur,scur,slim,stot,econ,eresp,wretr,wredis,status,bck,rtime,hrsp_5xx,mode,algo,\n")
	for _, s := range p.servers {
		word := map[balancer.Status]string{balancer.Up: "UP", balancer.Drain: "DRAIN"}[s.status]
		fmt.Fprintf(&b, "web,%s,0,%d,,%.0f,0,0,0,0,%s,0,20,0,http,,\n", s.name, int(s.rate*s.service()), s.requests, word)
	}
	b.WriteString("web,BACKEND,0,0,,0,0,0,0,0,UP,0,20,0,http,roundrobin,\n")
	return b.String()
}
