package users

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// A billion log lines of a day: each minute has its own number of users, up to
// 509,000, in two or three requests each. All minutes, and the peak above all,
// must be within 2 %, and the whole within 100 MiB. Without SATURATE_SHOWS=1 it
// is a tenth of the lines of the minutes about the peak.
func TestBillionLines(t *testing.T) {
	const top, each = 1230, 2.5 // the peak minute, and the requests of a user
	lines, first, last := 1e9, 0, 1440
	if os.Getenv("SATURATE_SHOWS") == "" {
		lines, first, last = 1e8, top-7, top+8
	}
	debug.FreeOSMemory()
	hill := func(m int) float64 { return 1.2 + math.Cos(float64(m-top)*2*math.Pi/1440) }
	truth := make([]int, 1440)
	for m := range truth {
		truth[m] = int(lines / each * hill(m) / (1.2 * 1440))
	}
	s := salt(t)
	r := &Reader{salt: s, sketch: newSketch("cookie:session", s, Default().Precision), values: [][]byte{make([]byte, 16)}}
	fed, peak := 0, uint64(0)
	began := time.Now()
	for m := first; m < last; m++ {
		n := truth[m]
		var at parser = fixed{moment{minute: int64(29_000_000 + m)}}
		for request := range 3 {
			for u := range n / (1 + request/2) { // all twice, and half of them three times
				binary.LittleEndian.PutUint64(r.values[0], uint64(m/30*1_000_000+u))
				if _, err := r.line(at, nil); err != nil {
					t.Fatal(err)
				}
			}
			fed += n / (1 + request/2)
		}
		if m%60 == 59 {
			peak = max(peak, resident())
		}
	}
	took := time.Since(began)
	series, err := r.sketch.Series()
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for m, minute := range series {
		worst = max(worst, math.Abs(minute.Users/float64(truth[first+m])-1))
	}
	p, err := r.sketch.Peak(Window{Day: All})
	if err != nil {
		t.Fatal(err)
	}
	window := 0.0
	for m := top - 7; m <= top+7; m++ {
		window += float64(truth[m]) / 15
	}
	size, err := r.sketch.WriteTo(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	peak = max(peak, resident())
	t.Logf("%d lines of up to %d users a minute in %.0f s (%.0f ns a line); peak %.0f (+-%.0f) of %.0f users, %+.3f%%; worst minute %.2f%%; file %.1f MiB; memory %.1f MiB",
		fed, truth[top], took.Seconds(), took.Seconds()*1e9/float64(fed), p.ActiveUsers, p.SE, window, 100*(p.ActiveUsers/window-1), 100*worst, float64(size)/(1<<20), float64(peak)/(1<<20))
	if len(series) != last-first || worst > .02 || math.Abs(p.ActiveUsers/window-1) > .02 {
		t.Error("more than 2% off")
	}
	if peak > 100<<20 && !race {
		t.Error("more than 100 MiB")
	}
}

// fixed is a parser for lines that have been read.
type fixed struct{ at moment }

func (f fixed) parse([]byte, [][]byte) (moment, string) { return f.at, "" }

// resident is the memory of this process: all that the runtime has from the
// system and has not given back.
func resident() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// BenchmarkRead is the throughput of reading logs, a line an iteration: half of
// the users come once, in order of time.
func BenchmarkRead(b *testing.B) {
	const n = 200_000
	for _, c := range []struct{ name, format, user, line string }{
		{"combined", Combined, "remote_addr+user_agent", `10.%d.%d.%d - - [21/Nov/2026:12:%02d:%02d +0000] "GET /feed/latest?page=2 HTTP/1.1" 200 5123 "https://example.org/home" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"` + "\n"},
		{"nginx", `$remote_addr [$time_local] "$request" $status "$cookie_session" $request_time`, "cookie:session", `10.0.0.1 [21/Nov/2026:12:%02[4]d:%02[5]d +0000] "GET /feed/latest?page=2 HTTP/1.1" 200 "c0ffee-%[1]d-%[2]d-%[3]d" 0.012` + "\n"},
		{"haproxy", HAProxy, "cookie:session", `10.0.0.1:33317 [21/Nov/2026:12:%02[4]d:%02[5]d.123] fe be/s1 0/0/0/0/0 200 124 session=%[1]d.%[2]d.%[3]d - ---- 1/1/0/0/0 0/0 {|curl/7.88.1} {} "GET /feed/latest?page=2 HTTP/1.1"` + "\n"},
		{"json", JSON, "field:user.id", `{"time":"2026-11-21T12:%02[4]d:%02[5]d.123Z","status":200,"request":{"method":"GET","uri":"/feed/latest?page=2","headers":{"User-Agent":["Firefox"]}},"user":{"id":"%[1]d-%[2]d-%[3]d"},"duration":0.0123}` + "\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var log bytes.Buffer
			random := rand.New(rand.NewPCG(1, 2))
			for i := range n {
				u := random.IntN(n)
				fmt.Fprintf(&log, c.line, u>>16, u>>8&255, u&255, i*60/n, i%60)
			}
			r, err := NewReader(config(c.format, c.user), salt(b))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(log.Len()) / n)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += n {
				if err := r.Read("log", bytes.NewReader(log.Bytes())); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// BenchmarkMerge is one server's sketch of a day with 1,000 users a minute.
func BenchmarkMerge(b *testing.B) {
	for _, users := range []int{1000, 50_000} {
		b.Run(fmt.Sprint(users), func(b *testing.B) {
			s := newSketch("u", salt(b), Default().Precision)
			random := rand.New(rand.NewPCG(1, 2))
			for m := range int64(1440) {
				c, err := s.at(29_000_000+m, openMinutes)
				if err != nil {
					b.Fatal(err)
				}
				for range users {
					c.add(random.Uint64() >> (64 - hashBits))
				}
			}
			var file bytes.Buffer
			if _, err := s.WriteTo(&file); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(file.Len()))
			all := &Sketch{}
			for b.Loop() {
				if err := all.Merge("web", bytes.NewReader(file.Bytes())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
