package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// A tally is what became of many tries of one fault.
type tally struct {
	what          string
	tries, failed int
	worst         time.Duration // until the weights were as found
	users, lost   int
	worstShare    float64 // of failed users, of one try
}

func (a *tally) add(t *testing.T, took time.Duration, users *Figures) {
	a.tries++
	if t.Failed() {
		a.failed++
	}
	a.worst = max(a.worst, took)
	a.users += users.Done
	a.lost += users.Failed
	a.worstShare = max(a.worstShare, users.FailedShare())
}

// tell prints tallies as a table.
func tellTallies(t *testing.T, all ...*tally) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\ttries\tfailed\tas found after, at most\tusers\tfailed\tworst try")
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.2f s\t%d\t%d\t%.3f %%\n", a.what, a.tries, a.failed, a.worst.Seconds(), a.users, a.lost, 100*a.worstShare)
	}
	w.Flush()
	t.Logf("\n%s", &b)
}

const (
	// fewFail is how many of the users may fail while something breaks.
	fewFail = .001
	// raised is what a squeezed server has of its weight, at least, when a fault
	// comes.
	raised = 1.5
)

// A fault breaks something in the middle of a squeeze.
type fault struct {
	name    string
	squeeze squeeze
	// breaks breaks it, and returns the moment from which on the weights can be
	// put back: the pusher is gone, and the balancer there.
	breaks func(t *testing.T, p *production, run *process) time.Time
	// after is done once the weights are as found; the weights are watched on.
	after func(t *testing.T, p *production, run *process)
	// exits are the codes that the run may end with, nil where it was killed;
	// said is what it has to say.
	exits []int
	said  string
	// leaves says what differs afterwards from what was found: somebody else set
	// it, and that is respected.
	leaves func(found map[string]State)
	// lost is the share of users that the fault itself costs; 0 is fewFail.
	lost float64
}

var faults = []fault{
	{
		name: "controller killed",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return run.kill(t)
		},
	},
	{
		name: "controller interrupted",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return run.signal(t, syscall.SIGINT)
		},
		exits: []int{130},
	},
	{
		name: "controller terminated",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return run.signal(t, syscall.SIGTERM)
		},
		exits: []int{130, 143},
	},
	{
		// It wakes up in the belief that it holds the balancer.
		name: "controller stopped, and continued",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			at := run.signal(t, syscall.SIGSTOP)
			time.AfterFunc(p.stopped, func() { run.Process.Signal(syscall.SIGCONT) })
			return at
		},
		after: func(t *testing.T, p *production, run *process) {
			time.Sleep(p.stopped)
		},
		exits: []int{1, 4},
		said:  "lease ended|dead epoch|watchdog",
	},
	{
		name: "watchdog killed",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return killWatchdog(t)
		},
		exits: []int{1, 4},
		said:  "watchdog",
	},
	{
		name: "watchdog and controller killed",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			killWatchdog(t)
			run.kill(t)
			killWatchdogs() // one that was started meanwhile
			time.Sleep(time.Second)
			restore := saturate(t, stateOf(run), "restore").start(t)
			at := time.Now()
			restore.wantExit(t, 20*time.Second, 0)
			return at
		},
	},
	{
		name: "socket gone for 6 s",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			moved := p.Socket() + ".away"
			if err := os.Rename(p.Socket(), moved); err != nil {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Second)
			if err := os.Rename(moved, p.Socket()); err != nil {
				t.Fatal(err)
			}
			return time.Now()
		},
		exits: []int{1, 4},
	},
	{
		name: "HAProxy reloaded",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			if err := p.Reload(); err != nil {
				t.Fatal(err)
			}
			return time.Now()
		},
		exits: []int{4},
		said:  "reload|started anew|another process",
	},
	{
		name: "squeezed server killed",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return killServer(t, p.Servers[0])
		},
		after: func(t *testing.T, p *production, run *process) {
			if err := p.Servers[0].child.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := p.StartServer(p.Servers[0]); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, "the server is up again", func() bool { return p.watch.now().states["s1"].Up })
		},
		exits: []int{1, 4},
	},
	{
		name: "another operator sets the squeezed server's weight",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return p.set(t, "set server web/s1 weight 7")
		},
		leaves: func(found map[string]State) { weigh(found, "s1", 7) },
		exits:  []int{4},
		said:   `s1.*7|somebody else`,
	},
	{
		name: "another operator sets a sibling's weight",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return p.set(t, "set server web/s4 weight 12")
		},
		leaves: func(found map[string]State) { weigh(found, "s4", 12) },
		exits:  []int{4},
		said:   `s4`,
	},
	{
		name: "another operator sets a bound",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return p.set(t, "set maxconn server web/s1 150")
		},
		leaves: func(found map[string]State) {
			s := found["s1"]
			s.MaxConns = 150
			found["s1"] = s
		},
		squeeze: squeeze{live: "max_conns: 60\n"},
		exits:   []int{4},
	},
	{
		name: "a sibling goes into drain",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return p.set(t, "set server web/s3 state drain")
		},
		exits: []int{4},
		said:  "s3.*drain",
	},
	{
		name: "the squeezed server goes into maintenance",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			return p.set(t, "set server web/s1 state maint")
		},
		exits: []int{4},
		said:  "s1.*maint",
	},
	{
		name: "a sibling's health check flips",
		breaks: func(t *testing.T, p *production, run *process) time.Time {
			at := p.set(t, "set server web/s5 health stopping")
			time.AfterFunc(time.Second, func() { p.HAProxy(t.Context(), "set server web/s5 health up") })
			return at
		},
		exits: []int{4},
		said:  "s5",
	},
}

func weigh(states map[string]State, server string, weight int) {
	s := states[server]
	s.Weight = weight
	states[server] = s
}

// set is another operator at HAProxy's socket.
func (p *production) set(t *testing.T, command string) time.Time {
	t.Helper()
	if answer, err := p.HAProxy(t.Context(), command); err != nil || answer != "" {
		t.Fatalf("%s: %q, %v", command, answer, err)
	}
	return time.Now()
}

// calm puts right what a fault has left, and waits until all are up.
func (p *production) calm(t *testing.T) {
	t.Helper()
	for _, s := range p.Servers {
		p.set(t, fmt.Sprintf("set server web/%s state ready", s.Name))
		p.set(t, fmt.Sprintf("set server web/%s weight %d", s.Name, p.found[s.Name].Weight))
		p.set(t, fmt.Sprintf("set maxconn server web/%s %d", s.Name, p.found[s.Name].MaxConns))
	}
	eventually(t, 20*time.Second, "all are up, with their weights", func() bool {
		now := p.watch.now().states
		for _, s := range now {
			if !s.Up {
				return false
			}
		}
		return sameWeights(now, p.found)
	})
	p.crowd.Turn()
}

// try carries out one fault and says how it went.
func (p *production) try(t *testing.T, f fault, a *tally) {
	p.calm(t)
	run := p.begin(t, f.squeeze, nil)
	at := f.breaks(t, p, run)
	want := p.found
	if f.leaves != nil {
		want = make(map[string]State, len(p.found))
		for name, s := range p.found {
			want[name] = s
		}
		f.leaves(want)
	}
	took := p.wantStates(t, at, want)
	restored := time.Now()
	if f.after != nil {
		f.after(t, p, run)
	}
	if f.exits != nil {
		run.wantExit(t, 30*time.Second, f.exits...)
		if f.said != "" {
			run.wantSaid(t, f.said)
		}
	}
	p.wantStood(t, restored, want)
	lost := f.lost
	if lost == 0 {
		lost = fewFail
	}
	users := p.wantWell(t, lost)
	a.add(t, took, users)
	t.Logf("as found %v after; %d of %d users failed", took.Round(time.Millisecond), users.Failed, users.Done)
}

// TestShowsFaults breaks everything once, or as often as SATURATE_ROUNDS says.
func TestShowsFaults(t *testing.T) {
	tell(t, "SATURATE_SHOWS", "faults in the middle of a squeeze")
	var all []*tally
	p := produce(t, Config{Redispatch: true}, ThirtyPercent(sustained))
	for _, f := range faults {
		a := &tally{what: f.name}
		all = append(all, a)
		for round := range rounds(1) {
			t.Run(fmt.Sprintf("%s/%d", f.name, round+1), func(t *testing.T) { p.try(t, f, a) })
		}
	}
	tellTallies(t, all...)
}

// killServer ends a server's processes all at once, as for want of memory.
func killServer(t *testing.T, s *Server) time.Time {
	t.Helper()
	text, err := os.ReadFile(s.Pidfile)
	if err != nil {
		t.Fatal(err)
	}
	master := strings.TrimSpace(string(text))
	workers, err := os.ReadFile(fmt.Sprintf("/proc/%[1]s/task/%[1]s/children", master))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range append(strings.Fields(string(workers)), master) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Kill(pid, syscall.SIGSTOP) // so that none sees another go
		defer syscall.Kill(pid, syscall.SIGKILL)
	}
	return time.Now()
}

// stateOf is the state folder that a run was given.
func stateOf(run *process) string {
	return strings.TrimPrefix(run.Env[len(run.Env)-1], "XDG_STATE_HOME=")
}

// watchdogs are the processes of ours that are watchdogs.
func watchdogs() (pids []int) {
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil
	}
	for _, exe := range all {
		if path, err := os.Readlink(exe); err != nil || path != filepath.Join(folder, "saturate") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "cmdline"))
		if args := strings.Split(string(text), "\x00"); err != nil || len(args) < 2 || args[1] != "watchdog" {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(exe, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killWatchdogs ends every watchdog that this test's saturate started.
func killWatchdogs() {
	for _, pid := range watchdogs() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func killWatchdog(t *testing.T) time.Time {
	t.Helper()
	pids := watchdogs()
	if len(pids) != 1 {
		t.Fatalf("%d watchdogs run", len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return time.Now()
}
