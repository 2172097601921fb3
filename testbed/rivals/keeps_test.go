package rivals

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestStall is what generators say of a server that stops for 1 s in every 5 s:
// of 1000 hits a second over 50 connections, a fifth wait for half a second on
// average, so that the mean is 100 ms and the 90th percentile 500 ms.
func TestStall(t *testing.T) {
	b := newBed(t)
	all, missing := had(fast, vegetaOurs, vegeta, fortio, k6, wrk)
	l := load{rate: 1000, connections: 50, length: 10 * time.Second}
	if long() {
		l.length = 20 * time.Second
	}
	before := quiet(t)
	tab := newTable(fmt.Sprintf("A server that stalls for 1 s in every 5 s, %v, 50 connections; load average before: %s", l.length, before),
		"generator", "says: mean ms", "asked", "p90 ms", "asked", "requests")
	within := func(got, truth, most time.Duration) bool { return (got - truth).Abs() <= most }
	for _, g := range all {
		t.Run(g.name, func(t *testing.T) {
			l.report = filepath.Join(t.TempDir(), "report")
			r := b.drive(t, b.target(t, "-every", "5s", "-stall", "1s"), g, l, nil)
			says, err := g.latency(l, r.output)
			if err != nil {
				t.Fatalf("%s: %v", g.name, err)
			}
			var mean, p90 string // asked of ours only: the others say what they say
			if g.name == fast.name || g.name == vegetaOurs.name {
				mean = tab.asked("100 +-5", within(says.mean, 100*time.Millisecond, 5*time.Millisecond))
				p90 = tab.asked("500 +-25", within(says.p90, 500*time.Millisecond, 25*time.Millisecond))
			}
			tab.row(g.name, ms(says.mean), mean, ms(says.p90), p90, fmt.Sprint(r.requests))
		})
	}
	tab.row("truth, at 1000/s", "100", "", "500", "", fmt.Sprint(int(l.rate*l.length.Seconds())))
	tab.print(t, machine(t), left(missing))
}

// TestFlat is whether memory grows at 50,000/s, and what a hit allocates.
func TestFlat(t *testing.T) {
	b := newBed(t)
	l := load{rate: 50_000, connections: 1000, length: 15 * time.Second}
	if long() {
		l.length = time.Minute
	}
	before := quiet(t)
	samples := make(chan []float64, 1)
	r := b.drive(t, b.target(t), fast, l, func(pid int) {
		const settle = 5 * time.Second // connections, the first histograms
		time.Sleep(settle)
		var mib []float64
		for range int((l.length - settle).Seconds()) - 1 {
			mib = append(mib, resident(pid))
			time.Sleep(time.Second)
		}
		samples <- mib
	})
	mib := <-samples
	a, err := accountOf(r.output)
	if err != nil {
		t.Fatal(err)
	}
	tab := newTable(fmt.Sprintf("50,000/s for %v; load average before: %s", l.length, before),
		"CPU us/request", "memory after 5 s, MiB", "at the end", "least-most", "asked",
		"objects allocated a hit", "asked", "unsent", "failed")
	low, high, objects := slices.Min(mib), slices.Max(mib), float64(a.Objects)/float64(a.Sent)
	tab.row(fmt.Sprintf("%.2f", r.cost()), fmt.Sprintf("%.1f", mib[0]), fmt.Sprintf("%.1f", mib[len(mib)-1]), fmt.Sprintf("%.1f-%.1f", low, high),
		tab.asked("within 5 %", high <= 1.05*low),
		// What is not the hits' is the controller's, which reads five times a second.
		fmt.Sprintf("%.4f", objects), tab.asked("none: below 0.05", objects < .05), fmt.Sprint(a.Unsent), fmt.Sprint(a.Failed))
	tab.print(t, machine(t))
}

var rss = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is a process's memory in MiB; 0 where it is gone.
func resident(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if m := rss.FindSubmatch(text); m != nil {
		kib, _ := strconv.ParseFloat(string(m[1]), 64)
		return kib / 1024
	}
	return 0
}

// TestShards is what two shards of ours carry over what one does, flat out, with
// a server of its own for each.
func TestShards(t *testing.T) {
	b := newBed(t)
	cpus := allowed(t)
	if len(cpus) < 4 {
		t.Skipf("two shards need two CPUs, and two servers another two: there are %d", len(cpus))
	}
	n := len(cpus)
	generators := []string{strconv.Itoa(cpus[n-1]), fmt.Sprintf("%d,%d", cpus[n-2], cpus[n-1])}
	l := load50(0)
	l.connections = 128
	before := quiet(t)
	var reached [2][]float64
	for range rounds(3, 9) {
		for _, i := range rand.Perm(2) {
			t.Run(fmt.Sprintf("shards=%d", i+1), func(t *testing.T) {
				b.generatorCPU, l.shards = generators[i], i+1
				r := b.drive(t, b.twoTargets(t, strconv.Itoa(cpus[0]), strconv.Itoa(cpus[1])), fast, l, nil)
				reached[i] = append(reached[i], r.rate())
			})
		}
	}
	one, two := median(reached[0]), median(reached[1])
	tab := newTable("Shards, flat out, 128 connections; load average before: "+before, "one shard, requests/s", "two", "times", "asked")
	tab.row(fmt.Sprintf("%.0f", one), fmt.Sprintf("%.0f", two), fmt.Sprintf("%.2f", two/one), tab.atLeast(1.8, two/one))
	tab.print(t, machine(t))
}
