package scenarios

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknown notes a key that section does not have, and what may have been meant.
func (d *decoder) unknown(path string, e entry, section reflect.Type) {
	if d.left < 0 {
		return
	}
	known := slices.Sorted(maps.Keys(fields(section)))
	hint := "known here: " + strings.Join(known, ", ")
	if meant := nearest(e.key.Value, known); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
		d.meant[join(path, meant)] = true
	} else if homes := homes(e.key.Value, "", reflect.TypeFor[Scenario]()); len(homes) > 0 {
		hint = fmt.Sprintf("%s stands in %s; %s", e.key.Value, strings.Join(homes, " or "), hint)
	}
	d.add(e.key.Line, e.key.Column, join(path, brief(e.key.Value)), "is not a key that saturate knows", hint)
}

// nearest returns the one of known that word was probably meant to be, or "".
func nearest(word string, known []string) string {
	best, most := "", 1+min(len(word)/3, 2)
	if len(word) > 40 {
		return ""
	}
	for _, k := range known {
		if n := distance(strings.ToLower(word), k); n <= most {
			best, most = k, n-1
		}
	}
	return best
}

// distance is Levenshtein's, with a swap of two neighbours as one change.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// homes lists the sections below t that have the key.
func homes(key, path string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		if t.Kind() == reflect.Slice {
			path += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || isScalar(t) {
		return nil
	}
	var all []string
	known := fields(t)
	if _, ok := known[key]; ok {
		all = append(all, strings.TrimPrefix(path, "."))
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		all = append(all, homes(key, join(path, name), t.Field(known[name]).Type)...)
	}
	return all
}
