package users

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// parsed is what a parser makes of each line: the minute, the values in
// brackets, or the problem.
func parsed(t *testing.T, c Config, text string) []string {
	t.Helper()
	user, err := parseIdentity(c.User)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.parser(c.Format, user)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	values := make([][]byte, len(user))
	for line := range strings.Lines(text) {
		at, problem := p.parse([]byte(strings.TrimRight(line, "\n")), values)
		if problem != "" {
			all = append(all, problem)
			continue
		}
		one := time.Unix(at.minute*60, 0).UTC().Format("2006-01-02T15:04") + " " + time.Duration(at.offset*1e9).String()
		for _, v := range values {
			one += " <" + string(v) + ">"
		}
		all = append(all, one)
	}
	return all
}

func file(t testing.TB, name string) string {
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	nginxOwn = `log_format own '$remote_addr - $remote_user [$time_iso8601] "$request" $status '
    '"$cookie_session" "$http_user_agent" $msec';`
	apacheOwn = `LogFormat "%a %{%Y-%m-%dT%H:%M:%S%z}t \"%{session}C\" \"%{X-User}i\" \"%{Cookie}i\" %D" own`
	agent     = `quo"te\back[x] {a|b} é`
	at        = "2026-11-21T12:43 0s "
)

// The same four requests in the logs that nginx 1.22, Apache 2.4 and HAProxy 2.6
// wrote of them (and HAProxy's of what was no request): every parser finds the
// same values in spite of the servers' different escapes.
func TestRealLogs(t *testing.T) {
	agents := []string{at + "<plain/1.0>", at + "<" + agent + ">", at + "<>", at + "<curl/7.88.1>"}
	addrs := []string{at + "<127.0.0.1>", at + "<127.0.0.1>", at + "<127.0.0.1>", at + "<::1>"}
	cookies := []string{at + "<alice>", at + `<"b>`, at + "<>", at + "<>"}
	nobody := append(cookies[:2:2], at+"<>", at+"<>", at+"<>")
	for _, c := range []struct {
		file, format, user string
		want               []string
	}{
		{"nginx_combined.log", Combined, "user_agent", agents},
		{"nginx_combined.log", Combined, "remote_addr", addrs},
		{"nginx_combined.log", Combined, "remote_user", []string{at + "<>", at + "<>", at + "<jo hn>", at + "<>"}},
		{"nginx_combined.log", Common, "remote_addr", addrs},
		{"nginx_own.log", nginxOwn, "cookie:session", cookies},
		{"nginx_own.log", nginxOwn, "header:User-Agent", agents},
		{"nginx_own.log", nginxOwn, "field:status", []string{at + "<200>", at + "<200>", at + "<200>", at + "<200>"}},
		{"nginx_json.log", JSON, "field:user", cookies},
		{"nginx_json.log", JSON, "field:ua", agents},
		{"nginx_json.log", `{"time":"$time_iso8601","user":"$cookie_session","ua":"$http_user_agent","msec":$msec}`, "cookie:session+user_agent",
			[]string{cookies[0] + " <plain/1.0>", cookies[1] + " <" + agent + ">", cookies[2] + " <>", cookies[3] + " <curl/7.88.1>"}},
		{"apache_combined.log", Combined, "user_agent", agents[:3]},
		{"apache_own.log", apacheOwn, "cookie:session", cookies[:3]},
		{"apache_own.log", apacheOwn, "header:x_user", []string{at + "<>", at + `<bob "b" \ {x|y}#>`, at + "<>"}},
		{"apache_own.log", strings.Replace(apacheOwn, "{session}C", "{other}C", 1), "cookie:session", cookies[:3]}, // out of the Cookie header
		{"haproxy.log", HAProxy, "cookie:session", nobody},
		{"haproxy.log", HAProxy, "capture:1", []string{at + "<>", at + `<bob "b" \ {x|y}#>`, at + "<>", at + "<>", at + "<>"}},
		{"haproxy.log", HAProxy, "capture:2", append(agents[:4:4], at+"<>")},
		{"haproxy.log", HAProxy, "capture:3+remote_addr", []string{
			at + "<nginx/1.22.1> <127.0.0.1>", at + "<nginx/1.22.1> <127.0.0.1>", at + "<nginx/1.22.1> <127.0.0.1>", at + "<nginx/1.22.1> <::1>", at + "<> <127.0.0.1>"}},
		{"haproxy_syslog.log", HAProxy, "remote_addr", addrs[:3]},
	} {
		t.Run(c.file+" "+c.user, func(t *testing.T) {
			if got := parsed(t, config(c.format, c.user), file(t, c.file)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if c.format == nginxOwn || c.format == apacheOwn || strings.ContainsAny(c.format, "${%") || c.format == Common {
				return
			}
			r, err := NewReader(config(Auto, c.user), salt(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Read(c.file, strings.NewReader(file(t, c.file))); err != nil {
				t.Errorf("its format is not found: %v", err)
			}
			if s := r.Sketch().Sources[0]; s.Malformed > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestLines(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("this machine has no time zones: ", err)
	}
	for _, c := range []struct {
		name, format, user, line, want string
	}{
		{"offset", Combined, "remote_addr", `10.0.0.1 - - [21/Nov/2026:00:10:03 +0130] "GET / HTTP/1.1" 200 2 "-" "x"`, "2026-11-20T22:40 1h30m0s <10.0.0.1>"},
		{"west of Greenwich", Combined, "remote_addr", `10.0.0.1 - - [31/Dec/2026:23:59:59 -0800] "GET / HTTP/1.1" 200 2 "-" "x"`, "2027-01-01T07:59 -8h0m0s <10.0.0.1>"},
		{"leap day", Common, "remote_addr", `10.0.0.1 - - [29/Feb/2028:12:00:60 +0000] "GET / HTTP/1.1" 200 2`, "2028-02-29T12:00 0s <10.0.0.1>"},
		{"IPv6 in other words", Common, "remote_addr", `2001:DB8:0:0::1 - - [29/Feb/2028:12:00:00 +0000] "GET / HTTP/1.1" 200 2`, "2028-02-29T12:00 0s <2001:db8::1>"},
		{"IPv4 in IPv6", Common, "remote_addr", `::ffff:10.0.0.1 - - [29/Feb/2028:12:00:00 +0000] "GET / HTTP/1.1" 200 2`, "2028-02-29T12:00 0s <10.0.0.1>"},
		{"quotes inside of quotes", Combined, "user_agent", `h - - [21/Nov/2026:00:10:03 +0000] "GET /\" HTTP/1.1" 200 2 "a\"" "b\\"`, `2026-11-21T00:10 0s <b\>`},
		{"a name with spaces", Common, "remote_user", `h - o'neil, j. [21/Nov/2026:00:10:03 +0000] "GET / HTTP/1.1" 200 2`, "2026-11-21T00:10 0s <o'neil, j.>"},
		{"cut off", Combined, "user_agent", `h - - [21/Nov/2026:00:10:03 +0000] "GET / HT`, "it ends before its format does"},
		{"not that month", Common, "remote_addr", `h - - [21/Nev/2026:00:10:03 +0000] "GET / HTTP/1.1" 200 2`, badTime},
		{"no such hour", Common, "remote_addr", `h - - [21/Nov/2026:24:10:03 +0000] "GET / HTTP/1.1" 200 2`, badTime},
		{"fields after the format's", Combined, "user_agent", `h - - [21/Nov/2026:00:10:03 +0000] "GET / HTTP/1.1" 200 2 "-" "x" 0.003 upstream`, "2026-11-21T00:10 0s <x>"},
		{"milliseconds", "%{msec}t %h", "remote_addr", "1763640063999 h", "2025-11-20T12:01 0s <h>"},
		{"Apache's modifiers", `%{begin:sec}t %>s %!200,304{X}i %{cookie}n %<u`, "field:%{cookie}n+remote_user", "1763640063 200 - uid=1 me", "2025-11-20T12:01 0s <uid=1> <me>"},
		{"braces", "${time_local}|$upstream_http_x_user|", "field:upstream_http_x_user", "21/Nov/2026:00:10:03 +0000|me|", "2026-11-21T00:10 0s <me>"},
		{"HAProxy in local time", HAProxy, "remote_addr", `2001:db8::1:33317 [06/Feb/2026:12:14:14.655] in~ b/s 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"`, "2026-02-06T11:14 1h0m0s <2001:db8::1>"},
		{"HAProxy in summer", HAProxy, "remote_addr", `1.2.3.4:1 [06/Jul/2026:12:14:14.655] in b/s`, "2026-07-06T10:14 2h0m0s <1.2.3.4>"},
		{"brackets in syslog's words", HAProxy, "remote_addr", `<134>1 2026-02-06T12:14:14+01:00 lb haproxy 77 - [a@1 b="c"] 1.2.3.4:5 [06/Feb/2026:12:14:14.655] in b/s`, "2026-02-06T11:14 1h0m0s <1.2.3.4>"},
		{"HAProxy without a time", HAProxy, "remote_addr", `Server b/s is DOWN [x]`, notHAProxy},
		{"HAProxy cut off", HAProxy, "cookie:a", `1.2.3.4:1 [06/Jul/2026:12:14:14.655] in b/s 1/2`, notHAProxy},
		{"JSON paths", JSON, "field:a.b.1+field:x", `{"ts":1763640063.5,"x":17,"a":{"b":[{"b":[1]},"me"],"c":[]}}`, "2025-11-20T12:01 0s <me> <17>"},
		{"JSON names with dots", JSON, "field:user.id", `{"@timestamp":"2026-11-21T00:10:03,123Z","user.id":"me","user":{"name":"x"}}`, "2026-11-21T00:10 0s <me>"},
		{"JSON escapes", JSON, "field:u", `{"u":"\u00e9\ud83d\ude00\n\/","time":"21/Nov/2026:00:10:03 +0000"}`, "2026-11-21T00:10 0s <é😀\n/>"},
		{"JSON null", JSON, "field:u", `{"u":null,"time":"2026-11-21 01:10:03+0100"}`, "2026-11-21T00:10 1h0m0s <>"},
		{"JSON twice", JSON, "field:u", `{"u":"a","u":"b","time":"2026-11-21 01:10:03"}`, "2026-11-21T00:10 1h0m0s <b>"},
		{"JSON without time", JSON, "field:u", `{"u":"a"}`, "it has no time: name the field with --time"},
		{"no JSON", JSON, "field:u", `{"u":"a"`, "it is not a JSON object"},
		{"JSON and more", JSON, "field:u", `{"u":"a"} {}`, "something follows the JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := config(c.format, c.user)
			conf.Zone = berlin
			if got := parsed(t, conf, c.line); got[0] != c.want {
				t.Errorf("got  %s\nwant %s", got[0], c.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ format, user, want, hint string }{
		{Auto, "", "user: it is not said what identifies a user", "cookie:session"},
		{Auto, "cookie", "user: cookie: which one?", "cookie:session"},
		{Auto, "ip", `user: "ip" identifies nobody`, "remote_addr"},
		{Auto, "capture:0", "user: capture:0: captures are counted from 1", ""},
		{"combind", "remote_addr", `format: "combind" is neither`, "combined"},
		{Combined, "cookie:session", "user: the log's format has no cookie:session", "log it in the web server's format: $cookie_session in nginx, %{session}C in Apache; or identify users by what it has: remote_addr, remote_user, header:referer, header:user-agent"},
		{HAProxy, "header:x-user", "user: HAProxy's log has no header:x-user", "capture:1"},
		{JSON, "remote_addr", "user: in JSON logs a user is identified by fields", "field:user_id"},
		{"$remote_addr $status", "remote_addr", "format: it has no time of the request", "$time_local"},
		{"$remote_addr$remote_user $time_local", "remote_addr", "format: nothing stands between $remote_addr and $remote_user", ""},
		{"$time_local ${remote_addr", "remote_addr", "format: ${remote_addr has no closing brace", ""},
		{"%t %", "remote_addr", `format: "%" names no variable`, ""},
	} {
		err := config(c.format, c.user).Validate()
		var mistake *Mistake
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), c.want) || !strings.Contains(mistake.Hint(), c.hint) {
			t.Errorf("%s, %s: %v, want %q with %q", c.format, c.user, err, c.want, c.hint)
		}
	}
	bad := config("x", "")
	bad.Precision = 30
	if joined, ok := bad.Validate().(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("not every mistake at once: %v", bad.Validate())
	}
}

func TestReadCounts(t *testing.T) {
	text := `10.0.0.1 - ann [21/Nov/2026:12:00:03 +0100] "GET / HTTP/1.1" 200 2 "-" "x"
10.0.0.1 - bob [21/Nov/2026:12:00:59 +0100] "GET / HTTP/1.1" 200 2 "-" "x"

10.0.0.1 - ann [21/Nov/2026:12:00:40 +0100] "GET / HTTP/1.1" 200 2 "-" "x"` + "\r" + `
nonsense
10.0.0.1 - - [21/Nov/2026:12:01:00 +0100] "GET / HTTP/1.1" 200 2 "-" "x"
10.0.0.1 - ann [21/Nov/2026:12:01:00 +0100] "GET / HTTP/1.1" 200 2 "-" "` + strings.Repeat("x", maxLine) + `"
10.0.0.1 - ann [21/Nov/2026:12:02:00 +0100] "GET / HTTP/1.1" 200 2 "-" "x"`
	s := read(t, config(Auto, "remote_user"), text)
	if got := counts(t, s); got != "11:00 2, 11:02 1" {
		t.Errorf("counts %s", got)
	}
	source := s.Sources[0]
	if source.Lines != 7 || source.Malformed != 2 || source.WithoutUser != 1 || !strings.HasPrefix(source.FirstMalformed, "access.log:5: ") ||
		source.From.Format(time.RFC3339) != "2026-11-21T12:00:00+01:00" || source.To.Format(time.RFC3339) != "2026-11-21T12:02:00+01:00" {
		t.Errorf("%+v", source)
	}
	r, err := NewReader(config(Combined, "remote_user"), salt(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read("x.log", strings.NewReader("nonsense\nmore\n")); err == nil || !strings.Contains(err.Error(), "no line can be read (line 1: ") {
		t.Errorf("nothing but nonsense: %v", err)
	}
	if err := r.Read("x.zst", strings.NewReader("\x28\xb5\x2f\xfd......")); err == nil || !strings.Contains(err.(*Mistake).Hint(), "zstdcat x.zst |") {
		t.Errorf("zstd: %v", err)
	}
	auto, err := NewReader(config(Auto, "remote_user"), salt(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := auto.Read("empty.log", strings.NewReader("")); err != nil {
		t.Errorf("an empty log: %v", err)
	}
	if err := auto.Read("x.log", strings.NewReader(strings.Repeat("x", 100_000))); err == nil || !strings.Contains(err.Error(), "no format that is known") {
		t.Errorf("a long line: %v", err)
	}
	if err := r.Read("x.gz", strings.NewReader("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut")); err == nil {
		t.Error("a damaged archive is no error")
	}
}

// A time is what package time says it is, however it is written.
func TestTimestamps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		east := rapid.IntRange(-14*60, 14*60).Draw(t, "east") * 60
		at := time.Unix(rapid.Int64Range(2*86400, 4e9).Draw(t, "at"), 0).In(time.FixedZone("", east))
		c := timestamp{zone: at.Location()}
		for _, layout := range []string{
			"02/Jan/2006:15:04:05 -0700", "02/Jan/2006:15:04:05.000 -0700", "02/Jan/2006:15:04:05.123",
			time.RFC3339, time.RFC3339Nano, "2006-01-02 15:04:05,000-0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700",
		} {
			text := at.Format(layout)
			want := moment{at.Unix() / 60, east}
			if got, problem := c.any([]byte(text)); got != want || problem != "" {
				t.Fatalf("%s: %v %s, want %v", text, got, problem, want)
			}
		}
		for _, text := range []string{fmt.Sprint(at.Unix()), fmt.Sprint(at.UnixMilli()), fmt.Sprint(at.UnixMicro()), fmt.Sprint(at.UnixNano()), fmt.Sprintf("%d.25", at.Unix())} {
			if got, problem := c.any([]byte(text)); at.Unix() > 1e8 && (got.minute != at.Unix()/60 || problem != "") {
				t.Fatalf("%s: %v %s, want %v", text, got, problem, at.Unix()/60)
			}
		}
	})
}

// What is a JSON object to encoding/json is one to us, with the same value, and
// nothing else is.
func FuzzJSON(f *testing.F) {
	for _, line := range []string{`{"u":"a","time":1}`, `{"u":{"v":["x",{"u":1}]},"time":"2026-11-21T00:00:00Z"}`, `{"u":-1.5e+3}`, `{"u":"\ud83d\ude00\u00"}`, `[{"u":1}]`, `{"u":01}`, `{"a":[,]}`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		valid := json.Valid([]byte(line)) && d.Decode(&object) == nil && object != nil
		j, err := newJSONLog([]part{{"field", "u"}}, Config{Time: "time", Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		values := make([][]byte, 1)
		_, problem := j.parse([]byte(line), values)
		refused := problem == "it is not a JSON object" || problem == "something follows the JSON object"
		if !valid && !refused {
			t.Fatalf("%q is no JSON object, and %q was read", line, values[0])
		}
		if valid && refused && strings.Count(line, "[")+strings.Count(line, "{") < maxDepth {
			t.Fatalf("%q: %s", line, problem)
		}
		if u, ok := object["u"].(string); ok && valid && !refused && bytes.ContainsRune([]byte(u), '\uFFFD') == false && u != string(values[0]) {
			t.Fatalf("%q: u is %q, and %q was read", line, u, values[0])
		}
		if u, ok := object["u"].(json.Number); ok && valid && !refused && u.String() != string(values[0]) {
			t.Fatalf("%q: u is %s, and %q was read", line, u, values[0])
		}
	})
}

// Whatever a line is, parsers end and stay inside of it.
func FuzzLine(f *testing.F) {
	for _, name := range []string{"nginx_own.log", "apache_own.log", "apache_combined.log", "haproxy.log", "haproxy_syslog.log"} {
		for line := range strings.Lines(file(f, name)) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, c := range []Config{
			config(Combined, "user_agent+remote_addr"), config(nginxOwn, "cookie:session"), config(apacheOwn, "cookie:session+header:cookie"),
			config(HAProxy, "capture:2+cookie:session+remote_addr"),
		} {
			user, _ := parseIdentity(c.User)
			p, err := c.parser(c.Format, user)
			if err != nil {
				t.Fatal(err)
			}
			values := make([][]byte, len(user))
			if _, problem := p.parse([]byte(line), values); problem == "" {
				for _, v := range values {
					if len(v) > len(line) {
						t.Fatalf("%q out of %q", v, line)
					}
				}
			}
		}
	})
}

// Whatever a format is, a parser is made of it or it is refused.
func FuzzFormat(f *testing.F) {
	f.Add(nginxOwn, "cookie:session", "x")
	f.Add(apacheOwn, "header:x", `1 2 "3"`)
	f.Add(apacheCommon, "remote_addr", "x")
	f.Fuzz(func(t *testing.T, format, user, line string) {
		parts, err := parseIdentity(user)
		if err != nil {
			return
		}
		if p, err := config(format, user).parser(format, parts); err == nil {
			p.parse([]byte(line), make([][]byte, len(parts)))
		}
	})
}

// Whatever a file is, it merges or is refused, and what has merged can be
// written and merges again.
func FuzzMerge(f *testing.F) {
	c := config(JSON, "field:u")
	c.Precision = MinPrecision
	var text strings.Builder
	for _, line := range []string{`{"time":1763640000,"u":1}`, `{"time":1763640060,"u":2}`} {
		text.WriteString(line + "\n")
	}
	var file bytes.Buffer
	read(f, c, text.String()).WriteTo(&file)
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Sketch{}
		if s.Merge("fuzz", bytes.NewReader(b)) != nil {
			return
		}
		var again bytes.Buffer
		if _, err := s.WriteTo(&again); err != nil {
			t.Fatal(err)
		}
		if err := s.Merge("again", &again); err != nil {
			t.Fatal(err)
		}
	})
}
