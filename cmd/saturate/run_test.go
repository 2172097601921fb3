package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"saturate/record"
)

// TestInterruptedTellsWhatIsLeft: who ends a run early must still hear that the
// server it started lives on.
func TestInterruptedTellsWhatIsLeft(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt signal received"))
	for _, c := range []struct {
		name   string
		failed error
		want   string
	}{
		{"all gone", context.Cause(ctx), "saturate: error: interrupted; the load has been taken away\n"},
		{"a server left", errors.Join(context.Cause(ctx), &leftBehind{errors.New("process 7 does not end")}),
			"saturate: error: interrupted; the load has been taken away\n" +
				"saturate: error: process 7 does not end\nsaturate: hint: end it by hand before the next run\n"},
	} {
		var b strings.Builder
		err := verdict(ctx, &record.Record{}, false, c.failed)
		complain(&b, err)
		if codeOf(err) != exitInterrupted || b.String() != c.want {
			t.Errorf("%s: exit code %d, %q", c.name, codeOf(err), b.String())
		}
	}
}
