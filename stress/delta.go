package stress

import "math"

// span holds the samples of a window, oldest first; the first is the last of
// the window before, so that windows tile.
type span []Sample

// unbroken tells whether counters may be differenced across the span: one
// boot, no sample lost, and a clock that goes forward.
func (s span) unbroken() bool {
	for i := 1; i < len(s); i++ {
		a, b := s[i-1], s[i]
		if a.Boot != b.Boot || b.Seq != a.Seq+1 || b.At <= a.At {
			return false
		}
	}
	return len(s) > 1
}

// delta is by how much a counter grew, and in how many seconds of the sampled
// host's clock. A status page may have been too slow for some samples: half of
// the span is enough. A counter that fell started anew and yields nothing.
func (s span) delta(c Counter) (grew, seconds float64, ok bool) {
	first, last := -1, -1
	for i := range s {
		v, has := s[i].Counters[c]
		if !has || !finite(v) {
			continue
		}
		if first < 0 {
			first = i
		} else if v < s[last].Counters[c] {
			return 0, 0, false
		}
		last = i
	}
	if first < 0 || first == last {
		return 0, 0, false
	}
	seconds = (s[last].At - s[first].At).Seconds()
	if seconds < (s[len(s)-1].At-s[0].At).Seconds()/2 {
		return 0, 0, false
	}
	return s[last].Counters[c] - s[first].Counters[c], seconds, true
}

// rate is a counter's growth per second.
func (s span) rate(c Counter) (float64, bool) {
	grew, seconds, ok := s.delta(c)
	if !ok || seconds <= 0 {
		return 0, false
	}
	return grew / seconds, true
}

// ratio is the growth of one counter per growth of another over the same
// samples; none where the other stood still.
func (s span) ratio(num, den Counter) (float64, bool) {
	n, tn, okN := s.delta(num)
	d, td, okD := s.delta(den)
	if !okN || !okD || d == 0 || tn != td {
		return 0, false
	}
	return n / d, true
}

// now is the span without the sample of the window before: gauges are read as
// they stand, and that one has been counted already.
func (s span) now() span {
	if len(s) > 1 {
		return s[1:]
	}
	return s
}

// mean is the mean of a gauge over the samples that have it.
func (s span) mean(g Gauge) (float64, bool) {
	var sum float64
	var n int
	for _, x := range s.now() {
		if v, ok := x.Gauges[g]; ok && finite(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

// share is the mean of one gauge as a part of another, over the samples that
// have both and where the whole is not nothing.
func (s span) share(part, whole Gauge) (float64, bool) {
	var sum float64
	var n int
	for _, x := range s.now() {
		p, okP := x.Gauges[part]
		w, okW := x.Gauges[whole]
		if okP && okW && finite(p) && finite(w) && w > 0 {
			sum += p / w
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

// finite tells whether a page of metrics gave a number at all.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
