package shift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

// Closed is what a squeeze did, and left.
type Closed struct {
	Epoch uint64
	// Why it ended, in the watchdog's words or our own.
	Why string
	// Restored is true once the watchdog has read every weight back as found.
	Restored bool
	// Respected are the servers whose weight somebody else had set meanwhile.
	Respected []string
	// Took is how long putting back took.
	Took time.Duration
	// Found are the set's weights before, and Left as they were read last.
	Found, Left map[string]int
	Weights     []Weighed
	Siblings    Siblings
	Total       Total
}

// NotRestored says that nobody has seen the weights as they were found.
type NotRestored struct{ Why string }

func (e *NotRestored) Error() string { return "the weights were not seen to be back: " + e.Why }

// Hint is the remedy.
func (e *NotRestored) Hint() string {
	return "`saturate restore`, where the watchdog runs, says what stands and puts it back"
}

// Close ends the squeeze and returns when the weights are back, or when that
// could not be seen, which is its error. A second Close returns the same.
func (s *Squeeze) Close() (Closed, error) {
	s.closing.Do(func() { s.closed, s.left = s.close() })
	return s.closed, s.left
}

func (s *Squeeze) close() (Closed, error) {
	s.stop()
	<-s.done
	c := Closed{Epoch: s.epoch, Found: s.weightsOf(s.found), Siblings: s.watch.siblings(), Total: s.total}
	end := watchdog.End{Epoch: s.epoch}
	if s.err != nil {
		end.Why = s.err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), ending)
	defer cancel()
	at := time.Since(s.ledger.start)
	ended, err := s.end(ctx, end)
	c.Why, c.Restored, c.Respected, c.Took = ended.Why, ended.Restored, ended.Respected, ended.Took
	if s.err != nil {
		c.Why = s.err.Error()
	}
	if err == nil && !ended.Restored {
		err = &NotRestored{fmt.Sprintf("the watchdog is still at it (%s)", ended.Why)}
	}
	s.note(at, s.stood(ended))
	if state, failed := s.w.State(ctx); failed == nil {
		c.Left = s.weightsOf(state.Backend)
		s.note(time.Since(s.ledger.start), c.Left)
	}
	c.Weights = s.log
	return c, err
}

// end asks until the watchdog answers.
func (s *Squeeze) end(ctx context.Context, e watchdog.End) (watchdog.Ended, error) {
	for {
		once, cancel := context.WithTimeout(ctx, ending)
		ended, err := s.w.End(once, e)
		cancel()
		if err == nil {
			return ended, nil
		}
		if refused, ok := errors.AsType[*watchdog.Refusal](err); ok {
			if refused.Ended != nil {
				return *refused.Ended, nil
			}
			return ended, &NotRestored{err.Error()}
		}
		select {
		case <-ctx.Done():
			return ended, &NotRestored{err.Error()}
		case <-time.After(tick):
		}
	}
}

// weightsOf are the set's weights in a reading of the backend.
func (s *Squeeze) weightsOf(b balancer.Backend) map[string]int {
	weights := map[string]int{}
	for _, name := range s.set {
		if server, ok := b.Server(name); ok {
			weights[name] = server.Weight
		}
	}
	return weights
}

// stood are the set's weights at the end, as the watchdog read them: what was
// pushed last may be in no reading of ours. What is not ours, or is not told, is
// as it was read before.
func (s *Squeeze) stood(e watchdog.Ended) map[string]int {
	weights := maps.Clone(s.log[len(s.log)-1].Weights)
	for _, r := range e.Servers {
		if r.Left == "" && slices.Contains(s.set, r.Server) {
			weights[r.Server] = r.Stood
		}
	}
	return weights
}
