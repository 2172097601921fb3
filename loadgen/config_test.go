package loadgen

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"gopkg.in/yaml.v3"
)

// problems lists what Validate finds, one "path: problem" a line.
func problems(c Config) []string {
	err := c.Validate()
	if err == nil {
		return nil
	}
	var found []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var m *Mistake
		if !errors.As(e, &m) {
			return []string{"not a Mistake: " + e.Error()}
		}
		found = append(found, m.Error())
	}
	return found
}

func TestJoined(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	for _, x := range []struct {
		err  error
		want []error
	}{
		{nil, nil}, {a, []error{a}}, {errors.Join(a, errors.Join(b, c)), []error{a, b, c}},
	} {
		if got := Joined(x.err); !slices.Equal(got, x.want) {
			t.Errorf("%v: %v", x.err, got)
		}
	}
}

func TestValidate(t *testing.T) {
	home := []Request{{Path: "/"}}
	tests := []struct {
		name   string
		config Config
		want   []string // parts, in order
	}{
		{"default with a request", func() Config { c := Default; c.Requests = home; return c }(), nil},
		{"a rich mix", Config{Requests: []Request{
			{Name: "feed", Weight: 70, Path: "/feed?a=b"},
			{Name: "seen", Weight: 10, Method: "POST", Path: "/seen", Body: "{}", Expect: []int{200, 599}, Headers: map[string]string{"X-A": "b c"}},
		}}, nil},
		{"empty", Config{}, []string{"requests: is empty"}},
		{"words", Config{Engine: "rocket", Arrivals: "random", Requests: home}, []string{`engine: "rocket"`, `arrivals: "random"`}},
		{"numbers", Config{Timeout: time.Hour, Connections: 1e6, Requests: home}, []string{"timeout: 1h0m0s", "connections: 1000000"}},
		{"files", Config{CA: "/no/such.pem", Insecure: true, Requests: []Request{{Path: "/", BodyFile: "/no/body"}, {Path: "/2", BodyFile: "/"}, {Path: "/3", Body: "x", BodyFile: os.Args[0]}}},
			[]string{"ca: cannot be read", "insecure: ", "requests[0].body_file: cannot be read", "requests[1].body_file: / is a folder", "requests[2].body_file: stands beside body"}},
		{"headers", Config{Headers: map[string]string{"a b": ""}, Requests: []Request{{Path: "/", Headers: map[string]string{"A": "x\r\nB: y"}}}},
			[]string{"headers.a b: ", "requests[0].headers.A: "}},
		{"names", Config{Requests: []Request{{Path: "/"}, {Path: "/"}, {Name: "/", Path: "/x"}}},
			[]string{`requests[1].name: "/" is the name of requests[0]`, "requests[2].name: "}},
		{"weights", Config{Requests: []Request{{Path: "/1", Weight: 1}, {Path: "/2"}, {Path: "/3", Weight: -1}, {Path: "/4", Weight: math.NaN()}, {Path: "/5", Weight: math.Inf(1)}}},
			[]string{"requests[1].weight: is missing", "requests[2].weight: -1", "requests[3].weight: NaN", "requests[4].weight: +Inf"}},
		{"requests", Config{Requests: []Request{{Name: "a"}, {Path: "b"}, {Path: "/\x7f"}, {Path: "/c", Method: "G ET"}, {Path: "/d", Expect: []int{100, 200}}}},
			[]string{"requests[0].path: is missing", "requests[1].path: \"b\" does not begin", "requests[2].path: ", "requests[3].method: ", "requests[4].expect[0]: 100"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := problems(test.config)
			if len(got) != len(test.want) {
				t.Fatalf("%d mistakes, want %d:\n%s", len(got), len(test.want), strings.Join(got, "\n"))
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestConnectionsText(t *testing.T) {
	for text, want := range map[string]Connections{"auto": 0, "7": 7, `"7"`: 7} {
		var c Config
		if err := yaml.Unmarshal([]byte("connections: "+text), &c); err != nil || c.Connections != want {
			t.Errorf("%s: %v, %v", text, c.Connections, err)
		}
		out, err := yaml.Marshal(Config{Connections: want})
		if err != nil || !strings.Contains(string(out), "connections: ") {
			t.Errorf("%s: %v", out, err)
		}
	}
	for _, text := range []string{"0", "-3", "many", "1.5", "1e3"} {
		var c Config
		if err := yaml.Unmarshal([]byte("connections: "+text), &c); err == nil {
			t.Errorf("%s was taken as %d", text, c.Connections)
		}
	}
}

// TestMix: requests come by weight, the same ones for the same seed.
func TestMix(t *testing.T) {
	c := Config{Requests: []Request{{Path: "/a", Weight: 70}, {Path: "/b", Weight: 20}, {Path: "/c", Weight: 10}}}
	count := func(c Config, seed uint64) (n [3]int, first string) {
		m, err := newMix(c, "http://host/base/", seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100_000 {
			k := draw(t, m)
			n[k]++
			if i < 50 {
				first += m.kinds[k].name
			}
		}
		return n, first
	}
	n, first := count(c, 1)
	for i, want := range []float64{70_000, 20_000, 10_000} {
		if math.Abs(float64(n[i])-want) > 4*math.Sqrt(want) {
			t.Errorf("%v drawn, want 70, 20 and 10 %%", n)
		}
	}
	if _, again := count(c, 1); again != first {
		t.Error("one seed gave two mixes")
	}
	if _, other := count(c, 2); other == first {
		t.Error("two seeds gave one mix")
	}
	for i := range c.Requests {
		c.Requests[i].Weight = 0
	}
	if n, _ := count(c, 1); n[0] < 32_000 || n[1] < 32_000 || n[2] < 32_000 {
		t.Errorf("%v drawn without weights, want equal shares", n)
	}
}

// draw is one request of the mix, as vegeta asks for it.
func draw(t *testing.T, m *mix) int {
	var target vegeta.Target
	if err := m.next(&target); err != nil {
		t.Fatal(err)
	}
	k := m.kind(target.Header)
	if want := "http://host/base" + m.kinds[k].name; target.URL != want {
		t.Fatalf("%s, want %s", target.URL, want)
	}
	return k
}
