package contest

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// Worst lists the trials with the largest errors, those without an answer first.
func Worst(w io.Writer, trials []Trial, n int) {
	size := func(t Trial) float64 {
		if !t.Answered {
			return math.Inf(1)
		}
		return math.Abs(t.Error)
	}
	trials = slices.SortedStableFunc(slices.Values(trials), func(a, b Trial) int { return cmp.Compare(size(b), size(a)) })
	for _, t := range trials[:min(n, len(trials))] {
		fmt.Fprintf(w, "    server %d run %d (%s): error %+.1f %% [%+.1f, %+.1f], %.0f s, %.0f above, failed %.2f %%, says %s, is %s (slope %.2g), truth %.4g; %d trips, %q %q\n",
			t.Server, t.Run, t.Kind, 100*t.Error, 100*(t.Lo-1), 100*(t.Hi-1), t.Seconds, t.Above, 100*t.Failed,
			t.Result.Bottleneck, t.Truth.Signal, t.Truth.Slope, t.Truth.Rate, len(t.Result.Trips), t.Result.Why, t.Result.Notes)
	}
}
