package scenarios

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	s, err := Decode([]byte(`
targets:
  - &one {url: http://a, labels: &labels {build: x, region: eu}}
  - {<<: *one, url: http://b, labels: {<<: *labels, build: y}}
  - {<<: [{url: http://c}, *one], labels: {<<: [*labels, {rack: r1, build: no}]}}
traffic: {requests: [{path: /}]}
`), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, target := range s.Targets {
		got += fmt.Sprintln(target.Name, target.URL, target.Labels)
	}
	want := "a http://a map[build:x region:eu]\n" +
		"b http://b map[build:y region:eu]\n" +
		"c http://c map[build:x rack:r1 region:eu]\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestBombs feeds files that aliases blow up, or that bite their own tail.
func TestBombs(t *testing.T) {
	items := func(n int, item string) string { return "[" + strings.Repeat(item+",", n) + "]" }
	const blown = "aliases blow the file up"
	for _, c := range []struct{ name, text, want string }{
		{"lists", "labels: {a: &l {url: http://a}}\ntargets: [&t {url: http://a, probes: {metrics: " + items(2000, "*l") +
			"}}, " + items(2000, "*t")[1:] + "\n", blown},
		{"merges", "labels: &xa {a: b}\n" + merges(25), blown},
		{"unknown keys", "targets:\n- &t {" + keys(400) + "}\n" + strings.Repeat("- *t\n", 40_000), "too many mistakes"},
		{"merged unknown keys", "targets:\n- &t {" + keys(400) + "}\n" + strings.Repeat("- {<<: *t}\n", 40_000), "too many mistakes"},
		{"known keys", "labels: &l {" + keys(1000) + "}\ntargets: [" + strings.Repeat("{url: http://a, labels: *l},", 20_000) + "]\n", blown},
		{"merge of self", "ramp: &a {<<: *a, max: -5}\n", "ramp.max: must not be negative"},
		{"list in self", "require: &a [*a]\n", "require[0]: must be text, and is a list"},
		{"names in self", "labels: &a {a: *a}\n", "labels.a: must be text"},
		{"deep", "name: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n", "name: must be text"},
		{"too deep", "name: " + strings.Repeat("[", 200_000) + "\n", "exceeded max depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			all := mistakesOf(t, c.text)
			if !strings.Contains(all.Error(), c.want) {
				t.Errorf("got\n%.500v\nwant %s", all, c.want)
			}
			// Hours and gigabytes are what these take where nothing stops them.
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// keys are n keys with values.
func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d: x, ", i)
	}
	return b.String()
}

// merges nests n mappings, each of which merges the one before twice.
func merges(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: &x%c {<<: [*x%c, *x%c]}\n", i, rune('b'+i), rune('a'+i), rune('a'+i))
	}
	return b.String() + fmt.Sprintf("ramp: {<<: *x%c}\n", rune('a'+n))
}
