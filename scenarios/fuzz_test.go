package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzDecode looks for files that make the decoder panic or hang, that leave a
// mistake without its place, or that it takes although they break a rule.
func FuzzDecode(f *testing.F) {
	shipped, err := filepath.Glob("*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range shipped {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{
		least, leastLive, "", "---", "a\n---\nb", "- a", "name: ${HOME}", "ramp: &a {<<: *a, max: .nan}", "require: &a [*a]",
		"targets:\n\t- url: x", "targets: [{url: http://a, pin: 0-3, probes: {cgroup: a, memory_limit: 1GiB}}]",
		"traffic: {timeout: 5, connections: auto, requests: [{path: '/', body_file: x, expect: [600]}]}",
		"stress: {cpu: 90%, latency_p99: 1h, metrics: {a: 1}}\nfleet: {fixed: {unit: requests}}\nrequire: [cost < 3]",
		"labels: {? [a] : b, a: !!str c}", "\xef\xbb\xbfname: a", "%TAG ! x\n---\nname: !a b", "!%C0%80", "\"a\\x1b[2J\": 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data, "fuzz.yaml")
		if err == nil {
			if len(s.Targets) == 0 || (len(s.Traffic.Requests) == 0) != (s.Live != nil) || s.Repeat < 1 || s.Text() != string(data) {
				t.Fatalf("took %q as %+v", data, s)
			}
			return
		}
		if s != nil {
			t.Fatal("a scenario beside an error")
		}
		lines := 1 + strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(string(data)), "\n")
		for _, m := range err.(Mistakes) {
			if m.Problem == "" || m.Line < 1 || m.Column < 1 || m.Line > lines ||
				!utf8.ValidString(m.Error()) || strings.ContainsFunc(m.Error()+m.Hint, unicode.IsControl) {
				t.Fatalf("%q: %#v", data, m)
			}
		}
	})
}
