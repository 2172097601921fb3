package shift

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"saturate/loadgen/shift/balancer"
)

// Figures are what servers did over some time.
type Figures struct {
	Seconds float64
	Rate    float64 // req/s
	Failed  float64 // share of the requests
	// P99 and Mean of the answers' times; 0 where they are not known. Without
	// the balancer's log there is no P99, and Mean is its own, over its last
	// requests.
	P99, Mean time.Duration
}

// Siblings are the servers that are not squeezed: who must not notice.
type Siblings struct {
	Names []string
	// Quiet is before the first change, During all the time after it, and Worst
	// the worst of each figure over ten seconds of it.
	Quiet, During, Worst Figures
}

// A sum is what the siblings did over some time, for figures to be made of.
type sum struct {
	seconds, requests, failed float64
	times                     map[int]uint64
	response, weighed         float64 // seconds, by the requests of each
}

func (a *sum) add(b sum) {
	a.seconds += b.seconds
	a.requests += b.requests
	a.failed += b.failed
	a.response += b.response
	a.weighed += b.weighed
	if len(b.times) > 0 && a.times == nil {
		a.times = map[int]uint64{}
	}
	for bucket, n := range b.times {
		a.times[bucket] += n
	}
}

// since is what the named servers did between two readings of one life.
func (r reading) since(last reading, names []string) sum {
	s := sum{seconds: (r.at - last.at).Seconds(), times: map[int]uint64{}}
	for _, name := range names {
		now, was := r.by[name], last.by[name]
		n := float64(now.Requests - was.Requests)
		s.requests += n
		s.failed += float64(now.Failed - was.Failed)
		if now.Response > 0 {
			s.response += n * now.Response.Seconds()
			s.weighed += n
		}
		for bucket, all := range now.Times {
			if all > was.Times[bucket] {
				s.times[bucket] += all - was.Times[bucket]
			}
		}
	}
	return s
}

func (a sum) answers() (n float64) {
	for _, k := range a.times {
		n += float64(k)
	}
	return n
}

// slower is how many answers took longer than the bucket's.
func (a sum) slower(than int) (n float64) {
	for bucket, k := range a.times {
		if bucket > than {
			n += float64(k)
		}
	}
	return n
}

// quantile is the first bucket with at least so many answers up to it.
func (a sum) quantile(rank float64) (bucket int, ok bool) {
	for _, bucket := range slices.Sorted(maps.Keys(a.times)) {
		if rank -= float64(a.times[bucket]); rank <= 0 {
			return bucket, true
		}
	}
	return 0, false
}

func (a sum) mean() time.Duration {
	if a.weighed == 0 {
		return 0
	}
	return time.Duration(a.response / a.weighed * float64(time.Second))
}

func (a sum) figures() Figures {
	f := Figures{Seconds: a.seconds, Mean: a.mean()}
	if a.seconds > 0 {
		f.Rate = a.requests / a.seconds
	}
	if a.requests > 0 {
		f.Failed = a.failed / a.requests
	}
	n := a.answers()
	if bucket, ok := a.quantile(.99 * n); ok && n >= p99Answers {
		f.P99 = middle(bucket)
	}
	if n > 0 {
		var total float64
		for bucket, k := range a.times {
			total += float64(k) * middle(bucket).Seconds()
		}
		f.Mean = time.Duration(total / n * float64(time.Second))
	}
	return f
}

const (
	p99Answers = 100
	// Siblings suffer where more of their requests fail than when it was quiet
	// and this share on top, or where their p99 is longer by this factor and time.
	failedMore    = .005
	slowerBy      = 1.2
	slowerAtLeast = 5 * time.Millisecond
	// A count this many deviations of its own (Poisson) above what is allowed is
	// no chance; for four of the last five seconds it is no hiccup.
	tail         = 3.7
	leastFailed  = 4
	slowSeconds  = 5
	slowNeeded   = 4
	worstSeconds = 10
	// mostSeconds is how far back seconds are of use.
	mostSeconds = 60
)

// A watch over the siblings.
type watch struct {
	names  []string
	quiet  sum
	during sum
	begun  bool  // the quiet time is over
	now    sum   // the second under way
	last   []sum // the seconds before, the newest last
	worst  Figures

	slowAbove int           // bucket; -1 where no times are known
	slowMean  time.Duration // 0 where none is known
}

// begin ends the quiet time.
func (w *watch) begin() {
	w.begun, w.now, w.slowAbove = true, sum{}, -1
	if m := w.quiet.mean(); m > 0 {
		w.slowMean = max(time.Duration(slowerBy*float64(m)), m+slowerAtLeast)
	}
	// The p99 of few answers may be too low by chance: the rank is raised by two
	// deviations.
	n := w.quiet.answers()
	if n < p99Answers {
		return
	}
	p99, ok := w.quiet.quantile(math.Min(n, .99*n+2*math.Sqrt(.0099*n)))
	if !ok {
		return
	}
	upper := balancer.Upper(p99)
	bound := max(time.Duration(slowerBy*float64(upper)), upper+slowerAtLeast)
	for w.slowAbove = p99; balancer.Upper(w.slowAbove) < bound && balancer.Upper(w.slowAbove+1) > balancer.Upper(w.slowAbove); {
		w.slowAbove++
	}
}

// add takes what the siblings did since the last reading, and says why they
// suffer, "" where they do not.
func (w *watch) add(s sum) string {
	if !w.begun {
		w.quiet.add(s)
		return ""
	}
	w.during.add(s)
	w.now.add(s)
	if w.now.seconds < 1 {
		return ""
	}
	w.last = append(w.last, w.now)
	w.last = w.last[max(0, len(w.last)-mostSeconds):]
	w.now = sum{}
	w.remember()
	if why := w.failing(); why != "" {
		return why
	}
	return w.slow()
}

// remember keeps the worst.
func (w *watch) remember() {
	var s sum
	for _, x := range w.last[max(0, len(w.last)-worstSeconds):] {
		s.add(x)
	}
	f := s.figures()
	w.worst.Seconds = s.seconds
	w.worst.Rate = max(w.worst.Rate, f.Rate)
	w.worst.Failed = max(w.worst.Failed, f.Failed)
	w.worst.P99, w.worst.Mean = max(w.worst.P99, f.P99), max(w.worst.Mean, f.Mean)
}

// failing tests the failures of the last second, and of the last 3, 10 and 60.
func (w *watch) failing() string {
	var base float64
	if w.quiet.requests > 0 {
		base = w.quiet.failed / w.quiet.requests
	}
	var s sum
	for i, x := range slices.Backward(w.last) {
		s.add(sum{seconds: x.seconds, requests: x.requests, failed: x.failed})
		switch len(w.last) - i {
		case 1, 3, 10, mostSeconds:
		default:
			continue
		}
		if m := (base + failedMore) * s.requests; s.failed >= leastFailed && s.failed > m+tail*math.Sqrt(m)+1 {
			return fmt.Sprintf("%.0f of their %.0f requests failed in %.0f s (%.2f %% when it was quiet)", s.failed, s.requests, s.seconds, 100*base)
		}
	}
	return ""
}

// slow tests the answers' times of the last seconds.
func (w *watch) slow() string {
	if len(w.last) < slowSeconds {
		return ""
	}
	var s sum
	bad := 0
	for _, x := range w.last[len(w.last)-slowSeconds:] {
		s.add(x)
		switch {
		case w.slowAbove >= 0:
			if x.slower(w.slowAbove) > .01*x.answers() {
				bad++
			}
		case w.slowMean > 0 && x.mean() > w.slowMean:
			bad++
		}
	}
	if bad < slowNeeded {
		return ""
	}
	if w.slowAbove < 0 {
		return fmt.Sprintf("their requests take %v in the mean, and took %v when it was quiet", round(s.mean()), round(w.quiet.mean()))
	}
	if m := .01 * s.answers(); s.slower(w.slowAbove) <= m+tail*math.Sqrt(m)+1 {
		return ""
	}
	return fmt.Sprintf("the p99 of their answers is %v, and was %v when it was quiet", round(s.figures().P99), round(w.quiet.figures().P99))
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

func (w *watch) siblings() Siblings {
	return Siblings{Names: w.names, Quiet: w.quiet.figures(), During: w.during.figures(), Worst: w.worst}
}
