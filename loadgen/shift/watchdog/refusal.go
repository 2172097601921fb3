package watchdog

import (
	"errors"
	"fmt"
	"net/http"

	"saturate/loadgen/shift/balancer"
)

// A Code is why something is refused.
type Code string

// The codes, with the status of HTTP that each has.
const (
	Busy       Code = "busy"        // 409: somebody holds the backend, or it is being put back
	DeadEpoch  Code = "dead epoch"  // 410: for ever
	NotUp      Code = "not up"      // 409: a server is not as it should be before a squeeze
	TooMuch    Code = "caps"        // 422: more than the watchdog allows
	NoBudget   Code = "budget"      // 429: the balancer's reloads are used up
	NoBalancer Code = "balancer"    // 502: the balancer cannot be read, or does not obey
	NoJournal  Code = "journal"     // 507: what is found cannot be written down
	BadRequest Code = "bad request" // 400
	Forbidden  Code = "forbidden"   // 403: no client certificate that is trusted
)

func (c Code) status() int {
	switch c {
	case Busy, NotUp:
		return http.StatusConflict
	case DeadEpoch:
		return http.StatusGone
	case TooMuch:
		return http.StatusUnprocessableEntity
	case NoBudget:
		return http.StatusTooManyRequests
	case NoBalancer:
		return http.StatusBadGateway
	case NoJournal:
		return http.StatusInsufficientStorage
	case Forbidden:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

func (r *Refusal) Error() string { return r.Why }

// Hint says what to do about it.
func (r *Refusal) Hint() string { return r.Remedy }

// hinted gives the refusal a remedy.
func (r *Refusal) hinted(remedy string) *Refusal {
	r.Remedy = remedy
	return r
}

func refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Why: fmt.Sprintf(format, args...)}
}

// disobeyed is the refusal for an error of the balancer.
func disobeyed(what string, err error) *Refusal {
	code := NoBalancer
	if errors.Is(err, balancer.ErrBudget) {
		code = NoBudget
	}
	r := refuse(code, "%s: %v", what, err)
	var known interface{ Hint() string }
	if errors.As(err, &known) {
		r.Remedy = known.Hint()
	}
	return r
}
