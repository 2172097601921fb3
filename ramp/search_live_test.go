package ramp

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"saturate/loadgen"
	"saturate/stress"
)

// A road is how live traffic comes to a fake: never less than the floor, no more
// than the cap, and in steps, rounded down.
type road struct {
	floor, cap, step float64
	drift            float64 // growth of the traffic as found, a second
}

func (r *road) had(level float64) (rate float64, capped string) {
	r.floor *= 1 + r.drift
	rate = math.Max(level, r.floor)
	if r.step > 0 && rate > r.floor {
		rate = r.floor + r.step*math.Floor((rate-r.floor)/r.step)
	}
	if r.cap > 0 {
		rate = math.Min(rate, r.cap)
	}
	if rate < .96*level {
		capped = "as much as there is"
	}
	return rate, capped
}

// squeeze runs a live search against a fake.
func squeeze(t *testing.T, c SearchConfig, f *fake, r road) (Result, []stress.Observation, []Step) {
	t.Helper()
	c.Floor = r.floor
	s := NewSearch(c)
	var seen []stress.Observation
	var asked []Step
	for !s.Done() {
		if len(seen) > 1000 {
			t.Fatalf("not done after %d windows: %+v", len(seen), s.Next())
		}
		step := s.Next()
		rate, capped := r.had(step.Level)
		o := f.window(rate)
		o.Asked, o.Capped = math.Max(step.Level, c.Floor), capped
		seen, asked = append(seen, o), append(asked, step)
		s.Observe(o)
	}
	return s.Result(), seen, asked
}

func TestLiveFound(t *testing.T) {
	cpu := fake{cores: 8, cpu: .02, workers: 64, wait: .01} // 360 req/s
	for _, tt := range []struct {
		name   string
		c      SearchConfig
		f      fake
		r      road
		want   float64
		within float64
	}{
		{"from a third", SearchConfig{}, cpu, road{floor: 120}, 360, .03},
		{"from near the limit", SearchConfig{}, cpu, road{floor: 320}, 360, .04},
		{"start and last night say nothing", SearchConfig{Start: 900, LastKnown: 900}, cpu, road{floor: 120}, 360, .03},
		{"traffic that grows", SearchConfig{}, cpu, road{floor: 120, drift: .001}, 360, .03},
		{"in steps", SearchConfig{}, cpu, road{floor: 120, step: 25}, 360, .04},
		{"with a base", SearchConfig{}, fake{cores: 8, cpu: .002, wait: .05, memBase: .4, mem: .03}, road{floor: 80}, 320, .05},
		{"workers", SearchConfig{}, fake{cores: 8, cpu: .002, workers: 8, wait: .05}, road{floor: 40}, 138, .04},
		{"an SLO", SearchConfig{}, fake{cores: 2, cpu: .004, latency: .04}, road{floor: 100}, 410, .08},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, seen, asked := squeeze(t, tt.c, &tt.f, tt.r)
			if r.Ending != Found {
				t.Fatalf("%s: %s", r.Ending, r.Why)
			}
			if off := r.Sustained.AtLimit/tt.want - 1; math.Abs(off) > tt.within {
				t.Errorf("%.1f, want %.1f: off by %.1f %%", r.Sustained.AtLimit, tt.want, 100*off)
			}
			if asked[0].Level != 0 || asked[0].Phase != Idle {
				t.Errorf("begins with %+v", asked[0])
			}
			last := tt.r.floor
			for i, s := range asked {
				if s.Phase != Approach {
					break
				}
				if s.Level > 1.2001*last {
					t.Errorf("window %d: from %.1f to %.1f", i, last, s.Level)
				}
				last = s.Level
			}
			t.Logf("%.1f in %d s, %d trips, %v", r.Sustained.AtLimit, len(seen), len(r.Trips), r.Notes)
		})
	}
}

func TestLiveEndings(t *testing.T) {
	cpu := fake{cores: 8, cpu: .02, workers: 64, wait: .01} // 360 req/s
	for _, tt := range []struct {
		name   string
		c      SearchConfig
		f      fake
		r      road
		ending Ending
		rate   float64
		why    string
	}{
		{"a cap", SearchConfig{}, cpu, road{floor: 60, cap: 180}, AtLeast, 180, "as much as there is; 180"},
		{"a cap near the limit", SearchConfig{}, cpu, road{floor: 60, cap: 345}, Found, 345, ""},
		{"steps of a tenth", SearchConfig{}, cpu, road{floor: 120, step: 34}, AtLeast, 324, "as much as there is; 32"},
		{"one coarse step", SearchConfig{}, cpu, road{floor: 120, step: 300}, AtLeast, 120, "as much as there is"},
		{"the user's own maximum", SearchConfig{Max: 200}, cpu, road{floor: 60}, AtLeast, 200, "highest level allowed"},
		{"little time", SearchConfig{Within: 30 * time.Second}, cpu, road{floor: 30}, Inconclusive, 0, "the time was up"},
		{"too much as found", SearchConfig{}, cpu, road{floor: 380}, AtMost, 0, "the traffic as found"},
		{"failing as found", SearchConfig{}, fake{cores: 8, cpu: .02, failing: .3}, road{floor: 100}, AtMost, 0, "the traffic as found is too much already"},
		{"killed twice", SearchConfig{}, fake{cores: 8, cpu: .02, oomAbove: 150}, road{floor: 100}, AtMost, 0, "twice: oom kill"},
		{"killed as found", SearchConfig{}, fake{cores: 8, cpu: .02, oomAbove: 50}, road{floor: 100}, Inconclusive, 0, "oom kill"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, seen, _ := squeeze(t, tt.c, &tt.f, tt.r)
			if r.Ending != tt.ending || !strings.Contains(r.Why, tt.why) {
				t.Fatalf("%s: %q, want %s: %q", r.Ending, r.Why, tt.ending, tt.why)
			}
			if tt.rate > 0 && (r.Sustained == nil || math.Abs(r.Sustained.Rate/tt.rate-1) > .04) {
				t.Errorf("sustained %+v, want %.0f", r.Sustained, tt.rate)
			}
			t.Logf("%d s: %s %q %+v", len(seen), r.Ending, r.Why, r.Sustained)
		})
	}
}

// TestLiveVoidAsFound: windows that do not count are no reading of the traffic as
// found, and too many of them end the search there as at any other level.
func TestLiveVoidAsFound(t *testing.T) {
	for _, tt := range []struct {
		void   int // windows from the first on
		ending Ending
		idle   int
	}{{3, Found, 3 + foundTime}, {8, Inconclusive, 4}} {
		s := NewSearch(SearchConfig{Floor: 120})
		f := fake{cores: 8, cpu: .02, workers: 64, wait: .01}
		idle := 0
		for i := 0; !s.Done() && i < 1000; i++ {
			step := s.Next()
			if step.Phase == Idle {
				idle++
			}
			o := f.window(math.Max(step.Level, 120))
			if i < tt.void {
				o.Void = stress.ContendedHost
			}
			s.Observe(o)
		}
		r := s.Result()
		if r.Ending != tt.ending || idle != tt.idle || r.Ending == Inconclusive && r.Why != string(stress.ContendedHost) {
			t.Errorf("%d void windows: %s %q after %d windows as found, want %s after %d", tt.void, r.Ending, r.Why, idle, tt.ending, tt.idle)
		}
	}
}

// TestLiveDrains: a server that is not calm with its traffic as found, after an
// instant event, is drained after ten seconds; and put back when it is calm.
func TestLiveDrains(t *testing.T) {
	for _, recovers := range []bool{true, false} {
		s := NewSearch(SearchConfig{Floor: 100})
		f := fake{cores: 8, cpu: .02}
		broken, first, drained := -1, -1, 0
		for i := 0; !s.Done() && i < 200; i++ {
			step := s.Next()
			rate := math.Max(step.Level, 100)
			if step.Drain {
				if drained++; first < 0 {
					first = i
				}
				rate = 0
			}
			o := f.window(rate)
			if broken < 0 && step.Level > 130 {
				broken = i
				o.Events = []stress.Event{{Kind: stress.WorkerDeath}}
			}
			if broken >= 0 && i > broken && (drained < 3 || !recovers) {
				o.Pressure[stress.CPU] = 1.1
			}
			s.Observe(o)
			if broken >= 0 && drained > 0 && !step.Drain {
				break
			}
		}
		switch {
		case broken < 0 || first < broken+10 || first > broken+12:
			t.Errorf("event in window %d, drained from %d on", broken, first)
		case recovers && (s.Done() || drained > 8):
			t.Errorf("drained for %d s: %+v", drained, s.Result())
		case !recovers && !strings.Contains(s.Result().Why, "worker death: : not calm after 40 s without load (cpu at 1.10 of its limit)"):
			t.Errorf("%q", s.Result().Why)
		}
	}
}

func TestLoadLost(t *testing.T) {
	s := NewSearch(SearchConfig{Floor: 100})
	f := fake{cores: 8, cpu: .02}
	for range 20 {
		s.Observe(f.window(math.Max(100, s.Next().Level)))
	}
	o := f.window(100)
	o.Events = []stress.Event{{Kind: stress.KernelSilent}, {Kind: stress.LoadLost, Detail: "the siblings suffer"}}
	s.Observe(o)
	if r := s.Result(); r.Ending != Inconclusive || r.Why != "the siblings suffer" || len(r.Trips) != 0 {
		t.Errorf("%+v", r)
	}
}

// A tap is a loader of live traffic.
type tap struct {
	meter
	drains int
}

func (m *tap) Drain(time.Duration) { m.drains++ }
func (m *tap) Take() loadgen.Answers {
	a := m.meter.Take()
	a.Capped = "no more"
	return a
}

type draining struct{ steady }

func (d *draining) Next() Step { return Step{Phase: Recover, Drain: true} }

func TestDriverOfLiveTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := driver(&scripted{})
		m := &tap{}
		d.Load, d.Floor = m, 40
		s := &draining{steady{windows: 3}}
		if _, err := d.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		o := s.seen[2]
		if m.drains < 15 || o.Asked != 40 || o.Capped != "no more" || o.Void != "" {
			t.Errorf("drained %d times, %+v", m.drains, o)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d, m := driver(&scripted{})
		start := time.Now()
		d.Lost = func() error {
			if time.Since(start) > 2*time.Second {
				return errors.New("the lease ended")
			}
			return nil
		}
		search := NewSearch(SearchConfig{Floor: 50})
		if _, err := d.Run(t.Context(), search); err != nil {
			t.Fatal(err)
		}
		if r := search.Result(); r.Ending != Inconclusive || r.Why != "the lease ended" || m.now() != 0 || time.Since(start) > 3*time.Second {
			t.Errorf("after %v: %+v", time.Since(start), r)
		}
	})
}

// TestCheckOfLiveTraffic: a level that could not be had was not sustained.
func TestCheckOfLiveTraffic(t *testing.T) {
	limits := func() map[stress.Signal]float64 { return map[stress.Signal]float64{stress.CPU: .9} }
	for _, capped := range []string{"", "as much as there is"} {
		c := NewCheck(300, 10*time.Second, limits)
		f := fake{cores: 8, cpu: .02}
		for !c.Done() {
			o := f.window(math.Min(c.Next().Level, 200))
			o.Capped = capped
			c.Observe(o)
		}
		r := c.Result()
		if ok := r.Ending == AtLeast; ok != (capped == "") || !ok && !strings.Contains(r.Why, "could be had: as much as there is") {
			t.Errorf("capped %q: %s %q", capped, r.Ending, r.Why)
		}
	}
}
