package ramp_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/ramp/internal/sim/contest"
)

// The contest's flags, after -args or as they are:
//
//	go test -run '^$' -bench Search -benchtime 1x -timeout 2h ./ramp -sim.strata wide,low
//
// A truth takes about a second; a folder named by SATURATE_TRUTHS keeps them.
var (
	simStrata   = flag.String("sim.strata", "wide,one,mid,low", "strata to search on")
	simEntrants = flag.String("sim.entrants", "standard", "searches: "+names())
	simSet      = flag.String("sim.set", "report", "report (servers 1000 and on) or tune (0 and on)")
	simServers  = flag.Int("sim.servers", 0, "servers; 0 is 300 of 4-32 cores and 150 of one")
	simFirst    = flag.Int("sim.first", -1, "first server, instead of the set's")
	simRuns     = flag.Int("sim.runs", 3, "runs on each server")
	simKinds    = flag.String("sim.kinds", "", "only these kinds of server: cpu,worker,mem,lock,mixed")
	simByKind   = flag.Bool("sim.bykind", true, "a row for each kind of server, too")
	simWorst    = flag.Int("sim.worst", 0, "list so many of the worst trials")
)

func headroom(precision string) contest.Entrant {
	return contest.Entrant{Name: precision, New: func(s *sim.Server, t sim.Truth) ramp.Searcher {
		return ramp.NewSearch(ramp.SearchConfig{
			Start: t.Start, Max: t.Max, Precision: precision, Cores: float64(s.Cores()), Timeout: s.Timeout(),
		})
	}}
}

func entrants() []contest.Entrant {
	return append([]contest.Entrant{headroom("quick"), headroom("standard"), headroom("long")}, contest.Rivals()...)
}

func names() string {
	var all []string
	for _, e := range entrants() {
		all = append(all, e.Name)
	}
	return strings.Join(all, ",")
}

func chosen(b *testing.B) []contest.Entrant {
	var out []contest.Entrant
	for name := range strings.SplitSeq(*simEntrants, ",") {
		n := len(out)
		for _, e := range entrants() {
			if e.Name == name || name == "all" {
				out = append(out, e)
			}
		}
		if len(out) == n {
			b.Fatalf("no search %q: %s", name, names())
		}
	}
	return out
}

func plan(stratum sim.Stratum) contest.Plan {
	p := contest.Plan{Stratum: stratum, First: 1000, Servers: 150, Runs: *simRuns}
	if stratum == sim.Wide {
		p.Servers = 300
	}
	if *simServers > 0 {
		p.Servers = *simServers
	}
	if *simSet == "tune" {
		p.First = 0
	}
	if *simFirst >= 0 {
		p.First = uint64(*simFirst)
	}
	if *simKinds != "" {
		for k := range strings.SplitSeq(*simKinds, ",") {
			p.Kinds = append(p.Kinds, sim.Kind(k))
		}
	}
	return p
}

// BenchmarkSearch lets searches run on simulated servers and prints what each
// is worth. Accuracy is measured, not speed: one iteration is a whole contest.
func BenchmarkSearch(b *testing.B) {
	truths := &sim.Truths{Dir: os.Getenv("SATURATE_TRUTHS")}
	for name := range strings.SplitSeq(*simStrata, ",") {
		stratum, err := sim.StratumNamed(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			who := chosen(b)
			for range b.N {
				trials := plan(stratum).Carry(truths, who)
				report(stratum, who, trials)
				for i := range who {
					s := contest.Sum(trials[i])
					b.ReportMetric(100*s.P95, who[i].Name+"-p95-%")
				}
			}
		})
	}
}

func report(stratum sim.Stratum, who []contest.Entrant, trials [][]contest.Trial) {
	floor := contest.Sum(trials[0]).TruthFailed95
	fmt.Printf("\n%v: servers fail %.3f %% (p95) at .95 of the truth with nobody searching\n", stratum, 100*floor)
	contest.Header(os.Stdout)
	for i, e := range who {
		contest.ByKind(os.Stdout, e.Name, trials[i], *simByKind)
		contest.Worst(os.Stdout, trials[i], *simWorst)
	}
}
