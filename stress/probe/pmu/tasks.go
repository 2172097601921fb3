package pmu

import (
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// tasks counts a set of processes. An event is inherited by what its thread
// creates from then on, and by nothing that was there before. So every thread
// of the set is opened once, and after that only a process that no counted
// thread has created: one that joined the set from elsewhere. Nothing may be
// opened that inherits already, for it would count twice.
type tasks struct {
	machine *machine
	tally   *tally
	config  Config
	known   map[int]*process
	clans   []*clan
}

// A process of the set.
type process struct {
	clan *clan
	// since is the tick from which on all that it creates is counted with it or
	// has been opened by itself.
	since uint64
}

// A clan is a process that was opened, with what descends from it. Its events
// count as long as any of them lives, its own threads or not.
type clan struct {
	counters []*counter
	alive    bool // a process of it is still in the set
}

func newTasks(m *machine, t *tally, c Config) *tasks {
	return &tasks{machine: m, tally: t, config: c, known: make(map[int]*process)}
}

func (s *tasks) size() int {
	n := 0
	for _, c := range s.clans {
		n += len(c.counters)
	}
	return n
}

func (s *tasks) close() {
	for _, c := range s.clans {
		c.close()
	}
	s.clans = nil
}

func (c *clan) close() {
	for _, counter := range c.counters {
		counter.close()
	}
	c.counters = nil
}

func (s *tasks) read() error {
	now := s.machine.clock()
	var dead []*clan
	for _, c := range s.clans {
		for _, counter := range c.counters {
			// The clocks of a thread's events stand still while it sleeps.
			if counter.update(now, false, s.tally) != nil && !slices.Contains(dead, c) {
				dead = append(dead, c)
			}
		}
	}
	s.tally.reopened += len(dead)
	if s.tally.shrink() {
		dead = s.clans
	}
	s.end(func(c *clan) bool { return slices.Contains(dead, c) })
	err := s.scan(s.config.PIDs())
	if err == nil && len(s.clans) == 0 && !s.tally.opened {
		err = s.machine.explain(unix.ESRCH, s.config, "")
	}
	return err
}

// end finishes clans and forgets their processes: what of them still lives is
// opened anew by the next scan.
func (s *tasks) end(which func(*clan) bool) {
	s.clans = slices.DeleteFunc(slices.Clone(s.clans), func(c *clan) bool {
		if !which(c) {
			return false
		}
		for _, counter := range c.counters {
			counter.finish(s.tally)
		}
		maps.DeleteFunc(s.known, func(_ int, p *process) bool { return p.clan == c })
		return true
	})
}

// scan takes in the processes that are new in the set, and ends the clans that
// have none left in it.
func (s *tasks) scan(pids []int) error {
	maps.DeleteFunc(s.known, func(pid int, _ *process) bool { return !slices.Contains(pids, pid) })
	fresh := make(map[int]procStat)
	for _, pid := range pids {
		if s.known[pid] == nil {
			if p, ok := s.machine.table.stat(pid); ok {
				fresh[pid] = p
			}
		}
	}
	s.inherit(fresh)
	err := s.settle(slices.Sorted(maps.Keys(fresh)))
	for _, c := range s.clans {
		c.alive = false
	}
	for _, p := range s.known {
		p.clan.alive = true
	}
	s.end(func(c *clan) bool { return !c.alive })
	return err
}

// inherit takes those of fresh into their parents' clans that were created
// after their parents had been opened.
func (s *tasks) inherit(fresh map[int]procStat) {
	for found := true; found; {
		found = false
		for pid, p := range fresh {
			if parent := s.known[p.parent]; parent != nil && p.start >= parent.since {
				s.known[pid] = &process{clan: parent.clan}
				delete(fresh, pid)
				found = true
			}
		}
	}
}

// rounds is how often opening is tried until the set holds still meanwhile.
const rounds = 6

// settle opens processes, each as a clan. A thread that is created while that
// goes on may inherit or not, and nobody can tell: then all of them are closed
// and opened again. Where the set never holds still, what was created meanwhile
// is taken to inherit: some of it may be missing, none is counted twice.
func (s *tasks) settle(pids []int) error {
	if len(pids) == 0 {
		return nil
	}
	for round := 1; ; round++ {
		since := ticks(s.machine.clock())
		before := s.threads(pids, since)
		clans, err := s.open(before)
		if err != nil {
			return err
		}
		after := s.threads(pids, since)
		still := true
		for tid := range after {
			_, opened := before[tid]
			still = still && opened
		}
		if still || round == rounds {
			for pid, c := range clans {
				s.known[pid] = &process{clan: c, since: since}
				s.clans = append(s.clans, c)
			}
			return nil
		}
		for _, c := range clans {
			c.close()
		}
	}
}

// threads lists the threads of processes, and of what they have created since a
// tick, with the process that each is to be counted with.
func (s *tasks) threads(pids []int, since uint64) map[int]int {
	table := s.machine.table
	young := make(map[int]procStat)
	for _, pid := range table.processes() {
		if p, ok := table.stat(pid); ok && p.start >= since && s.known[pid] == nil {
			young[pid] = p
		}
	}
	with := make(map[int]int)
	for _, pid := range pids {
		with[pid] = pid
	}
	for found := true; found; {
		found = false
		for pid, p := range young {
			if of, ours := with[p.parent]; ours && with[pid] == 0 {
				with[pid], found = of, true
			}
		}
	}
	all := make(map[int]int)
	for pid, of := range with {
		for _, tid := range table.threads(pid) {
			all[tid] = of
		}
	}
	return all
}

// open opens threads, given with their processes. Those that have ended
// meanwhile are left out.
func (s *tasks) open(threads map[int]int) (map[int]*clan, error) {
	kinds := devices(s.machine.root).each()
	clans := make(map[int]*clan)
	for _, tid := range slices.Sorted(maps.Keys(threads)) {
		pid := threads[tid]
		counter, err := openCounter(s.machine, s.tally, place{pid: tid, cpu: -1, bits: unix.PerfBitInherit}, kinds)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			for _, c := range clans {
				c.close()
			}
			return nil, s.machine.explain(err, s.config, threadName(pid, tid))
		}
		if clans[pid] == nil {
			clans[pid] = new(clan)
		}
		clans[pid].counters = append(clans[pid].counters, counter)
	}
	return clans, nil
}

// ticks is the kernel's unit of start times: 1/100 s on every architecture that
// Go supports.
func ticks(since time.Duration) uint64 { return uint64(since / (time.Second / 100)) }
