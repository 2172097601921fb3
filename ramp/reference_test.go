package ramp_test

import (
	"math"
	"testing"

	"saturate/ramp"
	"saturate/ramp/internal/sim"
	"saturate/stress"
)

// counted gives a window the instructions of a server whose requests cost the
// less the busier it is, as measured on a slow machine: 963, 806, 635 and 315 k at
// 5, 20, 40 and all of the 99 requests per second that it can do.
func counted(o stress.Observation, limit float64) stress.Observation {
	load := min(o.Asked/limit, 1)
	if load > 0 {
		o.Work["instructions"] = float64(o.Done) * 315e3 * (1 - math.Pow(1-load, 3.3)) / load
	} else {
		o.Work["instructions"] = 0
	}
	return o
}

// search runs to the end and returns what was asked and seen.
func search(s *sim.Server, search ramp.Searcher, limit float64, change func(*stress.Observation, ramp.Step)) []ramp.Window {
	s.Restart(1)
	var all []ramp.Window
	for !search.Done() && len(all) < 900 {
		step := search.Next()
		o := counted(s.Window(step.Level), limit)
		if change != nil {
			change(&o, step)
		}
		all = append(all, ramp.Window{Phase: step.Phase, Settling: step.Settling, Seen: o})
		search.Observe(o)
	}
	return all
}

func inPhase(all []ramp.Window, phase ramp.Phase) []ramp.Window {
	var some []ramp.Window
	for _, w := range all {
		if w.Phase == phase {
			some = append(some, w)
		}
	}
	return some
}

// TestReference: on simulated servers the reference finds the level at which they
// do the work that is asked for, goes never above the hold, and leaves the
// result as it was.
func TestReference(t *testing.T) {
	for _, k := range knownTruths(t)[:20] { // of 4 to 32 cores, and of one
		stratum, err := sim.StratumNamed(k.Stratum)
		if err != nil {
			t.Fatal(err)
		}
		s, limit := sim.New(stratum, k.Number), k.Truth.Rate
		quick := func() ramp.Searcher { return headroom("quick").New(s, k.Truth) }
		plain := quick()
		alone := search(s, plain, limit, nil)
		if plain.Result().Ending != ramp.Found {
			continue
		}
		for _, part := range []float64{.3, .65, .9} {
			hold := stress.Summarise(seen(alone[plain.Result().From:plain.Result().To])).Work["instructions"]
			want := part * hold
			with := ramp.NewReference(quick(), ramp.ReferenceConfig{Unit: "instructions", PerSecond: want})
			all := search(s, with, limit, nil)
			r := with.Result()
			if got, want := r.Sustained, plain.Result().Sustained; *got != *want || r.From != plain.Result().From || r.To != plain.Result().To {
				t.Errorf("%s %d: the result changed: %+v, %+v", k.Stratum, k.Number, got, want)
			}
			own := inPhase(all, ramp.Reference)
			if len(own) != len(all)-len(alone) || len(own) < 20 || len(own) > 62 {
				t.Errorf("%s %d: %d windows of reference of %d", k.Stratum, k.Number, len(own), len(all))
				continue
			}
			last := own[len(own)-1].Seen.Asked
			var at []stress.Observation
			for _, w := range own {
				if w.Seen.Asked > r.Sustained.AtLimit {
					t.Errorf("%s %d: offered %.1f, above the limit of %.1f", k.Stratum, k.Number, w.Seen.Asked, r.Sustained.AtLimit)
				}
				if w.Seen.Asked == last && !w.Settling {
					at = append(at, w.Seen)
				}
			}
			_, each := stress.Summarise(at).Cost()
			if got := each * last; math.Abs(got/want-1) > .03 {
				t.Errorf("%s %d: at %.2f of the hold's work it does %.3g/s, want %.3g", k.Stratum, k.Number, part, got, want)
			}
		}
	}
}

func seen(windows []ramp.Window) []stress.Observation {
	var all []stress.Observation
	for _, w := range windows {
		all = append(all, w.Seen)
	}
	return all
}

// aServer is one that the quick search finds the limit of.
func aServer(t *testing.T) (*sim.Server, sim.Truth) {
	k := knownTruths(t)[0]
	stratum, err := sim.StratumNamed(k.Stratum)
	if err != nil {
		t.Fatal(err)
	}
	return sim.New(stratum, k.Number), k.Truth
}

func TestReferenceEnds(t *testing.T) {
	s, truth := aServer(t)
	plain := headroom("quick").New(s, truth)
	alone := search(s, plain, truth.Rate, nil)
	hold := stress.Summarise(seen(alone[plain.Result().From:plain.Result().To])).Work["instructions"]
	inReference := func(do func(*stress.Observation)) func(*stress.Observation, ramp.Step) {
		return func(o *stress.Observation, step ramp.Step) {
			if step.Phase == ramp.Reference {
				do(o)
			}
		}
	}
	for _, c := range []struct {
		name   string
		work   float64
		unit   string
		change func(*stress.Observation, ramp.Step)
		least  int
		most   int
	}{
		{"at an event", .6 * hold, "instructions", inReference(func(o *stress.Observation) {
			o.Events = []stress.Event{{Kind: stress.WorkerDeath, Detail: "one"}}
		}), 1, 1},
		{"where the target is past a limit", .6 * hold, "instructions", inReference(func(o *stress.Observation) {
			o.Pressure = map[stress.Signal]float64{stress.Memory: 1.5}
		}), 5, 14},
		{"in time where its windows are void", .6 * hold, "instructions", inReference(func(o *stress.Observation) {
			o.Void = stress.GeneratorLate
		}), 60, 60},
		{"before it begins, where the fleet is as busy as the hold", .99 * hold, "instructions", nil, 0, 0},
		{"before it begins, where the fleet is busier", 1.5 * hold, "instructions", nil, 0, 0},
		{"before it begins, where the work is not counted", .6 * hold, "cycles", nil, 0, 0},
		{"before it begins, in requests", 10, "requests", nil, 0, 0},
		{"before it begins, where the fleet is unknown", 0, "instructions", nil, 0, 0},
		{"by itself", .6 * hold, "instructions", nil, 20, 45},
	} {
		t.Run(c.name, func(t *testing.T) {
			with := ramp.NewReference(headroom("quick").New(s, truth), ramp.ReferenceConfig{Unit: c.unit, PerSecond: c.work})
			all := search(s, with, truth.Rate, c.change)
			if n := len(inPhase(all, ramp.Reference)); n < c.least || n > c.most {
				t.Errorf("%d windows, want %d to %d", n, c.least, c.most)
			}
			if !with.Done() || with.Next().Phase != ramp.Done || *with.Result().Sustained != *plain.Result().Sustained {
				t.Errorf("done %v, next %+v, result %+v", with.Done(), with.Next(), with.Result())
			}
		})
	}
}

// A search that found nothing has no reference.
func TestReferenceNeedsAnAnswer(t *testing.T) {
	s, truth := aServer(t)
	truth.Max = truth.Rate / 3
	with := ramp.NewReference(headroom("quick").New(s, truth), ramp.ReferenceConfig{Unit: "instructions", PerSecond: 1e6})
	all := search(s, with, truth.Rate, nil)
	if r := with.Result(); r.Ending != ramp.AtLeast || len(inPhase(all, ramp.Reference)) > 0 {
		t.Errorf("%s, %d windows of reference", r.Ending, len(inPhase(all, ramp.Reference)))
	}
}

// What the run is concluded from is the search's own; the reference is a step.
func TestConcludeWithReference(t *testing.T) {
	s, truth := aServer(t)
	limits := stress.NewLimits(stress.Default).InForce()
	plain := headroom("quick").New(s, truth)
	windows := search(s, plain, truth.Rate, nil)
	alone := ramp.Conclude(plain.Result(), windows, limits)

	with := ramp.NewReference(headroom("quick").New(s, truth), ramp.ReferenceConfig{Unit: "instructions", PerSecond: .5 * alone.Measured.Work["instructions"]})
	windows = search(s, with, truth.Rate, nil)
	run := ramp.Conclude(with.Result(), windows, limits)
	if run.Verdict.Sentence != alone.Verdict.Sentence || run.Measured.Rate != alone.Measured.Rate {
		t.Errorf("%q, %q", run.Verdict.Sentence, alone.Verdict.Sentence)
	}
	if len(run.Steps) <= len(alone.Steps) || run.Steps[len(run.Steps)-1].Phase != ramp.Reference {
		t.Errorf("%d steps, %d without", len(run.Steps), len(alone.Steps))
	}
	if last := run.Steps[len(run.Steps)-1]; len(last.Windows) < 15 || last.Outcome != stress.OutcomeSustained {
		t.Errorf("the last step: %s of %d windows", last.Outcome, len(last.Windows))
	}
}
