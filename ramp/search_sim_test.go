package ramp_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/ramp/internal/sim/contest"
)

var updateTruths = flag.Bool("sim.update", false, "measure testdata/truths.json anew")

const truthsFile = "testdata/truths.json"

// known is a server whose truth is kept with the tests, since to measure one
// takes as long as a hundred searches.
type known struct {
	Stratum     string    `json:"stratum"`
	Number      uint64    `json:"number"`
	Fingerprint string    `json:"fingerprint"`
	Truth       sim.Truth `json:"truth"`
}

const knownServers = 10 // of each stratum

// knownTruths reads the servers' truths, or measures them with -sim.update.
func knownTruths(t *testing.T) []known {
	var all []known
	if !*updateTruths {
		b, err := os.ReadFile(truthsFile)
		if err == nil {
			err = json.Unmarshal(b, &all)
		}
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	truths := &sim.Truths{Dir: os.Getenv("SATURATE_TRUTHS")}
	for _, stratum := range sim.Strata() {
		for i := range uint64(knownServers) {
			s := sim.New(stratum, 5000+i)
			all = append(all, known{stratum.Short(), s.Number, s.Fingerprint(), truths.Of(s)})
		}
	}
	b, err := json.MarshalIndent(all, "", "\t")
	if err == nil {
		err = os.MkdirAll("testdata", 0o755)
	}
	if err == nil {
		err = os.WriteFile(truthsFile, append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSearchOnSimulatedServers holds the search to sane answers on a few
// servers; BenchmarkSearch says what it is really worth.
func TestSearchOnSimulatedServers(t *testing.T) {
	// The medians are about three times the benchmark's, and the largest are
	// those of few servers: what fails here is broken, not unlucky.
	bounds := map[string]struct{ median, largest, failed float64 }{
		"wide": {.02, .12, .01},
		"one":  {.03, .15, .01},
		"mid":  {.04, .30, .01},
		"low":  {.06, .30, .03},
	}
	trials := map[string][]contest.Trial{}
	for _, k := range knownTruths(t) {
		stratum, err := sim.StratumNamed(k.Stratum)
		if err != nil {
			t.Fatal(err)
		}
		s := sim.New(stratum, k.Number)
		if s.Fingerprint() != k.Fingerprint {
			t.Fatalf("the model has changed: go test ./ramp -run %s -sim.update", t.Name())
		}
		trial := contest.Try(s, k.Truth, headroom("standard"), 1)
		answer(t, k, trial)
		trials[k.Stratum] = append(trials[k.Stratum], trial)
	}
	for stratum, of := range trials {
		s, want := contest.Sum(of), bounds[stratum]
		if s.Runs != knownServers {
			t.Errorf("%s: %d runs", stratum, s.Runs)
		}
		if s.Med > want.median || s.Max > want.largest || s.Failed95 > want.failed {
			t.Errorf("%s: median error %.2f %%, largest %.1f %%, failed up to %.2f %%", stratum, 100*s.Med, 100*s.Max, 100*s.Failed95)
		}
		if s.T95 > 600 {
			t.Errorf("%s: took up to %.0f s", stratum, s.T95)
		}
		if testing.Verbose() {
			contest.Header(os.Stderr)
			s.Row(os.Stderr, stratum)
		}
	}
}

// answer checks that one answer is whole.
func answer(t *testing.T, k known, got contest.Trial) {
	t.Helper()
	r := got.Result
	if !got.Answered {
		t.Errorf("%s %d: %s, %s", k.Stratum, k.Number, r.Ending, r.Why)
		return
	}
	if s := r.Sustained; !(s.Interval.Lo <= s.AtLimit && s.AtLimit <= s.Interval.Hi) || s.Rate <= 0 {
		t.Errorf("%s %d: %+v", k.Stratum, k.Number, *s)
	}
	if r.From < 0 || r.To <= r.From || r.To > int(got.Seconds) {
		t.Errorf("%s %d: the hold is [%d, %d) of %.0f windows", k.Stratum, k.Number, r.From, r.To, got.Seconds)
	}
	if r.Bottleneck == "" {
		t.Errorf("%s %d: no bottleneck", k.Stratum, k.Number)
	}
}

// TestSearchIsDeterministic: the same windows give the same answer.
func TestSearchIsDeterministic(t *testing.T) {
	k := knownTruths(t)[0]
	run := func() ramp.Result {
		stratum, _ := sim.StratumNamed(k.Stratum)
		return contest.Try(sim.New(stratum, k.Number), k.Truth, headroom("quick"), 2).Result
	}
	if a, b := run(), run(); a.Sustained == nil || b.Sustained == nil || *a.Sustained != *b.Sustained {
		t.Errorf("%+v and %+v", a, b)
	}
}
