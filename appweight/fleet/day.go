package fleet

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A point is one value of a gauge, which speaks of the step that ends at At.
type point struct {
	at    int64 // Unix seconds
	value float64
}

// dayOf are the beginning and the end of a day in a zone; days on which clocks
// change have 23 or 25 hours. An empty name is the last complete day before now.
func dayOf(name string, zone *time.Location, now time.Time) (from, to time.Time, err error) {
	y, m, d := now.In(zone).Date()
	d--
	if name != "" {
		day, err := time.Parse(time.DateOnly, name)
		if err != nil {
			return from, to, err
		}
		y, m, d = day.Date()
	}
	from, to = midnight(y, m, d, zone), midnight(y, m, d+1, zone)
	if to.After(now) {
		return from, to, &Error{Problem: fmt.Sprintf("the day %s is not over in %s", from.Format(time.DateOnly), zone),
			Remedy: "leave the day out for the last complete one"}
	}
	return from, to, nil
}

// midnight is the first instant of a day: where clocks skip midnight itself,
// the first that exists.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	_, _, want := time.Date(y, m, d, 12, 0, 0, 0, zone).Date()
	for t.Day() != want {
		t = t.Add(30 * time.Minute)
	}
	return t
}

// minimumShare is how much of the window, and of the day, a gauge must tell of.
const minimumShare = .8

// findPeak finds the window of the day whose mean is largest. A mean over the
// window, centred on each step, is the smoothing: the peak step is the one in
// that window's middle.
func findPeak(points []point, from, to time.Time, window, step time.Duration) (Peak, []Doubt, error) {
	var doubts []Doubt
	n, s := int(window/step), int64(step/time.Second)
	total := int(to.Sub(from) / step)
	values := make([]float64, total) // the step that ends at from + (i+1) s
	for i := range values {
		values[i] = math.NaN()
	}
	known := 0
	for _, p := range points {
		if i := int((p.at-from.Unix())/s) - 1; i >= 0 && i < total && !math.IsInf(p.value, 0) && !math.IsNaN(p.value) {
			values[i] = p.value
			known++
		}
	}
	if missing := total - known; missing > 0 {
		text := fmt.Sprintf("the users' gauge is missing for %s of the day's %d: the peak may have been there", count(missing, "step"), total)
		if float64(known) < minimumShare*float64(total) {
			return Peak{}, nil, &Error{Problem: text, Remedy: "see whether the query was answered for the whole day, or name another day", refused: true}
		}
		doubts = append(doubts, Doubt{Kind: "users", Text: text})
	}
	end, mean := largestMean(values, n)
	if end < 0 {
		return Peak{}, nil, &Error{Problem: fmt.Sprintf("no %v of the day has users for %.0f%% of its steps", window, 100*minimumShare), refused: true}
	}
	if !(mean > 0) {
		return Peak{}, nil, &Error{Problem: fmt.Sprintf("the users' gauge is %g in the day's peak", mean), Remedy: "check the users' query", refused: true}
	}
	at := func(i int) time.Time { return from.Add(time.Duration(i+1) * step) }
	first, middle := end-n+1, end-n/2
	for i := 0; math.IsNaN(values[middle]); i++ { // the nearest that is known speaks for it
		middle += []int{i, -i}[i%2]
	}
	p := Peak{From: at(first - 1), To: at(end), At: at(middle), ActiveUsers: mean, Smoothing: fmt.Sprintf("mean of %v", short(window))}
	p.AtUsers = values[middle]
	busiest := first
	for i, v := range values {
		if v > values[busiest] || math.IsNaN(values[busiest]) {
			busiest = i
		}
	}
	p.Busiest, p.BusiestUsers = at(busiest), values[busiest]
	if first == 0 || end == total-1 {
		doubts = append(doubts, Doubt{Kind: "users", Text: "the peak is at the edge of the day", Remedy: "check the time zone"})
	}
	more, err := implausible(values, values[first:end+1], p)
	return p, append(doubts, more...), err
}

// largestMean returns the last index of the n values with the largest mean, of
// those windows that are known well enough; -1 where there is none.
func largestMean(values []float64, n int) (end int, mean float64) {
	end = -1
	for i := n - 1; i < len(values); i++ {
		sum, k := 0.0, 0
		for _, v := range values[i-n+1 : i+1] {
			if !math.IsNaN(v) {
				sum, k = sum+v, k+1
			}
		}
		if float64(k) < minimumShare*float64(n) {
			continue
		}
		if m := sum / float64(k); end < 0 || m > mean {
			end, mean = i, m
		}
	}
	return end, mean
}

// implausible says what is strange about a day of users.
func implausible(day, window []float64, p Peak) ([]Doubt, error) {
	known := slices.DeleteFunc(slices.Clone(day), math.IsNaN)
	if len(known) > 60 && slices.IsSorted(known) && known[len(known)-1] > known[0] {
		return nil, &Error{Problem: "the users' gauge never falls all day: it counts the users so far, not those of the last minute",
			Remedy: "ask for a gauge of the distinct users active in the last minute", refused: true}
	}
	var doubts []Doubt
	if same := longestRun(window); same >= 5 && p.ActiveUsers >= 100 {
		doubts = append(doubts, Doubt{Kind: "users", Text: fmt.Sprintf("the users' gauge stands still for %d steps of the peak: %g each time", same, p.ActiveUsers),
			Remedy: "see whether it was scraped then; a value that is not scraped again is repeated for 5 minutes"})
	}
	if p.BusiestUsers > 1.3*p.ActiveUsers {
		doubts = append(doubts, Doubt{Kind: "users", Text: fmt.Sprintf("%s stands out with %.0f users, %.1f times the peak's mean", p.Busiest.Format("15:04"), p.BusiestUsers, p.BusiestUsers/p.ActiveUsers)})
	}
	return doubts, nil
}

// longestRun is the length of the longest run of equal values.
func longestRun(values []float64) int {
	longest, run := 0, 0
	for i, v := range values {
		if i > 0 && v == values[i-1] {
			run++
		} else {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest
}
