package rivals

import (
	"encoding/json"
	"fmt"
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
		"generator", "says: mean ms", "p90 ms", "requests")
	for _, g := range all {
		t.Run(g.name, func(t *testing.T) {
			l.report = filepath.Join(t.TempDir(), "report")
			r := b.drive(t, b.target(t, "-every", "5s", "-stall", "1s"), g, l, nil)
			says, err := g.latency(l, r.output)
			if err != nil {
				t.Fatalf("%s: %v", g.name, err)
			}
			tab.row(g.name, ms(says.mean), ms(says.p90), fmt.Sprint(r.requests))
		})
	}
	tab.row("truth, at 1000/s", "100 (asked: +-5)", "500 (asked: +-25)", fmt.Sprint(int(l.rate*l.length.Seconds())))
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
	var a account
	if err := json.Unmarshal([]byte(r.output), &a); err != nil {
		t.Fatal(err)
	}
	tab := newTable(fmt.Sprintf("50,000/s for %v; load average before: %s", l.length, before),
		"CPU us/request", "memory after 5 s, MiB", "at the end", "least-most", "asked", "objects allocated a hit", "unsent", "failed")
	low, high := slices.Min(mib), slices.Max(mib)
	asked := "within 5 %: met"
	if high > 1.05*low {
		asked = "within 5 %: missed"
	}
	tab.row(fmt.Sprintf("%.2f", r.cost()), fmt.Sprintf("%.1f", mib[0]), fmt.Sprintf("%.1f", mib[len(mib)-1]), fmt.Sprintf("%.1f-%.1f", low, high), asked,
		fmt.Sprintf("%.4f", float64(a.Objects)/float64(a.Sent)), fmt.Sprint(a.Unsent), fmt.Sprint(a.Failed))
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
	one := strconv.Itoa(cpus[n-1])
	two := fmt.Sprintf("%d,%d", cpus[n-2], cpus[n-1])
	l := load50(0)
	l.connections = 128
	before := quiet(t)
	reached := make(map[string][]float64)
	for range rounds(3, 9) {
		for name, shards := range map[string]string{"one": one, "two": two} {
			t.Run(name, func(t *testing.T) {
				b.generatorCPU = shards
				r := b.drive(t, b.twoTargets(t, strconv.Itoa(cpus[0]), strconv.Itoa(cpus[1])), fast, l, nil)
				reached[name] = append(reached[name], float64(r.requests)/r.elapsed.Seconds())
			})
		}
	}
	x := median(reached["two"]) / median(reached["one"])
	tab := newTable("Shards, flat out, 128 connections; load average before: "+before, "one shard, requests/s", "two", "times", "asked")
	tab.row(fmt.Sprintf("%.0f", median(reached["one"])), fmt.Sprintf("%.0f", median(reached["two"])), fmt.Sprintf("%.2f", x), verdict(1.8, x))
	tab.print(t, machine(t))
}
