package users

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteOpenMetrics writes the whole series, ready for promtool tsdb
// create-blocks-from openmetrics. A sample stands at the end of its minute: it
// is the users active in the minute before, as a gauge that a server exports
// would be. Minutes without users are zeros.
func (s *Sketch) WriteOpenMetrics(w io.Writer) error {
	series, err := s.Series()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "# HELP saturate_active_users Different users with a request in the minute before.\n# TYPE saturate_active_users gauge\n")
	identity := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s.Identity)
	sample := func(at time.Time, users float64) {
		fmt.Fprintf(out, "saturate_active_users{identity=\"%s\"} %.0f %d\n", identity, users, at.Add(time.Minute).Unix())
	}
	var next time.Time
	for i, m := range series {
		for i > 0 && next.Before(m.At) && m.At.Sub(next) < 24*time.Hour {
			sample(next, 0)
			next = next.Add(time.Minute)
		}
		sample(m.At, m.Users)
		next = m.At.Add(time.Minute)
	}
	fmt.Fprint(out, "# EOF\n")
	return out.Flush()
}
