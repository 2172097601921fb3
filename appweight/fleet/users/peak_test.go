package users

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// day makes a log of JSON lines: users(m) different users in the minute m of the
// day that begins at begin, one request each.
func day(begin time.Time, users func(minute int) int) string {
	var b strings.Builder
	for m := range 1440 {
		for u := range users(m) {
			fmt.Fprintf(&b, `{"time":"%s","u":%d}`+"\n", begin.Add(time.Duration(m)*time.Minute).Format(time.RFC3339), u)
		}
	}
	return b.String()
}

// A hill of 15 minutes from 20:07, 40 to 54 users, is the peak; a lone minute of
// 90 at noon is the busiest one and nothing more.
func TestPeak(t *testing.T) {
	zone := time.FixedZone("+02:00", 7200)
	users := func(m int) int {
		switch {
		case m == 12*60:
			return 90
		case m >= 20*60+7 && m < 20*60+22:
			return 40 + m - (20*60 + 7)
		}
		return 10
	}
	yesterday := day(time.Date(2026, 11, 20, 0, 0, 0, 0, zone), users)
	today := day(time.Date(2026, 11, 21, 0, 0, 0, 0, zone), func(m int) int {
		if m > 600 {
			return 0
		}
		return 60
	})
	s := read(t, config(JSON, "field:u"), yesterday+today)
	p, err := s.Peak(Window{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func(t time.Time) string { return t.In(p.Zone).Format("02 15:04") }
	if p.Day != "2026-11-20" || clock(p.From) != "20 20:07" || clock(p.To) != "20 20:22" || p.ActiveUsers != 47 || p.SE != 0 {
		t.Errorf("the last whole day: %+v", p)
	}
	if clock(p.Middle.At) != "20 20:14" || p.Middle.Users != 47 || clock(p.Busiest.At) != "20 12:00" || p.Busiest.Users != 90 {
		t.Errorf("middle %+v, busiest %+v", p.Middle, p.Busiest)
	}
	if len(p.Warnings) > 0 {
		t.Errorf("doubts: %q", p.Warnings)
	}
	if p, err = s.Peak(Window{Day: All}); err != nil || p.Day != "" || p.ActiveUsers != 60 {
		t.Errorf("everything: %+v, %v", p, err)
	}
	// In UTC the logs begin at 22:00 and end at 08:00; that day's peak is another.
	if p, err = s.Peak(Window{Zone: time.UTC}); err != nil || p.Day != "2026-11-20" || clock(p.From) != "20 22:00" || p.ActiveUsers != 60 {
		t.Errorf("in UTC: %+v, %v", p, err)
	}
	// In Honolulu they go from noon to 22:00 of the day after: no whole day.
	if p, err = s.Peak(Window{Zone: time.FixedZone("-10:00", -36000)}); err != nil || p.Day != "" || !strings.Contains(fmt.Sprint(p.Warnings), "no whole day") {
		t.Errorf("in Honolulu: %+v, %v", p, err)
	}
	if _, err = s.Peak(Window{Day: "2026-11-25"}); !errors.Is(err, ErrNoUsers) {
		t.Errorf("a day without logs: %v", err)
	}
	var mistake *Mistake
	if _, err = s.Peak(Window{Day: "yesterday"}); !errors.As(err, &mistake) {
		t.Errorf("no day: %v", err)
	}
	if _, err = (&Sketch{Precision: 16}).Peak(Window{}); !errors.Is(err, ErrNoUsers) {
		t.Errorf("no logs: %v", err)
	}
}

func TestPeakDoubts(t *testing.T) {
	begin := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	few := func(n, users int) string {
		return day(begin, func(m int) int {
			if m < n {
				return users
			}
			return 0
		})
	}
	p, err := read(t, config(JSON, "field:u"), few(5, 3)).Peak(Window{})
	if err != nil || p.ActiveUsers != 3 || p.To.Sub(p.From) != 5*time.Minute || !strings.Contains(fmt.Sprint(p.Warnings), "over the 5 that there are") {
		t.Errorf("five minutes: %+v, %v", p, err)
	}
	p, err = read(t, config(JSON, "field:u"), few(1, 30)+strings.ReplaceAll(few(60, 1), "T12", "T13")).Peak(Window{})
	if err != nil || !strings.Contains(fmt.Sprint(p.Warnings), "12:00 had 15.0 times as many users") {
		t.Errorf("a burst: %+v, %v", p, err)
	}

	s := &Sketch{}
	for name, text := range map[string]string{"web1.users": few(60, 20), "web2.users": few(10, 5)} {
		var b strings.Builder
		read(t, config(JSON, "field:u"), text).WriteTo(&b)
		if err := s.Merge(name, strings.NewReader(b.String())); err != nil {
			t.Fatal(err)
		}
	}
	s.Sources = append(s.Sources, Source{Name: "web3.users"}) // it saw nobody
	if p, err = s.Peak(Window{}); err != nil || !strings.Contains(fmt.Sprint(p.Warnings), "1 of 3 sketches do not reach over the peak's window (web2.users goes from 2026-11-20 12:00 to 2026-11-20 12:09)") {
		t.Errorf("a short sketch: %+v, %v", p, err)
	}
	s.Sources[0].To = s.Sources[0].To.In(time.FixedZone("", 3600))
	if p, err = s.Peak(Window{}); err != nil || p.Zone != time.UTC || !strings.Contains(fmt.Sprint(p.Warnings), "different time zones") {
		t.Errorf("two zones: %+v, %v", p, err)
	}
}

// Errors of a window's minutes are independent, so that the window's is what its
// standard error says: the true number is known, over 40 windows.
func TestPeakStandardError(t *testing.T) {
	c := config(JSON, "field:u")
	c.Precision = MinPrecision
	const windows, users = 40, 2000
	var squares, se float64
	for w := range windows {
		s := newSketch("", RandomSalt(), c.Precision)
		secret := RandomSalt()
		for m := range int64(windowMinutes) {
			counter, _ := s.at(m, openMinutes)
			key := secret.key(m)
			for u := range users { // the same users all the time
				counter.add(key.hash(fmt.Appendf(nil, "%d/%d", w, u)) >> (64 - hashBits))
			}
		}
		p, err := s.Peak(Window{Day: All})
		if err != nil {
			t.Fatal(err)
		}
		e := p.ActiveUsers/users - 1
		squares, se = squares+e*e, p.SE/users
	}
	if rms := math.Sqrt(squares / windows); rms > 1.35*se || rms < .4*se {
		t.Errorf("the means of 15 minutes are off by %.3f%%, promised %.3f%%", 100*rms, 100*se)
	}
}

func TestOpenMetrics(t *testing.T) {
	s := read(t, config(JSON, "field:u"), `{"time":"2026-11-20T12:00:30Z","u":1}
{"time":"2026-11-20T12:02:30Z","u":1}
{"time":"2026-11-20T12:02:31Z","u":2}
`)
	s.Identity = `a"b`
	var b strings.Builder
	if err := s.WriteOpenMetrics(&b); err != nil {
		t.Fatal(err)
	}
	want := `# HELP saturate_active_users Different users with a request in the minute before.
# TYPE saturate_active_users gauge
saturate_active_users{identity="a\"b"} 1 1763640060
saturate_active_users{identity="a\"b"} 0 1763640120
saturate_active_users{identity="a\"b"} 2 1763640180
# EOF
`
	at := time.Date(2026, 11, 20, 12, 1, 0, 0, time.UTC).Unix()
	for i, old := range []string{"1763640060", "1763640120", "1763640180"} {
		want = strings.Replace(want, old, fmt.Sprint(at+60*int64(i)), 1)
	}
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}
