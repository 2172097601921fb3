package fleet

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func inZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	return zone
}

// Days are as long as the clocks say, and the last complete one is the zone's.
func TestDayOf(t *testing.T) {
	for _, c := range []struct {
		name, zone, now, day string
		from                 string
		hours                float64
	}{
		{"utc", "UTC", "2026-11-21T12:00:00Z", "", "2026-11-20T00:00:00Z", 24},
		{"west of us it is still yesterday", "America/New_York", "2026-11-21T02:00:00Z", "", "2026-11-19T05:00:00Z", 24},
		{"at midnight sharp", "UTC", "2026-11-21T00:00:00Z", "", "2026-11-20T00:00:00Z", 24},
		{"clocks back", "Europe/Berlin", "2026-10-26T12:00:00Z", "", "2026-10-24T22:00:00Z", 25},
		{"clocks forward", "Europe/Berlin", "2026-03-30T12:00:00Z", "", "2026-03-28T23:00:00Z", 23},
		{"no midnight", "America/Sao_Paulo", "2018-11-06T12:00:00Z", "2018-11-04", "2018-11-04T03:00:00Z", 23},
		{"half an hour", "Australia/Lord_Howe", "2026-10-05T12:00:00Z", "2026-10-04", "2026-10-03T13:30:00Z", 23.5},
		{"named", "Asia/Tokyo", "2026-11-21T12:00:00Z", "2026-11-01", "2026-10-31T15:00:00Z", 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, _ := time.Parse(time.RFC3339, c.now)
			from, to, err := dayOf(c.day, inZone(t, c.zone), now)
			if err != nil {
				t.Fatal(err)
			}
			if got := from.UTC().Format(time.RFC3339); got != c.from || to.Sub(from).Hours() != c.hours {
				t.Errorf("from %s, %v hours", got, to.Sub(from).Hours())
			}
		})
	}
	now, _ := time.Parse(time.RFC3339, "2026-11-21T12:00:00Z")
	if _, _, err := dayOf("2026-11-21", time.UTC, now); err == nil || !strings.Contains(err.Error(), "is not over") {
		t.Errorf("today: %v", err)
	}
}

// aDay is a gauge of 24 hours; value says what it is in the minute that ends at
// so many minutes.
func aDay(from time.Time, value func(minute int) float64) []point {
	var all []point
	for i := 1; i <= 1440; i++ {
		if v := value(i); !math.IsNaN(v) {
			all = append(all, point{from.Unix() + int64(60*i), v})
		}
	}
	return all
}

func hill(minute int) float64 { return 10_000 - 5*math.Abs(float64(minute-1230)) }

func TestFindPeak(t *testing.T) {
	from := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 0, 1)
	at := func(minute int) time.Time { return from.Add(time.Duration(minute) * time.Minute) }
	gap := func(a, b int, value func(int) float64) func(int) float64 {
		return func(m int) float64 {
			if m >= a && m < b {
				return math.NaN()
			}
			return value(m)
		}
	}
	for _, c := range []struct {
		name    string
		value   func(int) float64
		middle  int
		nearest int // to the middle, where that is not known
		users   float64
		doubts  string
		refused string
	}{
		{name: "a hill", value: hill, middle: 1230, users: 10_000 - 5*56./15},
		{name: "one wild minute is no peak", value: func(m int) float64 {
			if m == 300 {
				return 30_000
			}
			return hill(m)
		}, middle: 1230, users: 10_000 - 5*56./15, doubts: "05:00 stands out with 30000 users"},
		{name: "a minute missing in the window", value: gap(1225, 1226, hill), middle: 1230, users: (150_000 - 5*56 - 9975) / 14., doubts: "missing for 1 step"},
		{name: "its middle is missing", value: gap(1230, 1231, hill), middle: 1230, nearest: 1229, users: (150_000 - 5*56 - 10_000) / 14., doubts: "missing for 1 step"},
		{name: "three in its middle", value: gap(1229, 1232, hill), middle: 1230, nearest: 1228, users: (150_000 - 5*56 - 29_990) / 12., doubts: "missing for 3 steps"},
		{name: "an hour missing elsewhere", value: gap(300, 360, hill), middle: 1230, users: 10_000 - 5*56./15, doubts: "missing for 60 steps"},
		{name: "most of the day missing", value: gap(1, 500, hill), refused: "missing for 499 steps of the day's 1440"},
		{name: "stands still", value: func(m int) float64 { return math.Min(hill(m), 9975) }, middle: 1230, users: (11*9975 + 2*9970 + 2*9965) / 15., doubts: "stands still for"},
		{name: "at the edge", value: func(m int) float64 { return 10_000 - float64(m) }, middle: 8, users: 9992, doubts: "edge of the day"},
		{name: "a counter", value: func(m int) float64 { return float64(10 * m) }, refused: "never falls all day"},
		{name: "nobody", value: func(int) float64 { return 0 }, refused: "gauge is 0"},
		{name: "infinite", value: func(int) float64 { return math.Inf(1) }, refused: "missing for 1440 steps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, doubts, err := findPeak(aDay(from, c.value), from, to, 15*time.Minute, time.Minute)
			if c.refused != "" {
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("%v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.At != at(cmp.Or(c.nearest, c.middle)) || p.From != at(c.middle-8) || p.To != at(c.middle+7) {
				t.Errorf("peak at %s, from %s to %s", p.At, p.From, p.To)
			}
			if math.Abs(p.ActiveUsers-c.users) > .1 {
				t.Errorf("%v users, want %v", p.ActiveUsers, c.users)
			}
			var said []string
			for _, d := range doubts {
				said = append(said, d.Text)
			}
			if all := strings.Join(said, "; "); c.doubts == "" && all != "" || !strings.Contains(all, c.doubts) {
				t.Errorf("doubts %q, want %q", all, c.doubts)
			}
		})
	}
}

// Wherever the peak is, no other window of the day has a larger mean.
func TestFindPeakIsTheLargest(t *testing.T) {
	from := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1, 1e7), 1440, 1440).Draw(t, "users")
		values[1439] = 0 // a gauge that falls
		p, _, err := findPeak(aDay(from, func(m int) float64 { return values[m-1] }), from, from.AddDate(0, 0, 1), 15*time.Minute, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+15 <= len(values); i++ {
			sum := 0.0
			for _, v := range values[i : i+15] {
				sum += v
			}
			if sum/15 > p.ActiveUsers*(1+1e-9) {
				t.Fatalf("minute %d: %v, and the peak is %v", i, sum/15, p.ActiveUsers)
			}
		}
	})
}
