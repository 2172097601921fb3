package ramp

import (
	"strings"
	"testing"
	"time"

	"saturate/stress"
)

// plain is a server whose CPU is used in proportion to the rate.
func plain(c *Check, perRequest float64, trouble func(second int) []stress.Event) {
	limits := stress.NewLimits(stress.Default)
	for second := 0; !c.Done() && second < 1000; second++ {
		step := c.Next()
		at := time.Duration(second) * time.Second
		o := stress.Observation{Window: stress.Window{Start: at, End: at + time.Second}, Asked: step.Level,
			Sent: uint64(step.Level), Done: uint64(step.Level), Events: trouble(second)}
		used := func(at time.Duration, rate float64) stress.Sample {
			return stress.Sample{At: at, Seq: uint64(at/time.Second) + 1,
				Counters: map[stress.Counter]float64{stress.CPUSeconds: rate},
				Gauges:   map[stress.Gauge]float64{stress.CPULimit: 1}}
		}
		limits.Complete(&o, []stress.Sample{used(at, 0), used(at+time.Second, step.Level*perRequest)})
		c.Observe(o)
	}
}

func TestCheck(t *testing.T) {
	none := func(int) []stress.Event { return nil }
	for _, test := range []struct {
		name       string
		perRequest float64
		trouble    func(int) []stress.Event
		ending     Ending
		why        string
		failed     float64 // the level that did
	}{
		{"inside", .008, none, AtLeast, "sustained for 60 s", 0},
		{"outside", .0095, none, AtMost, "cpu", 100},
		{"killed", .008, func(s int) []stress.Event {
			if s == 40 {
				return []stress.Event{{Kind: stress.OOMKill, Detail: "one process"}}
			}
			return nil
		}, AtMost, "oom kill: one process", 100},
		{"gone", .008, func(s int) []stress.Event {
			if s == 4 {
				return []stress.Event{{Kind: stress.TargetGone, Detail: "it ended"}}
			}
			return nil
		}, Inconclusive, "target gone", 0},
		{"killed on the way", .008, func(s int) []stress.Event {
			if s == 4 {
				return []stress.Event{{Kind: stress.OOMKill, Detail: "one process"}}
			}
			return nil
		}, AtMost, "oom kill: one process", 30},
		{"gone with its workers", .008, func(s int) []stress.Event {
			if s == 40 {
				return []stress.Event{{Kind: stress.WorkerDeath, Detail: "4 workers died"}, {Kind: stress.TargetGone, Detail: "it ended"}}
			}
			return nil
		}, Inconclusive, "target gone", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCheck(100, time.Minute, stress.NewLimits(stress.Default).InForce)
			plain(c, test.perRequest, test.trouble)
			r := c.Result()
			if r.Ending != test.ending || !strings.Contains(r.Why, test.why) {
				t.Errorf("%s: %s", r.Ending, r.Why)
			}
			if r.Ending == AtLeast && (r.Sustained == nil || r.Sustained.Rate != 100 || r.To-r.From != 60) {
				t.Errorf("%+v of windows %d to %d", r.Sustained, r.From, r.To)
			}
			if r.Break != test.failed {
				t.Errorf("break %v, want %v", r.Break, test.failed)
			}
		})
	}
}
