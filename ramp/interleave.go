package ramp

import (
	"context"
	"errors"
	"math"
)

// Pairs are what measuring two sides in turn has come to.
type Pairs struct {
	// Logs are of each pair log(new/base), in order.
	Logs []float64
	// Void is how many pairs did not count: one of the two found no limit.
	Void int
	// Why is what the stopping rule said.
	Why string
}

// voidInARow is how many pairs in a row may come to nothing.
const voidInARow = 3

// ErrVoidPairs says that the two cannot be measured here: pair after pair came
// to nothing.
var ErrVoidPairs = errors.New("three pairs in a row found no limit")

// Interleave measures two sides in turn, pair after pair, so that whatever else
// changes meanwhile changes both. order tells for each pair whether the base is
// first; it ends with order, or when stop, asked after every pair, says so.
// measure returns what one side sustains; ok is false where that was not found.
func Interleave(ctx context.Context, order []bool, measure func(ctx context.Context, base bool) (rate float64, ok bool, err error),
	stop func(logs []float64) (bool, string)) (Pairs, error) {
	var p Pairs
	inRow := 0
	for _, baseFirst := range order {
		var rates [2]float64
		whole := true
		for _, base := range []bool{baseFirst, !baseFirst} {
			rate, ok, err := measure(ctx, base)
			if err != nil {
				return p, err
			}
			whole = whole && ok && rate > 0
			if base {
				rates[0] = rate
			} else {
				rates[1] = rate
			}
		}
		if !whole {
			p.Void++
			if inRow++; inRow == voidInARow {
				return p, ErrVoidPairs
			}
			continue
		}
		inRow = 0
		p.Logs = append(p.Logs, math.Log(rates[1]/rates[0]))
		if done, why := stop(p.Logs); done {
			p.Why = why
			return p, nil
		}
	}
	return p, nil
}
