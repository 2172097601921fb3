package scenarios

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// TestExampleHasEveryKey: what the example says of itself is true, be it in a
// comment of it.
func TestExampleHasEveryKey(t *testing.T) {
	example, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	keys := 0
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case []any:
			for _, v := range n {
				walk(v)
			}
		case map[string]any:
			properties, _ := n["properties"].(map[string]any)
			for key := range properties {
				keys++
				if !regexp.MustCompile(`\b` + key + `:`).Match(example) {
					t.Errorf("example.yaml does not have %s", key)
				}
			}
			for _, v := range n {
				walk(v)
			}
		}
	}
	walk(schema)
	if keys < 100 {
		t.Errorf("%d keys: that is not the schema", keys)
	}
}
