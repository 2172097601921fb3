package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"saturate/stress"
	"saturate/stress/probe"
)

// said makes a line of an agent's.
func said(seq int, change ...func(*line)) line {
	l := line{Complete: true, Sample: stress.Sample{At: time.Duration(seq) * probe.Interval, Seq: uint64(seq), Boot: "b",
		Counters: map[stress.Counter]float64{stress.CPUSeconds: float64(seq)}, Gauges: map[stress.Gauge]float64{}}}
	for _, c := range change {
		c(&l)
	}
	return l
}

func greeting(l *line) {
	l.Hello = &hello{Protocol: protocol, Scopes: map[string]string{"cpu_seconds": "cgroup"}}
	l.Sources = []state{{Name: "cgroup web", Required: true}, {Name: "uwsgi a:1", Named: true, Error: "refused", Hint: "start it", Age: -1}}
}

// pretend is an agent that says what a test wants, one script for each stream;
// the last is said again and again.
func pretend(t *testing.T, scripts ...func(say func(line), done <-chan struct{})) probe.Agent {
	var streams atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := min(int(streams.Add(1)), len(scripts)) - 1
		w.Header().Set("Content-Type", "application/x-ndjson")
		scripts[n](func(l line) {
			json.NewEncoder(w).Encode(l)
			w.(http.Flusher).Flush()
		}, r.Context().Done())
	}))
	t.Cleanup(s.Close)
	return probe.Agent{URL: s.URL}
}

func until(done <-chan struct{}) { <-done }

func TestClientTakesUpABrokenStream(t *testing.T) {
	c := dial(t, pretend(t,
		func(say func(line), _ <-chan struct{}) { say(said(1, greeting)); say(said(2)) },
		func(say func(line), done <-chan struct{}) { say(said(5, greeting)); say(said(6)); until(done) },
	))
	c.Start()
	var all []stress.Sample
	await(t, "four samples", func() bool { all = append(all, c.Take()...); return len(all) >= 4 })
	if signals, work := stress.Measure(all); len(work) > 0 {
		t.Errorf("the gap was bridged: %v %v", signals, work)
	}
	if _, work := stress.Measure(all[2:]); work["cpu_seconds"] != 1 {
		t.Errorf("behind the gap: %v", work)
	}
	if c.Err() != nil || c.Gone() != nil || c.Scopes()["cpu_seconds"] != "cgroup" {
		t.Errorf("%v %v %v", c.Err(), c.Gone(), c.Scopes())
	}
	sources := c.Sources()
	if len(sources) != 2 || !sources[0].Required || sources[0].Err != nil || sources[1].Age != -1 || !sources[1].Named ||
		fmt.Sprint(sources[1].Err) != "uwsgi a:1: refused" || hintOf(sources[1].Err) != "start it" {
		t.Errorf("sources %+v", sources)
	}
}

// While there is no stream, the load has no lease, and it is said why.
func TestClientWithoutAStream(t *testing.T) {
	a := pretend(t, func(say func(line), _ <-chan struct{}) { say(said(1, greeting)) },
		func(func(line), <-chan struct{}) {})
	c := dial(t, a)
	c.Start()
	await(t, "the last sample to grow old", func() bool { return c.Fresh() > 600*time.Millisecond })
	var src probe.Source
	await(t, "a reason", func() bool {
		src = c.Sources()[0]
		return src.Err != nil
	})
	if src.Name != "agent "+a.URL || !src.Required || c.Err() != nil {
		t.Errorf("%+v, %v", src, c.Err())
	}
}

func TestClientHonoursTheLease(t *testing.T) {
	c := dial(t, pretend(t, func(say func(line), done <-chan struct{}) {
		say(said(1, greeting))
		for seq := 2; ; seq++ {
			select {
			case <-time.After(20 * time.Millisecond):
				say(said(seq, func(l *line) { l.Complete = false })) // a required source fails
			case <-done:
				return
			}
		}
	}))
	c.Start()
	n := 0
	await(t, "samples", func() bool { n += len(c.Take()); return n > 3 })
	await(t, "the last complete sample to grow old", func() bool { return c.Fresh() > 600*time.Millisecond })
}

func TestClientTellsOfTheEnd(t *testing.T) {
	c := dial(t, pretend(t, func(say func(line), done <-chan struct{}) {
		say(said(1, greeting))
		say(said(2, func(l *line) { l.Gone = "processes of 7" }))
		say(said(3)) // up again: that is another server
		say(said(4, func(l *line) { l.Panic = &fault{Probe: "kernel", Value: "a mistake", Stack: "here"} }))
		until(done)
	}))
	c.Start()
	await(t, "the panic", func() bool { return c.Err() != nil })
	if err := c.Gone(); !errors.Is(err, probe.ErrGone) || err.Error() != "processes of 7: has ended" {
		t.Errorf("gone: %v", err)
	}
	var bug *probe.Panic
	if !errors.As(c.Err(), &bug) || bug.Probe != "kernel" || bug.Value != "a mistake" || bug.Stack != "here" {
		t.Errorf("err: %v", c.Err())
	}
	if n := len(c.Take()); n != 3 {
		t.Errorf("%d samples", n)
	}
}

// A stream that goes silent without an end is given up and taken up anew.
func TestClientGivesSilenceUp(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two seconds")
	}
	c := dial(t, pretend(t, func(say func(line), done <-chan struct{}) { say(said(1, greeting)); until(done) },
		func(say func(line), done <-chan struct{}) { say(said(20, greeting)); until(done) }))
	c.Start()
	await(t, "the second stream", func() bool { all := c.Take(); return len(all) > 0 && all[len(all)-1].Seq == 20 })
}

// What is no agent is told apart from one.
func TestDialRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		kind   string
		body   string
		want   string
		hint   string
	}{
		{"another server", 200, "text/html", "<html>", `"200 OK": "<html>"`, "port of saturate agent"},
		{"another page", 404, "text/plain", "404 page not found", "404", "port of saturate agent"},
		{"elsewhere", 302, "text/plain", "", "302", ""},
		{"a password", 401, "text/plain", "Unauthorized", "password", "user:${PASSWORD}"},
		{"no target", 503, "application/json", `{"error":"pidfile /run/x: there is no /run/x","hint":"is the server up?"}`, "pidfile /run/x", "is the server up?"},
		{"a target that ended", 503, "application/json", `{"error":"cgroup web: has ended","gone":"cgroup web"}`, "cgroup web: has ended", ""},
		{"nothing said", 200, "application/x-ndjson", "", "before the first sample", ""},
		{"garbage", 200, "application/x-ndjson", "\x00\xff{\n", "not a sample", ""},
		{"too much", 200, "application/x-ndjson", strings.Repeat("x", longestLine+1), "too long", ""},
		{"a later version", 200, "application/x-ndjson", `{"hello":{"protocol":2}}` + "\n", "another version", "same saturate"},
		{"a sample without hello", 200, "application/x-ndjson", `{"seq":1}` + "\n", "another version", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer s.Close()
			c, err := Dial(t.Context(), probe.Agent{URL: s.URL})
			if err == nil {
				c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "agent "+s.URL+": ") || !strings.Contains(hintOf(err), tt.hint) {
				t.Errorf("%v (hint %q)", err, hintOf(err))
			}
			if (tt.name == "a target that ended") != errors.Is(err, probe.ErrGone) {
				t.Errorf("gone: %v", err)
			}
		})
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := Dial(t.Context(), probe.Agent{URL: gone.URL}); err == nil || !strings.Contains(hintOf(err), "systemctl status") {
		t.Errorf("nobody listens: %v (hint %q)", err, hintOf(err))
	}
	secret := strings.Replace(gone.URL, "http://", "http://user:secret@", 1)
	if _, err := Dial(t.Context(), probe.Agent{URL: secret}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is echoed: %v", err)
	}
}

// Whatever a line holds, it is a sample or an error.
func FuzzParseLine(f *testing.F) {
	for _, l := range []line{said(1, greeting), said(2), {}} {
		text, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"counters":null,"gauges":{"a":1e999}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLine(text)
		if err != nil {
			return
		}
		c := &Client{}
		c.note(l, time.Now())
		if l.Panic == nil && len(c.Take()) != 1 {
			t.Error("no sample")
		}
	})
}

// The target's clock runs at a given rate, every sample takes its time on the
// way, most a little and a tenth of them much: the rate is found well enough to
// tell whether it is within two percent of ours, but for the few times when all
// samples at one end of the time that is looked at took long.
func TestPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(.4, 1.5).Draw(t, "rate")
		if rapid.Bool().Draw(t, "in step") {
			rate = 1 + (rate-1)/50
		}
		distance := rapid.Float64Range(0, .2).Draw(t, "distance")
		jitter := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		start := time.Now()
		var p pace
		here := start
		const usual = .003
		var late [150]bool // arrived late, by itself or behind another
		found, wrong := 0, 0
		for i := range late {
			there := time.Duration(i) * probe.Interval
			delay := distance + usual*jitter.Float64()
			if jitter.IntN(10) == 0 {
				delay += .4 * jitter.Float64()
			}
			comes := start.Add(time.Duration((there.Seconds()/rate + delay) * float64(time.Second)))
			if comes.After(here) { // they come in order
				here = comes
			}
			late[i] = here.Sub(start).Seconds() > there.Seconds()/rate+distance+usual
			got, ok := p.observe("b", there, here)
			if !ok {
				continue
			}
			found++
			if off := math.Abs(got - rate); off > .004+.02*math.Abs(rate-1) {
				wrong++
				part := time.Duration(paceEnd * float64(here.Sub(p.ticks[0].here)))
				begins, ends := false, false // with a sample that was not late
				for _, k := range p.ticks {
					if !late[k.there/probe.Interval] {
						begins = begins || k.here.Sub(p.ticks[0].here) <= part
						ends = ends || here.Sub(k.here) <= part
					}
				}
				if begins && ends {
					t.Fatalf("sample %d: rate %.4f, found %.4f", i, rate, got)
				}
			}
		}
		if found < 60 || wrong > found/20 {
			t.Fatalf("found %d times, %d times wrongly", found, wrong)
		}
	})
}

// A restart of the agent or a gap is no drift.
func TestPaceStartsAnew(t *testing.T) {
	start := time.Now()
	var p pace
	at := func(boot string, there, here float64) (float64, bool) {
		return p.observe(boot, time.Duration(there*float64(time.Second)), start.Add(time.Duration(here*float64(time.Second))))
	}
	for i := range 30 {
		at("a", float64(i)/5, float64(i)/5)
	}
	if rate, ok := at("a", 6, 6); !ok || math.Abs(rate-1) > 1e-9 {
		t.Errorf("in step: %v %v", rate, ok)
	}
	if _, ok := at("b", 900, 6.2); ok {
		t.Error("another boot has the old one's pace")
	}
	for i := range 30 {
		at("b", 900+float64(i+1)/5, 6.2+float64(i+1)/5)
	}
	if _, ok := at("b", 916, 22.2); ok { // ten seconds of silence
		t.Error("a pace over a gap")
	}
	if rate, ok := at("b", 1, 22.4); ok {
		t.Errorf("a clock that goes back has the pace %v", rate)
	}
}
