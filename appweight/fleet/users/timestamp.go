package users

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// A moment is the minute of a request, counted from 1970, and how many seconds
// east of Greenwich it was written.
type moment struct {
	minute int64
	offset int
}

// What is wrong with a time.
const (
	badTime  = "the time cannot be read"
	noOffset = "the time has no offset: say with --timezone where it was written"
)

// A timestamp reads the times of a log. It remembers the last time without an
// offset, since that one takes a calendar.
type timestamp struct {
	zone *time.Location // of times without an offset; may be nil
	last [16]byte
	then moment
}

// clf reads 21/Nov/2026:12:24:03 +0000, with or without fractions of a second
// and, as HAProxy has it, without the offset.
func (t *timestamp) clf(b []byte) (moment, string) {
	if len(b) < 20 || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[14] != ':' || b[17] != ':' {
		return moment{}, badTime
	}
	month := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[3:6])
	if month%3 != 0 {
		return moment{}, badTime
	}
	d := date{number(b[7:11]), month/3 + 1, number(b[0:2]), number(b[12:14]), number(b[15:17])}
	return t.at(d, number(b[18:20]), bytes.TrimLeft(fraction(b[20:]), " "))
}

// iso reads RFC 3339, and what is close to it: a space for the T, a comma before
// the fraction, no offset or one without a colon.
func (t *timestamp) iso(b []byte) (moment, string) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || (b[10] != 'T' && b[10] != ' ' && b[10] != 't') || b[13] != ':' || b[16] != ':' {
		return moment{}, badTime
	}
	d := date{number(b[0:4]), number(b[5:7]), number(b[8:10]), number(b[11:13]), number(b[14:16])}
	return t.at(d, number(b[17:19]), bytes.TrimLeft(fraction(b[19:]), " "))
}

// epoch reads the number of seconds since 1970, or of milli-, micro- or
// nanoseconds, whichever falls into our time.
func epoch(b []byte) (moment, string) {
	v, err := strconv.ParseFloat(string(b), 64)
	for range 3 {
		if v >= 1e11 { // no second of ours
			v /= 1000
		}
	}
	if err != nil || !(v >= 0 && v < 1e11) {
		return moment{}, badTime
	}
	return moment{minute: int64(math.Floor(v / 60))}, ""
}

// any tells by its shape how a time is written.
func (t *timestamp) any(b []byte) (moment, string) {
	switch {
	case len(b) > 4 && b[4] == '-':
		return t.iso(b)
	case len(b) > 2 && b[2] == '/':
		return t.clf(b)
	}
	return epoch(b)
}

// A date is read as it is written; a negative number was none.
type date struct{ year, month, day, hour, minute int }

func (t *timestamp) at(d date, second int, offset []byte) (moment, string) {
	if d.year < 1970 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 ||
		d.hour < 0 || d.hour > 23 || d.minute < 0 || d.minute > 59 || second < 0 || second > 60 {
		return moment{}, badTime
	}
	if len(offset) == 0 {
		return t.local(d)
	}
	east, ok := offsetOf(offset)
	if !ok {
		return moment{}, badTime
	}
	minute := (daysFrom1970(d.year, d.month, d.day)*24+int64(d.hour))*60 + int64(d.minute)
	return moment{minute - int64(east/60), east}, ""
}

func (t *timestamp) local(d date) (moment, string) {
	if t.zone == nil {
		return moment{}, noOffset
	}
	key := [16]byte{byte(d.year >> 8), byte(d.year), byte(d.month), byte(d.day), byte(d.hour), byte(d.minute)}
	if key != t.last {
		at := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, 0, 0, t.zone)
		_, east := at.Zone()
		t.last, t.then = key, moment{at.Unix() / 60, east}
	}
	return t.then, ""
}

// fraction cuts off a fraction of a second.
func fraction(b []byte) []byte {
	if len(b) == 0 || (b[0] != '.' && b[0] != ',') {
		return b
	}
	i := 1
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return b[i:]
}

// offsetOf reads Z, +01:00 and -0730, in seconds.
func offsetOf(b []byte) (int, bool) {
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) < 5 || (b[0] != '+' && b[0] != '-') {
		return 0, false
	}
	minutes := b[3:]
	if minutes[0] == ':' {
		minutes = minutes[1:]
	}
	h, m := number(b[1:3]), number(minutes)
	if h < 0 || h > 23 || m < 0 || m > 59 || len(minutes) != 2 {
		return 0, false
	}
	if b[0] == '-' {
		return -(h*60 + m) * 60, true
	}
	return (h*60 + m) * 60, true
}

// number is what the digits say, and -1 where there is something else.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// daysFrom1970 counts days of the proleptic Gregorian calendar: years begin in
// March, so that the leap day comes last.
func daysFrom1970(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	era := year / 400
	y := year - era*400
	days := (153*(month-3)+2)/5 + day - 1 + y*365 + y/4 - y/100
	return int64(era)*146097 + int64(days) - 719468
}
