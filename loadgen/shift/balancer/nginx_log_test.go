package balancer

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNginxLog reads what a real nginx 1.22 wrote: retries, an upstream without
// a server, an internal redirect, a client that left.
func TestNginxLog(t *testing.T) {
	addresses := []string{"127.0.0.1:21001", "127.0.0.1:21002", "127.0.0.1:21003"}
	for _, name := range []string{"nginx-json.log", "nginx-kv.log"} {
		path := filepath.Join(t.TempDir(), "log")
		appendTo(t, path, "")
		tail, err := openTail(path)
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, recorded(t, name))
		l := nginxLog{tail: tail, upstream: "web", by: map[string]*counts{}}
		if err := l.read(addresses); err != nil {
			t.Fatal(err)
		}
		want := []counts{
			{requests: 6, failed: 2, retried: 1, times: map[int]uint64{bucketOf(ms(1)): 1, bucketOf(ms(3)): 1, bucketOf(ms(4)): 2, bucketOf(ms(40)): 1, bucketOf(ms(1004)): 1}},
			{requests: 7, failed: 3, retried: 2, times: map[int]uint64{bucketOf(ms(1)): 1, bucketOf(ms(2)): 1, bucketOf(ms(6)): 1, bucketOf(ms(7)): 1, bucketOf(ms(8)): 1, bucketOf(ms(1005)): 1}},
			{requests: 2, failed: 2, retried: 2, times: map[int]uint64{0: 2}},
		}
		for i, a := range addresses {
			if diff := cmp.Diff(want[i], l.of([]string{a}), cmp.AllowUnexported(counts{})); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, a, diff)
			}
		}
		if l.failed != 5 || l.bad != 0 || l.good != 17 {
			t.Errorf("%s: %d failed for users, %d lines bad, %d good", name, l.failed, l.bad, l.good)
		}
		if sum := l.of(addresses[:2]); sum.requests != 13 || sum.times[bucketOf(ms(1))] != 2 {
			t.Errorf("%s: a server with two addresses: %+v", name, sum)
		}
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestParseAccess(t *testing.T) {
	for line, want := range map[string]string{
		`{"upstream_addr":"a:1","status":200,"upstream_status":200,"upstream_response_time":0.05,"request":"GET /"}`: "a:1 200 50ms",
		`upstream_addr=a:1 upstream_status=200 upstream_response_time=0.05 more`:                                     "a:1 200 50ms",
		`10.0.0.1 [x] "GET /?upstream_addr=z" upstream_addr="a:1" upstream_status="200" upstream_response_time="-"`:  "a:1 200 -1ns",
		`{"upstream_addr":"","status":"204"}`: "",
		`{"upstream_addr":"a:1"`:              "bad",
		`{"status":"200"}`:                    "bad",
		`GET / 200`:                           "bad",
		``:                                    "bad",
	} {
		e, ok := parseAccess([]byte(line))
		got := "bad"
		if ok {
			var all []string
			for _, try := range e.tries() {
				all = append(all, strings.TrimSpace(try.address+" "+strconv.Itoa(try.status)+" "+try.took.String()))
			}
			got = strings.Join(all, ", ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzAccess(f *testing.F) {
	for _, name := range []string{"nginx-json.log", "nginx-kv.log"} {
		for line := range strings.Lines(recorded(f, name)) {
			f.Add(strings.TrimSuffix(line, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, ok := parseAccess([]byte(line))
		if ok && strings.HasPrefix(line, "{") && !json.Valid([]byte(line)) {
			t.Errorf("%q is taken for JSON", line)
		}
		for _, try := range e.tries() {
			if try.took < -1 {
				t.Errorf("%q took %v", line, try.took)
			}
		}
	})
}

func BenchmarkAccess(b *testing.B) {
	line := []byte(strings.SplitN(recorded(b, "nginx-json.log"), "\n", 2)[0])
	l := nginxLog{upstream: "web", by: map[string]*counts{"127.0.0.1:21001": {times: map[int]uint64{}}}}
	for b.Loop() {
		if e, ok := parseAccess(line); ok {
			l.count(e)
		}
	}
}
