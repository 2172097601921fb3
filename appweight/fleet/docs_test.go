package fleet

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDocs holds docs/fleet.md to what is sent, and to the doubts there are.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var want []string
	for _, source := range []string{Agent, NodeExporter} {
		for _, recorded := range []bool{false, true} {
			c := Config{Source: source, Recorded: recorded}.filled()
			want = append(want, inventory(c, c.Window), information(c, c.Window))
			for _, m := range meters(c)[:2] {
				want = append(want, m.work(c, c.Window), m.seen(c, c.Window), m.frozenQuery(c, 15*time.Second))
				if m.counter != "" && m.unit == "instructions" {
					want = append(want, m.restarted(c, c.Window), m.steppedBack(c, c.Window), m.ended(c, 15*time.Second))
				}
			}
		}
	}
	for _, query := range want {
		if !strings.Contains(page, query) {
			t.Errorf("docs/fleet.md does not show\n%s", query)
		}
	}
	for _, file := range []string{"unit.go", "doubts.go", "day.go", "hosts.go", "read.go", "gather.go", "client.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Kind: |add\()"([a-z ]+)"`).FindAllStringSubmatch(string(source), -1) {
			if !strings.Contains(page, "| `"+m[1]+"` |") {
				t.Errorf("docs/fleet.md does not explain %q", m[1])
			}
		}
	}
}
