package scenarios

import (
	"encoding"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"saturate/appweight"
	"saturate/loadgen"
	"saturate/loadgen/shift"
	"saturate/stress"
	"saturate/stress/probe"
)

var update = flag.Bool("update", false, "write the golden files")

const schemaFile = "scenario.schema.json"

// TestSchema holds the checked-in schema to the structs and their comments.
func TestSchema(t *testing.T) {
	got := generateSchema(t)
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(Schema()), string(got)); diff != "" {
		t.Errorf("%s is not what the structs say; run go generate ./scenarios\n%s", schemaFile, diff)
	}
}

// Values may come from the environment wherever a value stands.
const variablePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`

func text(pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: "^(" + pattern + ")$|" + variablePattern}
}

func fromEnv() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: variablePattern}
}

func number(kind string, or *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: kind, Minimum: "0"}, or}}
}

// written says how the values that are more than text or a number are written.
var written = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[time.Duration]():       text(`([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+`),
	reflect.TypeFor[shift.Share]():         number("number", text(` *[0-9.]+([eE][-+]?[0-9]+)? *%? *`)),
	reflect.TypeFor[stress.Share]():        number("number", text(` *[0-9.]+([eE][-+]?[0-9]+)? *%? *`)),
	reflect.TypeFor[appweight.Percent]():   number("number", text(` *[0-9.]+([eE][-+]?[0-9]+)? *%? *`)),
	reflect.TypeFor[appweight.Day]():       text(` *[0-9]{4}-[0-9]{2}-[0-9]{2} *`),
	reflect.TypeFor[probe.Bytes]():         number("integer", text(` *[0-9.]+ *([kKmMgGtTpP][iI]?)?[bB]? *`)),
	reflect.TypeFor[loadgen.Connections](): number("integer", text(`auto|[0-9]+`)),
	reflect.TypeFor[Pin]():                 number("integer", text(`auto|none|[0-9]+(-[0-9]+)?( *, *[0-9]+(-[0-9]+)?)*`)),
}

// enums are the values of the fields that take one of a few words.
var enums = map[string][]any{
	"traffic.engine":   {"auto", "vegeta", "fast"},
	"traffic.arrivals": {"poisson", "even"},
	"ramp.precision":   {"quick", "standard", "long"},
	"fleet.fixed.unit": {"instructions", "cpu_seconds", "requests"},

	"fleet.prometheus.source": {"agent", "node_exporter", "queries"},
}

// required are the keys that have no default, by section.
var required = map[string][]string{
	"":                   {"targets"}, // and traffic or live, see ways
	"targets[]":          {"url"},
	"traffic.requests[]": {"path"},
	"fleet.fixed":        {"unit", "active_users"}, // per_second can be the generations' sum
	"fleet.prometheus":   {"url"},

	"live.balancer.haproxy": {"socket", "backend"},
	"live.balancer.nginx":   {"upstream_file", "upstream", "access_log"},
	"live.balancer.command": {"get", "set", "max_weight"},
}

// ways are the two ways to load a target: one of them is needed.
func ways() []*jsonschema.Schema {
	requests := jsonschema.NewProperties()
	requests.Set("traffic", &jsonschema.Schema{Required: []string{"requests"}})
	return []*jsonschema.Schema{{Required: []string{"traffic"}, Properties: requests}, {Required: []string{"live"}}}
}

func generateSchema(t *testing.T) []byte {
	r := jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Anonymous: true, DoNotReference: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if s := written[t]; s != nil {
				fresh := *s
				return &fresh
			}
			return nil
		},
	}
	for _, dir := range []string{".", "../loadgen", "../ramp", "../stress", "../appweight"} {
		if err := r.AddGoComments("saturate/scenarios", dir); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Reflect(&Scenario{})
	s.Title = "saturate scenario"
	complete("", s, reflect.ValueOf(*withDefaults()))
	s.AnyOf = ways()
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// complete adds what reflection alone cannot know: defaults, enums, required
// keys, and that values are looser in YAML than in JSON.
func complete(path string, s *jsonschema.Schema, v reflect.Value) {
	s.Description = strings.Join(strings.Fields(s.Description), " ")
	s.Required, s.Enum = required[path], enums[path]
	for v.Kind() == reflect.Pointer {
		v = fresh(v.Type().Elem()).Elem()
	}
	if v.Kind() != reflect.Struct && !v.IsZero() {
		s.Default = shown(v)
	}
	switch {
	case written[v.Type()] != nil:
	case v.Kind() == reflect.Struct:
		section(path, s, v)
	case v.Kind() == reflect.Slice:
		if path == "targets" || path == "traffic.requests" {
			least := uint64(1)
			s.MinItems = &least
		}
		s.Default = nil
		complete(path+"[]", s.Items, reflect.Zero(v.Type().Elem()))
	case v.Kind() == reflect.Map:
		complete(path+".*", s.AdditionalProperties, reflect.Zero(v.Type().Elem()))
	case v.Kind() == reflect.String && (strings.HasSuffix(path, "[]") || strings.HasSuffix(path, ".*")):
		// A bare 5 or true is text where text belongs.
		s.Type, s.AnyOf = "", []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}
	case v.CanInt():
		s.Type, s.AnyOf = "", number("integer", fromEnv()).AnyOf
	case v.CanFloat():
		s.Type, s.AnyOf = "", number("number", fromEnv()).AnyOf
	case v.Kind() == reflect.Bool:
		s.Type, s.AnyOf = "", []*jsonschema.Schema{{Type: "boolean"}, fromEnv()}
	}
}

// section completes the fields of a struct. A comment can speak for the field
// after its own as well, by name: "Body or BodyFile is sent as it is".
func section(path string, s *jsonschema.Schema, v reflect.Value) {
	before := ""
	for i := range v.NumField() {
		of := v.Type().Field(i)
		name := of.Tag.Get("yaml")
		if at, ok := fields(v.Type())[name]; !ok || at != i {
			continue
		}
		field, _ := s.Properties.Get(name)
		if field.Description == "" && strings.Contains(before, of.Name) {
			field.Description = before
		}
		complete(join(path, name), field, v.Field(i))
		before = field.Description
	}
}

// shown is a default as a scenario would have it.
func shown(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case encoding.TextMarshaler:
		b, _ := x.MarshalText()
		if json.Valid(b) {
			return json.RawMessage(b)
		}
		return string(b)
	default:
		return x
	}
}
