package scenarios

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	// maxBytes bounds a scenario file; bodies of any size go into body_file.
	maxBytes = 1 << 20
	// maxValues bounds what aliases may blow a file up to.
	maxValues = 100_000
	// maxMistakes is more than anybody reads.
	maxMistakes = 1000
)

// Decode reads a scenario. file names it in mistakes, and relative paths in it
// (body_file, ca, cert, key, pidfile, dir) start at its folder. The error is Mistakes.
func Decode(data []byte, file string) (*Scenario, error) {
	d := &decoder{file: file, lookup: os.LookupEnv, at: map[string]place{}, meant: map[string]bool{}, left: maxValues}
	s := withDefaults()
	s.text = string(data)
	if root := d.parse(data); root != nil {
		d.value("", root, reflect.ValueOf(s).Elem())
		s.secrets = d.secrets
		if d.left >= 0 && root.Kind == yaml.MappingNode {
			s.finish(file)
			d.validate(s)
		}
	}
	if len(d.mistakes) > 0 {
		return nil, d.mistakes.sort()
	}
	return s, nil
}

// A decoder carries one file through decoding.
type decoder struct {
	file     string
	lookup   func(string) (string, bool)
	at       map[string]place // of every value that the file has, by path
	mistakes Mistakes
	secrets  []secret
	meant    map[string]bool // paths that a key with a typing mistake was meant for
	left     int             // how many values may still come
}

// A place is where a value stands; key is nil for the items of a list.
type place struct{ key, value *yaml.Node }

// parse returns the root of the only document, or nil after a mistake.
func (d *decoder) parse(data []byte) *yaml.Node {
	if len(data) > maxBytes {
		d.add(1, 1, "", "the file is larger than 1 MiB", "put large bodies into files of their own, and name them as body_file")
		return nil
	}
	if !utf8.Valid(data) {
		good := validPrefix(data)
		d.add(1+strings.Count(good, "\n"), 1+utf8.RuneCountInString(good[strings.LastIndexByte(good, '\n')+1:]),
			"", "the file is not UTF-8 text", "save it as UTF-8")
		return nil
	}
	var doc, second yaml.Node
	stream := yaml.NewDecoder(bytes.NewReader(data))
	switch err := stream.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]):
		d.add(1, 1, "", "the file is empty", `the least it needs is "targets: [{url: ...}]" and "traffic: {requests: [{path: /}]}"; see "saturate schema"`)
		return nil
	case err != nil:
		d.syntax(data, err)
		return nil
	}
	if err := stream.Decode(&second); !errors.Is(err, io.EOF) {
		d.add(secondDocument(data, second.Line), 1, "", "a second document starts here", "one file holds one scenario: remove the ---, or make two files")
		return nil
	}
	return doc.Content[0]
}

func validPrefix(data []byte) string {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return string(data[:n])
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// add notes a mistake at a line and column. After too many of them it ends the
// decoding.
func (d *decoder) add(line, column int, path, problem, hint string) {
	switch {
	case len(d.mistakes) > maxMistakes:
		return
	case len(d.mistakes) == maxMistakes:
		path, problem, hint = "", "too many mistakes; the rest is not looked at", "mend the others first"
		d.left = -1
	}
	d.mistakes = append(d.mistakes, Mistake{
		File: d.file, Line: max(line, 1), Column: max(column, 1), Path: printable(path),
		Problem: printable(redact(problem, d.secrets, shortSecret)), Hint: printable(redact(hint, d.secrets, shortSecret)),
	})
}

// printable keeps what a file says from moving a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// wrong notes a mistake in the value at path, or where it ought to be.
func (d *decoder) wrong(path, problem, hint string) {
	n := d.find(path)
	if n == nil {
		d.add(1, 1, path, problem, hint)
		return
	}
	d.add(n.Line, n.Column, path, problem, hint)
}

// find returns what stands at path: the value, or else the key, or list item,
// of the nearest thing around it.
func (d *decoder) find(path string) *yaml.Node {
	if p, ok := d.at[path]; ok {
		return p.value
	}
	for path != "" {
		path = parent(path)
		if p, ok := d.at[path]; ok {
			if p.key != nil {
				return p.key
			}
			return p.value
		}
	}
	return nil
}

// finish fills the defaults that depend on other values, and lets relative
// paths start at the scenario file's folder.
func (s *Scenario) finish(file string) {
	if s.Name == "" {
		s.Name = defaultName(file)
	}
	folder := filepath.Dir(file)
	within(folder, &s.Traffic.CA)
	for i := range s.Traffic.Requests {
		r := &s.Traffic.Requests[i]
		r.Name = cmp.Or(r.Name, r.Path)
		within(folder, &r.BodyFile)
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		if t.Name == "" {
			t.Name = hostPort(t.URL)
		}
		if t.Ready.Within == 0 {
			t.Ready.Within = readyWithin
		}
		within(folder, &t.Dir)
		within(folder, &t.Probes.Pidfile)
		if a := t.Probes.Agent; a != nil {
			within(folder, &a.CA)
			within(folder, &a.Cert)
			within(folder, &a.Key)
		}
	}
	s.finishLive(folder)
	if p := s.Fleet.Prometheus; p != nil {
		within(folder, &p.CA)
		within(folder, &p.Cert)
		within(folder, &p.Key)
	}
}

// within lets a relative path start at folder.
func within(folder string, path *string) {
	if *path != "" && !filepath.IsAbs(*path) {
		*path = filepath.Join(folder, *path)
	}
}
