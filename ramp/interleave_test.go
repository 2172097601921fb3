package ramp

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestInterleave(t *testing.T) {
	var asked []bool
	measure := func(_ context.Context, base bool) (float64, bool, error) {
		asked = append(asked, base)
		if base {
			return 100, true, nil
		}
		return 110, true, nil
	}
	p, err := Interleave(t.Context(), []bool{true, false, false, true}, measure, func(logs []float64) (bool, string) {
		return len(logs) == 3, "enough"
	})
	if err != nil || p.Why != "enough" || p.Void != 0 || len(p.Logs) != 3 || math.Abs(p.Logs[2]-math.Log(1.1)) > 1e-12 {
		t.Errorf("%+v, %v", p, err)
	}
	if want := []bool{true, false, false, true, false, true}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// A pair that found nothing does not count; three of them in a row end it, and so
// does an error.
func TestInterleaveVoid(t *testing.T) {
	calls := 0
	void := func(after int) func(context.Context, bool) (float64, bool, error) {
		return func(context.Context, bool) (float64, bool, error) { calls++; return 100, calls > after, nil }
	}
	never := func([]float64) (bool, string) { return false, "" }
	order := []bool{true, true, true, true, true}
	if p, err := Interleave(t.Context(), order, void(3), never); err != nil || p.Void != 2 || len(p.Logs) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
	calls = 0
	if p, err := Interleave(t.Context(), order, void(100), never); !errors.Is(err, ErrVoidPairs) || p.Void != 3 || calls != 6 {
		t.Errorf("%+v, %v after %d", p, err, calls)
	}
	gone := errors.New("gone")
	if _, err := Interleave(t.Context(), order, func(context.Context, bool) (float64, bool, error) { return 0, false, gone }, never); !errors.Is(err, gone) {
		t.Error(err)
	}
}
