package stress

import "time"

// A Summary is several windows seen as one.
type Summary struct {
	Windows int
	Seconds float64
	// Rate is what was really sent, per second.
	Rate                       float64
	Sent, Done, Failed, Unsent uint64
	Lag                        time.Duration // the largest of the windows'
	Latency                    Latency
	// Signals and Pressure are means over the windows that have them, weighted
	// by the windows' length.
	Signals, Pressure map[Signal]float64
	// Work is per second, by unit, over the windows in which it was read.
	Work   map[string]float64
	Void   map[Void]int // void windows by reason
	Events []Event

	perRequest map[string]float64 // work per finished request, by unit
}

// Summarise condenses windows.
func Summarise(windows []Observation) Summary {
	s := Summary{Windows: len(windows), Void: map[Void]int{}}
	signals, pressure := means[Signal]{}, means[Signal]{}
	work, cost := means[string]{}, means[string]{}
	latencies := make([]Latency, 0, len(windows))
	for _, o := range windows {
		seconds := o.Window.Seconds()
		s.Seconds += seconds
		s.Sent += o.Sent
		s.Done += o.Done
		s.Failed += o.Failed
		s.Unsent += o.Unsent
		s.Lag = max(s.Lag, o.Lag)
		s.Events = append(s.Events, o.Events...)
		latencies = append(latencies, o.Latency)
		if o.Void != "" {
			s.Void[o.Void]++
		}
		for name, v := range o.Signals {
			signals.add(name, v*seconds, seconds)
		}
		for name, v := range o.Pressure {
			pressure.add(name, v*seconds, seconds)
		}
		for unit, v := range o.Work {
			work.add(unit, v, seconds)
			cost.add(unit, v, float64(o.Done))
		}
	}
	if s.Seconds > 0 {
		s.Rate = float64(s.Sent) / s.Seconds
	}
	s.Latency = MergeLatency(latencies...)
	s.Signals, s.Pressure = signals.all(), pressure.all()
	s.Work, s.perRequest = work.all(), cost.all()
	return s
}

// Cost is the work of one request, from a counter: instructions, else CPU
// seconds. The unit is "" where neither was read or nothing was done.
func (s Summary) Cost() (unit string, perRequest float64) {
	for _, unit := range []string{string(Instructions), string(CPUSeconds)} {
		if c, ok := s.perRequest[unit]; ok && c > 0 {
			return unit, c
		}
	}
	return "", 0
}

// FailedShare is the share of finished requests that failed.
func (s Summary) FailedShare() float64 {
	if s.Done == 0 {
		return 0
	}
	return float64(s.Failed) / float64(s.Done)
}

// Voided is how many windows may not count, and the reason of most of them.
func (s Summary) Voided() (n int, most Void) {
	for why, k := range s.Void {
		n += k
		if most == "" || k > s.Void[most] || k == s.Void[most] && why < most {
			most = why
		}
	}
	return n, most
}

// means are weighted means under construction.
type means[K comparable] map[K]struct{ sum, weight float64 }

func (m means[K]) add(k K, sum, weight float64) {
	x := m[k]
	x.sum += sum
	x.weight += weight
	m[k] = x
}

func (m means[K]) all() map[K]float64 {
	out := make(map[K]float64, len(m))
	for k, x := range m {
		if x.weight > 0 {
			out[k] = x.sum / x.weight
		}
	}
	return out
}
