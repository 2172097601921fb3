package appweight

import (
	"cmp"
	"slices"
)

// Together are the indices of those trends whose watched drop pages because so
// many others dropped too, as after an upgrade of what all of them run on: with
// the i smallest p of m below i times the threshold, these i page (Benjamini &
// Hochberg, Journal of the Royal Statistical Society B 57, 1995). Where nothing
// changed that pages no more often than the thresholds do alone (Simes 1986).
// The trends are those of all scenarios, made with Scenarios set to their number,
// of histories that end in the same night.
func Together(trends []Trend) []int {
	var watched []int
	for i, t := range trends {
		if t.Watch != nil {
			watched = append(watched, i)
		}
	}
	slices.SortFunc(watched, func(a, b int) int { return cmp.Compare(trends[a].Watch.P, trends[b].Watch.P) })
	for n := len(watched); n > 0; n-- {
		if last := trends[watched[n-1]]; last.Watch.P < float64(n)*last.PageP {
			together := watched[:n]
			slices.Sort(together)
			return together
		}
	}
	return nil
}
