package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"saturate/stress"
	"saturate/stress/probe"
)

// A server that a test starts and ends, with its pidfile.
type server struct {
	t       *testing.T
	pidfile string
	stdin   io.Closer
	cmd     *exec.Cmd
}

func (s *server) up() {
	s.t.Helper()
	s.cmd = exec.Command("cat")
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.stdin = stdin
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.pidfile, fmt.Sprintln(s.cmd.Process.Pid))
}

func (s *server) down() {
	s.stdin.Close()
	s.cmd.Wait()
}

// A target may come up after the agent, end, and come again.
func TestTargetComesAndGoes(t *testing.T) {
	s := &server{t: t, pidfile: filepath.Join(t.TempDir(), "pid")}
	a := serving(t, Config{Probes: probe.Config{Pidfile: s.pidfile}})
	now := time.Now()
	for _, target := range a.targets() { // time passes when the test says so
		target.now = func() time.Time { return now }
	}
	page := func() string {
		now = now.Add(2 * again)
		answer, err := http.Get(a.URL() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	has := func(when, text string, want bool, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if strings.Contains(text, "\n"+line) != want {
				t.Errorf("%s: %s is on the page: %v", when, line, !want)
			}
		}
	}
	const mine, host = `saturate_cpu_seconds_total{scope="processes"}`, `saturate_cpu_seconds_total{scope="host"}`

	var told bool
	for _, note := range a.Notes() {
		told = told || strings.Contains(note.Error(), "there is no "+s.pidfile)
	}
	if !told {
		t.Errorf("notes %v", a.Notes())
	}
	text := page()
	has("not up yet", text, true, `saturate_source_up{source="target"} 0`, host)
	has("not up yet", text, false, mine)
	if _, err := Dial(t.Context(), probe.Agent{URL: a.URL()}); err == nil || !strings.Contains(err.Error(), "there is no "+s.pidfile) || hintOf(err) == "" {
		t.Errorf("a stream of nothing: %v", err)
	}

	s.up()
	text = page()
	has("up", text, true, `saturate_source_up{source="target"} 1`, host, mine, `saturate_processes{scope="processes"} 1`)
	c := dial(t, probe.Agent{URL: a.URL()})
	c.Start()
	if c.Scopes()["cpu_seconds"] != "processes" || c.Gone() != nil {
		t.Errorf("scopes %v, gone %v", c.Scopes(), c.Gone())
	}

	s.down()
	await(t, "the client to hear of the end", func() bool { return errors.Is(c.Gone(), probe.ErrGone) })
	if !strings.HasPrefix(c.Gone().Error(), "processes of ") {
		t.Errorf("gone: %v", c.Gone())
	}
	text = page()
	has("ended", text, true, `saturate_source_up{source="target"} 0`, host)

	s.up()
	defer s.down()
	text = page()
	has("up again", text, true, `saturate_source_up{source="target"} 1`, mine)
	boots := map[string]bool{}
	await(t, "samples of the new server", func() bool {
		for _, x := range c.Take() {
			boots[x.Boot] = true
		}
		return len(boots) > 1
	})
	if c.Gone() == nil {
		t.Error("the client forgot that the server which it watched has ended")
	}
}

// What the probes of the target that has ended hold is free for those of the next.
func TestTargetComesAgainToItsAddress(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s := &server{t: t, pidfile: filepath.Join(t.TempDir(), "pid")}
	s.up()
	now := time.Now()
	target := newTarget(probe.Config{Pidfile: s.pidfile, Instructions: off,
		Gunicorn: &probe.Gunicorn{Statsd: conn.LocalAddr().String(), Workers: 2}}, &counter{})
	target.now = func() time.Time { return now }
	defer target.Close()
	look := func() reading {
		now = now.Add(2 * again)
		r, _, err := target.view()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := look()
	s.down()
	if look(); look().gone == nil {
		t.Error("its end is not told")
	}
	s.up()
	defer s.down()
	if again := look(); again.gone != nil || again.Boot == first.Boot {
		t.Errorf("up again: %v", again.gone)
	}
}

// A scrape reads at most once a second, however many ask, and not at all while
// a stream does.
func TestScrapesShareReadings(t *testing.T) {
	target := newTarget(probe.Config{Host: true, Instructions: off}, &counter{})
	defer target.Close()
	now := time.Now()
	target.now = func() time.Time { return now }
	view := func() reading {
		t.Helper()
		r, _, err := target.view()
		if err != nil || r.err != nil || !r.complete {
			t.Fatalf("%v %v", err, r.err)
		}
		return r
	}
	first := view()
	if again := view(); again.Seq != first.Seq {
		t.Errorf("sample %d and then %d at once", first.Seq, again.Seq)
	}
	now = now.Add(current)
	if next := view(); next.Seq != first.Seq+1 {
		t.Errorf("sample %d a second after %d", next.Seq, first.Seq)
	}
	now = now.Add(probe.Interval)
	streamed := target.sample()
	if seen := view(); seen.Seq != streamed.Seq || &seen.Counters == &streamed.Counters {
		t.Errorf("sample %d while %d is new", seen.Seq, streamed.Seq)
	}

	// What a page did not say this time stands for two seconds.
	target.recent[len(target.recent)-1].Counters[stress.ServerRequests] = 7
	for i, want := range []bool{true, true, false} {
		now = now.Add(900 * time.Millisecond)
		target.sample()
		if _, has := view().Counters[stress.ServerRequests]; has != want {
			t.Errorf("%d: a page's counter is there: %v", i, has)
		}
	}
	if _, has := target.sample().Counters[stress.ServerRequests]; has {
		t.Error("a view was written to")
	}
}

// Where instructions cannot be counted, all else is read, and it is told.
func TestTargetWithoutInstructions(t *testing.T) {
	cannot := errors.New("this machine has no counters")
	target := newTarget(probe.Config{Host: true, Instructions: "host"}, &counter{})
	defer target.Close()
	target.open = func(c probe.Config) (*probe.Sampler, error) {
		if c.Instructions != off {
			return nil, &probe.Error{Source: instructions, Err: cannot, Remedy: "get some"}
		}
		return probe.Open(c, probe.Target{})
	}
	r, failures, err := target.view()
	if err != nil || !r.complete {
		t.Fatalf("%v %v", r.Sample, err)
	}
	last := r.sources[len(r.sources)-1]
	if last.Name != instructions || !errors.Is(last.Err, cannot) || hintOf(last.Err) != "get some" || failures[instructions] != 1 {
		t.Errorf("%+v, %v", last, failures)
	}
	if notes := target.doubts(); len(notes) == 0 || hintOf(notes[len(notes)-1]) != "get some" {
		t.Errorf("notes %v", notes)
	}
}

func TestTargets(t *testing.T) {
	group := probe.Config{Cgroup: "web"}
	for _, tt := range []struct {
		probes     probe.Config
		counts     []string
		main, host string // what the target's probes and the machine's counter count
		mistake    bool
	}{
		{probe.Config{}, nil, "off", "host", false},
		{probe.Config{Host: true}, []string{"host/user"}, "off", "host/user", false},
		{probe.Config{}, []string{"off"}, "off", "", false},
		{probe.Config{}, []string{"cgroup"}, "", "", true},
		{probe.Config{}, []string{"host", "host"}, "", "", true},
		{probe.Config{}, []string{"instructions"}, "", "", true},
		{group, nil, "off", "host", false},
		{group, []string{"host"}, "off", "host", false},
		{group, []string{"cgroup"}, "cgroup", "", false},
		{group, []string{"host", "cgroup"}, "cgroup", "host", false},
		{group, []string{"cgroup/user", "host"}, "cgroup/user", "host", false},
		{group, []string{"processes"}, "", "", true},
		{group, []string{"host", "off"}, "", "", true},
		{probe.Config{PID: 7}, []string{"processes", "host"}, "processes", "host", false},
	} {
		c := Config{Probes: tt.probes, Instructions: tt.counts, Listen: DefaultListen}
		if mistakes := c.Validate(); (len(mistakes) > 0) != tt.mistake {
			t.Errorf("%+v counting %v: %v", tt.probes, tt.counts, mistakes)
		}
		main, host, machine, err := c.targets()
		if (err != nil) != tt.mistake {
			t.Errorf("%+v counting %v: %v", tt.probes, tt.counts, err)
		}
		if tt.mistake {
			continue
		}
		if (host == nil) != main.Host || host != nil && (!host.Host || host.Instructions != off) || main.Instructions != tt.main || machine != tt.host {
			t.Errorf("%+v counting %v: %+v %+v %q", tt.probes, tt.counts, main, host, machine)
		}
	}
	for _, c := range []Config{
		{Listen: "9321"},
		{Listen: DefaultListen, Info: map[string]string{"a-b": ""}},
		{Listen: DefaultListen, Probes: probe.Config{Agent: &probe.Agent{URL: "http://127.0.0.1:1"}}},
		{Listen: DefaultListen, Probes: probe.Config{Listen: "http://a"}},
		{Listen: DefaultListen, Probes: probe.Config{Instructions: "host"}},
	} {
		if len(c.Validate()) == 0 {
			t.Errorf("%+v is valid", c)
		}
	}
}
