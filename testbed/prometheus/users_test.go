package prometheus

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"saturate/appweight/fleet"
	"saturate/appweight/fleet/users"
)

// TestUsersFromLogs counts the users of a day's log, gives the series to a real
// Prometheus, and asks it for the peak: it is the one that the log has.
func TestUsersFromLogs(t *testing.T) {
	tool(t, "prometheus")
	now := time.Now().UTC()
	day := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, time.UTC)
	var log strings.Builder
	for m := range 24 * 60 {
		for u := range 20 + int(60*max(0, 1-math.Abs(float64(m-1230))/720)) + m%3 {
			fmt.Fprintf(&log, "{\"time\":%q,\"user\":%d}\n", day.Add(time.Duration(m)*time.Minute).Format(time.RFC3339), u)
		}
	}
	c := users.Default()
	c.User = "field:user"
	reader, err := users.NewReader(c, users.RandomSalt())
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Read("access.log", strings.NewReader(log.String())); err != nil {
		t.Fatal(err)
	}
	sketch := reader.Sketch()
	want, err := sketch.Peak(users.Window{})
	if err != nil {
		t.Fatal(err)
	}
	data := backfill(t, func(p page) {
		var text strings.Builder
		if err := sketch.WriteOpenMetrics(&text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(p.w, strings.TrimSuffix(text.String(), "# EOF\n"))
		world{p, day, day.Add(20 * time.Hour)}.rest(0)
	})
	got, err := fleet.Read(context.Background(), fleet.Config{URL: start(t, data), Users: "saturate_active_users", Timezone: "UTC"}, now)
	if err != nil {
		t.Fatal(err)
	}
	p := got.Peak
	if !p.From.Equal(want.From) || !p.To.Equal(want.To) || math.Abs(p.ActiveUsers-want.ActiveUsers) > 1e-9 || p.AtUsers != want.Middle.Users {
		t.Errorf("Prometheus has %+v, the log %+v", p, want)
	}
	if len(got.Fleets()) == 0 || got.Fleets()[0].ActiveUsers != p.ActiveUsers {
		t.Errorf("no figures: %+v", got)
	}
}
