package scenarios

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// An entry is a key of a mapping with its value.
type entry struct {
	key, value *yaml.Node
	path       string
}

// entries returns what a mapping says: its own keys, in order, and then what
// it merges in (<<) and does not say itself. It notes doubles and keys that are
// no words.
func (d *decoder) entries(path string, n *yaml.Node) []entry {
	if !d.spend(path, len(n.Content)/2) {
		return nil
	}
	var all []entry
	seen := map[string]*yaml.Node{}
	d.own(path, n, func(e entry) {
		if first, twice := seen[e.key.Value]; twice {
			d.add(e.key.Line, e.key.Column, e.path, fmt.Sprintf("stands here again, after line %d", first.Line), "keep one of the two")
			return
		}
		seen[e.key.Value] = e.key
		all = append(all, e)
	})
	d.merged(path, n, map[*yaml.Node]bool{}, func(e entry) {
		if seen[e.key.Value] == nil {
			seen[e.key.Value] = e.key
			all = append(all, e)
		}
	})
	for _, e := range all {
		d.at[e.path] = place{e.key, e.value}
	}
	return all
}

// own yields a mapping's own entries.
func (d *decoder) own(path string, n *yaml.Node, yield func(entry)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case isMerge(key):
		case key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 || key.Value == "":
			d.add(n.Content[i].Line, n.Content[i].Column, path, "has a key that is not a word", "write key: value")
		default:
			yield(entry{key, value, join(path, key.Value)})
		}
	}
}

// merged yields the entries of the mappings that n merges in, and of those that
// they merge in, nearest first. Each mapping counts against the file's bound.
func (d *decoder) merged(path string, n *yaml.Node, open map[*yaml.Node]bool, yield func(entry)) {
	open[n] = true
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		sources := []*yaml.Node{n.Content[i+1]}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		for _, from := range sources {
			at := from
			if from.Kind == yaml.AliasNode {
				from = from.Alias
			}
			if open[from] || !d.spend(path, 1+len(from.Content)) {
				continue
			}
			if from.Kind != yaml.MappingNode {
				d.add(at.Line, at.Column, path, "merges (<<) something that is "+kindOf(from), "name an anchor (&) of a section: <<: *anchor")
				continue
			}
			d.own(path, from, yield)
			d.merged(path, from, open, yield)
		}
	}
	delete(open, n)
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" }

// join and parent go down and up in a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func parent(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}
