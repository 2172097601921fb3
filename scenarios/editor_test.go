package scenarios

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// enumerated are files with a word at each of the places that take one of a few.
var enumerated = map[string]string{
	"traffic.engine":   strings.Replace(least, "{requests", "{engine: %s, requests", 1),
	"traffic.arrivals": strings.Replace(least, "{requests", "{arrivals: %s, requests", 1),
	"ramp.precision":   least + "ramp: {precision: %s}\n",
	"fleet.fixed.unit": least + "fleet: {fixed: {unit: %s, per_second: 1, active_users: 2}}\n",

	"fleet.prometheus.source": least + "fleet: {prometheus: {url: 'http://a', users: u, hosts: up, source: %s, queries: {instructions: q}}}\n",
}

// TestSchemaAndDecoder lets the schema, read the way an editor reads it, and
// the decoder judge the same files.
func TestSchemaAndDecoder(t *testing.T) {
	t.Chdir("..")
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NUMBER", "7")
	good := []string{
		least,
		least + "ramp: {start: 5, max: '${NUMBER}', precision: quick}\nrepeat: '${NUMBER}'\n",
		least + "stress: {cpu: 0.9, workers: 90%, errors: 0.5 %, latency_p99: 1.5s}\nlabels: {a: 5, b: true}\n",
		strings.Replace(least, "{url", "{command: [sleep, 5], pin: '0-1, 3', env: {A: 1}, ready: {within: 1m30s}, url", 1),
		least + "goal: {since: '2016-01-01', improvement: 20%, regression_budget: 0.131}\n",
		strings.Replace(least, "{url", "{command: [a], pin: 0, probes: {memory_limit: 1.5GiB, cpus: 2}, url", 1),
		strings.Replace(least, "{url", "{probes: {metrics: [{url: 'http://a/m', gauges: {a: b}}]}, url", 1) + "stress: {metrics: {a: 4}}\n",
		strings.Replace(least, "{requests", "{connections: 5, timeout: 100ms, http2: true, requests", 1),
		strings.Replace(least, "{requests", "{connections: auto, arrivals: even, requests", 1),
	}
	good = append(good, leastLive, strings.Replace(leastLive, "max_weight: 3", "max_weight: 2.5, max_share: 20%, within: 15m, max_conns: 32, headroom: 0.5", 1))
	for path, put := range enumerated {
		for _, word := range enums[path] {
			good = append(good, fmt.Sprintf(put, word))
		}
	}
	for _, name := range Shipped() {
		s, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, s.Text())
	}
	bad := []string{
		"name: a\n", "[]\n", "targets: [{url: http://127.0.0.1:8080}]\n",
		strings.Replace(least, "requests: [{path: /}]", "timeout: 5s", 1),
		strings.Replace(leastLive, "backend: web", "", 1),
		strings.Replace(leastLive, "max_weight", "max_wieght", 1),
		strings.Replace(leastLive, "max_weight: 3", "max_share: most", 1),
		least + "raet: 1\n",
		least + "ramp: {start: -5}\n",
		least + "ramp: {start: fast}\n",
		least + "ramp: quick\n",
		least + "repeat: 1.5\n",
		least + "repeat: '2'\n",
		least + "require: cost < 3\n",
		least + "stress: {latency_p99: 5}\n",
		least + "goal: {since: soon, improvement: 20%}\n",
		least + "goal: {since: '2016-01-01', improvement: much}\n",
		least + "stress: {latency_p99: 10 sec}\n",
		least + "stress: {latency_p99: -1s}\n",
		strings.Replace(least, "{url", "{command: [a], pin: some, url", 1),
		strings.Replace(least, "{url", "{probes: {memory_limit: big}, url", 1),
		strings.Replace(least, "{requests", "{connections: many, requests", 1),
		strings.Replace(least, "{path: /}", "", 1),
		strings.Replace(least, "{path: /}", "{weight: 1}", 1),
	}
	for path := range enums {
		bad = append(bad, fmt.Sprintf(enumerated[path], "nonsense"))
	}
	for i, text := range slices.Concat(good, bad) {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, wrong := Decode([]byte(text), "x.yaml")
		broken := breaks(schema, doc)
		if isGood := i < len(good); (wrong == nil) != isGood || (broken == "") != isGood {
			t.Errorf("%s\ndecoder: %v\nschema: %s", text, wrong, broken)
		}
	}
}

// breaks says which rule of the schema a value breaks; "" is none. It knows
// the rules that our schema uses, and stops at one that it does not know.
func breaks(schema map[string]any, v any) string {
	for rule, want := range schema {
		if why := breaksRule(schema, rule, want, v); why != "" {
			return why
		}
	}
	return ""
}

func breaksRule(schema map[string]any, rule string, want, v any) string {
	why := fmt.Sprintf("%v breaks %s %v", v, rule, want)
	object, _ := v.(map[string]any)
	list, _ := v.([]any)
	switch rule {
	case "$schema", "title", "description", "default":
		return ""
	case "properties":
		for key, value := range object {
			if of, ok := want.(map[string]any)[key].(map[string]any); ok {
				if why := breaks(of, value); why != "" {
					return key + ": " + why
				}
			}
		}
		return ""
	case "type":
		if typeOf(v) == want || want == "number" && typeOf(v) == "integer" {
			return ""
		}
		return why
	case "enum":
		if slices.Contains(want.([]any), v) {
			return ""
		}
		return why
	case "pattern":
		if s, ok := v.(string); !ok || regexp.MustCompile(want.(string)).MatchString(s) {
			return ""
		}
		return why
	case "minimum":
		if f, ok := float(v); !ok || f >= want.(float64) {
			return ""
		}
		return why
	case "minItems":
		if list == nil || float64(len(list)) >= want.(float64) {
			return ""
		}
		return why
	case "required":
		for _, key := range want.([]any) {
			if _, ok := object[key.(string)]; object != nil && !ok {
				return why
			}
		}
		return ""
	case "anyOf":
		for _, one := range want.([]any) {
			if breaks(one.(map[string]any), v) == "" {
				return ""
			}
		}
		return why
	case "items":
		for _, item := range list {
			if why := breaks(want.(map[string]any), item); why != "" {
				return why
			}
		}
		return ""
	case "additionalProperties":
		known, _ := schema["properties"].(map[string]any)
		for key, value := range object {
			if _, ok := known[key]; ok {
				continue // has the rule "properties"
			}
			of, ok := want.(map[string]any)
			if !ok {
				return key + " is not a property"
			}
			if why := breaks(of, value); why != "" {
				return key + ": " + why
			}
		}
		return ""
	}
	return "the test does not know the rule " + rule
}

func typeOf(v any) string {
	switch x := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if x != math.Trunc(x) {
			return "number"
		}
	}
	return "integer"
}

func float(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}
