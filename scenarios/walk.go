package scenarios

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"saturate/loadgen/shift"
)

// value decodes one node into v, which holds its default, and notes every
// mistake below it. Values with a mistake keep their default.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	if _, ok := d.at[path]; !ok {
		d.at[path] = place{value: n}
	}
	if n = d.resolve(path, n); n == nil {
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(fresh(v.Type().Elem()))
		}
		d.value(path, n, v.Elem())
	case isScalar(v.Type()):
		d.scalar(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	case v.Kind() == reflect.Map:
		d.table(path, n, v)
	default:
		d.section(path, n, v)
	}
}

// fresh points to a section of which a file has said nothing yet.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if c, ok := v.Interface().(*shift.Config); ok {
		*c = shift.Default
	}
	return v
}

// resolve follows an alias, and refuses what no value may be.
func (d *decoder) resolve(path string, n *yaml.Node) *yaml.Node {
	if !d.spend(path, 1) {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		d.wrong(path, fmt.Sprintf("has the tag %s", brief(n.Tag)), "remove it; text that looks like something else goes into quotes")
	case isNull(n):
		d.wrong(path, "has no value", "write one, or remove the line to get the default")
	default:
		return n
	}
	return nil
}

// spend takes n off the number of values that may still come, and reports
// whether there are any left.
func (d *decoder) spend(path string, n int) bool {
	if d.left < 0 {
		return false
	}
	if d.left -= n; d.left < 0 {
		d.wrong(path, fmt.Sprintf("aliases blow the file up to more than %d values", maxValues), "use fewer of them")
	}
	return d.left >= 0
}

// isScalar reports whether values of t are written as one word or text.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice:
		return false
	}
	return true
}

// list decodes a sequence.
func (d *decoder) list(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		hint := "write [a, b], or one item a line, each after a dash"
		if words := strings.Fields(n.Value); n.Kind == yaml.ScalarNode && v.Type().Elem().Kind() == reflect.String && len(words) > 0 {
			hint = "write [" + brief(strings.Join(words, ", ")) + "]"
		}
		d.wrong(path, "must be a list, and is "+kindOf(n), hint)
		return
	}
	all := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, all.Index(i))
	}
	v.Set(all)
}

// table decodes a mapping whose keys the file chooses.
func (d *decoder) table(path string, n *yaml.Node, v reflect.Value) {
	if !d.isMapping(path, n) {
		return
	}
	all := reflect.MakeMap(v.Type())
	for _, e := range d.entries(path, n) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.path, e.value, item)
		all.SetMapIndex(reflect.ValueOf(e.key.Value).Convert(v.Type().Key()), item)
	}
	v.Set(all)
}

// section decodes a mapping whose keys are the fields of a struct.
func (d *decoder) section(path string, n *yaml.Node, v reflect.Value) {
	if !d.isMapping(path, n) {
		return
	}
	known := fields(v.Type())
	for _, e := range d.entries(path, n) {
		if i, ok := known[e.key.Value]; ok {
			d.value(e.path, e.value, v.Field(i))
		} else {
			d.unknown(path, e, v.Type())
		}
	}
}

func (d *decoder) isMapping(path string, n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode {
		return true
	}
	hint := "write key: value lines, indented below it"
	if path == "" {
		hint = `a scenario is made of sections such as "targets:" and "traffic:"`
	}
	d.wrong(path, "must be a section of keys and values, and is "+kindOf(n), hint)
	return false
}

// fields returns the index of each field of a struct type by its key.
func fields(t reflect.Type) map[string]int {
	known := map[string]int{}
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); key != "" && key != "-" {
			known[key] = i
		}
	}
	return known
}

// kindOf names what a node is, for people.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a section of keys and values"
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return "the text " + brief(n.Value) + " in quotes"
	}
	return fmt.Sprintf("%q", brief(n.Value))
}

// brief shortens what a message quotes.
func brief(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
